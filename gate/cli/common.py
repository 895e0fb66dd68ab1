"""Flags that every judging command has, and what becomes of errors."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import time
import traceback
from enum import IntEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable, GateError, UsageError
from gate.local import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gate.policy.config import Config
    from gate.settings import Settings


class Exit(IntEnum):
    """Exit codes (CLI.md). Of several, 2 beats 1 beats 3 beats 0."""

    PASS = 0
    DENIED = 1
    USAGE = 2
    NOT_EVALUATED = 3


_UNPRINTABLE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What would steer a terminal or reorder its lines, but for the newline; and what no encoding holds."""

_RUNNER: Final = re.compile(r"##(?=\[|vso\[)", re.IGNORECASE)
_RUNNER_LINE: Final = re.compile(r"^([^\S\n]*)(::+)", re.MULTILINE)
"""What runners of GitHub and Azure take for commands: `##[…]` and `##vso[…]` anywhere, `::…` where a line begins."""

_RANK: Final = {Exit.USAGE: 0, Exit.DENIED: 1, Exit.NOT_EVALUATED: 2, Exit.PASS: 3}


def worst(codes: Iterable[Exit]) -> Exit:
    """The code of several outcomes."""
    return min(codes, key=_RANK.__getitem__, default=Exit.PASS)


_FLAGS: Final[tuple[Any, ...]] = (
    click.option(
        "--registry-config",
        metavar="FILE",
        show_envvar=True,
        envvar="IMAGEGATE_REGISTRY_CONFIG",
        help="docker config.json with credentials; default: where docker, podman and skopeo look.",
    ),
    click.option(
        "--insecure-registry",
        multiple=True,
        metavar="HOST[:PORT]",
        show_envvar=True,
        envvar="IMAGEGATE_INSECURE_REGISTRY",
        help="Speak plain HTTP to this registry.",
    ),
    click.option(
        "--private-registry",
        multiple=True,
        metavar="HOST[:PORT]",
        show_envvar=True,
        envvar="IMAGEGATE_PRIVATE_REGISTRY",
        help="This registry may have a private address.",
    ),
    click.option(
        "--registry-ca",
        multiple=True,
        metavar="HOST=FILE",
        show_envvar=True,
        envvar="IMAGEGATE_REGISTRY_CA",
        help="Trust this CA for a registry, beside the system's.",
    ),
    click.option(
        "--mirror",
        multiple=True,
        metavar="ORIGIN=HOST[/PREFIX]",
        show_envvar=True,
        envvar="IMAGEGATE_MIRROR",
        help="Another place that has what ORIGIN has: asked first for what is known by digest.",
    ),
    click.option(
        "--keychain",
        "keychains",
        multiple=True,
        type=click.Choice(["ecr", "google", "azure"]),
        show_envvar=True,
        envvar="IMAGEGATE_KEYCHAIN",
        help="A cloud whose identity of this machine gives credentials for its registries.",
    ),
    click.option(
        "--layout",
        multiple=True,
        metavar="REPO=DIR",
        show_envvar=True,
        envvar="IMAGEGATE_LAYOUT",
        help="Answer for a repository from an OCI layout folder.",
    ),
    click.option("--offline", is_flag=True, show_envvar=True, envvar="IMAGEGATE_OFFLINE", help="No network at all."),
    click.option(
        "--trusted-root",
        metavar="FILE",
        show_envvar=True,
        envvar="IMAGEGATE_TRUSTED_ROOT",
        help="A Sigstore trusted_root.json, instead of the public-good one.",
    ),
    click.option("--at", metavar="RFC3339", show_envvar=True, envvar="IMAGEGATE_AT", help="Decide as at this instant."),
    click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=32,
        show_default=True,
        show_envvar=True,
        envvar="IMAGEGATE_JOBS",
        help="Images at a time.",
    ),
    click.option(
        "--cache",
        metavar="PATH|URL|none",
        show_envvar=True,
        envvar="IMAGEGATE_CACHE",
        help="Where evidence is kept: a file or valkey://HOST; by default below $XDG_CACHE_HOME. `none`: nowhere.",
    ),
    click.option(
        "--cache-key",
        metavar="FILE",
        show_envvar=True,
        envvar="IMAGEGATE_CACHE_KEY",
        help="A secret of 32 bytes or more: with it lists of signatures are kept too, sealed.",
    ),
    click.option("--debug", is_flag=True, show_envvar=True, envvar="IMAGEGATE_DEBUG", help="Show tracebacks."),
)


_CONFIG: Final = click.option(
    "--config",
    metavar="FILE",
    show_envvar=True,
    envvar="IMAGEGATE_CONFIG",
    help="A GateConfig: what registries want (mirrors, client certificates, token services), and credentials.",
)


def common_flags(timeout: str, *, config: bool = False) -> Callable[[Any], Any]:
    """The flags of CLI.md's "Common".

    Args:
        timeout: the default of --timeout.
        config: whether there is --config: commands that read policies have a `GateConfig` with them.
    """

    def decorate(command: Any) -> Any:
        option = click.option(
            "--timeout",
            default=timeout,
            show_default=True,
            metavar="DURATION",
            show_envvar=True,
            envvar="IMAGEGATE_TIMEOUT",
            help="Time for the whole command; for serve, for a review whose caller names none.",
        )
        for flag in (option, *((_CONFIG,) if config else ()), *reversed(_FLAGS)):
            command = flag(command)
        return reports_errors(command)

    return decorate


def begin(seconds: float) -> Deadline:
    """The one deadline of a command, from now."""
    return Deadline.after(seconds, time.monotonic)


def settings_of(flags: dict[str, Any]) -> Settings:
    """The settings that the common flags amount to.

    Raises:
        UsageError: one of them cannot be used, or is not supported yet.
    """
    from gate import settings

    seconds = settings.parse_duration(flags["timeout"])
    found = settings.Settings(
        settings.parse_hosts(
            flags["insecure_registry"],
            flags["private_registry"],
            flags["registry_ca"],
            flags["mirror"],
            offline=flags["offline"],
        ),
        settings.docker_configs(flags["registry_config"]),
        "" if flags["registry_config"] else settings.docker_auth(),
        flags["keychains"],
        settings.proxies(),
        settings.parse_layouts(flags["layout"]),
        settings.parse_instant(flags["at"]) if flags["at"] else None,
        seconds,
        flags["jobs"],
        cache=flags["cache"] != "none",
        trusted_root=_trusted_root(flags),
        cache_folder=settings.cache_folder(),
        cache_place=_cache_place(flags["cache"]),
        cache_key=settings.cache_key(flags["cache_key"], begin(seconds)) if flags["cache_key"] else b"",
    )
    return settings.with_config(found, _config(flags["config"], found.timeout)) if flags.get("config") else found


def _cache_place(named: str | None) -> str | None:
    """Where evidence is kept; a server's URL is looked at here, before there are any workers.

    Raises:
        UsageError: it cannot be used.
    """
    if named is None or named == "none":
        return None
    if not named:
        raise UsageError("an empty --cache", remedy="name a file, valkey://HOST, or none")
    if "://" in named:
        from gate.store.valkey import ValkeyStore

        ValkeyStore(named).close()
    else:
        from gate.store.opening import check_place

        check_place(Path(named))
    return named


def _config(file: str, seconds: float) -> Config:
    from gate.feeds.folder import require
    from gate.policy.config import CredentialSources

    found = require([Path(file)], begin(seconds)).set.config
    if not found.registries and found.credentials == CredentialSources():
        raise UsageError(
            f"--config {file} says nothing of registries or credentials",
            remedy="give a GateConfig with registries or credentials; policies are for -p of gate check",
        )
    return found


def _trusted_root(flags: dict[str, Any]) -> Path | None:
    """The file of --trusted-root. `build` reads it; of a command with workers in each, and here, where it is seen.

    Raises:
        UsageError: it cannot be used.
    """
    if flags["trusted_root"] is None:
        return None
    found = Path(flags["trusted_root"])
    if "workers" in flags:
        from gate.trust.sources import root_file

        root_file(found)
    return found


def not_yet(flags: dict[str, Any], *names: str) -> None:
    """Refuse flags that are accepted and do nothing yet.

    Raises:
        UsageError: one of them is given.
    """
    for name in names:
        if flags.get(name):
            flag = "--" + name.removesuffix("_").replace("_", "-")
            raise UsageError(f"{flag} is not supported yet by this version of imagegate", remedy="leave it out")


def say(message: str) -> None:
    """A diagnostic, on stderr; where there is none, nobody wants to hear it."""
    with contextlib.suppress(OSError):
        click.echo(printable(message), err=True)


def say_all(notes: Iterable[str]) -> None:
    """What a command has to add, on stderr."""
    for note in notes:
        say(f"gate: {note}")


def emit(text: str) -> None:
    """A result, on stdout. A reader that has gone (`gate … | head`) has had enough: the exit code still counts.

    Raises:
        UsageError: it cannot be written.
    """
    if sys.stdout is None:
        raise UsageError("standard output is closed", remedy="give it a file, or --output-file")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UsageError(f"standard output cannot be written: {error.strerror}") from error


def deliver(text: str, file: str | None, flag: str = "--output-file") -> None:
    """A result, to a file or on stdout.

    Raises:
        UsageError: it cannot be written; `flag` named the file.
    """
    if file is None:
        emit(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:  # a zero byte in its name
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{flag} {shown(file)} cannot be written: {why}") from error


def printable(text: str) -> str:
    """The text without what steers a terminal or a CI runner: manifests and registries are other people's words.

    Letter by letter as long: columns stay what they are.
    """
    return _RUNNER_LINE.sub(_broken, _RUNNER.sub("# ", _UNPRINTABLE.sub(" ", text)))


def _broken(found: re.Match[str]) -> str:
    return f"{found[1]}{' ' * (len(found[2]) - 1)}:"


def one_line(text: str) -> str:
    """As `printable`, and newlines are spaces: nobody's words can look like a line of ours."""
    return printable(text).replace("\n", " ")


def reports_errors(command: Any) -> Any:
    """One line for what went wrong and the exit code it has; a traceback only with --debug."""

    @wraps(command)
    def run(*args: Any, **flags: Any) -> None:
        debug = flags.pop("debug", False)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a locale is no reason to fail
        try:
            command(*args, **flags)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except GateError as error:
            if debug:
                traceback.print_exc()
            code = f"{error.code}: " if isinstance(error, EvidenceUnavailable) else ""
            say(f"gate: {code}{error}")
            sys.exit(Exit.NOT_EVALUATED if isinstance(error, EvidenceUnavailable) else Exit.USAGE)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said in one line
            if debug:
                traceback.print_exc()
            what = f"{type(error).__name__}: {str(error)[:300]}"
            say(f"gate: internal error: {what}; please report it, with the output of --debug")
            sys.exit(Exit.NOT_EVALUATED)

    return run
