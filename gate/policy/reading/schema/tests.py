"""The schema of `GateTest` (POLICY §8)."""

from __future__ import annotations

from typing import Final

from gate.codes import Code
from gate.policy.finding import Verdict
from gate.policy.reading.schema.parts import LABELS, NAME, NAMESPACE_NAMES, TEXT, Schema, field, formed, obj, texts

MAX_CASES: Final = 10_000
"""Cases of one test."""

_MOST_FINDINGS: Final = 1000  # that one case expects
_MOST_ROOTS: Final = 100

_FINDING: Final = obj(
    {
        "code": field({"enum": [code.value for code in Code]}, "The finding's code."),
        "rule": field(TEXT, "The rule that finds it, as findings call it; default any, or none."),
        "policy": field(TEXT, "The policy of that rule; default any, or none."),
        "image": field(TEXT, "The image that it is of, as the case writes it; default any one of them."),
    },
    ("code",),
)

_EXPECTED: Final = obj(
    {
        "verdict": field({"enum": [verdict.value for verdict in Verdict]}, "Over all images of the case."),
        "findings": {
            "type": "array",
            "items": _FINDING,
            "maxItems": _MOST_FINDINGS,
            "description": "All findings that deny or are `error`, each of one image, and any others that have to be "
            "there. The same twice stands for two images.",
            "default": [],
        },
    },
    ("verdict",),
)

_NAMESPACE: Final = obj(
    {
        "name": field(NAMESPACE_NAMES["items"], "Its name."),
        "labels": field(LABELS, "All its labels; without them they are not known, as in a CI run."),
    },
    ("name",),
)

_CASE: Final = obj(
    {
        "name": field(TEXT, "What it is about, for people; each case has its own.", maxLength=200),
        "image": field(TEXT, "The image that is judged, as it is written."),
        "manifest": field({"type": "object"}, "Instead of it a Kubernetes object, of which all images are judged."),
        "namespace": field(_NAMESPACE, "The namespace that it stands in; without it that is not known."),
        "expect": field(_EXPECTED, "What is to come of it."),
    },
    ("name", "expect"),
)

_EVIDENCE: Final = obj(
    {
        "repository": field(TEXT, "A repository such as ghcr.io/acme/api, without tag and digest."),
        "layout": field(TEXT, "The OCI layout that answers for it: a folder, relative to this file."),
    },
    ("repository", "layout"),
)

_ROOT: Final = obj(
    {
        "name": field(formed(NAME, "a trust root's name"), "The trust root that it stands in for, `public-good` too."),
        "file": field(TEXT, "A Sigstore trusted_root.json, relative to this file."),
    },
    ("name", "file"),
)

TEST_SPEC: Final[Schema] = obj(
    {
        "policies": texts(
            "Files and folders with what is tested, relative to this file; default its folder.", minItems=1
        ),
        "at": field(TEXT, "The instant that is decided at, such as 2026-11-23T12:00:00Z."),
        "evidence": {
            "type": "array",
            "items": _EVIDENCE,
            "description": "What registries would answer; of others nothing is known, for there is no network.",
            "default": [],
        },
        "trustRoots": {
            "type": "array",
            "items": _ROOT,
            "maxItems": _MOST_ROOTS,
            "description": "Trust roots that count in this test, and nowhere else.",
            "default": [],
        },
        "cases": {
            "type": "array",
            "items": _CASE,
            "minItems": 1,
            "maxItems": MAX_CASES,
            "description": "Images, and what is expected of them.",
        },
    },
    ("at", "cases"),
    description="Policies, evidence that is verified without a network, and cases.",
)
