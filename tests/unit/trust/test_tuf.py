from __future__ import annotations

import base64
import fcntl
import json
import re
import shutil
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from gate.codes import Code
from gate.errors import EvidenceUnavailable, Place, UsageError
from gate.trust.root import MAX_ROOT, TrustedRoot
from gate.trust.sources import (
    MAX_AGE,
    QUIET,
    OwnRepository,
    PublicGood,
    Source,
    given_root,
    root_file,
)
from gate.trust.tuf import PUBLIC_GOOD_URL, Limits, TufRepository, shipped_root
from tests.fakes.clock import SettableClock
from tests.fakes.tuf_repository import FAR, PAST, TARGET, Odd, TufServer, fetching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.deadline import Deadline

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
DAY = 24 * 3600.0
CUT_OFF = re.compile("did not answer within|the time allowed ran out")  # in an answer, or before the next


def root_json(*urls: str) -> bytes:
    """A trusted root that is told from others by its authorities' number of fields: only its bytes matter here."""
    return json.dumps(
        {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "tlogs": []}
        | ({"ctlogs": []} if urls else {})
    ).encode() + b" " * len(urls)


FIRST = root_json()
SECOND = root_json("second")
THIRD = root_json("second", "third")


@dataclass
class House:
    """A server, a clock and a folder, and what is built on them."""

    server: TufServer
    clock: SettableClock
    folder: Path
    stack: ExitStack

    def repository(self, bootstrap: bytes | None = None, limits: Limits | None = None) -> TufRepository:
        """As a new process would have it: nothing but the folder is shared."""
        return TufRepository(
            self.server.url,
            self.server.pinned if bootstrap is None else bootstrap,
            self.folder,
            self.stack.enter_context(fetching(self.server.host)),
            self.clock.now,
            limits=limits,
            insecure_loopback=True,
        )

    def refreshed(self) -> bytes:
        """The digest of what a new process gets."""
        return self.repository().refresh(self.clock.deadline()).root.digest.encode()

    def public_good(self) -> PublicGood:
        return PublicGood(self.repository(), self.clock.now)

    def own(self, *, offline: bool = False) -> OwnRepository:
        return OwnRepository("acme", self.repository(), self.clock.now, offline=offline)

    def down(self) -> None:
        for name in self.server.files:
            self.server.odd[name] = Odd(status=503)

    def up(self) -> None:
        self.server.odd.clear()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with TufServer(FIRST) as server, ExitStack() as stack:
        yield House(server, SettableClock(NOW), tmp_path / "cache" / "tuf", stack)


def digest(content: bytes) -> str:
    return TrustedRoot.parse(content).digest


def fails(house: House, repository: TufRepository | None = None, deadline: Deadline | None = None) -> str:
    """Refresh; what is said of its failure."""
    with pytest.raises(EvidenceUnavailable) as failure:
        (repository or house.repository()).refresh(deadline or house.clock.deadline())
    assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE
    assert house.server.url in failure.value.message
    return failure.value.message


# --- what this version ships


def test_the_public_good_root_is_shipped() -> None:
    root = TrustedRoot.parse(shipped_root())
    assert root.logs
    assert root.ct_logs
    assert root.authorities
    assert root.timestamp_authorities
    assert root.unsupported == ()


def test_the_public_good_repository_is_pinned_by_shipped_root_metadata() -> None:
    metadata = Metadata[Root].from_bytes(shipped_root("root.json"))
    metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    assert metadata.signed.version >= 1
    assert PUBLIC_GOOD_URL.startswith("https://")


def test_importing_costs_nothing() -> None:
    """Neither tuf nor sigstore nor an HTTP library is imported before they are needed; shipped roots need none."""
    program = (
        "import sys; from gate.trust import sources, tuf; tuf.shipped_root();"
        "print([m for m in ('tuf', 'sigstore', 'requests', 'urllib3', 'securesystemslib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- refresh


def test_a_refresh_gives_the_root_and_when_it_expires(house: House) -> None:
    house.server.expires["timestamp"] = datetime(2099, 5, 1, tzinfo=UTC)
    house.server.publish()
    found = house.repository().refresh(house.clock.deadline())
    assert found.root == TrustedRoot.parse(FIRST)
    assert found.fetched_at == NOW
    assert found.expires == datetime(2099, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize("role", ["root", "snapshot", "targets", "timestamp"])
def test_the_earliest_expiry_counts(house: House, role: str) -> None:
    house.server.expires[role] = FAR - timedelta(days=365)
    if role == "root":
        house.server.rotate_root()
    else:
        house.server.publish()
    assert house.repository().refresh(house.clock.deadline()).expires == FAR - timedelta(days=365)


def test_nothing_is_kept_at_first(house: House) -> None:
    assert house.repository().cached() is None
    assert not house.folder.exists()


def test_what_a_refresh_got_is_kept(house: House) -> None:
    found = house.repository().refresh(house.clock.deadline())
    asked = len(house.server.requests)
    assert house.repository().cached() == found
    assert len(house.server.requests) == asked


def test_a_second_refresh_fetches_what_is_new(house: House) -> None:
    house.refreshed()
    house.server.publish(SECOND)
    assert house.refreshed().decode() == digest(SECOND)
    kept = house.repository().cached()
    assert kept is not None
    assert kept.root.digest == digest(SECOND)


def test_a_second_refresh_fetches_no_target_again(house: House) -> None:
    house.refreshed()
    house.refreshed()
    assert house.server.count(house.server.target_path) == 1
    assert house.server.count("timestamp.json") == 2


def test_the_folder_is_its_owners(house: House) -> None:
    house.refreshed()
    for path in (house.folder, house.folder / "metadata", house.folder / "targets"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (house.folder / "copy.json", house.folder / "lock", house.folder / "targets" / TARGET):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_others_may_read_is_closed(house: House) -> None:
    house.folder.mkdir(mode=0o755, parents=True)
    house.folder.chmod(0o755)
    house.refreshed()
    assert stat.S_IMODE(house.folder.stat().st_mode) == 0o700


def test_the_root_rotates(house: House) -> None:
    house.refreshed()
    house.server.rotate_root()
    house.server.rotate_root()
    house.server.publish(SECOND)
    assert house.refreshed().decode() == digest(SECOND)
    kept = house.repository().cached()
    assert kept is not None
    assert kept.root.digest == digest(SECOND)


def test_a_newer_pin_takes_a_copy_made_under_an_older_one(house: House) -> None:
    house.server.rotate_root()
    house.refreshed()
    newer = house.server.files["2.root.json"]
    kept = house.repository(newer).cached()
    assert kept is not None


def test_a_root_that_the_old_key_does_not_vouch_for_is_refused(house: House) -> None:
    house.refreshed()
    with TufServer(SECOND, keys="other") as other:
        other.rotate_root()
        house.server.files = other.files
        assert "root" in fails(house)
    assert house.repository().cached() is not None


def test_another_repository_at_that_place_is_refused(house: House) -> None:
    other = house.repository(TufServer(FIRST, keys="other").pinned)
    assert "timestamp was signed by 0/1 keys" in fails(house, other)


@pytest.mark.parametrize("pinned", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_pin_that_is_no_root_metadata_is_refused(house: House, pinned: bytes) -> None:
    fails(house, house.repository(pinned))


def test_a_pin_of_another_role_is_refused(house: House) -> None:
    fails(house, house.repository(house.server.files["timestamp.json"]))


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired_metadata_is_refused(house: House, role: str) -> None:
    house.server.expires[role] = PAST
    house.server.publish()
    assert "expired" in fails(house)
    assert house.repository().cached() is None


def test_an_expired_root_is_refused(house: House) -> None:
    house.server.expires["root"] = PAST
    house.server.rotate_root()
    assert "root.json is expired" in fails(house)


def test_metadata_that_our_clock_calls_expired_is_refused(house: House) -> None:
    house.clock.set(FAR)
    assert "expired at 2100-01-01" in fails(house)


def test_a_rollback_is_refused(house: House) -> None:
    before = dict(house.server.files)
    house.server.publish(SECOND)
    house.refreshed()
    house.server.files = before
    assert "version" in fails(house)
    kept = house.repository().cached()
    assert kept is not None
    assert kept.root.digest == digest(SECOND)


def test_a_rollback_is_refused_after_the_copy_is_lost(house: House) -> None:
    before = dict(house.server.files)
    house.server.publish(SECOND)
    house.refreshed()
    (house.folder / "copy.json").unlink()
    house.server.files = before
    assert "version" in fails(house)


def test_a_broken_network_is_not_taken_for_a_broken_folder(house: House) -> None:
    """Or who breaks it could have the folder, and what protects from rollbacks, set aside."""
    before = dict(house.server.files)
    house.server.publish(SECOND)
    house.refreshed()

    def broken(url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
        raise ConnectionResetError(url)

    fails(
        house,
        TufRepository(
            house.server.url, house.server.pinned, house.folder, broken, house.clock.now, insecure_loopback=True
        ),
    )
    house.server.files = before
    assert "version" in fails(house)


def test_a_target_that_was_tampered_with_is_refused(house: House) -> None:
    house.server.odd[house.server.target_path] = Odd(body=FIRST.replace(b"tlogs", b"tlogz"))
    assert "LengthOrHashMismatch" in fails(house)


def test_a_target_longer_than_signed_is_refused(house: House) -> None:
    house.server.odd[house.server.target_path] = Odd(body=FIRST + b" ")
    assert "more than" in fails(house)


def test_a_target_too_large_is_refused_unread(house: House) -> None:
    house.server.publish(FIRST + b" " * MAX_ROOT)
    assert f"at most {MAX_ROOT} are read" in fails(house)
    assert house.server.count(house.server.target_path) == 0


def test_a_target_that_is_no_trusted_root_is_refused(house: House) -> None:
    house.server.publish(b'{"mediaType": "text/plain"}')
    assert "not a trusted root" in fails(house)
    assert house.repository().cached() is None


def test_a_repository_without_the_target_is_refused(house: House) -> None:
    house.server.name = "signing_config.json"
    house.server.publish()
    assert f"has no {TARGET}" in fails(house)


def test_all_bytes_together_are_bounded(house: House) -> None:
    assert "more than" in fails(house, house.repository(limits=Limits(total=1000)))


def test_metadata_too_large_is_refused(house: House) -> None:
    house.server.odd["timestamp.json"] = Odd(body=b" " * 1_000_000)
    assert "bytes" in fails(house)


def test_rotations_are_bounded(house: House) -> None:
    for _ in range(4):
        house.server.rotate_root()
    fails(house, house.repository(limits=Limits(rotations=2)))


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b"[" * 10_000, b'{"signed": {"_type": "timestamp"}}'])
def test_metadata_that_is_none_is_refused(house: House, body: bytes) -> None:
    house.server.odd["timestamp.json"] = Odd(body=body)
    fails(house)


@pytest.mark.parametrize("path", ["timestamp.json", "2.snapshot.json", "2.targets.json"])
def test_a_missing_file_is_said(house: House, path: str) -> None:
    del house.server.files[path]
    message = fails(house)
    assert path in message
    assert "404" in message


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_a_failing_server_is_said(house: House, status: int) -> None:
    house.server.odd["timestamp.json"] = Odd(status=status)
    assert str(status) in fails(house)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(house: House, status: int) -> None:
    with TufServer(FIRST) as elsewhere:
        house.server.odd["timestamp.json"] = Odd(status=status, location=f"{elsewhere.url}/timestamp.json")
        assert str(status) in fails(house)
        assert elsewhere.requests == []


def test_a_dripping_body_is_cut(house: House) -> None:
    house.server.odd["timestamp.json"] = Odd(drip=lambda: house.clock.advance(1), body=b"x" * 1000)
    assert CUT_OFF.search(fails(house))


def test_a_dripping_header_is_cut(house: House) -> None:
    house.server.odd["timestamp.json"] = Odd(drip_head=lambda: house.clock.advance(1))
    assert CUT_OFF.search(fails(house))


def test_many_slow_answers_share_one_deadline(house: House) -> None:
    """Each is quick enough for itself."""
    for _ in range(20):
        house.server.rotate_root()
    for version in range(2, 22):
        once = iter([lambda: house.clock.advance(1)])
        house.server.odd[f"{version}.root.json"] = Odd(drip=lambda once=once: next(once, lambda: None)())  # type: ignore[misc]
    fails(house)
    assert house.server.count("timestamp.json") == 0


def test_no_time_is_no_request(house: House) -> None:
    fails(house, deadline=house.clock.deadline(0))
    assert house.server.requests == []


def test_nobody_there_is_said(house: House) -> None:
    with TufServer(FIRST) as gone:
        url, host = gone.url, gone.host
    with fetching(host) as fetch:
        repository = TufRepository(url, gone.pinned, house.folder, fetch, house.clock.now, insecure_loopback=True)
        with pytest.raises(EvidenceUnavailable, match="could not be reached") as failure:
            repository.refresh(house.clock.deadline())
    assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_offline_is_said(house: House) -> None:
    with fetching(house.server.host, offline=True) as fetch:
        repository = TufRepository(
            house.server.url, house.server.pinned, house.folder, fetch, house.clock.now, insecure_loopback=True
        )
        assert "--offline" in fails(house, repository)
    assert house.server.requests == []


# --- URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://tuf.example",
        "http://127.0.0.1:8080",
        "http://localhost",
        "ftp://tuf.example",
        "tuf.example",
        "",
        "https://",
        "https:///path",
        "https://user:secret@tuf.example",
        "https://tuf.example/?a=b",
        "https://tuf.example/#a",
        "https://tuf.example/a b",
        "https://tuf.example\n",
        "https://tuf.example:99999",
        "https://tuf.example:0",
        "https://[::::1::]",
        "https://tuf.exämple",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_not_https_is_refused(url: str, tmp_path: Path) -> None:
    with fetching() as fetch, pytest.raises(UsageError):
        TufRepository(url, b"", tmp_path, fetch, lambda: NOW)


@pytest.mark.parametrize(
    "url", ["http://tuf.example", "http://127.0.0.1.example", "http://10.0.0.1", "http://localhost.x"]
)
def test_plain_http_is_for_this_machine_only(url: str, tmp_path: Path) -> None:
    with fetching() as fetch, pytest.raises(UsageError, match="not https"):
        TufRepository(url, b"", tmp_path, fetch, lambda: NOW, insecure_loopback=True)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://tuf.example", "https://tuf.example"),
        ("https://tuf.example/", "https://tuf.example"),
        ("https://tuf.example:8443/a/b_c-d.e~f/", "https://tuf.example:8443/a/b_c-d.e~f"),
        ("http://localhost:80", "http://localhost:80"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_urls(url: str, kept: str, tmp_path: Path) -> None:
    with fetching() as fetch:
        assert TufRepository(url, b"", tmp_path, fetch, lambda: NOW, insecure_loopback=True).url == kept


# --- a folder that something happened to


def spoil_copy(folder: Path) -> None:
    (folder / "copy.json").write_bytes(b"garbage")


def empty_copy(folder: Path) -> None:
    (folder / "copy.json").write_bytes(b"")


def copy_is_a_folder(folder: Path) -> None:
    (folder / "copy.json").unlink()
    (folder / "copy.json" / "x").mkdir(parents=True)


def spoil_timestamp(folder: Path) -> None:
    (folder / "metadata" / "timestamp.json").write_bytes(b"\x00" * 100)


def spoil_every_file(folder: Path) -> None:
    for path in folder.rglob("*.json"):
        path.write_bytes(b"\xff{[")


def spoil_target(folder: Path) -> None:
    (folder / "targets" / TARGET).write_bytes(b"{}")


def metadata_is_a_file(folder: Path) -> None:
    shutil.rmtree(folder / "metadata")
    (folder / "metadata").write_bytes(b"")


def timestamp_is_a_folder(folder: Path) -> None:
    (folder / "metadata" / "timestamp.json").unlink()
    (folder / "metadata" / "timestamp.json").mkdir()


def history_is_a_file(folder: Path) -> None:
    shutil.rmtree(folder / "metadata" / "root_history")
    (folder / "metadata" / "root_history").write_bytes(b"")


def metadata_is_a_dangling_link(folder: Path) -> None:
    shutil.rmtree(folder / "metadata")
    (folder / "metadata").symlink_to(folder / "nowhere")


def next_root_is_garbage(folder: Path) -> None:
    (folder / "metadata" / "root_history" / "2.root.json").write_bytes(b"garbage")


def lock_is_a_folder(folder: Path) -> None:
    (folder / "lock").unlink()
    (folder / "lock").mkdir()


def folder_is_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def half_refreshed(folder: Path) -> None:
    (folder / "metadata" / "snapshot.json").unlink()
    (folder / "targets" / TARGET).unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_copy,
        empty_copy,
        copy_is_a_folder,
        spoil_timestamp,
        spoil_every_file,
        spoil_target,
        metadata_is_a_file,
        timestamp_is_a_folder,
        history_is_a_file,
        metadata_is_a_dangling_link,
        next_root_is_garbage,
        lock_is_a_folder,
        folder_is_a_file,
        half_refreshed,
    ],
)
def test_a_spoiled_folder_is_rebuilt(house: House, spoil: Callable[[Path], None]) -> None:
    house.refreshed()
    spoil(house.folder)
    assert_rebuilt(house)
    spoil(house.folder)  # again: what was set aside is in nobody's way
    assert_rebuilt(house)


def assert_rebuilt(house: House) -> None:
    kept = house.repository().cached()
    assert kept is None or kept.root.digest == digest(FIRST)
    assert house.refreshed().decode() == digest(FIRST)
    kept = house.repository().cached()
    assert kept is not None
    assert kept.root.digest == digest(FIRST)


def test_a_spoiled_copy_is_set_aside(house: House) -> None:
    house.refreshed()
    spoil_copy(house.folder)
    house.refreshed()
    assert (house.folder / "copy.json.broken").read_bytes() == b"garbage"


def repacked(folder: Path, **files: bytes | None) -> None:
    """Change files of the copy; `timestamp_json` is `timestamp.json`."""
    path = folder / "copy.json"
    copy = json.loads(path.read_bytes())
    for name, content in files.items():
        real = {"target": f"targets/{TARGET}"}.get(name, name.replace("_json", ".json"))
        if content is None:
            del copy["files"][real]
        else:
            copy["files"][real] = base64.b64encode(content).decode()
    path.write_text(json.dumps(copy))


@pytest.mark.parametrize("name", ["timestamp_json", "snapshot_json", "targets_json", "target"])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_copy_is_not_believed(house: House, name: str, content: bytes | None) -> None:
    house.refreshed()
    repacked(house.folder, **{name: content})
    assert house.repository().cached() is None


def test_a_copy_with_another_root_is_not_believed(house: House) -> None:
    house.refreshed()
    repacked(house.folder, target=SECOND)
    assert house.repository().cached() is None


def test_a_copy_signed_by_others_is_not_believed(house: House) -> None:
    house.refreshed()
    with TufServer(SECOND, keys="other") as other, fetching(other.host) as fetch:
        TufRepository(other.url, other.pinned, house.folder, fetch, house.clock.now, insecure_loopback=True).refresh(
            house.clock.deadline()
        )
    assert house.repository().cached() is None
    assert house.refreshed().decode() == digest(FIRST)


@pytest.mark.parametrize("mixed", ["snapshot_json", "targets_json"])
def test_a_copy_mixed_from_two_versions_is_not_believed(house: House, mixed: str) -> None:
    house.refreshed()
    house.server.publish()
    repacked(house.folder, **{mixed: house.server.files[f"3.{mixed.replace('_json', '.json')}"]})
    assert house.repository().cached() is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"fetchedAt": "2026-11-01T00:00:00Z"}',
        '{"fetchedAt": "yesterday", "files": {}}',
        '{"fetchedAt": 1, "files": {}}',
        '{"files": {}}',
        '{"fetchedAt": "2026-11-01T00:00:00Z", "files": []}',
        '{"fetchedAt": "2026-11-01T00:00:00Z", "files": {"timestamp.json": 1}}',
        '{"fetchedAt": "2026-11-01T00:00:00Z", "files": {"timestamp.json": "!"}}',
    ],
)
def test_a_copy_that_is_none(house: House, text: str) -> None:
    house.folder.mkdir(parents=True)
    (house.folder / "copy.json").write_text(text)
    assert house.repository().cached() is None


def test_a_folder_that_cannot_be_made_is_said(house: House) -> None:
    house.folder.parent.parent.joinpath("cache").write_bytes(b"")
    assert "cannot be kept" in fails(house)
    assert house.server.requests == []


# --- together


def test_processes_wait_for_each_other_and_take_what_was_got(house: House) -> None:
    house.refreshed()
    asked = house.server.count()
    with (house.folder / "lock").open("r+b") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = pool.submit(house.repository().refresh, house.clock.deadline())
        # While it waits, "the other process" finishes: its copy is from now.
        threading.Event().wait(0.2)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert waiting.result().root.digest == digest(FIRST)
    assert house.server.count() == asked


def test_a_lock_that_is_never_released_is_said(house: House) -> None:
    house.refreshed()
    with (house.folder / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process" in fails(house, deadline=house.clock.deadline(0.2))


def test_many_processes_at_once(house: House) -> None:
    repositories = [house.repository() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda r: r.refresh(house.clock.deadline(60)).root.digest, repositories))
    assert set(found) == {digest(FIRST)}


# --- the public-good root


def test_offline_is_the_shipped_copy() -> None:
    loaded = PublicGood(None, lambda: NOW).load(SettableClock(NOW).deadline())
    assert loaded.source is Source.SHIPPED
    assert loaded.root == TrustedRoot.parse(shipped_root())
    assert (loaded.note, loaded.fetched_at, loaded.expires) == ("", None, None)


def test_offline_is_never_updated() -> None:
    with pytest.raises(EvidenceUnavailable, match="--offline") as failure:
        PublicGood(None, lambda: NOW).update(SettableClock(NOW).deadline())
    assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_online_it_is_asked_for(house: House) -> None:
    loaded = house.public_good().load(house.clock.deadline())
    assert (loaded.source, loaded.note, loaded.fetched_at, loaded.expires) == (Source.TUF, "", NOW, FAR)
    assert loaded.root.digest == digest(FIRST)


def test_a_copy_of_today_serves_without_asking(house: House) -> None:
    house.public_good().load(house.clock.deadline())
    asked = len(house.server.requests)
    house.clock.advance(MAX_AGE.total_seconds() - 1)
    loaded = house.public_good().load(house.clock.deadline())
    assert (loaded.source, loaded.note, loaded.fetched_at) == (Source.CACHE, "", NOW)
    assert len(house.server.requests) == asked


def test_a_copy_of_yesterday_is_refreshed(house: House) -> None:
    root = house.public_good()
    root.load(house.clock.deadline())
    house.server.publish(SECOND)
    house.clock.advance(DAY)
    for source in (root, house.public_good()):
        assert source.load(house.clock.deadline()).root.digest == digest(SECOND)
    assert house.server.count() == 2


def test_a_copy_from_the_future_is_refreshed(house: House) -> None:
    house.public_good().load(house.clock.deadline())
    house.server.publish(SECOND)
    house.clock.set(NOW - timedelta(days=2))
    assert house.public_good().load(house.clock.deadline()).root.digest == digest(SECOND)


def test_when_the_refresh_fails_the_copy_serves_and_the_note_says_so(house: House) -> None:
    root = house.public_good()
    root.load(house.clock.deadline())
    house.down()
    house.clock.advance(DAY)
    for source in (root, house.public_good()):
        loaded = source.load(house.clock.deadline())
        assert (loaded.source, loaded.fetched_at) == (Source.TUF if source is root else Source.CACHE, NOW)
        assert "2026-11-01T12:00:00Z serves" in loaded.note
        assert "503" in loaded.note


def test_an_expired_copy_serves_too(house: House) -> None:
    house.public_good().load(house.clock.deadline())
    house.clock.set(FAR + timedelta(days=1))
    loaded = house.public_good().load(house.clock.deadline())
    assert loaded.root.digest == digest(FIRST)
    assert "expired" in loaded.note


def test_without_a_copy_the_shipped_one_serves_and_the_note_says_so(house: House) -> None:
    house.down()
    loaded = house.public_good().load(house.clock.deadline())
    assert loaded.source is Source.SHIPPED
    assert "shipped with this version serves" in loaded.note
    assert "503" in loaded.note


def test_a_spoiled_copy_does_not_serve(house: House) -> None:
    house.public_good().load(house.clock.deadline())
    house.down()
    spoil_copy(house.folder)
    assert house.public_good().load(house.clock.deadline()).source is Source.SHIPPED


def test_a_failed_refresh_is_not_repeated_for_minutes(house: House) -> None:
    house.down()
    root = house.public_good()
    root.load(house.clock.deadline())
    asked = len(house.server.requests)
    house.up()
    house.clock.advance(QUIET.total_seconds() - 1)
    for source in (root, house.public_good()):  # this process and the next
        loaded = source.load(house.clock.deadline())
        assert loaded.source is Source.SHIPPED
        assert "503" in loaded.note
        assert "5 minutes" in loaded.note
    assert len(house.server.requests) == asked
    house.clock.advance(1)
    assert root.load(house.clock.deadline()).source is Source.TUF


def test_after_minutes_the_next_process_asks_too(house: House) -> None:
    house.down()
    house.public_good().load(house.clock.deadline())
    house.up()
    house.clock.advance(QUIET.total_seconds())
    assert house.public_good().load(house.clock.deadline()).source is Source.TUF


def test_a_success_forgets_the_failure(house: House) -> None:
    house.down()
    root = house.public_good()
    root.load(house.clock.deadline())
    house.up()
    assert root.update(house.clock.deadline()).source is Source.TUF
    assert not (house.folder / "failure.json").exists()
    assert root.load(house.clock.deadline()).note == ""


def test_a_wall_clock_set_back_does_not_prolong_the_quiet(house: House) -> None:
    house.down()
    house.public_good().load(house.clock.deadline())
    house.up()
    house.clock.set(NOW - timedelta(hours=1))
    assert house.public_good().load(house.clock.deadline()).source is Source.TUF


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b'{"at": 1}', b"\xff" * 100, b" " * 100_000])
def test_a_spoiled_note_of_a_failure_is_ignored(house: House, content: bytes) -> None:
    house.folder.mkdir(parents=True)
    (house.folder / "failure.json").write_bytes(content)
    assert house.public_good().load(house.clock.deadline()).source is Source.TUF


def test_the_failure_of_another_pin_is_not_ours(house: House) -> None:
    wrong = PublicGood(house.repository(TufServer(FIRST, keys="other").pinned), house.clock.now)
    assert wrong.load(house.clock.deadline()).source is Source.SHIPPED
    assert house.public_good().load(house.clock.deadline()).source is Source.TUF


def test_too_little_time_is_no_failure_of_the_repository(house: House) -> None:
    root = house.public_good()
    for source in (root, house.public_good()):
        assert source.load(house.clock.deadline(0)).source is Source.SHIPPED
    assert root.load(house.clock.deadline()).source is Source.TUF


def test_an_update_asks_whatever_is_kept(house: House) -> None:
    root = house.public_good()
    root.load(house.clock.deadline())
    house.server.publish(SECOND)
    assert root.update(house.clock.deadline()).root.digest == digest(SECOND)
    assert root.load(house.clock.deadline()).root.digest == digest(SECOND)


def test_an_update_that_fails_says_so(house: House) -> None:
    root = house.public_good()
    root.load(house.clock.deadline())
    house.down()
    for _ in range(2):
        with pytest.raises(EvidenceUnavailable, match="503") as failure:
            root.update(house.clock.deadline())
        assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE
    loaded = root.load(house.clock.deadline())  # of today: nothing to say
    assert (loaded.source, loaded.note) == (Source.TUF, "")


def test_a_folder_that_cannot_be_made_leaves_the_shipped_copy(house: House) -> None:
    house.folder.parent.write_bytes(b"")
    loaded = house.public_good().load(house.clock.deadline())
    assert loaded.source is Source.SHIPPED
    assert "cannot be kept" in loaded.note


def test_one_thread_asks_and_the_others_wait(house: House) -> None:
    gate = threading.Event()
    house.server.odd["timestamp.json"] = Odd(gate=gate)
    root = house.public_good()
    with ThreadPoolExecutor(8) as pool:
        loading = [pool.submit(root.load, house.clock.deadline(30)) for _ in range(8)]
        while not house.server.count():
            threading.Event().wait(0.01)
        gate.set()
        assert {f.result().root.digest for f in loading} == {digest(FIRST)}
    assert house.server.count() == 1


def test_while_one_thread_asks_the_others_take_what_there_is(house: House) -> None:
    root = house.public_good()
    root.load(house.clock.deadline())
    house.server.publish(SECOND)
    house.clock.advance(DAY)
    gate = threading.Event()
    house.server.odd["timestamp.json"] = Odd(gate=gate)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(root.load, house.clock.deadline(30))
        while house.server.count() < 2:
            threading.Event().wait(0.01)
        assert root.load(house.clock.deadline()).root.digest == digest(FIRST)
        gate.set()
        assert asking.result().root.digest == digest(SECOND)


def test_another_process_has_refreshed_it_meanwhile(house: House) -> None:
    root = house.public_good()
    root.load(house.clock.deadline())
    house.clock.advance(DAY)
    house.server.publish(SECOND)
    house.refreshed()
    asked = house.server.count()
    loaded = root.load(house.clock.deadline())
    assert (loaded.source, loaded.root.digest) == (Source.CACHE, digest(SECOND))
    assert house.server.count() == asked


# --- a repository of one's own


def test_own_is_asked_for_and_then_kept(house: House) -> None:
    first = house.own().load(house.clock.deadline())
    then = house.own().load(house.clock.deadline())
    assert (first.source, then.source, first.root, then.note) == (Source.TUF, Source.CACHE, then.root, "")


def test_own_never_refreshed_is_unavailable(house: House) -> None:
    house.down()
    for _ in range(2):
        with pytest.raises(EvidenceUnavailable, match=r"GateTrustRoot acme: .*503") as failure:
            house.own().load(house.clock.deadline())
        assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_own_never_refreshed_for_want_of_time_is_unavailable(house: House) -> None:
    with pytest.raises(EvidenceUnavailable) as failure:
        house.own().load(house.clock.deadline(0))
    assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_own_whose_server_has_expired_metadata_is_unavailable(house: House) -> None:
    house.server.expires["timestamp"] = PAST
    house.server.publish()
    with pytest.raises(EvidenceUnavailable, match="expired") as failure:
        house.own().load(house.clock.deadline())
    assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_own_that_cannot_be_refreshed_serves_until_it_expires(house: House) -> None:
    house.server.expires["timestamp"] = FAR - timedelta(days=30)
    house.server.publish()
    root = house.own()
    root.load(house.clock.deadline())
    house.down()
    house.clock.advance(DAY)
    for source in (root, house.own()):
        loaded = source.load(house.clock.deadline())
        assert loaded.root.digest == digest(FIRST)
        assert "acme" in loaded.note
        assert "503" in loaded.note
    house.clock.set(FAR - timedelta(days=30))
    for source in (root, house.own()):
        with pytest.raises(EvidenceUnavailable, match=r"acme: its metadata expired at 2099-12-02.*503") as failure:
            source.load(house.clock.deadline())
        assert failure.value.code is Code.TRUST_ROOT_EXPIRED


def test_own_that_expires_is_refreshed_whatever_its_age(house: House) -> None:
    house.server.expires["timestamp"] = FAR - timedelta(days=30)
    house.server.publish()
    house.clock.set(FAR - timedelta(days=30, hours=1))
    root = house.own()
    root.load(house.clock.deadline())
    house.server.expires["timestamp"] = FAR
    house.server.publish(SECOND)
    house.clock.advance(2 * 3600)
    loaded = root.load(house.clock.deadline())
    assert (loaded.source, loaded.expires, loaded.root.digest) == (Source.TUF, FAR, digest(SECOND))


def test_own_offline_serves_what_is_kept(house: House) -> None:
    house.own().load(house.clock.deadline())
    asked = len(house.server.requests)
    assert house.own(offline=True).load(house.clock.deadline()).note == ""
    house.clock.advance(DAY)
    assert "--offline" in house.own(offline=True).load(house.clock.deadline()).note
    house.clock.set(FAR)
    with pytest.raises(EvidenceUnavailable, match="--offline") as failure:
        house.own(offline=True).load(house.clock.deadline())
    assert failure.value.code is Code.TRUST_ROOT_EXPIRED
    assert len(house.server.requests) == asked
    assert not (house.folder / "failure.json").exists()


def test_own_offline_never_refreshed_is_unavailable(house: House) -> None:
    root = house.own(offline=True)
    for ask in (root.load, root.update):
        with pytest.raises(EvidenceUnavailable, match="--offline") as failure:
            ask(house.clock.deadline())
        assert failure.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_own_is_updated(house: House) -> None:
    root = house.own()
    root.load(house.clock.deadline())
    house.server.publish(SECOND)
    house.server.publish(THIRD)
    assert root.update(house.clock.deadline()).root.digest == digest(THIRD)


# --- files


def test_a_root_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(FIRST)
    loaded = root_file(path)
    assert (loaded.source, loaded.root.digest, loaded.note) == (Source.FILE, digest(FIRST), "")
    assert (loaded.fetched_at, loaded.expires) == (None, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{}", "not a trusted root"),
        (b"[]", "not an object"),
        (b" " * (MAX_ROOT + 1), f"at most {MAX_ROOT}"),
        (b"-----BEGIN CERTIFICATE-----", "not JSON"),
    ],
)
def test_a_file_that_is_no_root(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as failure:
        root_file(path)
    assert failure.value.place == Place(str(path))
    assert "trusted_root.json" in failure.value.remedy


@pytest.mark.parametrize("name", ["none.json", ".", "nul\x00"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        root_file(tmp_path / name)


def test_a_root_given_inline_has_its_place() -> None:
    with pytest.raises(UsageError) as failure:
        given_root(b"{}", Place("policy.yaml", 3, 7))
    assert str(failure.value).startswith("policy.yaml:3:7: ")
    assert given_root(FIRST, Place("policy.yaml", 3, 7)).root.digest == digest(FIRST)
