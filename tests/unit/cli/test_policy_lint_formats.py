"""`gate policy lint` for people and for programs: text, JSON, SARIF, GitHub's annotations; exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gate as package
from gate.cli.render.problems_text import underlined
from gate.policy.reading.checks import Check
from tests.unit.cli.support import ANYTHING, AT, gate, gate_process, policy, write

GOLDEN = Path(__file__).parents[2] / "golden" / "lint"
WRONG = ANYTHING.replace("mode:", "mood:")
UNUSED = policy("[{image: {}}]", match="{images: [ghcr.io/**, ghcr.io/a]}")
DATED = policy("[{image: {}}]").rstrip() + "\n  exceptions: [{rule: image, reason: r, until: 2026-12-01}]\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_goldens(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    ran = gate("policy", "lint", "policy.yaml", "--at", AT, "--output", output)
    expected = (GOLDEN / f"expected.{output}").read_text(encoding="utf-8")
    assert (ran.code, ran.err) == (2, "")
    if output == "sarif":
        assert results(ran.out) == results(expected)
    else:
        assert ran.out == expected


def results(log: str) -> list[dict[str, object]]:
    """Those of SARIF, without what changes with every new check."""
    (run,) = json.loads(log)["runs"]
    return [{key: value for key, value in result.items() if key != "ruleIndex"} for result in run["results"]]


@pytest.mark.parametrize(
    ("text", "flags", "code"),
    [
        (ANYTHING, (), 0),
        (ANYTHING, ("--strict",), 0),
        (UNUSED, (), 0),
        (UNUSED, ("--strict",), 2),
        (WRONG, (), 2),
        (WRONG, ("--strict",), 2),
        (DATED, ("--at", "2026-11-23T12:00:00Z"), 0),
        (DATED, ("--at", "2026-11-23T12:00:00Z", "--strict"), 2),
        (DATED, ("--at", "2026-10-01T12:00:00Z", "--strict"), 0),
        (DATED, ("--at", "2026-01-01T12:00:00Z"), 2),
        (DATED, ("--at", "2027-01-01T12:00:00Z"), 0),
        (DATED, ("--at", "yesterday"), 2),
        (ANYTHING, ("--output", "xml"), 2),
    ],
)
@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_exit_codes(text: str, flags: tuple[str, ...], code: int, output: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", text)
    assert gate("policy", "lint", "p.yaml", "--output", output, *flags).code == code


def test_json_is_for_programs(tmp_path: Path) -> None:
    write(
        tmp_path,
        "p.yaml",
        f"{WRONG}---\n{UNUSED.replace('name: p', 'name: q')}---\n{DATED.replace('name: p', 'name: r')}",
    )
    ran = gate("policy", "lint", "p.yaml", "-o", "json", "--at", "2026-11-23T12:00:00Z")
    assert ran.json == {
        "apiVersion": "imagegate.dev/lint/v1",
        "at": "2026-11-23T12:00:00Z",
        "summary": {"files": 1, "policies": 2, "tests": 0, "errors": 1, "warnings": 2},
        "problems": [
            {
                "check": "unknown-field",
                "severity": "error",
                "file": "p.yaml",
                "line": 5,
                "column": 3,
                "endColumn": 7,
                "message": "unknown field `mood` in `spec`",
                "remedy": "did you mean mode?",
            },
            {
                "check": "unused-pattern",
                "severity": "warning",
                "file": "p.yaml",
                "line": 15,
                "column": 32,
                "endColumn": 41,
                "message": "ghcr.io/** covers ghcr.io/a already",
                "remedy": "remove it",
            },
            {
                "check": "exception-ending",
                "severity": "warning",
                "file": "p.yaml",
                "line": 27,
                "column": 48,
                "endColumn": 58,
                "message": "the exception ends 2026-12-02T00:00:00Z",
                "remedy": "renew it, or mend what it waives and remove it",
            },
        ],
    }


def test_what_is_wrong_with_a_whole_file_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b" " * (16 * 1024 * 1024 + 1))
    (problem,) = gate("policy", "lint", "p.yaml", "-o", "json").json["problems"]
    assert (problem["check"], problem["line"], problem["column"], problem["endColumn"]) == (
        "too-large",
        None,
        None,
        None,
    )
    assert gate("policy", "lint", "p.yaml").out.startswith("p.yaml: error: more than 16777216 bytes [too-large]\n")
    assert gate("policy", "lint", "p.yaml", "-o", "github").out.startswith("::error file=p.yaml,title=")
    (result,) = gate("policy", "lint", "p.yaml", "-o", "sarif").json["runs"][0]["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_sarif_has_what_its_specification_wants(tmp_path: Path) -> None:
    """SARIF 2.1.0: required properties, indexes that point to their rules, URIs relative to the checkout."""
    write(tmp_path, "policies/ä b/p#1.yaml", WRONG)
    log = gate("policy", "lint", tmp_path / "policies", "-o", "sarif").json
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["semanticVersion"] == package.__version__
    assert [rule["id"] for rule in driver["rules"]] == [check.value for check in Check]
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning")
    (result,) = run["results"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "unknown-field"
    assert result["level"] == "error"
    assert result["message"] == {"text": "unknown field `mood` in `spec`\nFix: did you mean mode?"}
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "policies/%C3%A4%20b/p%231.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 5, "startColumn": 3, "endColumn": 7},
    }
    assert run["columnKind"] == "unicodeCodePoints"


def test_a_file_outside_of_the_checkout_has_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "p.yaml", WRONG)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (result,) = gate("policy", "lint", tmp_path / "p.yaml", "-o", "sarif").json["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": f"file://{tmp_path}/p.yaml"}
    (result,) = gate("policy", "lint", "../p.yaml", "-o", "sarif").json["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "../p.yaml"


def test_without_problems(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", ANYTHING)
    assert gate("policy", "lint", "p.yaml", "-o", "github").out == ""
    assert gate("policy", "lint", "p.yaml", "-o", "json").json["problems"] == []
    assert gate("policy", "lint", "p.yaml", "-o", "sarif").json["runs"][0]["results"] == []


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_a_file_instead_of_stdout(output: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", WRONG)
    flags = ("policy", "lint", "p.yaml", "-o", output, "--at", AT)
    ran = gate(*flags, "--output-file", "out")
    assert (ran.code, ran.out, ran.err) == (2, "", "")
    assert (tmp_path / "out").read_text(encoding="utf-8") == gate(*flags).out


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", ANYTHING)
    ran = gate("policy", "lint", "p.yaml", "--output-file", "gone/out")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "gate: --output-file gone/out cannot be written: No such file or directory\n"


def test_colour_where_it_is_wanted(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", WRONG)
    plain = gate_process("policy", "lint", "p.yaml", env={"NO_COLOR": "1", "FORCE_COLOR": "1"})
    assert "\x1b" not in plain.out
    coloured = gate_process("policy", "lint", "p.yaml", env={"NO_COLOR": "", "FORCE_COLOR": "1"})
    assert "\x1b[31m\x1b[1merror\x1b[0m" in coloured.out
    assert "\x1b[31m\x1b[1m^^^^\x1b[0m" in coloured.out
    filed = gate_process("policy", "lint", "p.yaml", "--output-file", "out", env={"FORCE_COLOR": "1"})
    assert filed.code == 2
    assert "\x1b" not in (tmp_path / "out").read_text()


@pytest.mark.parametrize(
    ("line", "span", "shown", "mark"),
    [
        ("a: word", (4, 8), "a: word", "   ^^^^"),
        ("a: word  ", (4, 0), "a: word", "   ^^^^"),
        ("a:", (3, 3), "a:", "  ^"),
        ("", (1, 0), "", "^"),
        ("\ta: x", (2, 3), " a: x", " ^"),
        ("日本: x", (5, 6), "日本: x", "      ^"),
        ("日本: x", (1, 3), "日本: x", "^^^^"),
        ("e\u0301: x", (5, 6), "e\u0301: x", "   ^"),
        ("a\u200b: x", (5, 6), "a\u200b: x", "   ^"),
        (f"{'x' * 200}yz", (201, 203), f"…{'x' * 98}yz", " " * 99 + "^^"),
        (f"yz{'x' * 200}", (1, 3), f"yz{'x' * 98}…", "^^"),
        (f"{'a' * 50}yz{'b' * 200}", (51, 53), f"…{'a' * 30}yz{'b' * 68}…", " " * 31 + "^^"),
        ("x" * 300, (1, 301), f"{'x' * 100}…", "^" * 100),
        (f"{'x' * 300}", (101, 0), f"…{'x' * 100}…", " " * 31 + "^" * 70),
    ],
)
def test_the_offending_text_is_underlined(line: str, span: tuple[int, int], shown: str, mark: str) -> None:
    text, (before, size) = underlined(line, *span)
    assert text == shown
    assert " " * before + "^" * size == mark


HEAD = "apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy\nmetadata: {name: p}\nspec: {rules: [{deny: {}}]}\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "place", "check"),
    [
        pytest.param(f"{HEAD}---\n{BOMB}", "6:24", "too-large", id="a YAML bomb"),
        pytest.param(f"{HEAD}---\na: &a {{<<: *a}}\n", "6:4", "too-large", id="an alias to itself"),
        pytest.param(f"{HEAD}---\n{'[' * 200}{']' * 200}\n", "6:102", "too-large", id="depth"),
        pytest.param(HEAD.replace("kind:", "kind: x\nkind:"), "3:1", "duplicate-key", id="a duplicate key"),
        pytest.param(HEAD.replace("spec: {", "spec:\n\t{"), "5:1", "not-yaml", id="a tab"),
        pytest.param("\ufeff" + HEAD.replace("kind: Cluster", "kind: X"), "2:7", "unknown-kind", id="BOM"),
        pytest.param(HEAD.replace("kind: Cluster", "kind: X").replace("\n", "\r\n"), "2:7", "unknown-kind", id="CRLF"),
        pytest.param(HEAD.replace("spec:", "spce:"), "4:1", "unknown-field", id="an unknown field"),
        pytest.param(
            HEAD.replace("{rules", '{signers: {s: {keyless: {issuer: i, subjectRegex: "(a"}}}, rules'),
            "4:57", "regex", id="a regex that RE2 refuses",
        ),
        pytest.param("- a\n" * 500_000, "1:1", "too-large", id="a list of 500,000"),
        pytest.param(f"{HEAD}x: {'a' * 10_000_000}\n", "5:1", "unknown-field", id="a text of 10 MB"),
        pytest.param(f"{HEAD}---\n" * 2, "8:18", "duplicate-document", id="twice"),
        pytest.param("a: {{ .Values.x }}\n", "1:5", "yaml-feature", id="a template"),
    ],
)  # fmt: skip
def test_bad_input_has_its_place(text: str, place: str, check: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", text)
    ran = gate("policy", "lint", "p.yaml")
    assert (ran.code, ran.err) == (2, "")
    heads = [line for line in ran.out.splitlines() if line.startswith("p.yaml:")]
    assert any(line.startswith(f"p.yaml:{place}: error: ") and line.endswith(f"[{check}]") for line in heads), heads
    assert max(map(len, ran.out.splitlines())) < 500


def test_ten_thousand_documents(tmp_path: Path) -> None:
    """Each is read, and what is wrong with the last one has its place."""
    documents = [f"{HEAD.replace('name: p', f'name: p{i}')}---\n" for i in range(10_000)]
    write(tmp_path, "p.yaml", "".join(documents) + HEAD.replace("spec:", "spce:"))
    ran = gate("policy", "lint", "p.yaml", "-o", "json")
    assert ran.code == 2
    assert [(p["check"], p["line"]) for p in ran.json["problems"]] == [
        ("missing-field", 50_001),
        ("unknown-field", 50_004),
    ]
    assert ran.json["summary"]["policies"] == 10_000


def test_json_with_comments_of_nobody(tmp_path: Path) -> None:
    """A JSON file is read as what it is, places included."""
    document = json.loads(
        json.dumps({"apiVersion": "imagegate.dev/v1", "kind": "GateConfig", "spec": {"unmached": "deny"}})
    )
    write(tmp_path, "p.yaml", json.dumps(document, indent="\t"))
    ran = gate("policy", "lint", "p.yaml", "-o", "json")
    assert [(p["check"], p["line"], p["column"]) for p in ran.json["problems"]] == [
        ("missing-field", 1, 1),
        ("unknown-field", 5, 3),
    ]
