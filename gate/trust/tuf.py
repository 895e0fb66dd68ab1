"""A trusted root kept current by The Update Framework.

`tuf.ngclient` is the client. It works in a folder of ours, under a lock; what it has accepted is then kept as one file,
verified anew from the pinned root metadata on whenever it is read. So a reader never meets a half-finished refresh, and
a folder that somebody wrote into vouches for nothing. Connections are opened by the `Fetch` that is given.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import importlib.util
import io
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit

from gate import protojson, strictjson
from gate.codes import Code
from gate.errors import EvidenceUnavailable, GateError, ParseError, UsageError
from gate.trust.kept import make_folder, read_file, set_aside, write_atomically
from gate.trust.root import MAX_ROOT, TrustedRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from tuf.api.metadata import Root, TargetFile  # type: ignore[attr-defined]
    from tuf.ngclient.fetcher import FetcherInterface

    from gate.deadline import Deadline

PUBLIC_GOOD_URL: Final = "https://tuf-repo-cdn.sigstore.dev"
TARGET: Final = "trusted_root.json"

_URL: Final = re.compile(
    r"https?://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?(?:/[\w./~%-]*)?", re.ASCII
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_KEPT_TARGET: Final = f"targets/{TARGET}"
_POLL_SECONDS: Final = 0.05


class Fetch(Protocol):
    """GETs a URL."""

    def __call__(self, url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
        """Status and content, at most `limit` bytes, not decoded, no redirect followed; or EvidenceUnavailable."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one refresh may cost: seconds, bytes of the target, bytes in all, root metadata since the pinned one."""

    seconds: float = 15.0
    target: int = MAX_ROOT
    total: int = 16 * 1024 * 1024
    rotations: int = 128


@dataclass(frozen=True, slots=True)
class RepositoryRoot:
    """A trusted root that signed metadata vouches for.

    Attributes:
        root: what is trusted.
        fetched_at: when it was got. Of a kept copy this is the file's word: it decides when to ask again, no more.
        expires: the earliest expiry of the metadata that vouches for it.
    """

    root: TrustedRoot
    fetched_at: datetime
    expires: datetime


def identity_of(url: str, bootstrap_root: bytes) -> str:
    """Hex SHA-256 of a repository's URL and of what it is pinned to."""
    return hashlib.sha256(url.rstrip("/").encode() + b"\0" + bootstrap_root).hexdigest()


def shipped_root(name: str = TARGET) -> bytes:
    """What the installed `sigstore` package, which is not imported, ships of the public-good instance.

    Args:
        name: its trusted root, or `root.json`: the metadata that its repository is pinned to.

    Raises:
        EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE: the package is missing or laid out differently.
    """
    inside = Path("_store", quote(PUBLIC_GOOD_URL, safe=""), name)
    spec = importlib.util.find_spec("sigstore")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if content := read_file(Path(location) / inside, MAX_ROOT):
            return content
    reason, remedy = (
        f"no sigstore package with {inside} is installed",
        "reinstall imagegate, or pass --trusted-root FILE",
    )
    raise EvidenceUnavailable(Code.TRUST_ROOT_UNAVAILABLE, reason, remedy=remedy)


class TufRepository:
    """One TUF repository and the folder its metadata is kept in. Thread-safe; processes may share the folder.

    Attributes:
        url: of the repository, without a slash at its end.
        folder: where its files are kept.
        identity: hex SHA-256 of the URL and of what it is pinned to.
    """

    def __init__(
        self,
        url: str,
        bootstrap_root: bytes,
        folder: Path,
        fetch: Fetch,
        now: Callable[[], datetime],
        *,
        limits: Limits | None = None,
        insecure_loopback: bool = False,
    ) -> None:
        """Nothing is read or asked before the first call.

        Args:
            url: where its metadata is; its targets are below `targets/`.
            bootstrap_root: the root metadata that trust begins with. Nothing in the folder replaces it.
            folder: its own; made when it is needed.
            fetch: gets a URL.
            now: the time of day, aware.
            limits: what a refresh may cost.
            insecure_loopback: allow plain HTTP, to this machine only.

        Raises:
            UsageError: the URL is not https.
        """
        self.url = _checked_url(url, insecure_loopback=insecure_loopback)
        self.folder = folder
        self.identity = identity_of(self.url, bootstrap_root)
        self._bootstrap = bootstrap_root
        self._fetch = fetch
        self._now = now
        self._limits = limits or Limits()

    def cached(self) -> RepositoryRoot | None:
        """What the last successful refresh got, verified anew, its expiry aside.

        None where there is no copy, or one that does not verify; the next refresh sets that aside.
        """
        content = read_file(self.folder / "copy.json", 2 * self._limits.total)
        if content is None:
            return None
        try:
            fetched_at, files = _unpack(content)
            with _translated(self.url):
                target, expires = self._verify(files)
                target.verify_length_and_hashes(files[_KEPT_TARGET])
            return RepositoryRoot(TrustedRoot.parse(files[_KEPT_TARGET]), fetched_at, expires)
        except GateError:
            return None

    def refresh(self, deadline: Deadline) -> RepositoryRoot:
        """Ask the repository now. One process at a time does; those that waited take what it got.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE, whatever the cause.
        """
        began = self._now()
        deadline = deadline.sooner(self._limits.seconds)
        with _translated(self.url):
            deadline.check("waiting to ask it")
            with self._alone(deadline) as waited:
                copy = self.cached()
                if waited and copy is not None and copy.fetched_at >= began:
                    return copy
                if copy is None:
                    set_aside(self.folder / "copy.json")
                try:
                    return self._update(deadline)
                except OSError:
                    # Something stands where tuf writes. To begin anew is safe: trust begins with the pinned root.
                    set_aside(self.folder / "metadata", self.folder / "targets", self.folder / "copy.json")
                    return self._update(deadline)

    @contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[bool]:
        """Hold the folder's lock. Gives whether another process had it first."""
        make_folder(self.folder)
        if (lock := self.folder / "lock").is_dir():
            set_aside(lock)
        lock.touch(mode=0o600)
        with lock.open("r+b") as file:
            waited = False
            for _ in range(1 + int(max(0.0, deadline.remaining()) / _POLL_SECONDS)):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waited = True
                    threading.Event().wait(_POLL_SECONDS)
            else:
                raise _unavailable(self.url, "the time allowed ran out while another process was asking it")
            yield waited

    def _update(self, deadline: Deadline) -> RepositoryRoot:
        """The client workflow of TUF; then what it has accepted is kept."""
        from tuf.ngclient.config import UpdaterConfig  # noqa: PLC0415 - costs 150 ms
        from tuf.ngclient.updater import Updater  # noqa: PLC0415

        make_folder(metadata := self.folder / "metadata")
        make_folder(targets := self.folder / "targets")
        fetcher = _fetcher(self._fetch, deadline, self._limits.total)
        config = UpdaterConfig(max_root_rotations=self._limits.rotations)
        updater = Updater(
            str(metadata), self.url, None, f"{self.url}/targets", fetcher, config, bootstrap=self._bootstrap
        )
        updater.refresh()
        # A next root that tuf did not take is left lying about; this link names the last one that it took.
        newest = int((metadata / "root.json").readlink().name.partition(".")[0])
        roots = range(max(1, newest - self._limits.rotations), newest + 1)
        names = ["timestamp.json", "snapshot.json", "targets.json", *(f"root_history/{v}.root.json" for v in roots)]
        files = {name: content for name in names if (content := read_file(metadata / name, self._limits.total))}
        target, expires = self._verify(files)
        if target.length > (most := self._limits.target):
            raise _unavailable(self.url, f"its {TARGET} has {target.length} bytes; at most {most} are read")
        (file := targets / TARGET).touch(mode=0o600)
        if updater.find_cached_target(target, str(file)) is None:
            updater.download_target(target, str(file))
        return self._keep({**files, _KEPT_TARGET: file.read_bytes()}, expires)

    def _keep(self, files: Mapping[str, bytes], expires: datetime) -> RepositoryRoot:
        try:
            root = TrustedRoot.parse(files[_KEPT_TARGET])
        except ParseError as error:
            raise _unavailable(self.url, f"its {TARGET} cannot be used: {error.message}", "update imagegate") from error
        now = self._now()
        if expires <= now:
            raise _unavailable(self.url, f"its metadata expired at {expires:%Y-%m-%dT%H:%M:%SZ}")
        copy = {"fetchedAt": now.isoformat(), "files": {n: base64.b64encode(c).decode() for n, c in files.items()}}
        write_atomically(self.folder / "copy.json", json.dumps(copy).encode())
        return RepositoryRoot(root, now, expires)

    def _verify(self, files: Mapping[str, bytes]) -> tuple[TargetFile, datetime]:
        """Follow signatures from the pinned root metadata to the target.

        Section 5 of the specification without expiry, the earliest of which is returned, and without the comparison
        with earlier versions, which the client has made when the files came in.
        """
        # 5.3 root: each signed by the one before it and by itself
        root = _signed(self._bootstrap, "root")
        for version in range(root.version + 1, root.version + 1 + self._limits.rotations):
            content = files.get(f"root_history/{version}.root.json")
            if content is None:
                break
            root = _signed(content, "root", root)
            if root.version != version:
                raise ValueError(f"expected root.json of version {version}, got {root.version}")
        # 5.4 timestamp, 5.5 snapshot, 5.6 targets: each names the version, and may name the hash, of the next
        roles = [root, timestamp := _signed(files["timestamp.json"], "timestamp", root)]
        meta = timestamp.snapshot_meta
        for role in ("snapshot", "targets"):
            content = files[f"{role}.json"]
            meta.verify_length_and_hashes(content)
            roles.append(_signed(content, role, root))
            if roles[-1].version != meta.version:
                raise ValueError(f"expected {role}.json of version {meta.version}, got {roles[-1].version}")
            meta = roles[-1].meta["targets.json"] if role == "snapshot" else None
        # 5.7 the target, in targets.json itself: no repository of Sigstore's kind delegates it
        if TARGET not in roles[-1].targets:
            raise ValueError(f"its targets.json has no {TARGET}")
        return roles[-1].targets[TARGET], min(role.expires for role in roles)


def _fetcher(fetch: Fetch, deadline: Deadline, total: int) -> FetcherInterface:
    """What tuf asks for files, in one refresh; its own would open connections and write to /tmp."""
    from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError  # noqa: PLC0415
    from tuf.ngclient.fetcher import FetcherInterface  # noqa: PLC0415

    class Fetcher(FetcherInterface):
        left = total

        def _fetch(self, url: str) -> Iterator[bytes]:
            raise NotImplementedError(url)

        @contextmanager
        def download_file(self, url: str, max_length: int) -> Iterator[io.BytesIO]:
            limit = min(max_length, self.left)
            deadline.check(f"fetching {url}")
            try:
                status, content = fetch(url, limit, deadline)
            except OSError as error:  # of the network: not taken for one of our folder
                raise DownloadError(f"{url}: {error}") from error
            if status != 200:  # noqa: PLR2004 - a redirect too: a repository is where its URL says
                raise DownloadHTTPError(f"{url} answered {status}, expected 200", status)
            if len(content) > limit:
                raise DownloadLengthMismatchError(f"{url} has more than the {limit} bytes that are read")
            self.left -= len(content)
            yield io.BytesIO(content)

    return Fetcher()


def _signed(content: bytes, role: str, *delegators: Root) -> Any:  # noqa: ANN401 - tuf's types meet here
    """Metadata of a top-level role with the signatures that each delegator wants; a root is its own delegator too."""
    from tuf.api.metadata import Metadata  # noqa: PLC0415

    metadata = Metadata[Any].from_bytes(content)
    if metadata.signed.type != role:
        raise ValueError(f"expected {role}.json, got {metadata.signed.type}.json")
    for delegator in (*delegators, metadata.signed) if role == "root" else delegators:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    return metadata.signed


def _unpack(content: bytes) -> tuple[datetime, dict[str, bytes]]:
    value = strictjson.as_object(strictjson.loads(content), "the copy")
    fetched_at = protojson.timestamp(value, "fetchedAt", "fetchedAt")
    files = protojson.message(value, "files", "files")
    if fetched_at is None:
        raise ParseError("the copy has no fetchedAt")
    return fetched_at, {name: protojson.raw(files, name, name) for name in files}


def _checked_url(url: str, *, insecure_loopback: bool) -> str:
    try:
        parts = urlsplit(url)
        if not _URL.fullmatch(url) or parts.port == 0:
            raise ValueError(url)
    except ValueError as error:
        raise UsageError(f"{url[:200]!r} is no URL of a TUF repository", remedy="write https://HOST/PATH") from error
    if parts.scheme != "https" and not (insecure_loopback and parts.hostname in _LOOPBACK):
        raise UsageError(f"the TUF repository {url[:200]} is not https", remedy=f"write https://{parts.netloc}")
    return url.rstrip("/")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except EvidenceUnavailable as error:
        if error.code is Code.TRUST_ROOT_UNAVAILABLE:
            raise
        raise _unavailable(url, error.message, error.remedy) from error
    except OSError as error:
        raise _unavailable(url, f"its files cannot be kept: {error}", "give a cache folder one may write to") from error
    except Exception as error:  # of tuf and securesystemslib, about what a server sent
        said = "".join(c if c.isprintable() else "?" for c in str(error)[:300])
        raise _unavailable(url, f"{type(error).__name__}: {said}") from error


def _unavailable(url: str, reason: str, remedy: str = "ask again later") -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.TRUST_ROOT_UNAVAILABLE, f"{url} gave no trusted root: {reason}", remedy=remedy)
