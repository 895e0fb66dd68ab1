"""The store in a file: how it is made, shared, kept small, and mended."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gate.store.database import APPLICATION, VERSION
from gate.store.sqlite import SqliteStore
from tests.fakes.store_files import LIMIT, kept
from tests.fakes.store_process import told
from tests.fakes.store_worker import fork

if TYPE_CHECKING:
    from pathlib import Path


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def _ask(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with kept(tmp_path / "new" / "cache.sqlite") as world:
            world.put("a")
            assert world.store.get(["a"])
            assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
            assert _modes(tmp_path / "new") == {
                "cache.sqlite": 0o600,
                "cache.sqlite-wal": 0o600,
                "cache.sqlite-shm": 0o600,
            }
    finally:
        os.umask(before)


def test_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
    assert _ask(path, "PRAGMA application_id") == [(APPLICATION,)]
    assert _ask(path, "PRAGMA user_version") == [(VERSION,)]
    assert _ask(path, "PRAGMA journal_mode") == [("wal",)]
    assert _ask(path, "PRAGMA integrity_check") == [("ok",)]


def test_how_it_is_read(tmp_path: Path) -> None:
    with kept(tmp_path / "cache.sqlite") as world:
        for key in "abc":
            world.put(key)
        world.store.get(["a"])
        opened = world.store._reader._open
        assert opened is not None
        settings = ("trusted_schema", "cell_size_check", "mmap_size", "synchronous", "busy_timeout")
        read = [opened.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]
        assert read == [0, 1, 0, 1, 50]
        statements: list[str] = []
        opened.connection.set_trace_callback(statements.append)
        assert len(world.store.get(["a", "b", "c", "d"])) == 3
        assert len(statements) == 1, statements
        opened.connection.set_trace_callback(None)


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    with kept(tmp_path / "new" / "cache.sqlite"):
        assert not (tmp_path / "new").exists()


def test_a_name_with_special_characters(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20d" / "ü mode=memory&.sqlite"
    with kept(path) as world:
        assert world.works()
        assert path.is_file()


def test_it_outlives_the_store(tmp_path: Path) -> None:
    with kept(tmp_path / "cache.sqlite") as first:
        for number in range(500):
            first.store.put(f"key-{number}", bytes(1000), 3600)
    with kept(tmp_path / "cache.sqlite") as second:
        assert len(second.store.get([f"key-{number}" for number in range(500)])) == 500
        assert second.store.counts == {"set_aside": 0, "dropped": 0, "failed": 0}


def test_two_see_what_each_other_writes(tmp_path: Path) -> None:
    with kept(tmp_path / "cache.sqlite") as one, kept(tmp_path / "cache.sqlite") as other:
        one.put("a", b"1")
        assert other.store.get(["a"]) == {"a": b"1"}
        other.put("a", b"2")
        assert one.store.get(["a"]) == {"a": b"2"}


def test_ten_times_as_much_as_it_may_have(tmp_path: Path) -> None:
    limit = 1024 * 1024
    path = tmp_path / "cache.sqlite"
    with kept(path, limit) as world:
        for number in range(5 * limit // 1000):
            world.store.put(f"key-{number}", os.urandom(2000), 3600)
            if number % 200 == 0:
                world.settle()
                assert path.stat().st_size <= limit * 1.1
        world.put("last", b"last")
        found = world.store.get([f"key-{number}" for number in range(5 * limit // 1000)])
        assert sum(map(len, found.values())) > limit // 2
        assert world.store.get(["last"]) == {"last": b"last"}
        assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 0}
        assert path.with_name("cache.sqlite-wal").stat().st_size <= 8 * 1024 * 1024
    assert path.stat().st_size <= limit * 1.1


def test_large_values_are_bounded_too(tmp_path: Path) -> None:
    limit = 1024 * 1024
    path = tmp_path / "cache.sqlite"
    with kept(path, limit) as world:
        for number in range(60):
            world.put(f"key-{number}", os.urandom(limit // 4 - number))
            assert path.stat().st_size <= limit * 1.1
        assert world.store.get(["key-59"])
        world.put("larger", bytes(limit // 4 + 1))
        assert world.store.get(["larger"]) == {}


def test_a_smaller_limit_makes_it_smaller(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path, LIMIT) as large:
        for number in range(300):
            large.put(f"key-{number}", os.urandom(10_000))
    assert path.stat().st_size > 3_000_000
    with kept(path, 1_000_000) as small:
        small.put("a")
        small.put("b")
    assert path.stat().st_size <= 1_100_000


def test_what_has_expired_leaves_first(tmp_path: Path) -> None:
    with kept(tmp_path / "cache.sqlite", 1024 * 1024) as world:
        for number in range(20):
            world.put(f"old-{number}", bytes(10_000), 1e6)
        for number in range(60):
            world.put(f"short-{number}", bytes(10_000), 60)
        world.clock.advance(100)
        for number in range(40):
            world.put(f"new-{number}", bytes(10_000), 1e6)
        assert len(world.store.get([f"old-{number}" for number in range(20)])) == 20
        assert len(world.store.get([f"new-{number}" for number in range(40)])) == 40


def test_what_has_not_been_read_for_longest_leaves_next(tmp_path: Path) -> None:
    with kept(tmp_path / "cache.sqlite", 1024 * 1024) as world:
        world.put("read", bytes(10_000), 1e6)
        world.put("unread", bytes(10_000), 1e6)
        for number in range(200):
            world.clock.advance(3700)
            assert world.store.get(["read"])
            world.put(f"new-{number}", bytes(10_000), 1e6)
        assert list(world.store.get(["read", "unread"])) == ["read"]


def test_that_it_was_read_is_noted_once_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        made = world.clock.monotonic()
        world.put("a", seconds=1e6)
        used = []
        for _ in range(5):
            world.clock.advance(1000)
            world.store.get(["a"])
            world.settle()
            used.append(_ask(path, "SELECT used FROM entry")[0][0])
        assert used == [made, made, made, made + 4000, made + 4000]


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.clock.advance(1e6)
        world.put("a")
        world.clock.advance(-9e5)
        assert world.store.get(["a"])
        world.settle()
        assert _ask(path, "SELECT used FROM entry")[0][0] == world.clock.monotonic()


def test_a_file_that_is_gone_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
        assert world.store.get(["a"])
        for file in tmp_path.iterdir():
            file.unlink()
        world.put("b")
        world.clock.advance(2)
        assert world.store.get(["a", "b"]) == {"b": b"value"}
        assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 0}


def test_while_somebody_writes_it_is_read_and_what_is_put_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            world.put("b")
            assert world.store.get(["a", "b"]) == {"a": b"value"}
            assert world.store.counts == {"set_aside": 0, "dropped": 1, "failed": 1}
        assert world.works()


def test_while_somebody_has_it_alone_everything_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
    with kept(path) as world, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("DELETE FROM entry WHERE key = 'x'")
        assert [world.store.get(["a"]) for _ in range(20)] == [{}] * 20
        assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 1}
        other.close()
        world.clock.advance(2)
        assert world.store.get(["a"]) == {"a": b"value"}


def test_while_somebody_has_the_folder_nothing_is_opened(tmp_path: Path) -> None:
    with kept(tmp_path / "cache.sqlite") as world:
        folder = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        assert [world.store.get(["a"]) for _ in range(20)] == [{}] * 20
        assert world.store.counts["failed"] == 1
        os.close(folder)
        world.clock.advance(2)
        assert world.works()


def test_somebody_who_reads_for_ever_does_not_fill_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM entry").fetchall()
            for number in range(60):
                world.put(f"key-{number % 3}", os.urandom(1_000_000))
                if world.store.counts["dropped"]:
                    break
            assert world.store.counts["dropped"] == 1
            assert path.with_name("cache.sqlite-wal").stat().st_size < 24 * 1024 * 1024
        world.clock.advance(2)
        assert world.works()


def test_a_process_that_was_forked(tmp_path: Path) -> None:
    said = told(fork, tmp_path / "cache.sqlite")
    assert said["child"] == {"inherited": 0, "own": True, "set_aside": 0, "dropped": 1, "failed": 0}
    assert said["found"] == ["a", "child-end"]
    assert said["after"]
    assert (said["set_aside"], said["dropped"], said["failed"]) == (0, 0, 0)


def test_what_is_put_last_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    store = SqliteStore(path, LIMIT, time.monotonic)
    store.put("a", b"1", 60)
    store.close()
    assert _ask(path, "SELECT key, value FROM entry") == [("a", b"1")]
    assert [file.name for file in tmp_path.iterdir()] == ["cache.sqlite"]


@pytest.mark.parametrize("left", ["-wal", "-shm", "-journal"])
def test_what_is_left_of_a_file_that_is_gone_is_not_taken_for_its_own(tmp_path: Path, left: str) -> None:
    path = tmp_path / "cache.sqlite"
    path.with_name(path.name + left).write_bytes(os.urandom(50_000))
    with kept(path) as world:
        assert world.works()
        assert world.store.counts["failed"] == 0
