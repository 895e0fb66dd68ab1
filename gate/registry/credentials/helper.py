"""Docker's credential helpers: programs that are asked (docker/docker-credential-helpers)."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

import msgspec

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import DOCKER_HUB
from gate.registry.credentials.credential import Credential

if TYPE_CHECKING:
    from gate.deadline import Deadline

MAX_ANSWER: Final = 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HUB_KEY: Final = "https://index.docker.io/v1/"
_SECONDS: Final = 15
_STEP: Final = 0.02  # seconds between looks at whether it has ended
_GRACE: Final = 0.5  # seconds after its end for what it started and still prints
_CHUNK: Final = 64 * 1024
_NOT_FOUND: Final = b"credentials not found in native keychain"


class _Answer(msgspec.Struct):
    Username: str = ""
    Secret: str = ""


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def ask_helper(helper: str, registry: str, deadline: Deadline) -> Credential | None:
    """Run `docker-credential-<helper> get`.

    Raises:
        EvidenceUnavailable: it has no name of one, is not there, hangs, fails or prints something else.
    """
    source = f"docker-credential-{helper}"
    if not _NAME.fullmatch(helper):
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED,
            f"{helper[:100]!r} is not the name of a credential helper",
            remedy="mend config.json",
        )
    server = _HUB_KEY if registry == DOCKER_HUB else registry
    allowed = min(_SECONDS, deadline.check(f"asking the credential helper {source}"))
    try:
        status, output = _run([source, "get"], server.encode(), allowed)
    except (OSError, TimeoutError) as error:
        why = "is not installed" if isinstance(error, FileNotFoundError) else "did not answer"
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED, f"the credential helper {source} {why}", remedy="install it or mend config.json"
        ) from error
    if status != 0:
        if _NOT_FOUND in output:
            return None
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED,
            f"the credential helper {source} failed for {registry} (exit {status})",
            remedy=f"docker login {registry}",
        )
    return _credential(source, output, registry)


def _run(command: list[str], text: bytes, seconds: float) -> tuple[int, bytes]:
    """Exit status and output of a program, at most `MAX_ANSWER` bytes of it and a little more.

    It and what it started are ended when its time is over or it prints without end. What it leaves behind is left
    alone: daemons (keyrings, agents) are started so, and not all close the output they were given.

    Raises:
        OSError: it can't be started.
        TimeoutError: it took too long.
    """
    end = time.monotonic() + seconds
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(OSError):  # it may not care what it is asked
                process.stdin.write(text)
                process.stdin.close()
            output = _read(process, process.stdout.fileno(), end)
            if len(output) > MAX_ANSWER:
                raise TimeoutError(f"more than {MAX_ANSWER} bytes")
            return process.wait(max(0.0, end - time.monotonic())), output
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(str(error)) from error
        finally:
            if process.returncode is None:  # its number is still its own
                os.killpg(process.pid, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes], descriptor: int, end: float) -> bytes:
    """What comes out of a program: until the output ends, or a moment after the program itself has.

    Raises:
        TimeoutError: neither by `end`.
    """
    poll = select.poll()  # unlike select, for any number of open files
    poll.register(descriptor, select.POLLIN)
    chunks: list[bytes] = []
    size = 0
    ended = False
    while size <= MAX_ANSWER:
        if not ended and process.poll() is not None:
            ended, end = True, min(end, time.monotonic() + _GRACE)
        left = max(0.0, end - time.monotonic())
        if not poll.poll(1000 * (left if ended else min(left, _STEP))):
            if ended:
                break  # somebody else has its output open
            if not left:
                raise TimeoutError("the time allowed ran out")
            continue
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _credential(source: str, output: bytes, registry: str) -> Credential | None:
    try:
        answer = _ANSWER.decode(output)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED, f"the credential helper {source} gave no credentials for {registry}"
        ) from error
    if not answer.Secret:
        return None
    if answer.Username == "<token>":
        return Credential(source, identity_token=answer.Secret)
    return Credential(source, answer.Username, answer.Secret)
