"""Which store a place names."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.store.memory import MemoryStore
from gate.store.opening import AnyStore, check_place, open_store
from gate.store.sqlite import SqliteStore
from gate.store.valkey import ValkeyStore
from tests.fakes.store_files import kept

if TYPE_CHECKING:
    from pathlib import Path


def _opened(place: str | None, folder: Path | None = None) -> AnyStore:
    return open_store(place, folder, time.monotonic, time.monotonic)


def test_nothing_is_memory() -> None:
    store = _opened(None)
    assert isinstance(store, MemoryStore)
    assert store.counts["failed"] == 0


def test_a_folder_is_a_file_in_it(tmp_path: Path) -> None:
    store = _opened(None, tmp_path / "new" / "caches")
    assert isinstance(store, SqliteStore)
    store.get(["a"])
    assert (tmp_path / "new" / "caches" / "cache.sqlite").is_file()
    assert (tmp_path / "new" / "caches").stat().st_mode & 0o777 == 0o700
    store.close()


def test_a_path_is_a_file_there(tmp_path: Path) -> None:
    store = _opened(str(tmp_path / "here.db"), tmp_path / "caches")
    assert isinstance(store, SqliteStore)
    store.get(["a"])
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("here.db-")) == ["here.db"]
    store.close()


def test_a_url_is_a_server() -> None:
    assert isinstance(_opened("valkey://127.0.0.1:1"), ValkeyStore)


def test_a_url_that_cannot_be_used() -> None:
    with pytest.raises(UsageError):
        _opened("postgres://127.0.0.1")


def test_where_there_can_be_no_folder_it_is_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "caches", tmp_path / "zero\0byte"):
        store = _opened(None, folder)
        assert isinstance(store, MemoryStore)
        assert store.counts["failed"] == 1


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").symlink_to(tmp_path / "elsewhere")
    store = _opened(None, tmp_path)
    assert isinstance(store, MemoryStore)
    assert store.counts["failed"] == 1
    assert not (tmp_path / "elsewhere").exists()


# --- what is named by mistake


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    """A file of ours."""
    path = tmp_path / "good" / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
    return path.read_bytes()


def _is_taken(path: Path) -> bool:
    """Whether it may be used, or put out of the way."""
    try:
        check_place(path)
    except UsageError:
        return False
    return True


def _theirs(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements or ("CREATE TABLE theirs (x)",):
            database.execute(statement)
    return path


def test_ours_is_taken_from_its_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    assert _is_taken(path)
    path.touch()
    assert _is_taken(path)
    with kept(path) as world:
        world.store.get(["a"])
        assert path.read_bytes()[68:72] == b"IMGT"
        assert _is_taken(path)
        world.put("a")
        assert _is_taken(path)
    assert _is_taken(path)


def test_ours_is_taken_where_a_version_before_this_one_left_it_in_its_log(tmp_path: Path) -> None:
    """It was in the log only until that was brought into the file."""
    path = tmp_path / "evidence"
    with kept(tmp_path / "live" / "cache.sqlite") as live:
        live.put("a")
        table = live.path.read_bytes()[:8192]
    _theirs(path, "PRAGMA journal_mode=WAL")
    assert _is_taken(path)  # nothing is in it
    path.with_name("evidence-wal").write_bytes(bytes(56) + table)
    assert _is_taken(path)
    path.with_name("evidence-wal").write_bytes(bytes(56) + bytes(8192))
    assert not _is_taken(path)


@pytest.mark.parametrize("name", ["evidence.sqlite", "evidence.db"])
def test_ours_is_taken_when_it_is_damaged(tmp_path: Path, good: bytes, name: str) -> None:
    path = tmp_path / name
    for offset in range(150):
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :])
        assert _is_taken(path), offset
    for length in (16, 60, 71, 72, 100, 511, 512, 5000, 8192):
        path.write_bytes(good[:length])
        assert _is_taken(path), length


@pytest.mark.parametrize("change", [(16, b"\0\3"), (21, b"\0"), (100, b"\0")])
def test_by_its_name_a_damaged_database_is_taken_too(tmp_path: Path, change: tuple[int, bytes]) -> None:
    content = bytearray(_theirs(tmp_path / "theirs").read_bytes())
    content[change[0] : change[0] + len(change[1])] = change[1]
    for name in ("app.db", "app.sqlite"):
        (tmp_path / name).write_bytes(content)
        assert _is_taken(tmp_path / name) == (name == "app.sqlite")
    (tmp_path / "app.sqlite-wal").write_bytes(b"its log may have what it lacks")
    assert not _is_taken(tmp_path / "app.sqlite")


@pytest.mark.parametrize("name", ["app.sqlite", "app.db"])
def test_another_program_s_database_is_not(tmp_path: Path, name: str) -> None:
    assert not _is_taken(_theirs(tmp_path / name))
    (tmp_path / name).unlink()
    assert not _is_taken(_theirs(tmp_path / name, "PRAGMA page_size=65536", "CREATE TABLE theirs (x)"))
    (tmp_path / name).unlink()
    assert not _is_taken(_theirs(tmp_path / name, "PRAGMA application_id=7"))


def test_another_program_s_database_whose_tables_are_in_its_log_is_not(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE theirs (x)")
        assert not _is_taken(tmp_path / "app.sqlite")


def test_what_is_no_database_is_not_and_nothing_beside_it_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("CREATE TABLE entry (key TEXT NOT NULL PRIMARY KEY")
    os.mkfifo(tmp_path / "notes.txt-wal")
    os.mkfifo(tmp_path / "pipe")
    assert not _is_taken(path)
    assert not _is_taken(tmp_path / "pipe")
    assert not _is_taken(tmp_path)
    (tmp_path / "link").symlink_to(path)
    assert _is_taken(tmp_path / "link")  # it is not followed
