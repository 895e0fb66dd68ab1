"""Conditions in CEL: what compiles, what is said of what does not, and what holds."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gate.policy import expressions
from gate.policy.expressions import IS_FALSE, MAX_SOURCE, Condition, InvalidExpression
from gate.policy.variables import Over
from tests.unit.test_readme import ROOT

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
IMAGE: dict[str, object] = {
    "now": NOW,
    "image.registry": "ghcr.io",
    "image.repository": "acme/api",
    "image.tag": "v1",
    "image.digest": f"sha256:{'a' * 64}",
    "image.created": NOW - timedelta(days=3),
    "image.user": "65532",
    "image.labels": {"team": "payments", "org.opencontainers.image.source": "https://github.com/acme/api"},
    "image.platforms": ["linux/amd64", "linux/arm64"],
}


def of_image(source: str) -> str:
    return Condition.parse(source, Over.IMAGE).holds(IMAGE)


def of_predicate(source: str, predicate: object) -> str:
    statement = {"predicateType": "https://acme.example/t", "predicate": predicate}
    return Condition.parse(source, Over.STATEMENT).holds(IMAGE | {"statement": statement, "predicate": predicate})


@pytest.mark.parametrize(
    "source",
    [
        'image.registry == "ghcr.io"',
        'image.repository.startsWith("acme/") && image.tag != ""',
        'image.digest.matches("^sha256:[0-9a-f]{64}$")',
        'now - image.created < duration("168h")',
        'image.created > timestamp("2026-01-01T00:00:00Z")',
        'image.user != "" && int(image.user) > 0',
        'image.labels.team == "payments"',
        '"team" in image.labels && has(image.labels.team) && !has(image.labels.other)',
        'image.labels["org.opencontainers.image.source"].endsWith("/acme/api")',
        'image.platforms.exists(p, p == "linux/arm64")',
        'image\n  // whoever\n  .registry == "ghcr.io"',
        '.image.registry == "ghcr.io"',
        'image.registry == "docker.io" ? false : true',
        "'é😀'.size() == 2",
        "1 + 1 == 2 && now + duration('1h') > now",
    ],
)
def test_it_holds(source: str) -> None:
    assert of_image(source) == ""


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('image.registry == "docker.io"', IS_FALSE),
        ("false", IS_FALSE),
        ('image.labels.other == "x"', 'it can\'t be judged: Key not found in map : "other"'),
        ("int(image.tag) > 1", "it can't be judged: cannot convert string to int"),
        ("1 / 0 == 1", "it can't be judged: divide by zero"),
        ("9223372036854775807 + int(image.user) > 0", "it can't be judged: integer overflow"),
    ],
)
def test_it_does_not_hold(source: str, why: str) -> None:
    assert of_image(source) == why


@pytest.mark.parametrize(
    ("source", "predicate", "why"),
    [
        ('predicate.result == "PASSED"', {"result": "PASSED"}, ""),
        ('predicate.result == "PASSED"', {"result": "FAILED"}, IS_FALSE),
        ('predicate.result == "PASSED"', {}, 'it can\'t be judged: Key not found in map : "result"'),
        ("predicate.ok", {"ok": True}, ""),
        ("predicate.ok", {"ok": False}, IS_FALSE),
        ("predicate.ok", {"ok": "true"}, "it is of type string, no bool"),
        ("predicate.ok", {"ok": 1}, "it is of type int, no bool"),
        ("predicate.ok", {"ok": None}, "it is of type null, no bool"),
        ("predicate.ok", {"ok": [True]}, "it is of type list<dyn>, no bool"),
        ('has(predicate.ok) || predicate.n > 1.5 && predicate.l == [1, "a", null]', {"n": 2, "l": [1, "a", None]}, ""),
        ("int(predicate.a) + int(predicate.b) == 3", {"a": 1, "b": 2}, ""),
        ("statement.predicateType == 'https://acme.example/t' && statement.predicate.a == 1", {"a": 1}, ""),
        ("predicate.all(key, key != 'x')", {"y": 1}, ""),
        # Names of loops hide those of the image.
        ("predicate.l.all(image, image.registry == 'other')", {"l": [{"registry": "other"}]}, ""),
    ],
)
def test_predicates(source: str, predicate: object, why: str) -> None:
    assert of_predicate(source, predicate) == why


@pytest.mark.parametrize(
    ("source", "line", "column", "message", "remedy"),
    [
        ('image.registy == "x"', 1, 7, "image has no registy", "did you mean registry?"),
        ('image.registy.foo == "x"', 1, 7, "image has no registy", "did you mean registry?"),
        ('true &&\n  image.registy == "x"', 2, 9, "image has no registy", "did you mean registry?"),
        ('"é😀" == "x" && image.lables.a == ""', 1, 22, "image has no lables", "did you mean labels?"),
        ('image["tag"] == "x"', 1, 1, "image is no value by itself", "write image.registry"),
        ('img.tag == "x"', 1, 1, "there is no img.tag", "did you mean image?"),
        ("whatever", 1, 1, "there is no whatever", "known here: now, image"),
        ('image.tag.startWith("v")', 1, 11, "there is no startWith", "did you mean startsWith?"),
        ('component.name == ""', 1, 1, "component is known only with `forEach: component`", ""),
        (
            "predicate.ok",
            1,
            1,
            "predicate is known only in the `cel` of a rule about attestations, without forEach",
            "",
        ),
        ("image.tag == 5", 1, 11, "== does not take (string, int)", ""),
        ("size(image.tag) > 1.5", 1, 17, "> does not take (int, double)", "write a number with a point as one: 7.0"),
        ("has(image.tag) && true", 1, 16, "&& does not take (string, bool)", ""),
        ("image.tag ==", 1, 13, "syntax error: mismatched input '<EOF>'", ""),
        ("", 1, 1, "syntax error: mismatched input '<EOF>'", ""),
        (
            'now - image.created < duration("7d")',
            1,
            32,
            '"7d" is no duration',
            'write duration("168h"): CEL has no days',
        ),
        (
            "now - image.created <\n duration( '2w' )",
            2,
            12,
            "'2w' is no duration",
            'write duration("336h"): CEL has no days',
        ),
        (
            "now > timestamp('2026-11-01')",
            1,
            17,
            "'2026-11-01' is no timestamp",
            'write RFC 3339, such as timestamp("2026-11-23T12:00:00Z")',
        ),
        (r"image.tag.matches(r'v(\d')", 1, 19, r"r'v(\d' is no pattern", "write a regular expression of RE2"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(source: str, line: int, column: int, message: str, remedy: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        Condition.parse(source, Over.IMAGE)
    error = caught.value
    assert (error.line, error.column, error.remedy) == (line, column, remedy)
    assert error.message == f"line {line}, column {column} of the expression: {message}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1", "the expression is of type int, no bool"),
        ("image.tag", "the expression is of type string, no bool"),
        ("null", "the expression is of type null, no bool"),
        ("[true]", "the expression is of type list<bool>, no bool"),
        (f"'{'x' * MAX_SOURCE}' == ''", "the expression has more than 4096 bytes"),
        (f"'{'é' * (MAX_SOURCE // 2)}' == ''", "the expression has more than 4096 bytes"),
        (f"{'(' * 50}true{')' * 50}", "the expression is too deep: Expression recursion limit exceeded. limit: 32"),
    ],
)
def test_what_is_wrong_as_a_whole(source: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        Condition.parse(source, Over.IMAGE)
    assert (caught.value.message.lower(), caught.value.line) == (message.lower(), 0)


@pytest.mark.parametrize(
    "source",
    ["// duration('7d')\ntrue", "'duration(\"7d\")' != ''", '"""timestamp(\'x\')""" != ""', "'a'.matches('a+')"],
)
def test_calls_in_comments_and_texts_are_none(source: str) -> None:
    assert of_image(source) == ""


def test_what_an_expression_needs_is_known() -> None:
    def needs(source: str) -> tuple[bool, bool]:
        condition = Condition.parse(source, Over.IMAGE)
        return condition.wants_config, condition.wants_platforms

    assert needs('image.registry == "x"') == (False, False)
    assert needs("image. // user\n created < now") == (True, False)
    assert needs('image.`user` == ""') == (True, False)
    assert needs("has(image.labels.a)") == (True, False)
    assert needs("image.platforms.size() > 1") == (False, True)


def test_every_variable_has_the_type_that_it_is_declared_with() -> None:
    compared = {
        "string": '{} == ""',
        "timestamp": "{} == now",
        "bool": "{}",
        "list(string)": "{0}.size() == 0 || {0}[0] == ''",
        "map(string, string)": "{0}.size() == 0 || {0}['a'] == ''",
        "dyn": "{} == null",
    }
    for over in Over:
        for name, kind in over.variables.items():
            assert name in Condition.parse(compared[kind].format(name), over).uses


def test_equal_texts_are_equal_conditions() -> None:
    one, other = Condition.parse("true", Over.IMAGE), Condition.parse("true", Over.IMAGE)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Condition.parse("true", Over.FINDING)


def test_without_the_library_a_policy_is_invalid_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    monkeypatch.setattr(expressions, "_environment", expressions._environment.__wrapped__)
    with pytest.raises(InvalidExpression, match="cel-expr-python is not installed"):
        Condition.parse("true", Over.IMAGE)


def test_it_is_not_imported_where_no_policy_has_an_expression() -> None:
    program = "import sys, gate.policy.requirements.cel; print('cel_expr_python' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_threads_may_share_it() -> None:
    condition = Condition.parse("predicate.l.all(x, x == predicate.n)", Over.STATEMENT)

    def judged(number: int) -> bool:
        good = {"n": number, "l": [number] * 20}
        bad = {"n": number, "l": [number] * 20 + [number + 1]}
        return condition.holds({"predicate": good}) == "" and condition.holds({"predicate": bad}) == IS_FALSE

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(judged, range(4000)))
        compiled = pool.map(lambda n: Condition.parse(f"int(image.user) > {n}", Over.IMAGE).holds(IMAGE), range(200))
        assert set(compiled) == {""}


def test_five_thousand_evaluations_take_little_time() -> None:
    condition = Condition.parse("component.name != 'log4j'", Over.COMPONENT)
    spent = []
    for _ in range(3):
        began = time.process_time()
        assert not any(condition.holds({"component.name": f"n{number}"}) for number in range(5000))
        spent.append(time.process_time() - began)
    assert min(spent) < 0.1  # 20 ms; with others on the machine more
