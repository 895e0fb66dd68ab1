"""The schema of `ClusterGatePolicy` and `GatePolicy` (POLICY §1, §4)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.contents import ATTESTATION, BASE, BY_REF, CEL, PROVENANCE, SBOM, SCAN
from gate.policy.reading.schema.parts import (
    CLUSTER_MARK,
    DURATION,
    EXCEPTIONS,
    FLAG,
    KIND,
    LABELS,
    NAMESPACE_NAMES,
    SIGNER_NAME,
    TAG_PREFIX,
    TEXT,
    field,
    formed,
    marked,
    obj,
    texts,
)
from gate.policy.reading.schema.signers import SIGNER

WORKLOAD_KINDS: Final = (
    "Pod", "PodTemplate", "ReplicationController", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job",
    "CronJob",
)  # fmt: skip
"""Kubernetes' own kinds: those that `gate.kubernetes.workload` reads."""

_NAMESPACES: Final = obj(
    {
        "names": field(NAMESPACE_NAMES, "Names, of which the namespace's has to be one; empty: any.", default=[]),
        "matchLabels": field(LABELS, "Labels that the namespace has to have, with these values.", default={}),
        "matchExpressions": {
            "type": "array",
            "items": obj(
                {
                    "key": field(TEXT, "The label's key."),
                    "operator": field(
                        {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}, "How its value is compared."
                    ),
                    "values": field(
                        {"type": "array", "items": {"type": "string"}}, "Of In and NotIn: the values.", default=[]
                    ),
                },
                ("key", "operator"),
            ),
            "description": "Requirements on the namespace's labels, as in Kubernetes' label selectors.",
            "default": [],
        },
    },
    description="The workload's namespace; in a GatePolicy it is its own already.",
)

_MATCH: Final = obj(
    {
        "images": texts("Image patterns such as ghcr.io/acme/**, of which one has to fit.", minItems=1, default=["**"]),
        "exclude": texts("Image patterns, of which none may fit.", default=[]),
        "namespaces": _NAMESPACES,
        "kinds": field(
            {"type": "array", "items": formed(KIND, "a kind such as Deployment")},
            "Kinds of workloads, Kubernetes' own or of GateConfig.customResources; Pod is always included; empty: any.",
            default=[],
        ),
        "serviceAccounts": texts(
            "Names of service accounts; what a Pod leaves unset is `default`; empty: any.", default=[]
        ),
    },
    description="Which images the policy is about; all fields that are given have to fit.",
)

_IMAGE: Final = obj(
    {
        "registries": texts(
            "Where images may come from, in whole segments: ghcr.io/acme covers ghcr.io/acme/api; default anywhere.",
            minItems=1,
        ),
        "tags": field(
            {"enum": ["pin", "digest", "unsafeAny"]},
            "What of a tag without a digest: `pin` judges and pins the digest that it has now, `digest` refuses it,"
            " `unsafeAny` leaves it alone.",
            default="pin",
        ),
        "denyTags": texts("Tags or patterns of tags that are refused; no tag counts as latest.", default=["latest"]),
        "denyTagsWithDigest": field(
            FLAG, "Whether `denyTags` counts where a digest is written beside the tag.", default=False
        ),
        "denyDigests": texts("Digests, sha256:…, that are refused.", default=[]),
        "maxAge": field(DURATION, "How old the image may be, by what its publisher says; default any age."),
        "platforms": texts(
            "Platforms such as linux/amd64 that it has to be built for, and that are judged; default all there are.",
            minItems=1,
        ),
        "labels": field(LABELS, "Labels that the image has to have, with patterns of their values.", default={}),
        "nonRoot": field(FLAG, "Whether the image has to run as another user than root.", default=False),
    },
    description="What the reference, and what the publisher says of the image, has to be like.",
)

_SIGNATURE: Final = obj(
    {
        "by": field(BY_REF, "Who has to have signed the image."),
        "annotations": field(LABELS, "Annotations that every counted signature carries.", default={}),
        "repository": field(
            marked(TEXT, CLUSTER_MARK),
            "The repository in which signatures are kept; default the image's own; not in a GatePolicy.",
        ),
        "tagPrefix": field(
            formed(TAG_PREFIX, "what tags may begin with: letters, digits, and . _ - between"),
            "What the tags of signatures begin with, as by cosign's --attachment-tag-prefix; default nothing.",
        ),
        "reference": field(
            {"enum": ["match"]},
            "`match`: the signed docker-reference has to be the image's repository; default it is shown, not compared.",
        ),
        "maxAge": field(DURATION, "How old signatures may be, by their earliest verified time; default any age."),
        "minAge": field(DURATION, "How old signatures have to be, by log or timestamp; default any age."),
        "unless": obj(
            {"by": field(BY_REF, "Who has to have signed.")}, ("by",), description="Signers that make `minAge` void."
        ),
        "platformEvidence": field(
            {"enum": ["all"]},
            "`all`: signatures of every platform's image may stand in for those of the index; default they don't.",
        ),
    },
    ("by",),
    description="Who has to have signed the image.",
)

RULE_TYPES: Final = ("image", "deny", "signature", "attestation", "sbom", "scan", "provenance", "base", "cel")

_RULE: Final = obj(
    {
        "name": field(formed(SIGNER_NAME, "a name"), "What findings and exceptions call the rule; default its type."),
        "image": _IMAGE,
        "deny": obj(
            {"message": field({"type": "string", "maxLength": 500}, "Why, for people.", default="")},
            description="Refuses every image that the policy matches.",
        ),
        "signature": _SIGNATURE,
        "attestation": ATTESTATION,
        "sbom": SBOM,
        "scan": SCAN,
        "provenance": PROVENANCE,
        "base": BASE,
        "cel": CEL,
    }
)

POLICY_SPEC: Final = obj(
    {
        "mode": field(
            {"enum": ["enforce", "warn", "audit"]},
            "`enforce` denies what a rule refuses, `warn` admits it with a warning, `audit` only records it.",
            default="enforce",
        ),
        "match": _MATCH,
        "signers": {
            "type": "object",
            "propertyNames": formed(SIGNER_NAME, "a name of letters, digits, and . _ - between"),
            "additionalProperties": SIGNER,
            "description": "Who may be named by `by`, each under a name and of exactly one kind.",
            "default": {},
        },
        "rules": {
            "type": "array",
            "items": _RULE,
            "minItems": 1,
            "maxItems": 100,
            "description": "What has to hold: every rule, each of exactly one type.",
        },
        "exceptions": field(EXCEPTIONS, "What is waived, until when and why.", default=[]),
        "exceptionsFrom": obj(
            {"names": field(NAMESPACE_NAMES, "Namespaces whose GateExceptions count.")},
            ("names",),
            description="From where GateExceptions count; default nowhere.",
        ),
    },
    ("rules",),
    description="Rules, and the images that they are about.",
)
