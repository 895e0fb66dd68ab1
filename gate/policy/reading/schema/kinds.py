"""The JSON Schema (draft-07) of a policy document: the one source of its shape.

What POLICY.md names but this version does not evaluate is in it as `LATER`: refused by name, never ignored.
"""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.config import CONFIG_SPEC
from gate.policy.reading.schema.parts import NAME, Schema, obj
from gate.policy.reading.schema.policies import POLICY_SPEC
from gate.policy.reading.schema.signers import BY
from gate.policy.reading.schema.small import BREAK_GLASS_SPEC, EXCEPTION_SPEC, REVOCATION_SPEC, TRUST_ROOT_SPEC

API_VERSION: Final = "imagegate.dev/v1"
KINDS: Final = (
    "ClusterGatePolicy",
    "GatePolicy",
    "GateException",
    "GateRevocation",
    "GateBreakGlass",
    "GateTrustRoot",
    "GateConfig",
)
LATER_KINDS: Final = ("GateTest",)

METADATA: Final[Schema] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": NAME, "description": "a lower-case name of a-z, 0-9, - and ."},
        "namespace": {"type": "string", "pattern": NAME, "description": "a namespace"},
    },
    "required": ["name"],
}

_SPECS: Final = {
    "GateConfig": CONFIG_SPEC,
    "GateException": EXCEPTION_SPEC,
    "GateRevocation": REVOCATION_SPEC,
    "GateBreakGlass": BREAK_GLASS_SPEC,
    "GateTrustRoot": TRUST_ROOT_SPEC,
}


def schema_of(kind: str) -> Schema:
    """The whole schema of one kind's document."""
    spec = _SPECS.get(kind, POLICY_SPEC)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"by": BY},
        **obj(
            {
                "apiVersion": {"const": API_VERSION},
                "kind": {"const": kind},
                "metadata": METADATA,
                "spec": spec,
                "status": {"type": "object", "description": "what the cluster keeps there; nothing is read of it"},
            },
            ("apiVersion", "kind", "metadata", "spec"),
        ),
    }
