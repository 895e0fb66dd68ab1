"""The schema of rules about attestations and what they say (POLICY §4)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import (
    CLUSTER_MARK,
    DURATION,
    LABELS,
    TAG_PREFIX,
    TEXT,
    Schema,
    field,
    formed,
    marked,
    obj,
    texts,
)

BY_REF: Final[Schema] = {"$ref": "#/definitions/by"}

MAX_EXPRESSION: Final = 4096
"""Characters of an expression in CEL."""

_SEVERITIES: Final = ["none", "low", "medium", "high", "critical"]
_MESSAGE: Final = field({"type": "string", "maxLength": 500}, "What people are told first.", default="")
_FORMED_TYPE: Final = formed(
    r"^([a-z0-9]{2,30}|[^\s]*[:./][^\s]*)$", "a URI, or a short name of cosign's such as slsaprovenance1"
)
REPOSITORY: Final = field(
    marked(TEXT, CLUSTER_MARK),
    "The repository in which attestations are kept; default the image's own; not in a GatePolicy.",
)
PREFIX: Final = field(
    formed(TAG_PREFIX, "what tags may begin with: letters, digits, and . _ - between"),
    "What the tags of attestations begin with, as by cosign's --attachment-tag-prefix; default nothing.",
)
EVIDENCE: Final = field(
    {"enum": ["all"]},
    "`all`: attestations of every platform's image may stand in for those of the index; default they don't.",
)
EXPRESSION: Final = marked(
    field({"type": "string", "minLength": 1, "maxLength": MAX_EXPRESSION}, "What has to be true, in CEL."),
    CLUSTER_MARK,
)


def _attested(select: str, fields: Schema, required: tuple[str, ...], description: str) -> Schema:
    """A rule about attestations with some fields of its own."""
    return obj(
        {
            "by": field(BY_REF, "Who has to have attested it."),
            **fields,
            "select": field(
                {"enum": ["newest", "all", "any"]},
                "Which of several by accepted signers have to pass: the `newest` of each type, `all`, or `any` one.",
                default=select,
            ),
            "message": _MESSAGE,
            "repository": REPOSITORY,
            "tagPrefix": PREFIX,
            "platformEvidence": EVIDENCE,
        },
        ("by", *required),
        description=description,
    )


_MAX_AGE: Final = field(
    DURATION, "How old it may be: by its own time, and by its earliest verified time; default any age."
)

ATTESTATION: Final = _attested(
    "newest",
    {
        "type": field(_FORMED_TYPE, "The predicate type: a URI, or cosign's short name of one."),
        "maxAge": _MAX_AGE,
        "cel": field(
            EXPRESSION,
            "What has to be true of `statement` and `predicate`, in CEL; default nothing; no GatePolicy has it.",
        ),
        "forEach": field(
            marked({"enum": ["component", "finding"]}, CLUSTER_MARK),
            "Of what in it `cel` has to be true each time: `component` of an SBOM, `finding` of a scan; default once.",
        ),
    },
    ("type",),
    "Who has to have attested something about the image, and what that has to say.",
)

SBOM: Final = _attested(
    "all",
    {
        "maxAge": _MAX_AGE,
        "formats": field(
            {"type": "array", "items": {"enum": ["cyclonedx", "spdx"]}, "minItems": 1},
            "The formats that are looked for.",
            default=["cyclonedx", "spdx"],
        ),
        "denyComponents": texts(
            "Package URLs of what may not be in the image, with a range of versions or without, such as"
            " pkg:npm/lodash@<4.17.21.",
            default=[],
        ),
        "allowLicenses": texts(
            "SPDX identifiers, or patterns of them, of which every component's licence has to be; default any.",
            minItems=1,
        ),
        "denyLicenses": texts("SPDX identifiers, or patterns of them, that no component may be under.", default=[]),
        "unknownLicense": field(
            {"enum": ["deny", "allow"]},
            "What of components whose licence is not known, where licences are judged.",
            default="deny",
        ),
        "requireFields": field(
            {"type": "array", "items": {"enum": ["purl", "version", "license", "supplier", "hash"]}},
            "What every component has to have.",
            default=[],
        ),
        "minComponents": field(
            {"type": "integer", "minimum": 0, "maximum": 1_000_000}, "How many components it lists at least.", default=1
        ),
    },
    (),
    "Who has to have attested an SBOM of the image, and what it has to say.",
)

_DENIED: Final = obj(
    {
        "severity": field({"enum": _SEVERITIES}, "The least severity that is meant; default any."),
        "fix": field(
            {"enum": ["available", "any"]},
            "`available`: only findings with a fixed version, and those of which that is not known.",
            default="any",
        ),
        "grace": field(DURATION, "How long after its publication a finding is let pass; default not at all."),
        "cvss": field(
            {"type": "number", "minimum": 0, "maximum": 10},
            "The least CVSS base score that is meant; findings without a score are; default any.",
        ),
    },
    minProperties=1,
)

SCAN: Final = _attested(
    "newest",
    {
        "maxAge": field(DURATION, "How old it may be: by the report's own time, and by its earliest verified time."),
        "scanners": texts("Tools that it may be by, such as trivy; default any.", minItems=1),
        "maxDatabaseAge": field(DURATION, "How old the scanner's database may be; default any age."),
        "deny": {
            "type": "array",
            "items": _DENIED,
            "minItems": 1,
            "maxItems": 20,
            "description": "Findings of which there may be none: each entry by all that it says.",
        },
        "unknownSeverity": {
            "type": ["string", "object"],
            "pattern": "^(deny|ignore)$",
            "properties": {"as": field({"enum": _SEVERITIES}, "The severity that unknown ones are taken for.")},
            "additionalProperties": False,
            "minProperties": 1,
            "errorMessage": "expected deny, ignore or {as: SEVERITY}",
            "description": "What of findings whose severity nobody knows: deny, ignore, or {as: SEVERITY}.",
            "default": "deny",
        },
        "vex": obj(
            {
                "by": field(BY_REF, "Whose word counts, in OpenVEX and CycloneDX."),
                "maxAge": field(DURATION, "How old it may be; default any age."),
            },
            ("by",),
            description="Whose word that a finding does no harm here counts; default nobody's.",
        ),
    },
    ("maxAge", "deny"),
    "Who has to have attested a scan for vulnerabilities, and what it may not find.",
)

PROVENANCE: Final = _attested(
    "all",
    {
        "maxAge": _MAX_AGE,
        "builder": field(TEXT, "A pattern of the builder's id; default any."),
        "source": field(TEXT, "The source repository, such as github.com/acme/api, exactly; default any."),
        "refs": texts("Patterns of the git ref that it was built of; default any.", minItems=1),
        "buildType": field(TEXT, "A pattern of the build type; default any."),
        "parameters": field(LABELS, "Patterns of external parameters, by their names.", default={}),
    },
    (),
    "Who has to have attested how the image was built (SLSA provenance v0.2 or v1), and what that has to say.",
)

CEL: Final = marked(
    obj(
        {"expression": field(EXPRESSION, "What has to be true of `image` and `now`, in CEL."), "message": _MESSAGE},
        ("expression",),
        description="An expression in CEL that has to be true of the image; no GatePolicy has it.",
    ),
    CLUSTER_MARK,
)

BASE: Final = obj(
    {
        "images": texts("Patterns of the names of bases, such as ghcr.io/acme/bases/**.", minItems=1),
        "digests": texts("Digests, sha256:…, of bases.", minItems=1),
        "by": field(BY_REF, "Who has to have signed the base; default nobody."),
        "maxAge": field(DURATION, "How old those signatures may be, by their earliest verified time; default any age."),
        "minLayers": field(
            {"type": "integer", "minimum": 1, "maximum": 1000},
            "How many layers, empty ones aside, the base has at least.",
            default=1,
        ),
    },
    minProperties=1,
    description="What the image has to be built on: proven by its layers; one of `images` and `digests` has to fit.",
)
