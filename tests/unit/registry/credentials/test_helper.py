from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.helper import MAX_ANSWER, ask_helper
from tests.fakes.clients import soon
from tests.unit.registry.credentials.support import HUB, SECRET, answering, make_helper

LIMIT = 20.0
"""Far above what is allowed here: what is asserted is that a call came back."""


def _ask(seconds: float = 10.0, registry: str = "ghcr.io") -> Credential | None:
    return ask_helper("test", registry, soon(seconds))


def _fails(seconds: float = 10.0) -> EvidenceUnavailable:
    started = time.monotonic()
    with pytest.raises(EvidenceUnavailable) as caught:
        _ask(seconds)
    assert time.monotonic() - started < LIMIT
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert "docker-credential-test" in caught.value.message
    assert SECRET not in str(caught.value)
    return caught.value


def _is_gone(file: Path) -> bool:
    """Whether the process whose number a helper wrote there ends, or has ended and waits to be asked for its status."""
    number = int(file.read_text())
    for _ in range(500):
        try:
            os.kill(number, 0)
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":  # proc(5)
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False


def test_a_helper_is_asked_for_the_host(tmp_path: Path, helpers: Path) -> None:
    answer = json.dumps({"ServerURL": "ghcr.io", "Username": "u", "Secret": SECRET})
    make_helper(helpers, "test", f"echo \"$@\" > {tmp_path}/arguments; cat > {tmp_path}/asked; echo '{answer}'")
    assert _ask() == Credential("docker-credential-test", "u", SECRET)
    assert (tmp_path / "asked").read_text() == "ghcr.io"
    assert (tmp_path / "arguments").read_text() == "get\n"


def test_a_helper_is_asked_for_docker_hub_by_its_old_key(tmp_path: Path, helpers: Path) -> None:
    make_helper(helpers, "test", f'cat > {tmp_path}/asked; echo \'{{"Username":"u","Secret":"s"}}\'')
    assert _ask(registry="docker.io") is not None
    assert (tmp_path / "asked").read_text() == HUB


def test_a_token_of_a_helper_is_an_identity_token(helpers: Path) -> None:
    make_helper(helpers, "test", answering("<token>"))
    assert _ask() == Credential("docker-credential-test", identity_token=SECRET)


@pytest.mark.parametrize(
    "script",
    [
        "cat > /dev/null; echo 'credentials not found in native keychain'; exit 1",
        'cat > /dev/null; echo \'{"ServerURL":"","Username":"","Secret":""}\'',
    ],
)
def test_a_helper_that_has_none_is_anonymous(helpers: Path, script: str) -> None:
    make_helper(helpers, "test", script)
    assert _ask() is None


@pytest.mark.parametrize(
    "script",
    [
        f"cat > /dev/null; echo '{SECRET}'; echo '{SECRET}' >&2; exit 1",
        f"cat > /dev/null; echo '{SECRET}'",
        f"cat > /dev/null; echo '[\"{SECRET}\"]'",
        f'cat > /dev/null; echo \'{{"Username": 7, "Secret": "{SECRET}"}}\'',
        f'cat > /dev/null; echo \'{{"Username": "u", "Secret": "{SECRET}\\q"}}\'',
        "exit 3",
        "kill -9 $$",
        "printf '\\377\\376'",
        "printf '%100000s' | tr ' ' '['",
        """printf '{"x":'; printf '%100000s' | tr ' ' '['; printf '%100000s' | tr ' ' ']'; printf '}'""",
        "",
    ],
)
def test_a_helper_that_fails_is_an_error_without_its_output(helpers: Path, script: str) -> None:
    make_helper(helpers, "test", script)
    error = _fails()
    assert "ghcr.io" in str(error)
    cause = error.__cause__
    while cause is not None:
        assert SECRET not in repr(cause)
        cause = cause.__cause__


def test_a_helper_that_is_missing_is_an_error_and_not_anonymous(helpers: Path) -> None:
    (helpers / "docker-credential-plain").write_text("no executable")
    for name, why in (("absent", "is not installed"), ("plain", "did not answer")):
        with pytest.raises(EvidenceUnavailable, match=f"docker-credential-{name} {why}") as caught:
            ask_helper(name, "ghcr.io", soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED


@pytest.mark.parametrize(
    "name", ["../x", "/bin/sh", "a/b", "..", ".hidden", "-x", "a b", "a;b", "a\n", "a\0b", "é", "x" * 65, ""]
)
def test_a_helper_is_named_by_a_plain_word(tmp_path: Path, helpers: Path, name: str) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "docker-credential-..").mkdir()
    (tmp_path / "x").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (tmp_path / "x").chmod(0o755)
    with pytest.raises(EvidenceUnavailable, match="not the name of a credential helper") as caught:
        ask_helper(name, "ghcr.io", soon())
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert not marker.exists()


# what a helper may do to whoever waits for it


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 600",
        "sleep 600",  # a child of the shell's holds the output
        "exec >/dev/null; exec sleep 600",  # the output has ended, and it has not
        "printf '{'; exec sleep 600",
        "while :; do printf ' '; sleep 0.01; done",
        "trap '' TERM INT HUP; while :; do sleep 1; done",
    ],
)
def test_a_helper_that_hangs_is_ended_with_the_deadline(tmp_path: Path, helpers: Path, script: str) -> None:
    make_helper(helpers, "test", f"echo $$ > {tmp_path}/number; {script}")
    started = time.monotonic()
    assert "did not answer" in _fails(0.5).message
    assert 0.4 < time.monotonic() - started < 10
    assert _is_gone(tmp_path / "number")


@pytest.mark.parametrize(
    "script", ["exec yes", "exec cat /dev/zero", f"head -c {MAX_ANSWER + 1} /dev/zero; exec sleep 600"]
)
def test_a_helper_that_prints_without_end_is_ended(tmp_path: Path, helpers: Path, script: str) -> None:
    make_helper(helpers, "test", f"echo $$ > {tmp_path}/number; {script}")
    assert "did not answer" in _fails(15).message
    assert _is_gone(tmp_path / "number")


def test_as_much_as_is_allowed_is_read(helpers: Path) -> None:
    make_helper(helpers, "test", f"{answering('u')}; printf '%{MAX_ANSWER - 100}s'")
    assert _ask() == Credential("docker-credential-test", "u", SECRET)


def test_what_a_helper_leaves_behind_with_its_output_does_not_keep_its_answer(tmp_path: Path, helpers: Path) -> None:
    """A daemon that was started without closing its output: nobody says that the output has ended."""
    make_helper(helpers, "test", f"sleep 600 & echo $! > {tmp_path}/number; {answering('u')}")
    started = time.monotonic()
    assert _ask(15) == Credential("docker-credential-test", "u", SECRET)
    assert time.monotonic() - started < 5
    os.kill(int((tmp_path / "number").read_text()), 9)  # it is left alone, as daemons are


def test_what_is_printed_a_moment_after_a_helper_has_ended_is_its_answer(helpers: Path) -> None:
    make_helper(helpers, "test", f"(sleep 0.1; {answering('u')}) & cat > /dev/null")
    assert _ask() == Credential("docker-credential-test", "u", SECRET)


def test_what_a_helper_leaves_behind_may_print_without_end(tmp_path: Path, helpers: Path) -> None:
    make_helper(helpers, "test", f"yes & echo $! > {tmp_path}/number; {answering('u')}")
    assert "did not answer" in _fails(15).message
    assert _is_gone(tmp_path / "number")


def test_what_a_helper_leaves_behind_without_its_output_is_left_alone(tmp_path: Path, helpers: Path) -> None:
    """A daemon as daemons are: keyrings are started so."""
    make_helper(helpers, "test", f"sleep 30 >/dev/null 2>&1 & echo $! > {tmp_path}/number; {answering('u')}")
    assert _ask() is not None
    number = int((tmp_path / "number").read_text())
    os.kill(number, 0)
    os.kill(number, 9)


def test_a_helper_may_ignore_what_it_is_asked(helpers: Path) -> None:
    for script in ("exec <&-", "true"):
        make_helper(helpers, "test", f'{script}; echo \'{{"Username":"u","Secret":"s"}}\'')
        assert _ask(registry="x" * 255) == Credential("docker-credential-test", "u", "s")


def test_a_helpers_complaints_are_nobodys(helpers: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_helper(helpers, "test", f"echo {SECRET} >&2; {answering('u')}")
    assert _ask() is not None
    assert capfd.readouterr() == ("", "")


def test_a_helper_has_no_terminal_to_ask_at(tmp_path: Path, helpers: Path) -> None:
    """It is in a session of its own: Ctrl-C ends `gate`, and that ends the helper."""
    make_helper(helpers, "test", f"cut -d' ' -f6 /proc/$$/stat > {tmp_path}/session; {answering('u')}")
    assert _ask() is not None
    assert int((tmp_path / "session").read_text()) != os.getsid(0)


def test_no_helper_is_started_when_no_time_is_left(tmp_path: Path, helpers: Path) -> None:
    make_helper(helpers, "test", f"touch {tmp_path}/ran")
    with pytest.raises(EvidenceUnavailable) as caught:
        _ask(-1)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert not (tmp_path / "ran").exists()


def test_helpers_leave_no_files_open(helpers: Path) -> None:
    make_helper(helpers, "test", answering("u"))
    _ask()
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir()))
    for script in (answering("u"), "exec sleep 600", "exec yes", "exit 1"):
        make_helper(helpers, "test", script)
        try:
            _ask(0.2)
        except EvidenceUnavailable:
            continue
    assert len(list(open_files.iterdir())) == before
