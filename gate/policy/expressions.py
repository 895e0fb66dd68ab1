"""Conditions in CEL (POLICY §4): compiled and checked when a policy is read, judged with values that others make.

The language is Google's, through cel-expr-python, which is imported with the first condition: it is large, and few
policies have any. It holds the interpreter's lock while it evaluates, and nothing stops it: what an expression may cost
is bounded beforehand, by what is refused here (docs/policy-cel.md).
"""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ParseError
from gate.policy.variables import FIELDS, Over
from gate.strictjson import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_SOURCE: Final = 4096
"""Bytes of one expression."""

MAX_STEPS: Final = 10_000
"""Steps of all loops of one evaluation, which stay below; the library's own, which can't be set."""

MAX_TEXT: Final = 65_536
"""Characters of one text that is judged: a loop may look through it ten thousand times."""

MAX_VALUES: Final = 200_000
"""Values of one predicate, statement or map of labels."""

MAX_CHARACTERS: Final = 4_194_304
"""Characters of all its texts, and names of members."""

IS_FALSE: Final = "it is false"
"""What `Condition.holds` gives where nothing else is wrong."""

_SHOWN: Final = 200  # characters of what the library says
_OF_CONFIG: Final = frozenset({"image.created", "image.user", "image.labels"})
_PLATFORMS: Final = "image.platforms"

# What makes texts and lists larger than what they are made of: in a loop, as much as there is of memory. The checker
# names each overload that a call may have by the types that are known; of anything and anything, all of them. `map` and
# `filter` add to a list at each step, and so copy it: 10,000 steps take 1.6 GB. Without them loops give no lists, and
# nothing grows by being repeated.
_GROWING: Final = {
    "add_string": ("`+` of texts is", "compare the parts; add numbers as int(a) + int(b)"),
    "add_bytes": ("`+` of bytes is", "compare the parts"),
    "add_list": ("`map`, `filter` and `+` of lists are", "write `all`, `exists` or `exists_one`"),
    "string_to_bytes": ("`bytes` of a text is", "compare texts"),
}
_FUNCTIONS: Final = (
    "all", "contains", "double", "duration", "endsWith", "exists", "exists_one", "filter", "has", "int",
    "map", "matches", "size", "startsWith", "string", "timestamp",
)  # fmt: skip
_OVERLOAD_ID: Final = 0x1A  # what stands before the length of one (cel.expr.Reference, field 3)

_FLAW: Final = re.compile(r"^ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
_STATUS: Final = re.compile(r"^(?:[A-Z_]+: )|(?: \[[A-Z_]+\])$")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_NO_OVERLOAD: Final = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_NO_VALUE: Final = re.compile(r'No value with name "([^"]+)" found')
_DIGITS: Final = re.compile(r"[0-9]{30,}", re.ASCII)
_EXPECTING: Final = re.compile(r" expecting (?:\{.*\}|.*)$")
_TEXT: Final = r"""(?:[rR](?:"[^"\n]*"|'[^'\n]*')|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_QUIET: Final = rf"//[^\n]*|'''.*?'''|\"\"\".*?\"\"\"|{_TEXT}"
"""Comments and texts: nothing in them is code."""

# Calls whose argument is written there, so that whether it is right can be known before anything is judged.
_CALLS: Final = re.compile(
    rf"(?<![\w.])(?P<make>duration|timestamp)\(\s*(?P<made>{_TEXT})\s*\)"
    rf"|\.\s*matches\(\s*(?P<pattern>{_TEXT})\s*\)|{_QUIET}",
    re.DOTALL | re.ASCII,
)
_REMEDIES: Final = {
    "duration": 'write hours, minutes or seconds, such as duration("168h")',
    "timestamp": 'write RFC 3339, such as timestamp("2026-11-23T12:00:00Z")',
    "pattern": "write a regular expression of RE2",
}
_DAYS: Final = re.compile(r"([0-9]{1,6})([dw])", re.ASCII)


class InvalidExpression(ParseError):
    """An expression that can't be used.

    Attributes:
        line: of the expression, from 1; 0 where it is wrong as a whole.
        column: in characters, from 1; 0 where it is wrong as a whole.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0, remedy: str = "") -> None:
        where = f"line {line}, column {column} of the expression: " if line else ""
        super().__init__(f"{where}{message}", remedy=remedy)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that has been compiled and checked. Threads may share it.

    Attributes:
        source: as written.
        over: what it speaks of.
        uses: the variables that it may read: all that it does, and no harm where it names one in a text only.
    """

    source: str
    over: Over
    uses: frozenset[str] = field(compare=False, repr=False)
    _compiled: Any = field(compare=False, repr=False)

    @classmethod
    def parse(cls, source: str, over: Over) -> Condition:
        """Compile an expression, and check its types.

        Raises:
            InvalidExpression: it is none, is too long, names what is not there, gives no boolean, or could fill the
                memory; or this platform has no CEL.
        """
        if len(encoded(source)) > MAX_SOURCE:
            raise InvalidExpression(f"the expression has more than {MAX_SOURCE} bytes", remedy="write several rules")
        with _LOCK:
            environment = _environment(over)
            compiled = _compile(environment, source, over)
            _check_type(compiled)
            program = compiled.serialize()
            _check_growth(program)
            _check_calls(environment, source)
            # The library plans an expression when it is first evaluated: here, where nobody else has it.
            _evaluated(compiled, {})
        uses = frozenset(name for name in over.variables if name.encode() in program)
        return cls(source, over, uses, compiled)

    @property
    def wants_config(self) -> bool:
        """Whether what an image's publisher says of it has to be known, on each platform."""
        return not _OF_CONFIG.isdisjoint(self.uses)

    @property
    def wants_platforms(self) -> bool:
        """Whether the platforms that an image is built for have to be known."""
        return _PLATFORMS in self.uses

    def holds(self, variables: Mapping[str, object]) -> str:
        """Nothing ("") where it is true, and nothing else; else why not, for people.

        Args:
            variables: by the names of `Over.variables`; what is not known is left out. Texts, booleans, numbers, None,
                aware datetimes, and lists and dictionaries of those: other types can't be judged.
        """
        given = {name: variables[name] for name in self.uses if name in variables}
        for name, value in given.items():
            if (type(value) is not str or len(value) > MAX_TEXT) and (why := too_much(name, value)):
                return why
        return _evaluated(self._compiled, given)


def too_much(name: str, value: object) -> str:
    """Why a value is too large to be judged; "" where it is not."""
    if isinstance(value, str):
        return _too_long(name, value)
    if not isinstance(value, dict | list):
        return ""
    left: list[dict[object, object] | list[object]] = [value]
    values = characters = 0
    while left:
        inside = left.pop()
        values += len(inside)
        if values > MAX_VALUES:
            return f"{name} has more than {MAX_VALUES:,} values"
        for one in (*inside, *inside.values()) if isinstance(inside, dict) else inside:
            if isinstance(one, str):
                characters += len(one)
                if len(one) > MAX_TEXT:
                    return _too_long(f"a text in {name}", one)
            elif isinstance(one, dict | list):
                left.append(one)
    return f"{name} has more than {MAX_CHARACTERS:,} characters" if characters > MAX_CHARACTERS else ""


def _too_long(name: str, text: str) -> str:
    if len(text) <= MAX_TEXT:
        return ""
    return f"{name} has {len(text):,} characters; expressions are judged with texts of {MAX_TEXT:,} at most"


_LOCK: Final = threading.Lock()


@cache
def _environment(over: Over) -> Any:  # noqa: ANN401 - what an optional package gives
    """What compiles expressions over such things; under the lock.

    Raises:
        InvalidExpression: this platform has no CEL.
    """
    try:
        from cel_expr_python import cel  # noqa: PLC0415 - 50 MB on disk, and few policies have expressions
    except ImportError as error:
        raise InvalidExpression(
            "expressions in CEL can't be judged here: cel-expr-python is not installed, which has no build for musl",
            remedy="run gate on glibc (its own image does), or write a rule of another type",
        ) from error
    text = cel.Type.STRING
    kinds = {
        "string": text,
        "list(string)": cel.Type.List(text),
        "map(string, string)": cel.Type.Map(text, text),
        "timestamp": cel.Type.TIMESTAMP,
        "bool": cel.Type.BOOL,
        "dyn": cel.Type.DYN,
    }
    return cel.NewEnv(variables={name: kinds[kind] for name, kind in over.variables.items()})


def _compile(environment: Any, source: str, over: Over) -> Any:  # noqa: ANN401 - as above
    try:
        return environment.compile(source)
    except RuntimeError as error:
        raise _flaw(str(error), source, over) from error


def _flaw(said: str, source: str, over: Over) -> InvalidExpression:
    """The first thing that is wrong, in our words where there are any."""
    said = _STATUS.sub("", said)
    found = _FLAW.search(said)
    line, column = (int(found[1]), int(found[2])) if found is not None else (0, 0)
    what = _EXPECTING.sub("", found[3] if found is not None else said.partition("\n")[0])
    if line < 1 or column < 1:  # it gave up
        kind = "is too deep" if "recursion" in what else "can't be read"
        return InvalidExpression(f"the expression {kind}: {what[:_SHOWN]}", remedy="write several rules")
    if undeclared := _UNDECLARED.search(what):
        return _unknown(undeclared[1], line, column, source, over)
    if overload := _NO_OVERLOAD.search(what):
        remedy = "write a number with a point as one: 7.0" if {"double", "int"} <= set(overload[2].split(", ")) else ""
        what = f"{overload[1].strip('_')} does not take ({overload[2]})"
        return InvalidExpression(what[:_SHOWN], line, column, remedy)
    return InvalidExpression(what[:1].lower() + what[1:_SHOWN], line, column)


def _unknown(name: str, line: int, column: int, source: str, over: Over) -> InvalidExpression:
    """A name that is none. Of one with dots in it the library says where the last of them is."""
    root, _, rest = name.lstrip(".").partition(".")
    first = rest.partition(".")[0]
    variables = [variable.partition(".") for variable in over.variables]
    fields = [variable for of, _, variable in variables if of == root]
    what, remedy, word = f"there is no {name[:_SHOWN]}", "", root
    if root in ("predicate", "statement"):
        what = f"{root} is known only in the `cel` of a rule about attestations, without forEach"
    elif fields and first:
        what, remedy, word = f"{root} has no {first}", _meant(first, fields), first
    elif fields:
        what, remedy = f"{root} is no value by itself", f"write {root}.{fields[0]}"
    elif root in FIELDS:
        what = f"{root} is known only with `forEach: {root}`"
    else:
        roots = list(dict.fromkeys(of for of, _, _ in variables))
        near = difflib.get_close_matches(name, _FUNCTIONS, 1)
        remedy = f"did you mean {near[0]}?" if near else _meant(root, roots)
    before = source.split("\n")[line - 1][: column + len(word)]
    return InvalidExpression(what, line, before.rfind(word) + 1 or column, remedy)


def _meant(word: str, words: list[str]) -> str:
    near = difflib.get_close_matches(word, words, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(words)}"


def _check_type(compiled: Any) -> None:  # noqa: ANN401 - as above
    """That it gives a boolean, or what only its values tell."""
    kind = compiled.return_type().name()
    if kind not in ("BOOL", "DYN"):
        raise InvalidExpression(f"the expression is of type {kind.lower()}, no bool", remedy="compare it")


def _check_growth(program: bytes) -> None:
    for overload, (what, remedy) in _GROWING.items():
        if bytes((_OVERLOAD_ID, len(overload))) + overload.encode() in program:
            raise InvalidExpression(f"{what} not taken: what it makes may fill the memory", remedy=remedy)


def _check_calls(environment: Any, source: str) -> None:  # noqa: ANN401 - as above
    """That durations, instants and patterns that are written in it are any: else it could never be true."""
    for kind, text, start in _written(source):
        call = f"''.matches({text})" if kind == "pattern" else f"{kind}({text})"
        compiled = _compiled_alone(environment, f"{call} == {call}")
        said = _evaluated(compiled, {}) if compiled is not None else ""
        if not said:
            continue
        line = source.count("\n", 0, start) + 1
        column = start - source.rfind("\n", 0, start)
        inner = text.lstrip("rR")[1:-1]
        remedy = _REMEDIES[kind]
        if kind == "duration" and (days := _DAYS.fullmatch(inner)):
            hours = int(days[1]) * (24 if days[2] == "d" else 7 * 24)
            remedy = f'write duration("{hours}h"): CEL has no days'
        raise InvalidExpression(f"{text[:_SHOWN]} is no {kind}", line, column, remedy)


def _written(source: str) -> Iterator[tuple[str, str, int]]:
    """Each duration, timestamp and pattern that stands there as a text: kind, text with its quotes, and where."""
    for found in _CALLS.finditer(source):
        if found["make"]:
            yield found["make"], found["made"], found.start("made")
        elif found["pattern"]:
            yield "pattern", found["pattern"], found.start("pattern")


def _compiled_alone(environment: Any, source: str) -> Any:  # noqa: ANN401 - as above
    try:
        return environment.compile(source)
    except RuntimeError:
        return None


def _evaluated(compiled: Any, given: dict[str, object]) -> str:  # noqa: ANN401 - as above
    """Nothing where it is true; else why not. An error is a value, too, and a text of some length: never its truth.

    The value of anything else than a boolean or an error is not asked for: the library gives away a reference to None
    that it does not own, and once they are used up the process ends.
    """
    try:
        result = compiled.eval(data=given)
    except (RuntimeError, TypeError, ValueError) as error:
        return _failure(str(error))
    kind = result.type().name()
    if kind == "BOOL":
        return "" if result.value() is True else IS_FALSE
    if kind == "ERROR":
        return _failure(str(result.value()))
    return f"it is of type {kind.lower()}, no bool"


def _failure(said: str) -> str:
    """What kept it from being judged, for people."""
    if "Iteration budget exceeded" in said:
        return f"its loops take {MAX_STEPS:,} steps or more; with forEach: component or finding each has its own"
    if missing := _NO_VALUE.search(said):
        return f"{missing[1]} is not known of it"
    what = _DIGITS.sub(lambda found: f"{found[0][:20]}…", _STATUS.sub("", said))
    return f"it can't be judged: {what[:_SHOWN]}"
