from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fakes.signing import alice
from tests.unit.cli.support import ANYTHING, NOTHING, gate, gate_process, pod, policy, signed_by_alice, write

if TYPE_CHECKING:
    from pathlib import Path

TEST = """\
apiVersion: imagegate.dev/v1
kind: GateTest
metadata: {name: t}
spec:
  at: 2026-11-23T12:00:00Z
  cases:
  - {name: one, image: nginx, expect: {verdict: deny, findings: [{code: DENIED_BY_POLICY, rule: deny}]}}
"""


def test_policies_without_problems(tmp_path: Path) -> None:
    write(tmp_path, "policies/a.yaml", f"{ANYTHING}---\n{NOTHING.replace('name: p', 'name: q')}")
    write(tmp_path, "policies/deep/b.yml", signed_by_alice(name="r"))
    write(tmp_path, "policies/.hidden/c.yaml", "kind: [")
    write(tmp_path, "policies/notes.txt", "kind: [")
    ran = gate("policy", "lint", "policies")
    assert (ran.code, ran.err, ran.out) == (0, "", "3 policies in 2 files: no problems\n")


def test_one_policy(tmp_path: Path) -> None:
    assert gate("policy", "lint", write(tmp_path, "p.yaml", ANYTHING)).out == "1 policy in 1 file: no problems\n"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        pytest.param(ANYTHING.replace("mode:", "mood:"), "5:3", "did you mean mode?", id="an unknown field"),
        pytest.param(ANYTHING.replace("enforce", "enforced"), "5:9", "enforce", id="a bad value"),
        pytest.param(ANYTHING.replace("dev/v1", "dev/v2"), "1:13", "imagegate.dev/v1", id="version"),
        pytest.param(ANYTHING.replace("ClusterGatePolicy", "ClusterPolicy"), "2:7", "ClusterGatePolicy", id="kind"),
        pytest.param(policy("[{cel: {}}]"), "8:17", "add `expression:`", id="a missing field"),
        pytest.param(policy("[]"), "8:10", "rules", id="no rule"),
        pytest.param(policy("[{signature: {by: bob}}]"), "8:28", "bob", id="an unknown signer"),
        pytest.param(policy("[{deny: {}}]", match="{images: []}"), "6:19", "images", id="an empty list"),
        pytest.param(policy("[{deny: {}}]", match='{images: ["nginx"]}'), "6:20", "docker.io/library/", id="short"),
        pytest.param(f"{ANYTHING}---\n{ANYTHING}", "12:18", "stands twice", id="twice"),
        pytest.param("a: 1\na: 2\n", "2:1", "twice", id="no YAML"),
        pytest.param(ANYTHING.replace("kind:", "\tkind:"), "2:1", "not YAML", id="a tab"),
    ],
)  # fmt: skip
def test_a_problem_has_its_place_and_a_remedy(text: str, place: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", text)
    ran = gate("policy", "lint", "p.yaml")
    assert (ran.code, ran.err) == (2, "")
    head, source, mark, *_, last = ran.out.splitlines()
    assert head.startswith(f"p.yaml:{place}: error: ")
    assert said in ran.out
    line, column = map(int, place.split(":"))
    number, _, shown = source.partition(" | ")
    assert int(number) == line
    assert shown == text.splitlines()[line - 1].replace("\t", " ")
    assert mark.partition(" | ")[2].index("^") == column - 1
    assert last == "1 problem in 1 file"


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """As of a shell's `<(…)`: who wrote into it has gone, and to open it again would wait for ever."""
    pipe = tmp_path / "p.yaml"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(ANYTHING.replace("mode:", "mood:"),))
    writer.start()
    ran = gate_process("policy", "lint", pipe)
    writer.join()
    assert (ran.code, ran.err) == (2, "")
    first, source, *_, help_, last = ran.out.splitlines()
    assert first.startswith(f"{pipe}:5:3: ")
    assert source == " 5 |   mood: enforce"
    assert help_ == "   = help: did you mean mode?"
    assert last == "1 problem in 1 file"


def test_every_problem_is_shown(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ANYTHING.replace("mode: enforce", "mode: x\n  foo: 1"))
    write(tmp_path, "b.yaml", NOTHING.replace("deny", "dany").replace("name: p", "name: q"))
    ran = gate("policy", "lint", "a.yaml", "b.yaml")
    assert ran.code == 2
    assert ran.out.splitlines()[-1] == "3 problems in 2 files"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["none.yaml"], "none.yaml"),
        (["pod.yaml"], "holds no policy"),
        (["good.yaml", "empty"], "empty holds no policy"),
        ([], "PATH"),
        (["good.yaml", "--strictest"], "--strictest"),
    ],
)
def test_what_cannot_be_read(paths: list[str], said: str, tmp_path: Path) -> None:
    write(tmp_path, "good.yaml", ANYTHING)
    write(tmp_path, "pod.yaml", pod("nginx"))
    (tmp_path / "empty").mkdir()
    ran = gate("policy", "lint", *paths)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_documents_of_others_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", f"{pod('nginx')}\n---\n{ANYTHING}")
    assert gate("policy", "lint", "p.yaml").out == "1 policy in 1 file: no problems\n"


def test_tests_are_read_too(tmp_path: Path) -> None:
    write(tmp_path, "policies/p.yaml", f"{NOTHING}---\n{TEST}")
    ran = gate("policy", "lint", "policies")
    assert (ran.code, ran.err, ran.out) == (0, "", "1 policy and 1 test in 1 file: no problems\n")
    wrong = TEST.replace("rule: deny", "rule: dany").replace("T12", " 12")
    write(tmp_path, "policies/wrong.yaml", wrong)
    assert gate("policy", "lint", "policies").out.splitlines()[0].startswith("policies/wrong.yaml:5:7: ")
    write(tmp_path, "policies/wrong.yaml", TEST.replace("rule: deny", "rule: dany"))
    ran = gate("policy", "lint", "policies")
    assert (ran.code, ran.out.splitlines()[-1]) == (2, "1 problem in 2 files")
    assert "policies/wrong.yaml:7:97: error: no rule of the policies under test is called 'dany'" in ran.out
    assert " = help: did you mean deny?\n" in ran.out


def test_a_problem_of_a_policy_under_test_is_said_once(tmp_path: Path) -> None:
    write(tmp_path, "policies/p.yaml", f"{NOTHING.replace('mode:', 'mood:')}---\n{TEST}")
    ran = gate("policy", "lint", "policies")
    assert (ran.code, ran.out.splitlines()[-1]) == (2, "1 problem in 1 file")


def test_a_policy_under_test_that_is_elsewhere_is_shown_too(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/p.yaml", NOTHING.replace("mode:", "mood:"))
    write(tmp_path, "tests/t.yaml", TEST.replace("  cases:", "  policies: [../elsewhere]\n  cases:"))
    ran = gate("policy", "lint", "tests")
    assert (ran.code, ran.err) == (2, "")
    assert ran.out.startswith("tests/../elsewhere/p.yaml:5:3: error: unknown field `mood` in `spec`")
    assert "\n 5 |   mood: enforce\n   |   ^^^^\n" in ran.out


def test_nobody_else_reads_tests(tmp_path: Path) -> None:
    """Not even where they are wrong: what they say decides nothing."""
    write(tmp_path, "p.yaml", f"{ANYTHING}---\n{TEST.replace('cases', 'casus')}")
    write(tmp_path, "pod.yaml", pod("nginx"))
    assert gate("check", "pod.yaml", "-p", "p.yaml").code == 0


def test_key_files_are_relative_to_their_policy(tmp_path: Path) -> None:
    signers = json.dumps({"alice": {"key": {"file": "keys/alice.pub"}}})
    write(tmp_path, "policies/p.yaml", policy("[{signature: {by: alice}}]", signers=signers))
    missing = gate("policy", "lint", "policies")
    assert missing.code == 2
    assert "policies/keys/alice.pub" in missing.out
    write(tmp_path, "policies/keys/alice.pub", alice().pem.decode())
    assert gate("policy", "lint", "policies").code == 0


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: imagegate.dev/v1\nkind: \x1b[31mFoo\n",
        'apiVersion: imagegate.dev/v1\nkind: "\\e[31mFoo"\n',
        ANYTHING.replace("tags:", '"\\e[31mtags":'),
        ANYTHING.replace("tags:", '"\\x9b31m\\ntags":'),
        ANYTHING.replace("name: p", 'name: "p\\u202e"'),
        ANYTHING.replace("kind:", "#\u2028\u202e\nkind_:"),
    ],
    ids=ascii,
)
def test_a_policy_does_not_steer_the_terminal(text: str, tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", text)
    write(tmp_path, "pod.yaml", pod("nginx"))
    for ran in (gate("policy", "lint", "p.yaml"), gate("check", "pod.yaml", "-p", "p.yaml")):
        assert ran.code == 2
        assert all(c == "\n" or c.isprintable() for c in ran.out + ran.err), ascii(ran.out + ran.err)


def test_the_line_shown_is_the_one_that_is_meant(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", f"# YAML ends a line\u2028# here\x85# and here\n{ANYTHING.replace('mode', 'mood')}")
    ran = gate("policy", "lint", "p.yaml")
    assert "\n 8 |   mood: enforce\n   |   ^^^^\n" in ran.out
