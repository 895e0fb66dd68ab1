"""Flags, environment and files into frozen settings: the only module that reads the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate import instants
from gate.errors import EvidenceUnavailable, ParseError, UsageError
from gate.image.reference import Reference, Repository, canonical_registry
from gate.local import exists, is_file, is_folder, read_local, shown
from gate.policy.reading.config import parse_place
from gate.registry.guard.hosts import Hosts, Mirror
from gate.registry.guard.proxies import Proxies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.policy.config import Config, RegistryRule

_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_JOBS: Final = 64
LEAST_KEY: Final = 32
"""Bytes of a key that seals."""

_LONGEST_KEY: Final = 4096
MAX_SECONDS: Final = 86400.0
"""The longest time that can be given to a command."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command runs with.

    Attributes:
        hosts: what was said about registry hosts.
        docker_configs: files that credentials come from, in their order.
        docker_auth: the text of DOCKER_AUTH_CONFIG, which comes before them; "" for none.
        keychains: clouds that are asked: `ecr`, `google`, `azure`.
        proxies: that the network is reached through.
        layouts: repositories answered from folders.
        at: the instant decisions are made at; None is now.
        timeout: seconds for the whole command.
        jobs: images of one review at a time.
        threads: images of all reviews at a time; `jobs` where there is one review only.
        cache: whether answers are kept for seconds.
        trusted_root: stands in for the public-good trusted root.
        cache_folder: for what outlives a process; None where there is no home to keep it in.
        cache_place: a file or a server's URL for evidence; None for a file in that folder.
        cache_key: seals what has no digest; b"" for none, and then it is not kept there.
    """

    hosts: Hosts = field(default_factory=Hosts)
    docker_configs: tuple[Path, ...] = ()
    docker_auth: str = field(default="", repr=False)
    keychains: tuple[str, ...] = ()
    proxies: Proxies = field(default_factory=Proxies)
    layouts: Mapping[Repository, Path] = field(default_factory=dict, hash=False)
    at: datetime | None = None
    timeout: float = 60.0
    jobs: int = 32
    threads: int | None = None
    cache: bool = True
    trusted_root: Path | None = None
    cache_folder: Path | None = None
    cache_place: str | None = None
    cache_key: bytes = field(default=b"", repr=False)


def parse_duration(text: str) -> float:
    """Seconds of `60s`, `500ms`, `5m`, `2h`, `1d`.

    Raises:
        UsageError: something else, or nothing.
    """
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        raise UsageError(
            f"{text[:50]!r} is not a duration", remedy="write a whole number and s, m, h or d, such as 60s"
        )
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > MAX_SECONDS:
        raise UsageError(f"{text[:50]!r} is longer than a command may take", remedy="write at most 24h")
    return seconds


def parse_instant(text: str) -> datetime:
    """An instant by RFC 3339, in UTC.

    Raises:
        UsageError: something else, or an instant without its offset.
    """
    try:
        return instants.parse_instant(text)
    except ParseError as error:
        raise UsageError(error.message, remedy=error.remedy) from error


def parse_host(text: str) -> str:
    """A registry host in its canonical form.

    Raises:
        UsageError: it is none.
    """
    try:
        return canonical_registry(text)
    except ParseError as error:
        raise UsageError(error.message, remedy=error.remedy) from error


def parse_hosts(
    insecure: Iterable[str],
    private: Iterable[str],
    authorities: Iterable[str],
    mirrors: Iterable[str] = (),
    *,
    offline: bool,
) -> Hosts:
    """The hosts that flags name.

    Raises:
        UsageError: a host, a `HOST=FILE` or an `ORIGIN=HOST[/PREFIX]` that cannot be used.
    """
    files: dict[str, str] = {}
    for text in authorities:
        host, equals, file = text.partition("=")
        if not equals or not is_file(file):
            raise UsageError(f"--registry-ca {text[:200]!r}", remedy="write HOST=FILE with a PEM file that exists")
        files[parse_host(host)] = file
    found = _parse_mirrors(mirrors)
    named = {*map(parse_host, private), *files, *found, *(m.host for many in found.values() for m in many)}
    return Hosts(frozenset(map(parse_host, insecure)), frozenset(named), files, mirrors=found, offline=offline)


def _parse_mirrors(texts: Iterable[str]) -> dict[str, tuple[Mirror, ...]]:
    found: dict[str, tuple[Mirror, ...]] = {}
    for text in texts:
        origin, equals, place = text.partition("=")
        try:
            mirror = parse_place(place)
        except ParseError as error:
            raise UsageError(f"--mirror {text[:200]!r}: {error.message}", remedy=error.remedy) from error
        if not equals:
            raise UsageError(
                f"--mirror {text[:200]!r}", remedy="write ORIGIN=HOST[/PREFIX], such as docker.io=mirror.test"
            )
        name = parse_host(origin)
        found[name] = (*found.get(name, ()), Mirror(mirror.host, mirror.prefix))
    return found


def with_config(settings: Settings, config: Config) -> Settings:
    """The same, with what a `GateConfig` says of registries and credentials. Flags come first."""
    rules, old = config.registries, settings.hosts
    mirrors = dict(old.mirrors)
    for origin, mirror in _mirrors_of(rules):
        mirrors[origin] = (*mirrors.get(origin, ()), mirror)
    realms = {rule.place.host: frozenset(rule.token_realms) for rule in rules if rule.token_realms}
    named = {
        *(rule.place.host for rule in rules),
        *(rule.mirror_of for rule in rules if rule.mirror_of),
        *(mirror.host for many in mirrors.values() for mirror in many),
        *(realm.removeprefix("https://") for of_host in realms.values() for realm in of_host),
    }
    hosts = Hosts(
        old.insecure | {rule.place.host for rule in rules if rule.insecure},
        old.private | named,
        {**{rule.place.host: rule.ca for rule in rules if rule.ca}, **old.authorities},
        {rule.place.host: rule.client_certificate for rule in rules if rule.client_certificate},
        realms,
        mirrors,
        {rule.place.host: rule.missing for rule in rules if rule.missing},
        old.offline,
    )
    sources = config.credentials
    return replace(
        settings,
        hosts=hosts,
        docker_configs=(*settings.docker_configs, *((Path(sources.docker_config),) if sources.docker_config else ())),
        keychains=tuple(dict.fromkeys((*settings.keychains, *(k.value for k in sources.keychains)))),
    )


def hermetic(settings: Settings) -> Settings:
    """The same without network, and with nothing of this machine: credentials, certificates, what is kept elsewhere."""
    hosts = replace(settings.hosts, authorities={}, client_certificates={}, missing={}, offline=True)
    return replace(
        settings,
        hosts=hosts,
        docker_configs=(),
        docker_auth="",
        keychains=(),
        proxies=Proxies(),
        cache_folder=None,
        cache_place=None,
        cache_key=b"",
    )


def _mirrors_of(rules: Iterable[RegistryRule]) -> Iterator[tuple[str, Mirror]]:
    for rule in rules:
        yield from ((rule.place.host, Mirror(place.host, place.prefix)) for place in rule.mirrors)
        if rule.mirror_of:
            yield rule.mirror_of, Mirror(rule.place.host, rule.place.prefix, rule.authoritative)


def parse_layouts(texts: Iterable[str]) -> dict[Repository, Path]:
    """The folders that answer for repositories.

    Raises:
        UsageError: not `REPO=DIR`, or a repository with a tag or digest.
    """
    layouts: dict[Repository, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or not folder:
            raise UsageError(f"--layout {text[:200]!r}", remedy="write REPO=DIR, such as ghcr.io/acme/api=./image")
        reference = parse_reference(name)
        if reference.tag or reference.digest:
            raise UsageError(
                f"--layout {text[:200]!r} names a tag or digest", remedy=f"write {reference.name}={folder}"
            )
        layouts[reference.name] = Path(folder)
    return layouts


def parse_reference(text: str) -> Reference:
    """A REF of the command line.

    Raises:
        UsageError: it is none.
    """
    try:
        return Reference.parse(text)
    except ParseError as error:
        raise UsageError(error.message, remedy=error.remedy) from error


def docker_configs(named: str | None) -> tuple[Path, ...]:
    """The credential files: the one that is named, or those of docker, podman and skopeo that exist.

    Raises:
        UsageError: the named one does not exist, or is a folder.
    """
    if named is not None:
        if not exists(named) or is_folder(named):
            what = "is a folder" if is_folder(named) else "does not exist"
            raise UsageError(f"--registry-config {shown(named)} {what}", remedy="name a docker config.json")
        return (Path(named),)
    env = os.environ
    home = Path(env.get("HOME") or "/nonexistent")
    places = [Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"]
    if env.get("REGISTRY_AUTH_FILE"):
        places.append(Path(env["REGISTRY_AUTH_FILE"]))
    if env.get("XDG_RUNTIME_DIR"):
        places.append(Path(env["XDG_RUNTIME_DIR"], "containers", "auth.json"))
    places.append(Path(env.get("XDG_CONFIG_HOME") or home / ".config", "containers", "auth.json"))
    return tuple(p for p in places if is_file(p))


def docker_auth() -> str:
    """DOCKER_AUTH_CONFIG: a whole config.json in the environment (docker/cli)."""
    return os.environ.get("DOCKER_AUTH_CONFIG", "")


def proxies() -> Proxies:
    """HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals before small letters, as Go has them.

    Raises:
        UsageError: a proxy that cannot be used.
    """

    def value(name: str) -> str:
        return os.environ.get(name) or os.environ.get(name.lower(), "")

    return Proxies.parse(value("HTTPS_PROXY"), value("HTTP_PROXY"), value("NO_PROXY"))


def shown_path(path: Path) -> str:
    """A path as people write it: the home folder is `~`."""
    home = os.environ.get("HOME", "")
    return f"~/{path.relative_to(home)}" if home.startswith("/") and path.is_relative_to(home) else str(path)


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/imagegate`, by default below `~/.cache` (XDG Base Directory Specification)."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):
        return Path(named, "imagegate")
    home = os.environ.get("HOME", "")
    return Path(home, ".cache", "imagegate") if home.startswith("/") else None


def cache_key(file: str, deadline: Deadline) -> bytes:
    """What evidence is sealed with, from a file.

    Raises:
        UsageError: it can't be read, or is too short to be a secret.
    """
    try:
        key = read_local(Path(file), _LONGEST_KEY, deadline)
    except (OSError, EvidenceUnavailable) as error:
        why = error.strerror if isinstance(error, OSError) else error.message
        raise UsageError(
            f"--cache-key {shown(file)} cannot be read: {why}", remedy="name a file that can be"
        ) from error
    if not LEAST_KEY <= len(key) <= _LONGEST_KEY:
        raise UsageError(
            f"--cache-key {file} has {len(key)} bytes; a key has {LEAST_KEY} to {_LONGEST_KEY}",
            remedy=f"make one: head -c 32 /dev/urandom > {file}",
        )
    return key


def instant(at: str | None) -> datetime:
    """That of --at, or now.

    Raises:
        UsageError: it is none.
    """
    return parse_instant(at) if at else datetime.now(UTC)


def wants_color(*, terminal: bool) -> bool:
    """Whether to colour: on terminals only, unless NO_COLOR or FORCE_COLOR say otherwise (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return terminal or bool(os.environ.get("FORCE_COLOR"))
