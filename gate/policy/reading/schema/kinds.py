"""The JSON Schema (draft-07) of a policy document: the one source of its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.policy.reading.schema.config import CONFIG_SPEC
from gate.policy.reading.schema.parts import NAME, Schema, field, formed, obj
from gate.policy.reading.schema.policies import POLICY_SPEC
from gate.policy.reading.schema.signers import BY
from gate.policy.reading.schema.small import BREAK_GLASS_SPEC, EXCEPTION_SPEC, REVOCATION_SPEC, TRUST_ROOT_SPEC
from gate.policy.reading.schema.tests import TEST_SPEC

API_VERSION: Final = "imagegate.dev/v1"
TEST_KIND: Final = "GateTest"
"""No part of a set: lint and test read it, and nobody else."""

DRAFT: Final = "http://json-schema.org/draft-07/schema#"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document.

    Attributes:
        name: such as GatePolicy.
        spec: the schema of its `spec`.
        description: what it is for, a sentence.
        namespaced: whether it belongs to a namespace, and has to say which.
    """

    name: str
    spec: Schema
    description: str
    namespaced: bool = False


_ALL: Final = (
    Kind("ClusterGatePolicy", POLICY_SPEC, "Rules for images anywhere."),
    Kind(
        "GatePolicy",
        POLICY_SPEC,
        "Rules for images of its own namespace, beside those of the cluster's policies: it only adds to them.",
        namespaced=True,
    ),
    Kind(
        "GateException",
        EXCEPTION_SPEC,
        "Dated exceptions; they reach only their own namespace, and only policies whose `exceptionsFrom` lists it.",
        namespaced=True,
    ),
    Kind(
        "GateRevocation",
        REVOCATION_SPEC,
        "Digests, keys and identities that no longer count, whatever policies, exceptions and break-glasses say.",
    ),
    Kind(
        "GateBreakGlass",
        BREAK_GLASS_SPEC,
        "An audited way through for named images or namespaces until a near time; only the custom resource grants it.",
    ),
    Kind(
        "GateTrustRoot",
        TRUST_ROOT_SPEC,
        "What signers trust: certificate authorities, transparency and CT logs, timestamp authorities;"
        " `public-good` is built in.",
    ),
    Kind("GateConfig", CONFIG_SPEC, "What is not a rule; there is one, and its name is `default`."),
    Kind(
        TEST_KIND,
        TEST_SPEC,
        "What policies are expected to say of images, for `gate policy test`; it decides nothing.",
    ),
)
BY_NAME: Final = {kind.name: kind for kind in _ALL}
KINDS: Final = tuple(BY_NAME)
NAMESPACED: Final = tuple(kind.name for kind in _ALL if kind.namespaced)

_NAME: Final = field(
    formed(NAME, "a lower-case name of a-z, 0-9, - and ."), "The object's name, one of its kind and namespace."
)
_NAMESPACE: Final = field(
    formed(NAME, "a namespace"), f"The object's namespace: of {' and '.join(NAMESPACED)}, and of no other kind."
)
METADATA: Final[Schema] = {
    "type": "object",
    "properties": {"name": _NAME, "namespace": _NAMESPACE},
    "required": ["name"],
    "description": "Kubernetes' metadata; labels and annotations may stand in it too.",
}


def document_of(kind: str) -> Schema:
    """The schema of one kind's document, for where `#/definitions/by` is defined."""
    spec = BY_NAME[kind]
    return obj(
        {
            "apiVersion": field({"const": API_VERSION}, "The version of the language."),
            "kind": field({"const": kind}, "The kind of the document."),
            "metadata": METADATA,
            "spec": spec.spec,
            "status": field({"type": "object"}, "What the cluster keeps there; nothing is read of it."),
        },
        ("apiVersion", "kind", "metadata", "spec"),
        description=spec.description,
    )


def schema_of(kind: str) -> Schema:
    """The whole schema of one kind's document."""
    return {"$schema": DRAFT, "definitions": {"by": BY}, **document_of(kind)}
