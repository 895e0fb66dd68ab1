"""What is said of values in documents whose shape is wrong elsewhere."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy.reading.checks import Check
from gate.policy.reading.schema.kinds import KINDS
from tests.unit.policy.build import parsed
from tests.unit.policy.reading.test_reading_schema import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.documents import Path

HEAD = "apiVersion: imagegate.dev/v1\nkind: {}\nmetadata: {}\nspec: {}\n"
DENY = "rules: [{deny: {}}]"
WAIVED = "{rule: image, until: 2026-12-31, reason: r}"
WORKFLOW = "a/b/.github/workflows/c.yml"
UNFINISHED = "{key: k, operator: In, values: 7}"
KEYLESS = "issuer: i, subjectRegex: '(?=a)'"


def said(spec: str, kind: str = "ClusterGatePolicy", metadata: str = "{name: p}") -> list[tuple[Check, str]]:
    """The check of each problem, and the first word of what is there."""
    text = HEAD.format(kind, metadata, spec)
    lines = text.splitlines()
    return sorted(
        (one.check, lines[one.place.line - 1][one.place.column - 1 :].split(" ")[0].rstrip(",]}"))
        for one in parsed(text).problems
    )


def test_an_unknown_field_hides_no_bad_value() -> None:
    spec = f"{{mood: x, signers: {{s: {{keyless: {{{KEYLESS}}}}}}}, rules: [{{signature: {{by: s}}}}]}}"
    assert said(spec) == [(Check.REGEX, "'(?=a)'"), (Check.UNKNOWN_FIELD, "mood:")]


def test_a_rule_that_is_wrong_hides_none_of_the_others() -> None:
    spec = "{rules: [{scna: {}}, 7, {image: {registries: ['ghcr.io/*'], platforms: [linux]}}]}"
    assert said(spec) == [
        (Check.PLATFORM, "linux"),
        (Check.REGISTRY_PREFIX, "'ghcr.io/*'"),
        (Check.UNKNOWN_FIELD, "scna:"),
        (Check.WRONG_TYPE, "7"),
    ]


@pytest.mark.parametrize(
    ("rule", "check", "place"),
    [
        ("sbom: {denyComponents: [lodash]}", Check.PACKAGE_PATTERN, "lodash"),
        ("sbom: {denyLicenses: [GPL-2.0]}", Check.LICENSE_PATTERN, "GPL-2.0"),
        ("attestation: {type: spdxjsn}", Check.PREDICATE_TYPE, "spdxjsn"),
        ("provenance: {source: acme}", Check.SOURCE_NAME, "acme"),
        (f"provenance: {{builder: {'x' * 513}}}", Check.VALUE_PATTERN, "x" * 513),
    ],
)
def test_a_rule_on_content_without_a_signer_hides_none_of_its_values(rule: str, check: Check, place: str) -> None:
    assert (check, place) in said(f"{{rules: [{{{rule}}}]}}")
    assert Check.MISSING_FIELD in [check for check, _ in said(f"{{rules: [{{{rule}}}]}}")]


def test_what_is_missing_hides_nothing_beside_it() -> None:
    assert said("{match: {images: ['*']}}") == [(Check.IMAGE_PATTERN, "'*'"), (Check.MISSING_FIELD, "{match:")]
    waived = "{rules: [{deny: {}}], exceptions: [{images: ['*'], until: tomorrow}]}"
    assert [check for check, _ in said(waived)] == [
        Check.IMAGE_PATTERN,
        Check.INSTANT,
        Check.MISSING_FIELD,
        Check.MISSING_FIELD,
    ]


def test_a_text_where_a_list_is_wanted_is_read_as_its_entry() -> None:
    found = said("{match: {images: 'ghcr.io/a:v1'}, rules: [{deny: {}}]}")
    assert found == [(Check.IMAGE_PATTERN, "'ghcr.io/a:v1'"), (Check.WRONG_TYPE, "'ghcr.io/a:v1'")]


@pytest.mark.parametrize(
    ("spec", "check"),
    [
        ("{signers: {s: {keyles: {}}}, rules: [{signature: {by: s}}]}", Check.UNKNOWN_FIELD),
        ("{signer: {}, rules: [{signature: {by: s}}]}", Check.UNKNOWN_FIELD),
        ("{rules: [{image: {tags: pinned}}]}", Check.WRONG_VALUE),
        (f"{{rules: [{{imgae: {{}}}}], exceptions: [{WAIVED}]}}", Check.UNKNOWN_FIELD),
        ("{signers: {s: {keyless: {issuer: i, subject: 7}}}, rules: [{signature: {by: s}}]}", Check.WRONG_TYPE),
        (f"{{signers: {{s: {{github: {{workflow: {WORKFLOW}, refs: [7]}}}}}}, {DENY}}}", Check.WRONG_TYPE),
        (f"{{match: {{namespaces: {{matchExpressions: [{UNFINISHED}]}}}}, {DENY}}}", Check.WRONG_TYPE),
    ],
)
def test_nothing_is_said_of_what_follows(spec: str, check: str) -> None:
    assert {found for found, _ in said(spec)} == {check}


@pytest.mark.parametrize(
    ("kind", "metadata", "spec", "value"),
    [
        ("GateConfig", "{name: default}", "{mood: x, registries: [{host: 'a b'}]}", Check.HOST),
        ("GateConfig", "{name: other}", "{registries: [{host: 'a b'}]}", Check.HOST),
        ("GateBreakGlass", "{name: x}", "{images: ['*'], until: 2026-12-31}", Check.IMAGE_PATTERN),
        ("GateTrustRoot", "{name: x}", "{mood: x, json: {}}", Check.TRUST_ROOT),
        ("GatePolicy", "{name: x}", "{match: {images: ['*']}, rules: [{deny: {}}]}", Check.IMAGE_PATTERN),
        (
            "GateException",
            "{name: x}",
            "{policies: [p], exceptions: [{rule: a, until: tomorrow, reason: r}]}",
            Check.INSTANT,
        ),
    ],
)
def test_of_every_kind(kind: str, metadata: str, spec: str, value: Check) -> None:
    found = [check for check, _ in said(spec, kind, metadata)]
    assert len(found) == 2
    assert value in found


def test_a_document_of_which_nothing_is_left() -> None:
    assert [check for check, _ in said("7")] == [Check.WRONG_TYPE]
    assert [check for check, _ in said("{}", "GateException", "{name: x, namespace: y}")] == [Check.MISSING_FIELD] * 2


def test_problems_stand_in_their_own_lines_whatever_was_left_out_before_them() -> None:
    spec = "\n  rules:\n  - 7\n  - image:\n      registries:\n      - 8\n      - 'ghcr.io/*'"
    found = parsed(HEAD.format("ClusterGatePolicy", "{name: p}", spec)).problems
    (problem,) = [one for one in found if one.check is Check.REGISTRY_PREFIX]
    assert (problem.place.line, problem.place.column) == (10, 9)


def test_what_others_name_is_there_though_its_document_is_wrong() -> None:
    root = HEAD.format("GateTrustRoot", "{name: acme}", "{jsn: {}}")
    keyless = "{keyless: {issuer: i, subject: s, trustRoot: acme}}"
    policy = HEAD.format(
        "ClusterGatePolicy", "{name: p}", f"{{signers: {{s: {keyless}}}, rules: [{{signature: {{by: s}}}}]}}"
    )
    assert {one.check for one in parsed(f"{root}---\n{policy}").problems} == {Check.UNKNOWN_FIELD}
    broken = HEAD.format("ClusterGatePolicy", "{name: q}", f"{{mood: x, {DENY}}}")
    lent = "{policies: [q], exceptions: [{rule: deny, until: 2026-12-31, reason: r}]}"
    exception = HEAD.format("GateException", "{name: e, namespace: n}", lent)
    assert {one.check for one in parsed(f"{broken}---\n{exception}").problems} == {Check.UNKNOWN_FIELD}


def test_a_root_that_is_wrong_does_not_take_the_place_of_the_one_that_is_built_in() -> None:
    root = HEAD.format("GateTrustRoot", "{name: public-good}", "{jsn: {}}")
    found = parsed(f"{root}---\n{HEAD.format('ClusterGatePolicy', '{name: p}', f'{{{DENY}}}')}").set
    assert found.trust_roots == {}


def _paths(value: object, at: Path = ()) -> Iterator[Path]:
    yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(inner, (*at, key))


@pytest.mark.parametrize("seed", range(10))
def test_a_document_that_is_wrong_in_many_places_is_read_to_its_end(seed: int) -> None:
    chance = random.Random(seed)
    for kind in KINDS:
        document: Any = json.loads(json.dumps(chance.choice(EXAMPLES[kind])))
        document["spec"]["mood"] = 1
        for _ in range(5):
            *above, last = chance.choice([path for path in _paths(document["spec"]) if path])
            place = document["spec"]
            for step in above:
                place = place[step]
            if chance.random() < 0.5:
                del place[last]
            else:
                place[last] = chance.choice([None, True, 7, "", "ghcr.io/*", [], {}, [[]], {"a": 1}])
            document["spec"].setdefault("mood", 1)
        found = parsed(json.dumps(document))
        assert found.errors or found.tests
