"""Policies that would speak for the gate: to a terminal, to a CI runner, to whoever reads a report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.authoring.lint import lint
from gate.cli.render.drawing import Branch, Pen
from gate.demo.images import LayoutWriter
from tests.fakes.clock import START
from tests.fakes.signing import alice
from tests.unit.cli.support import ANYTHING, AT, gate, pod, signed_by_alice, write
from tests.unit.policy.build import parsed

if TYPE_CHECKING:
    from pathlib import Path

API = "ghcr.io/acme/api"
COMMANDS = [
    "::error file=x::pwned",
    "x\n::set-output name=a::b",
    "x\r::add-mask::a",
    "x\r\n::stop-commands::t",
    "x%0A::warning::y",
    "x\u2028::error::y",
    "x\x85::error::y",
    "##[error]pwned",
    "##[add-path]/tmp",
    "##vso[task.setvariable variable=a]b",
    "a,line=1::b",
    "a:b,c",
]
STEERING = ["\x1b[31m", "\x9b31m", "\u202e", "\x07", "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hostile(text: str) -> str:
    """A policy with a text in the place of a field's name, a value, a name, a rule's name and a signer."""
    said = json.dumps(text)
    documents = [
        ANYTHING.replace("mode:", f"{said}:"),
        ANYTHING.replace("enforce", said).replace("name: p", "name: q"),
        ANYTHING.replace("name: p", f"name: {said}"),
        ANYTHING.replace("unsafeAny", f"pin, denyTags: [{said}]")
        .replace("name: p", "name: r")
        .replace(", denyTags: []", ""),
        ANYTHING.replace("match: {}", f"match: {{images: [{said}]}}").replace("name: p", "name: s"),
        ANYTHING.replace("ClusterGatePolicy", said),
    ]
    return "---\n".join(documents)


@pytest.mark.parametrize("text", COMMANDS, ids=ascii)
def test_nothing_in_a_policy_is_a_workflow_command(text: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", hostile(text))
    ran = gate("policy", "lint", "p.yaml", "--output", "github")
    assert ran.code == 2
    lines = ran.out.split("\n")[:-1]
    expected = gate("policy", "lint", "p.yaml", "--output", "json").json["problems"]
    assert len(lines) == len(expected) >= 5
    for line, problem in zip(lines, expected, strict=True):
        prefix, _, rest = line.removeprefix("::").partition("::")
        kind, _, properties = prefix.partition(" ")
        assert kind == problem["severity"]
        given = dict(entry.split("=", 1) for entry in properties.split(","))
        assert given["file"] == "p.yaml"
        assert (int(given["line"]), int(given["col"])) == (problem["line"], problem["column"])
        assert rest
        assert "##[" not in line
        assert "##vso[" not in line
        assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["a,line=9.yaml", "a::b.yaml", "a%0Ab.yaml", "##[error]x.yaml", "a\nb.yaml"], ids=ascii
)
def test_nothing_in_the_name_of_a_file_is_a_workflow_command(name: str, tmp_path: Path) -> None:
    write(tmp_path, name, ANYTHING.replace("mode:", "mood:"))
    (line, empty) = gate("policy", "lint", ".", "--output", "github").out.split("\n")
    assert empty == ""
    properties = line.partition(" ")[2].partition("::")[0]
    assert [entry.partition("=")[0] for entry in properties.split(",")] == [
        "file", "line", "col", "endLine", "endColumn", "title",
    ]  # fmt: skip
    assert "##[" not in line


@pytest.mark.parametrize("text", COMMANDS, ids=ascii)
def test_no_line_of_text_is_a_workflow_command(text: str, tmp_path: Path) -> None:
    """A runner looks at every line of a log: `::` at its beginning, `##[` wherever it stands."""
    write(tmp_path, "p.yaml", hostile(text) + f"---\n# {text}\n{ANYTHING.replace('mode:', 'mood:')}")
    out = gate("policy", "lint", "p.yaml").out
    assert "[unknown-field]" in out
    assert commands(out) == []


def commands(text: str) -> list[str]:
    """The lines that a runner would take for its own."""
    return [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line]


FLAGS = ("--layout", f"{API}=layout", "--offline", "--cache", "none")


@pytest.mark.parametrize("text", [*COMMANDS, ":::error::x", "####[error]x", " \u3000::error::x"], ids=ascii)
@pytest.mark.parametrize(
    "command",
    [
        ("check", "-p", "p.yaml", "pod.yaml"),
        ("policy", "explain", "-p", "p.yaml", "pod.yaml"),
        ("policy", "test", "t.yaml"),
        ("verify", f"{API}:v1", "--key", "alice.pub", *FLAGS),
        ("verify", f"{API}:v1", "--key", "alice.pub", "--annotation", "a=b", *FLAGS),
        ("inspect", f"{API}:v1", "--key", "alice.pub", *FLAGS),
    ],
    ids=" ".join,
)
def test_what_others_say_is_no_workflow_command(command: tuple[str, ...], text: str, tmp_path: Path) -> None:
    """An image's name, its labels, what its signature is annotated with, a case's name: each on a line of its own."""
    writer = LayoutWriter(tmp_path / "layout")
    digest = writer.image("v1", "api", config={"config": {"Labels": {text: text}, "User": text}})
    writer.sign_legacy(digest, alice(), API, {text: text})
    (tmp_path / "alice.pub").write_bytes(alice().pem)
    write(tmp_path, "p.yaml", signed_by_alice())
    manifest = pod(text, f"{API}:{text}", name=text, namespace="shop")
    write(tmp_path, "pod.yaml", manifest)
    expect = {"verdict": "allow", "findings": [{"code": "EXCEPTION_USED", "rule": "signature", "image": text}]}
    cases = [
        {"name": text, "image": text, "expect": expect},
        {"name": "pod", "manifest": json.loads(manifest), "expect": expect},
    ]
    spec = {"at": AT, "policies": ["p.yaml"], "cases": cases}
    test = {"apiVersion": "imagegate.dev/v1", "kind": "GateTest", "metadata": {"name": "t"}, "spec": spec}
    write(tmp_path, "t.yaml", json.dumps(test))
    ran = gate(*command)
    assert ran.code in (0, 1, 2)
    assert ran.out + ran.err
    assert commands(ran.out) == commands(ran.err) == []


def test_no_word_of_a_tree_begins_a_line_as_a_command() -> None:
    """Where a line goes on below there may be nothing but blanks before it."""
    tree = Branch("a tree", below=(Branch("x " * 40 + "::error::y " * 9),))
    assert commands(Pen(40).draw(tree)) == []


@pytest.mark.parametrize("text", [*STEERING, *COMMANDS], ids=ascii)
@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_nothing_steers_a_terminal(text: str, output: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", hostile(text))
    ran = gate("policy", "lint", "p.yaml", "--output", output)
    assert ran.code == 2
    assert [c for c in ran.out + ran.err if c != "\n" and not c.isprintable()] == []


@pytest.mark.parametrize("text", [*STEERING, *COMMANDS, '"}],"runs":[{', "\\u0000", "\ud800"], ids=ascii)
def test_reports_for_programs_stay_what_they_are(text: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", hostile(text))
    lint_report = gate("policy", "lint", "p.yaml", "--output", "json").json
    assert sorted(lint_report) == ["apiVersion", "at", "problems", "summary"]
    log = gate("policy", "lint", "p.yaml", "--output", "sarif").json
    assert sorted(log) == ["$schema", "runs", "version"]
    (run,) = log["runs"]
    assert len(run["results"]) == len(lint_report["problems"])


def test_no_link_of_a_stranger_stands_in_sarif(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", ANYTHING.replace("mode:", '"[click me](https://evil.example)":'))
    (result,) = gate("policy", "lint", "p.yaml", "--output", "sarif").json["runs"][0]["results"]
    assert "](" not in result["message"]["text"]
    assert "[click me] (https://evil.example)" in result["message"]["text"]


def test_patterns_that_are_costly_to_compare_are_compared_no_longer_than_so() -> None:
    """Every pair of some hundred thousand patterns would be compared otherwise; what is left out is said."""
    images = [f"**/{'a*' * 60}{i}/**/x" for i in range(400)]
    spec = {"match": {"images": images, "exclude": images[::-1]}, "rules": [{"image": {}}]}
    documents = [
        {"apiVersion": "imagegate.dev/v1", "kind": "ClusterGatePolicy", "metadata": {"name": f"p{i}"}, "spec": spec}
        for i in range(20)
    ]
    found = parsed("\n---\n".join(map(json.dumps, documents)))
    assert found.errors == ()
    assert [problem.check.value for problem in lint(found, START)].count("not-compared") == 1
