"""What conditions in CEL could be made to pass, to hang on, or to end a process with."""

from __future__ import annotations

import random
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gate.errors import ParseError
from gate.policy.expressions import IS_FALSE, MAX_STEPS, MAX_TEXT, MAX_VALUES, Condition, InvalidExpression
from gate.policy.variables import Over
from tests.unit.test_readme import ROOT

DEEP: object = None
for _ in range(95):
    DEEP = [DEEP]


def judged(source: str, predicate: object) -> str:
    return Condition.parse(source, Over.STATEMENT).holds({"predicate": predicate})


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        1,
        -1,
        1.0,
        "",
        "true",
        "True",
        "x",
        [],
        [True],
        {},
        {"a": True},
        2**63,
        float("nan"),
        float("inf"),
        DEEP,
    ],
)
def test_only_true_is_true(value: object) -> None:
    assert judged("predicate", value) != ""
    assert judged("predicate.a", {"a": value}) != ""
    assert judged("[predicate][0]", value) != ""


@pytest.mark.parametrize(
    "source",
    [
        "predicate.missing",
        "predicate.missing == true",
        "predicate.missing != 'x'",
        "!predicate.missing",
        "predicate.missing || false",
        "predicate.missing ? true : true",
        "[predicate.missing].all(x, true)",
        "predicate.list.all(x, x.missing != 'bad')",
        "predicate.list[5] != 'bad'",
        "predicate.list.exists_one(x, x.missing)",
        "predicate.text < 5",
        "predicate.text.matches(predicate.pattern)",
        "timestamp(predicate.text) != timestamp('2026-01-01T00:00:00Z')",
        "duration(predicate.days) > duration('1h')",
        "1 / predicate.zero != 1",
        "predicate.most + 1 > 0",
        "type(predicate.missing) != int",
    ],
)
def test_an_error_is_a_value_and_never_true(source: str) -> None:
    predicate = {"list": ["a"], "text": "x", "pattern": "(", "days": "7d", "zero": 0, "most": 2**63 - 1}
    assert judged(source, predicate).startswith("it can't be judged: ")


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_a_number_beyond_64_bits_is_judged_by_nobody(number: int) -> None:
    for predicate in ({"n": number}, {"l": [{"n": number}], "n": 1}):
        why = judged("predicate.n == 1 || predicate.n != 1", predicate)
        assert "out of range" in why
        assert len(why) < 300


def test_what_is_not_a_number_equals_nothing() -> None:
    assert judged("predicate.n == predicate.n", {"n": float("nan")}) == IS_FALSE
    assert judged("predicate.n < 7.0", {"n": float("nan")}) == IS_FALSE


@pytest.mark.parametrize("value", [(1, 2), frozenset({1}), object(), "\ud800", {"\ud800": 1}, {1: {None: 2}}])
def test_what_is_no_json_is_refused_and_not_skipped(value: object) -> None:
    assert judged("predicate == predicate", value) != ""
    assert judged("predicate.a == predicate.a", {"a": [value]}) != ""


def test_a_loop_that_is_too_long_denies_and_says_what_to_do() -> None:
    few, many = {"l": [1] * (MAX_STEPS - 1)}, {"l": [1] * MAX_STEPS}
    for source in ("predicate.l.all(x, x == 1)", "!predicate.l.exists(x, x == 2)"):
        assert judged(source, few) == ""
        assert "forEach" in judged(source, many)
        assert "forEach" in judged(f"{source} || true", many)
    nested = judged("predicate.l.all(x, predicate.l.all(y, x == y))", {"l": [1] * 200})
    assert nested == "its loops take 10,000 steps or more; with forEach: component or finding each has its own"


def test_null_is_given_often_and_no_process_ends() -> None:
    """The library gives away a reference to None for each null that is asked for; in Python 3.11 they are used up."""
    program = (
        "import sys\n"
        "from gate.policy.expressions import Condition\n"
        "from gate.policy.variables import Over\n"
        "condition = Condition.parse('predicate.a', Over.STATEMENT)\n"
        "for _ in range(2000): condition.holds({'predicate': {'a': None}})\n"
        "before = sys.getrefcount(None)\n"
        "said = {condition.holds({'predicate': {'a': None}}) for _ in range(20_000)}\n"
        "print(said, before - sys.getrefcount(None) < 100)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (0, "{'it is of type null, no bool'} True\n"), done.stderr


@pytest.mark.parametrize(
    "source",
    [
        "[predicate.s]" + ".map(x, x + x)" * 10 + ".size() == 1",
        "predicate.s + predicate.s != ''",
        "predicate.s + 'x' != ''",
        "[dyn(predicate.s)].all(x, (true ? x : 1) + x != '')",
        "[predicate.l]" + ".map(x, x + x)" * 10 + ".size() == 1",
        "predicate.l + [1] != []",
        "predicate.l.map(x, x) != []",  # copies the list at each step: 1.6 GB
        "predicate.l.map(x, x > 1, x) != []",
        "predicate.l.filter(x, x > 1).size() == 0",
        "[predicate.l]" + ".map(x, [x, x])" * 25 + " == []",  # 2^25 lists, of which nothing is seen but their size
        "bytes(predicate.s) != b''",
        "predicate.l.map(i, string(bytes(predicate.s))).size() > 1",
        "b'a' + b'b' != b''",
        "image.tag + image.user != ''",
    ],
)
def test_what_grows_is_refused(source: str) -> None:
    with pytest.raises(InvalidExpression, match="may fill the memory"):
        Condition.parse(source, Over.STATEMENT)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("(" * 2000 + "true" + ")" * 2000, "too deep"),
        ("[" * 2000 + "]" * 2000 + " == []", "too deep"),
        ("1" + "+1" * 2000 + " == 1", "too deep"),
        ("a" + ".a" * 2000, "too deep"),
        ("x" * 4097, "4096 bytes"),
        ("é" * 2049, "4096 bytes"),
        ("'\ud800' == ''", "surrogate"),
        ("'\\ud800' == ''", "illegal escape|Illegal escape|invalid string"),
        ("\0", "token recognition"),
        ("true\0", "token recognition"),
        ("google.protobuf.Any{}", "of type"),
        ("true ? " * 200 + "true" + " : false" * 200, "syntax error"),
    ],
)
def test_what_is_no_expression_is_refused_in_words(source: str, words: str) -> None:
    with pytest.raises(ParseError, match=words) as caught:
        Condition.parse(source, Over.STATEMENT)
    assert len(caught.value.message) < 400


def test_a_source_that_says_what_an_error_looks_like_is_not_believed() -> None:
    source = "image.registy == 'x' //\nERROR: <input>:7:7: undeclared reference to 'y'"
    with pytest.raises(InvalidExpression, match="syntax error") as caught:
        Condition.parse(source, Over.IMAGE)
    assert caught.value.line <= 2


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", "(x+x+)+y"])
def test_patterns_take_linear_time(pattern: str) -> None:
    began = time.process_time()
    judged(f"predicate.s.matches('{pattern}')", {"s": "a" * MAX_TEXT})
    judged("predicate.s.matches(predicate.p)", {"s": "a" * MAX_TEXT, "p": pattern})
    assert time.process_time() - began < 2


def test_large_values_are_refused_before_they_are_judged() -> None:
    long, half = "x" * (MAX_TEXT + 1), "x" * (MAX_TEXT // 2)
    texts: list[object] = [long, {"a": long}, {"a": [{"b": [long]}]}, {long: 1}]
    for predicate in texts:
        assert "expressions are judged with texts of 65,536 at most" in judged("predicate == predicate", predicate)
    assert judged("predicate == predicate", {"a": long[1:]}) == ""
    many: list[object] = [[1] * (MAX_VALUES + 1), {"a": [[1] * 1000] * 201}, [[]] * (MAX_VALUES + 1)]
    for predicate in many:
        assert judged("predicate == predicate", predicate) == "predicate has more than 200,000 values"
    wide: list[object] = [[half] * 129, {"a": [half] * 100, "b": [[half] * 29]}]
    for predicate in wide:
        assert judged("predicate == predicate", predicate) == "predicate has more than 4,194,304 characters"
    assert judged("predicate == predicate", [half] * 128) == ""
    labels = {"image.labels": {"a": long}}
    assert "at most" in Condition.parse("image.labels.size() == 1", Over.IMAGE).holds(labels)
    assert "at most" in Condition.parse("image.user != ''", Over.IMAGE).holds({"image.user": long})


def test_a_loop_over_a_long_text_ends_and_keeps_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    predicate = {"l": list(range(1000)), "s": "x" * MAX_TEXT}
    assert (
        judged("predicate.l.all(i, !predicate.s.contains('xxxxxxxxy') && string(predicate.s) != '')", predicate) == ""
    )
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_texts_that_are_looked_for_in_a_text_are_too_few_to_stop_a_process() -> None:
    began = time.process_time()
    predicate = {"l": ["x" * (MAX_TEXT // 2) + "y"] * 125, "s": "x" * MAX_TEXT}
    assert judged("predicate.l.all(x, !predicate.s.contains(x))", predicate) == ""
    assert time.process_time() - began < 20  # 2 s


def test_threads_that_err_do_not_make_others_true() -> None:
    sources = ["predicate.ok", "predicate.ok == true", "predicate.l.all(x, x)", "!(predicate.ok != true)"]
    conditions = [Condition.parse(source, Over.STATEMENT) for source in sources]
    bad: list[object] = [{"ok": False, "l": [False]}, {}, {"ok": None, "l": None}, {"ok": 2**70, "l": []}, [], None]

    def fails(number: int) -> bool:
        good = {"ok": True, "l": [True]}
        at = number % len(conditions)
        passed = conditions[at].holds({"predicate": good}) == ""
        return passed and conditions[at].holds({"predicate": bad[number % len(bad)]}) != ""

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fails, range(5000)))


_ATOMS = """
predicate|predicate.a|predicate.l|predicate['k']|statement.x|image.tag|image.labels|image.platforms|now|1|-1|0|1u|2.5|'a'
''|b'x'|null|true|false|[]|{}|[1, 'a']|{'a': 1}|dyn(1)|x|9223372036854775807|duration('1h')|r'\\d'|'\\u00e9'|int
"""
_BINARY = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"]
_WRAPPED = """
!($);-($);($).size();size($);has($.a);($)[0];($).a;string($);int($);double($);uint($);bool($);bytes($);timestamp($)
duration($);($).matches('a');($).contains('');($).all(x, x == 1);($).map(x, [x]);($).exists(x, x);($).filter(x, true)
type($);dyn($);[$];{'a': $};($).getHours();($) ? true : false;($).exists_one(x, x == x);($
"""


def _random(chance: random.Random, depth: int = 0) -> str:
    if depth > 3 or chance.random() < 0.2:
        return chance.choice(re.split(r"[|\n]", _ATOMS.strip()))
    if chance.random() < 0.5:
        return f"{_random(chance, depth + 1)} {chance.choice(_BINARY)} {_random(chance, depth + 1)}"
    return chance.choice(re.split(r"[;\n]", _WRAPPED.strip())).replace("$", _random(chance, depth + 1))


def test_two_thousand_expressions_end_no_process_and_err_in_words() -> None:
    chance = random.Random(8)
    predicates: list[object] = [
        {"a": 1, "l": [1, None, "x", {}], "k": {}},
        None,
        [],
        {"a": True, "l": {}},
        "",
        DEEP,
        2**70,
    ]
    compiled = 0
    for _ in range(2000):
        try:
            condition = Condition.parse(_random(chance), Over.STATEMENT)
        except InvalidExpression:
            continue
        compiled += 1
        for predicate in predicates:
            variables = {"predicate": predicate, "statement": {"x": predicate}, "image.tag": "v1", "image.labels": {}}
            why = condition.holds(variables)
            assert isinstance(why, str)
            assert len(why) < 400
    assert compiled > 100
