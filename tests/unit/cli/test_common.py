from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from gate.cli.common import Exit, one_line, printable, reports_errors, worst
from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError, Place, UsageError
from tests.fakes.signing_authority import shared_world
from tests.unit.cli.support import ANYTHING, AT, Ran, Shop, gate, gate_process, pod, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("codes", list(itertools.permutations([2, 1, 3, 0])))
def test_of_several_exit_codes_2_beats_1_beats_3_beats_0(codes: tuple[int, ...]) -> None:
    order = [2, 1, 3, 0]
    for count in range(1, 5):
        expected = min(codes[:count], key=order.index)
        assert worst([Exit(code) for code in codes[:count]]) == expected


def test_nothing_done_is_a_pass() -> None:
    assert worst([]) is Exit.PASS


@pytest.mark.parametrize("bad", ["\x1b", "\x07", "\r", "\x00", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\udc80"])
def test_what_steers_a_terminal_is_not_printed(bad: str) -> None:
    assert printable(f"a{bad}b\nc") == "a b\nc"
    assert one_line(f"a{bad}b\nc") == "a b c"


def test_words_of_any_language_are_printed() -> None:
    assert printable("Größe 画像 …") == "Größe 画像 …"


ERRORS = [
    (UsageError("bad", remedy="mend it", place=Place("f.yaml", 2, 3)), 2, "gate: f.yaml:2:3: bad; mend it\n"),
    (ParseError("no digest"), 2, "gate: no digest\n"),
    (EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "silence"), 3, "gate: REGISTRY_TIMEOUT: silence; retry\n"),
    (UsageError("a\x1b[31mb"), 2, "gate: a [31mb\n"),
]


def failing(error: Exception) -> click.Command:
    @click.command()
    @click.option("--debug", is_flag=True)
    @reports_errors
    def command() -> None:
        raise error

    return command


def run(command: click.Command, *arguments: str) -> Ran:
    result = CliRunner().invoke(command, arguments)
    return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize(("error", "code", "said"), ERRORS)
def test_an_error_is_one_line(error: Exception, code: int, said: str) -> None:
    assert run(failing(error)) == Ran(code, "", said)


@pytest.mark.parametrize(("error", "code", "said"), ERRORS)
def test_debug_shows_a_traceback_and_keeps_the_exit_code(error: Exception, code: int, said: str) -> None:
    ran = run(failing(error), "--debug")
    assert ran.code == code
    assert ran.err.startswith("Traceback (most recent call last):")
    assert ran.err.endswith(said)


def test_a_bug_is_one_line_and_never_a_pass() -> None:
    ran = run(failing(RuntimeError("oops")))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "gate: internal error: RuntimeError: oops; please report it, with the output of --debug\n"
    assert "Traceback" in run(failing(RuntimeError("oops")), "--debug").err


@pytest.mark.parametrize(("image", "code"), [("nginx:1.27", 0), ("nginx:latest", 1)])
def test_a_reader_that_has_gone_leaves_the_exit_code(tmp_path: Path, image: str, code: int) -> None:
    """`gate check … | true`: the verdict is the same, whoever reads it."""
    source = write(tmp_path, "pod.yaml", pod(image))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gate", "check", str(source)], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        (">/dev/full", "gate: standard output cannot be written: No space left on device\n"),
        (">&-", "gate: standard output is closed; give it a file, or --output-file\n"),
    ],
)
def test_a_standard_output_that_takes_nothing_is_exit_code_2(tmp_path: Path, shell: str, said: str) -> None:
    source = write(tmp_path, "pod.yaml", pod("nginx:1.27"))
    command = f'"{sys.executable}" -m gate check "{source}" {shell}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, encoding="utf-8")
    assert (done.returncode, done.stderr) == (2, said)


def test_a_standard_input_that_is_closed_is_a_source_that_cannot_be_read() -> None:
    command = f'"{sys.executable}" -m gate check - <&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 2
    assert "-: UNREADABLE standard input is closed; name a file" in done.stdout


def test_a_pipe_that_nobody_writes_to_ends_with_the_time(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    ran = gate_process("check", pipe, "--timeout", "1s")
    assert ran.code == 2
    assert "nothing came before the time allowed ran out; see --timeout" in ran.out


WORKING = [
    ("--at", AT),
    ("--timeout", "30s"),
    ("--timeout", "2m"),
    ("--jobs", "1"),
    ("--jobs", "64"),
    ("--cache", "none"),
    ("--cache", "answers.sqlite"),
    ("--cache", "valkey://127.0.0.1:1"),
    ("--cache-key", "long.key"),
    ("--private-registry", "registry.test:5000"),
    ("--insecure-registry", "registry.test"),
    ("--registry-config", "config.json"),
    ("--registry-ca", "registry.test=ca.pem"),
    ("--layout", "registry.test/acme/api=layout"),
    ("--debug",),
]

REFUSED = [
    (("--mirror", "docker.io=mirror.test/Hub"), "--mirror"),
    (("--trusted-root", "root.json"), "root.json: not a trusted root"),
    (("--cache", ""), "--cache"),
    (("--cache", "https://cache.test"), "the store's URL"),
    (("--cache-key", "none.key"), "none.key"),
    (("--cache-key", "short.key"), "short.key"),
    (("--at", "yesterday"), "yesterday"),
    (("--at", "2026-11-23"), "2026-11-23"),
    (("--at", "2026-11-23T12:00:00"), "2026-11-23T12:00:00"),
    (("--timeout", "soon"), "soon"),
    (("--timeout", "0s"), "0s"),
    (("--timeout", "10"), "10"),
    (("--jobs", "0"), "--jobs"),
    (("--jobs", "65"), "--jobs"),
    (("--registry-config", "none.json"), "none.json"),
    (("--registry-ca", "registry.test"), "--registry-ca"),
    (("--registry-ca", "registry.test=none.pem"), "none.pem"),
    (("--registry-ca", "a b=ca.pem"), "a b"),
    (("--registry-ca", "registry.test=key.pem"), "key.pem has no certificate of an authority"),
    (("--insecure-registry", "http://registry.test"), "http://registry.test"),
    (("--private-registry", "registry.test/acme"), "registry.test/acme"),
    (("--layout", "registry.test/acme/api"), "--layout"),
    (("--layout", "registry.test/acme/api:v1=layout"), "--layout"),
    (("--layout", "registry.test/acme/api=none"), "none"),
    (("--no-such-flag",), "--no-such-flag"),
]


def _commands(shop: Shop, folder: Path) -> dict[str, tuple[str, ...]]:
    """One good call of each judging command."""
    write(folder, "config.json", '{"auths": {}}')
    write(folder, "short.key", "x" * 31)
    write(folder, "long.key", "x" * 32)
    authority = shared_world().fulcio.issuers[-1].certificate
    write(folder, "ca.pem", authority.public_bytes(Encoding.PEM).decode())
    write(folder, "key.pem", shop.key.read_text())
    write(folder, "root.json", "{}")
    if not (folder / "layout").exists():
        (folder / "layout").symlink_to(shop.folder / "acme/api")
    source = write(folder, "pod.yaml", pod("registry.test/x:v1"))
    policies = write(folder, "policy.yaml", ANYTHING)
    image = shop.image("acme/api:v1")
    return {
        "check": ("check", str(source), "-p", str(policies)),
        "verify": ("verify", image, "--key", str(shop.key), *shop.flags),
        "resolve": ("resolve", image, *shop.flags),
    }


@pytest.mark.parametrize("command", ["check", "verify", "resolve"])
@pytest.mark.parametrize("flags", WORKING, ids=" ".join)
def test_a_common_flag_works(command: str, flags: tuple[str, ...], shop: Shop, tmp_path: Path) -> None:
    ran = gate(*_commands(shop, tmp_path)[command], *flags)
    assert (ran.code, "Traceback" in ran.err) == (0, False), ran.err
    assert ran.out


@pytest.mark.parametrize("command", ["check", "verify", "resolve"])
@pytest.mark.parametrize(("flags", "named"), REFUSED, ids=[" ".join(flags) for flags, _ in REFUSED])
def test_a_common_flag_that_cannot_be_used_is_named(
    command: str, flags: tuple[str, ...], named: str, shop: Shop, tmp_path: Path
) -> None:
    ran = gate(*_commands(shop, tmp_path)[command], *flags)
    assert (ran.code, ran.out, shop.asked()) == (2, "", 0)
    assert named in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", ["verify", "resolve"])
def test_offline_asks_no_network(command: str, shop: Shop, tmp_path: Path) -> None:
    ran = gate(*_commands(shop, tmp_path)[command], "--offline")
    assert (ran.code, shop.asked()) == ({"verify": 3, "resolve": 3}[command], 0)
    assert "REGISTRY_UNREACHABLE" in ran.out + ran.err


@pytest.mark.parametrize("command", ["verify", "resolve"])
def test_a_layout_answers_for_a_registry_offline(command: str, shop: Shop, tmp_path: Path) -> None:
    layout = f"{shop.image('acme/api')}={shop.folder / 'acme/api'}"
    ran = gate(*_commands(shop, tmp_path)[command], "--offline", "--layout", layout)
    assert (ran.code, shop.asked()) == (0, 0), ran.err
    assert str(shop.digests["acme/api:v1"]) in ran.out


def test_a_private_address_needs_a_flag(shop: Shop) -> None:
    ran = gate("resolve", shop.image("acme/api:v1"))
    assert (ran.code, ran.out, shop.asked()) == (3, "", 0)
    assert "--private-registry" in ran.err


def test_flags_are_environment_variables_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGATE_INSECURE_REGISTRY", f"other.test {shop.host}")
    ran = gate("resolve", shop.image("acme/api:v1"))
    assert (ran.code, ran.out) == (0, f"{shop.image('acme/api:v1')}@{shop.digests['acme/api:v1']}\n")


def test_results_and_diagnostics_have_their_own_streams(shop: Shop, tmp_path: Path) -> None:
    write(tmp_path, "a/pod.yaml", pod("nginx:1.27"))
    write(tmp_path, "a/notes.txt", "no manifest")
    ran = gate_process("check", "a", "-o", "json")
    assert ran.code == 0
    assert json.loads(ran.out)["verdict"] == "warn"
    assert ran.err == "gate: 1 document or file skipped that run no image\n"


@pytest.mark.parametrize(
    ("env", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_is_for_terminals_or_who_asks(env: dict[str, str], colored: bool, tmp_path: Path) -> None:  # noqa: FBT001
    write(tmp_path, "pod.yaml", pod("nginx:latest"))
    ran = gate_process("check", "pod.yaml", env=env)
    assert ran.code == 1
    assert ("\x1b[" in ran.out) is colored
    assert "\x1b" not in ran.err


def test_forced_colour_is_not_written_to_files_nor_into_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    write(tmp_path, "pod.yaml", pod("nginx:latest"))
    assert gate("check", "pod.yaml", "--output-file", "report.txt").out == ""
    assert "\x1b" not in (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "\x1b" not in gate("check", "pod.yaml", "-o", "json").out


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_stream_without_unicode_is_no_failure(output: str, tmp_path: Path) -> None:
    write(tmp_path, "pod.yaml", pod("größe:1", "nginx:1.27"))
    ran = gate_process("check", "pod.yaml", "-o", output, env={"PYTHONIOENCODING": "ascii"})
    assert ran.code == 1
    assert "gr\\xf6\\xdfe" in ran.out or "gr\\u00f6\\u00dfe" in ran.out
    assert ran.out.isascii()
