"""Files and servers of the store that are damaged, somebody else's, or hostile: what they cost is what was kept.

Nothing of a store is believed (`gate.review.kept`); here it must neither raise nor hang nor stay broken.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import tracemalloc
from contextlib import ExitStack, closing
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gate.store.database import APPLICATION
from gate.store.memory import MemoryStore
from gate.store.opening import FILE_BYTES, check_place, open_store
from gate.store.valkey import MAX_VALUE, ValkeyStore
from tests.fakes.clock import SettableClock
from tests.fakes.store_files import Kept, kept
from tests.fakes.store_process import Worker, told
from tests.fakes.store_worker import (
    NOBODY,
    as_nobody,
    meet_damage,
    read_and_write,
    settle_once,
    value_of,
    without_space,
    write_for_ever,
)
from tests.fakes.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

IS_ROOT = os.geteuid() == 0
KEYS = [f"key-{number}" for number in range(60)]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with KEYS in it."""
    path = tmp_path_factory.mktemp("good") / "cache.sqlite"
    with kept(path) as world:
        for key in KEYS:
            world.store.put(key, value_of(key), 1e12)
    return path.read_bytes()


def _write(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


def _ask(path: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements[:-1]:
            connection.execute(statement)
        found = connection.execute(statements[-1]).fetchall()
        connection.commit()
        return found


def _use(world: Kept) -> None:
    """Whatever is there, it works in the end."""
    world.store.get(KEYS)
    assert world.works()
    world.clock.advance(6)
    world.store.get(KEYS)
    assert world.works()


# --- files that are damaged


@pytest.mark.parametrize("left", [0, 1, 15, 100, 1000, 4096, 8192, 8193, 20_000, 50_000, 90_000])
def test_a_file_that_was_cut(tmp_path: Path, good: bytes, left: int) -> None:
    assert left < len(good)
    with kept(_write(tmp_path / "cache.sqlite", good[:left])) as world:
        found = world.store.get(KEYS)
        assert all(found[key] == value_of(key) for key in found)
        _use(world)


@pytest.mark.parametrize("left", [0, 100, 8192, 50_000])
def test_a_file_that_is_cut_while_it_is_open(tmp_path: Path, good: bytes, left: int) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    with kept(path) as world:
        assert world.store.get(KEYS[:3])
        os.truncate(path, left)
        _use(world)


@pytest.mark.parametrize("seed", range(12))
def test_bytes_that_were_changed(tmp_path: Path, good: bytes, seed: int) -> None:
    choose = random.Random(seed)
    content = bytearray(good)
    for _ in range(choose.choice([1, 3, 100])):
        content[choose.randrange(len(content))] ^= choose.randrange(1, 256)
    with kept(_write(tmp_path / "cache.sqlite", bytes(content))) as world:
        assert set(world.store.get(KEYS)) <= set(KEYS)
        _use(world)


@pytest.mark.parametrize("start", range(0, 100, 10))
def test_bytes_of_the_header_that_were_changed(tmp_path: Path, good: bytes, start: int) -> None:
    for offset in range(start, start + 10):
        content = bytearray(good)
        content[offset] ^= 0xFF
        with kept(_write(tmp_path / f"{offset}.sqlite", bytes(content))) as world:
            _use(world)


def test_each_page_in_turn_is_rubbish(tmp_path: Path, good: bytes) -> None:
    for number, start in enumerate(range(0, len(good), 8192)):
        content = good[:start] + random.Random(number).randbytes(8192) + good[start + 8192 :]
        with kept(_write(tmp_path / f"{number}.sqlite", content)) as world:
            _use(world)


@pytest.mark.parametrize("seed", range(6))
def test_bytes_that_are_changed_while_it_is_open(tmp_path: Path, good: bytes, seed: int) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    with kept(path) as world:
        assert world.store.get(KEYS[:3])
        with path.open("r+b") as file:
            file.write(random.Random(seed).randbytes(len(good)))
        _use(world)
        assert world.store.counts["set_aside"] == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_log_that_was_left_and_changed(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "cache.sqlite"
    choose = random.Random(seed)
    (tmp_path / "live").mkdir()
    with kept(tmp_path / "live" / "cache.sqlite") as live:  # as if it had been killed
        for key in KEYS:
            live.put(key, value_of(key), 1e12)
        _write(path, live.path.read_bytes())
        log = bytearray(live.path.with_name("cache.sqlite-wal").read_bytes())
    for _ in range(choose.choice([0, 1, 50])):
        log[choose.randrange(len(log))] ^= choose.randrange(1, 256)
    _write(tmp_path / "cache.sqlite-wal", bytes(log[: choose.choice([len(log), len(log) // 2, 31])]))
    with kept(path) as world:
        found = world.store.get(KEYS)
        assert all(found[key] == value_of(key) for key in found)  # each part of a log has its sum
        _use(world)


@pytest.mark.parametrize("content", [b"SQLite format 3\0", b"\0" * 100_000, b"text\n" * 30_000], ids=len)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    with kept(_write(tmp_path / "cache.sqlite", content)) as world:
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert world.store.counts["set_aside"] == 1
        assert world.corrupt.read_bytes() == content


def test_what_is_damaged_again_and_again_is_set_aside_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        for _ in range(50):
            path.unlink(missing_ok=True)
            _write(path, b"rubbish" * 1000)
            world.store.get(KEYS)
            world.put("a")
            world.clock.advance(0.2)
        assert 1 <= world.store.counts["set_aside"] <= 3


# --- files that are somebody else's


def _people(path: Path) -> None:
    _ask(path, "CREATE TABLE people (name TEXT)", "INSERT INTO people VALUES ('alice')")
    path.chmod(0o600)


def test_another_database(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    _people(path)
    with kept(path) as world:
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert _ask(world.corrupt, "SELECT name FROM people") == [("alice",)]


def test_another_database_in_its_place_while_it_is_open(tmp_path: Path, good: bytes) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    _people(tmp_path / "people.sqlite")
    with kept(path) as world:
        assert world.store.get(KEYS)
        (tmp_path / "people.sqlite").replace(path)
        world.clock.advance(2)
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert world.store.counts["set_aside"] == 1
        assert _ask(world.corrupt, "SELECT name FROM people") == [("alice",)]


def test_another_store_in_its_place_while_it_is_open(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "cache.sqlite"
    with kept(path) as world:
        world.put("a")
        assert world.store.get(["a"])
        _write(tmp_path / "other.sqlite", good).replace(path)
        world.clock.advance(2)
        world.store.get(["a", *KEYS])
        _use(world)


def test_what_was_set_aside_before_makes_room(tmp_path: Path) -> None:
    for content in (b"first" * 100, b"second" * 100):
        with kept(_write(tmp_path / "cache.sqlite", content)) as world:
            assert world.works()
            assert world.corrupt.read_bytes() == content


HOSTILE = {
    "view": ("DROP TABLE entry", "CREATE VIEW entry AS SELECT 'a' key, 9e9 until, 9e9 used, x'00' value"),
    "trigger": ("CREATE TRIGGER entry_insert AFTER INSERT ON entry BEGIN DELETE FROM entry; END",),
    "trigger of a name like the table's": (
        "CREATE TRIGGER entry BEFORE DELETE ON entry BEGIN SELECT RAISE(FAIL, ''); END",
    ),
    "another table": ("CREATE TABLE other (a)",),
    "another view": ("CREATE VIEW other AS SELECT load_extension('/tmp/x.so')",),
    "another index": ("CREATE INDEX other ON entry (length(value))",),
    "no index": ("DROP INDEX entry_used",),
    "a partial index": ("DROP INDEX entry_used", "CREATE INDEX entry_used ON entry (used) WHERE used > 5"),
    "another column": ("ALTER TABLE entry ADD COLUMN more",),
    "a column computed": ("ALTER TABLE entry ADD COLUMN more AS (zeroblob(1000000000))",),
    "a column renamed": ("ALTER TABLE entry RENAME COLUMN value TO worth",),
    "statistics": ("ANALYZE",),
    "another version": ("PRAGMA user_version=2",),
    "another application": ("PRAGMA application_id=7",),
    "no application": ("PRAGMA application_id=0",),
    "a virtual table": ("CREATE VIRTUAL TABLE other USING rtree(a, b, c)",),
    "a schema that cannot be read": (
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = 'CREATE' WHERE name = 'entry'",
    ),
    "a schema that says more": (
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = sql || ' ' WHERE name = 'entry'",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_schema_that_is_not_ours(tmp_path: Path, good: bytes, kind: str) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in HOSTILE[kind]:
            connection.execute(statement)
    with kept(path) as world:
        assert world.store.get([*KEYS, "a"]) == {}
        assert world.works()
        assert world.store.counts["set_aside"] == 1


def test_a_schema_that_changes_while_it_is_open_does_not_stop_it(tmp_path: Path, good: bytes) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    with kept(path) as world:
        assert world.store.get(KEYS)
        _ask(path, "DROP TABLE entry")
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert world.store.counts["set_aside"] == 1


def test_rows_that_are_no_values(tmp_path: Path, good: bytes) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    values = ("'text'", "5", "1.5", "zeroblob(3000000)", "x'00'")
    _ask(
        path,
        *(f"INSERT INTO entry VALUES ('odd-{n}', 1e9, 'long ago', {value})" for n, value in enumerate(values)),
        "SELECT 1",
    )
    with kept(path) as world:
        assert world.store.get([f"odd-{number}" for number in range(4)]) == {}
        assert world.store.get(KEYS)
        assert world.store.get(["odd-4"]) == {}  # `used` is no number
        assert world.works()


# --- places


def test_a_symbolic_link_is_not_followed(tmp_path: Path, good: bytes) -> None:
    target = _write(tmp_path / "target", good)
    (tmp_path / "cache.sqlite").symlink_to(target)
    before = target.stat()
    with kept(tmp_path / "cache.sqlite") as world:
        assert world.store.get(KEYS) == {}
        world.put("a")
        assert world.store.counts == {"set_aside": 0, "dropped": 1, "failed": 2}
    assert (tmp_path / "cache.sqlite").is_symlink()
    assert (target.read_bytes(), target.stat().st_mtime_ns) == (good, before.st_mtime_ns)
    assert isinstance(open_store(None, tmp_path, float, float), MemoryStore)


def test_a_symbolic_link_in_its_place_while_it_is_open(tmp_path: Path, good: bytes) -> None:
    path, target = tmp_path / "cache.sqlite", _write(tmp_path / "target", good)
    with kept(path) as world:
        assert world.works()
        path.unlink()
        path.symlink_to(target)
        world.clock.advance(2)
        assert world.store.get(KEYS) == {}
        world.put("a")
    assert target.read_bytes() == good


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "writable"])
def test_neighbours_that_others_could_write(tmp_path: Path, good: bytes, suffix: str, kind: str) -> None:
    path, target = _write(tmp_path / "cache.sqlite", good), _write(tmp_path / "target", b"precious")
    neighbour = path.with_name(path.name + suffix)
    if kind == "link":
        neighbour.symlink_to(target)
    else:
        _write(neighbour, b"").chmod(0o666)
    with kept(path) as world:
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert world.store.counts["set_aside"] == 1
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660])
def test_a_file_that_others_can_write_to(tmp_path: Path, good: bytes, mode: int) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    path.chmod(mode)
    with kept(path) as world:
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert world.store.counts["set_aside"] == 1
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("mode", "after"), [(0o644, 0o600), (0o640, 0o600), (0o444, 0o400)])
def test_a_file_that_others_could_read_is_kept_and_closed_to_them(
    tmp_path: Path, good: bytes, mode: int, after: int
) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    path.chmod(mode)
    with kept(path) as world:
        assert len(world.store.get(KEYS)) == len(KEYS)
        assert path.stat().st_mode & 0o777 == after


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
def test_a_file_of_another_user(tmp_path: Path, good: bytes) -> None:
    path = _write(tmp_path / "cache.sqlite", good)
    os.chown(path, NOBODY, NOBODY)
    with kept(path) as world:
        assert world.store.get(KEYS) == {}
        assert world.works()
        assert (world.store.counts["set_aside"], world.corrupt.stat().st_uid) == (1, NOBODY)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_regular_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """It is left as it is, for it may be somebody's; and nothing is kept."""
    make(tmp_path / "cache.sqlite")
    before = (tmp_path / "cache.sqlite").lstat()
    with kept(tmp_path / "cache.sqlite") as world:
        assert world.store.get(KEYS) == {}
        assert not world.works()
        assert world.store.counts["set_aside"] == 0
    assert (tmp_path / "cache.sqlite").lstat().st_ino == before.st_ino


def test_where_it_cannot_be_set_aside_nothing_is_kept(tmp_path: Path) -> None:
    path = _write(tmp_path / "cache.sqlite", b"rubbish" * 1000)
    (tmp_path / "cache.sqlite.corrupt" / "full").mkdir(parents=True)
    with kept(path) as world:
        assert not world.works()
        assert world.store.counts["set_aside"] == 0
        assert world.store.counts["failed"] > 0


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that a user who may not do everything can reach."""
    folder = Path(tempfile.mkdtemp(prefix="imagegate-store-"))
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def _given_away(folder: Path, good: bytes) -> Path:
    path = _write(folder / "cache.sqlite", good)
    for each in (folder, path):
        if IS_ROOT:
            os.chown(each, NOBODY, NOBODY)
    return path


def test_a_file_that_can_only_be_read(open_to_all: Path, good: bytes) -> None:
    path = _given_away(open_to_all, good)
    path.chmod(0o400)
    said = told(as_nobody, path, KEYS[0])
    assert said["found"]
    assert (said["set_aside"], said["dropped"]) == (0, 1)


def test_a_folder_that_can_only_be_read(open_to_all: Path, good: bytes) -> None:
    path = _given_away(open_to_all, good)
    open_to_all.chmod(0o500)
    said = told(as_nobody, path, KEYS[0])
    assert said["found"]
    assert (said["set_aside"], said["dropped"]) == (0, 1)
    assert path.read_bytes() == good


def test_a_folder_that_can_only_be_read_with_rubbish_in_it(open_to_all: Path) -> None:
    path = _given_away(open_to_all, b"rubbish" * 1000)
    open_to_all.chmod(0o500)
    said = told(as_nobody, path, KEYS[0])
    assert not said["found"]
    assert (said["set_aside"], said["dropped"]) == (0, 1)


def test_a_folder_with_nothing_in_it_that_can_only_be_read(open_to_all: Path, good: bytes) -> None:
    path = _given_away(open_to_all, good)
    path.unlink()
    open_to_all.chmod(0o500)
    said = told(as_nobody, path, KEYS[0])
    assert (said["found"], said["set_aside"], said["dropped"]) == (False, 0, 1)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    said = told(without_space, tmp_path / "cache.sqlite")
    assert said["before"]
    assert said["reads"]
    assert said["after"]
    assert said["dropped"] > 0
    assert said["set_aside"] == 0


# --- files that hold too much


def _poisoned(path: Path, size: int, keys: list[str]) -> None:
    with kept(path, FILE_BYTES) as world:
        world.put("a")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for key in keys:
            connection.execute("INSERT INTO entry VALUES (?, 1e12, 1e12, zeroblob(?))", (key, size))


def test_values_that_are_too_large_together(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    _poisoned(path, 10 * 1024 * 1024, KEYS[:10])
    with kept(path, FILE_BYTES) as world:
        tracemalloc.start()
        try:
            found = world.store.get(KEYS)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(found) == 3
        assert peak < 48 * 1024 * 1024
        assert world.store.get(KEYS[9:]) == {KEYS[9]: bytes(10 * 1024 * 1024)}
        assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 0}


def test_values_of_which_each_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    _poisoned(path, 60 * 1024 * 1024, KEYS[:2])
    with kept(path, FILE_BYTES) as world:
        tracemalloc.start()
        try:
            assert world.store.get(KEYS) == {}
            assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
        finally:
            tracemalloc.stop()
        assert world.works()


def test_a_schema_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    _poisoned(path, 1, [])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE theirs ({'x' * 1024 * 1024})")
    with kept(path) as world:
        assert world.works()
        assert world.store.counts["set_aside"] == 1


def test_values_that_take_too_long_together(tmp_path: Path) -> None:
    """What has been read by then is taken."""
    with kept(tmp_path / "cache.sqlite") as world:
        for key in KEYS:
            world.put(key)
        world.store.get(["a"])
        world.store._clock = iter(number * 0.1 for number in range(1000)).__next__
        assert 1 <= len(world.store.get(KEYS)) < 10


def test_a_read_of_which_nothing_comes_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where an index leads from row to row, none of which counts."""
    with kept(tmp_path / "cache.sqlite") as world:
        world.put("a")
        for_ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n WHERE i < 0"
        monkeypatch.setattr("gate.store.sqlite._select_of", lambda _: f"{for_ever} AND ? + ? + ? + ? IS NOT NULL")
        world.store._clock = time.monotonic
        began = time.monotonic()
        assert world.store.get(["a"]) == {}
        assert time.monotonic() - began < 30
        assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 1}
        monkeypatch.undo()
        world.clock.advance(6)
        assert world.works()


# --- processes


@pytest.mark.parametrize("values", [1, 5, 40, 150])
def test_a_process_that_is_killed_while_it_writes(tmp_path: Path, values: int) -> None:
    path = tmp_path / "cache.sqlite"
    said: list[str] = []
    with Worker(write_for_ever, path) as worker:
        worker.go_on()
        said.extend(worker.hear()["key"] for _ in range(values))
        check_place(path)
        worker.kill()
    check_place(path)
    with kept(path) as world:
        world.store._now = float  # the process's clock was another: nothing has expired
        found = world.store.get(said)
        assert found == {key: value_of(key) for key in said}
        assert world.works()
        assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 0}
    assert _ask(path, "PRAGMA integrity_check") == [("ok",)]


def test_four_processes_that_are_killed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(write_for_ever, path, name)) for name in "abcd"]
        for worker in workers:
            worker.go_on()
        for worker in workers:
            assert worker.hear()
        for worker in workers:
            worker.kill()
    with kept(path) as world:
        assert world.works()
        assert world.store.counts["set_aside"] == 0
    assert _ask(path, "PRAGMA integrity_check") == [("ok",)]


def test_four_processes_that_read_and_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(read_and_write, path, name)) for name in "abcd"]
        for worker in workers:
            worker.go_on()
        said = [worker.hear() for worker in workers]
    assert [(one["wrong"], one["settled"], one["set_aside"]) for one in said] == [(0, True, 0)] * 4
    assert sum(one["seen"] for one in said) > 0
    assert _ask(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("turn", range(5))
def test_processes_that_set_the_same_file_aside_at_once(tmp_path: Path, turn: int) -> None:
    content = random.Random(turn).randbytes(50_000)
    path = _write(tmp_path / "cache.sqlite", content)
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(settle_once, path, name)) for name in "abcd"]
        for worker in workers:
            worker.go_on()
        said = [worker.hear() for worker in workers]
    assert [one["settled"] for one in said] == [True] * 4
    assert sum(one["set_aside"] for one in said) == 1
    assert path.with_name("cache.sqlite.corrupt").read_bytes() == content
    assert _ask(path, "SELECT key FROM entry ORDER BY key") == [(f"{name}-end",) for name in "abcd"]
    assert _ask(path, "PRAGMA integrity_check") == [("ok",)]


def test_processes_that_have_a_file_open_that_is_spoiled(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(meet_damage, path, name)) for name in "ab"]
        for worker in workers:
            worker.go_on()
            assert worker.hear() == {"open": True}
        with path.open("r+b") as file:
            file.write(random.Random(1).randbytes(path.stat().st_size or 8192))
        log = path.with_name("cache.sqlite-wal")
        with log.open("r+b") as file:
            file.write(bytes(log.stat().st_size))
        for worker in workers:
            worker.go_on()
        said = [worker.hear() for worker in workers]
    assert [one["settled"] for one in said] == [True, True]
    assert sum(one["set_aside"] for one in said) >= 1
    assert {(f"{name}-end",) for name in "ab"} <= set(_ask(path, "SELECT key FROM entry"))
    assert _ask(path, "PRAGMA integrity_check") == [("ok",)]


# --- servers


RUBBISH = {
    "nothing known": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an error": b"-ERR no\r\n",
    "an integer": b":1\r\n",
    "a word": b"+OK\r\n",
    "nil": b"*-1\r\n",
    "one text": b"$5\r\nvalue\r\n",
    "too few": b"*0\r\n",
    "too many": b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "a number in the place of a value": b"*1\r\n:5\r\n",
    "an error in the place of a value": b"*1\r\n-ERR no\r\n",
    "lists in lists": b"*1\r\n" * 3000,
    "a length that is none": b"*1\r\n$x\r\n",
    "a length below nothing": b"*1\r\n$-7\r\n",
    "a list of length below nothing": b"*-7\r\n",
    "a list of very many": b"*99999999999\r\n",
    "a number of very many digits": b":" + b"9" * 5000 + b"\r\n",
    "bytes that are no text": b"-\xff\xfe\r\n",
    "lines without an end": b"+" + b"x" * 100_000,
    "an answer that stops": b"*1\r\n$100\r\nabc",
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_a_server_that_says_something_else(kind: str) -> None:
    clock = SettableClock()
    with ValkeyServer() as server:
        store = ValkeyStore(server.url, clock.monotonic)
        server.say = lambda _: RUBBISH[kind]
        assert store.get(["a"]) == {}
        assert store.get(["a"]) == {}
        server.say = None
        clock.advance(6)
        assert store.get(["a"]) == {}
        store.put("a", b"1", 60)
        store.close()
        assert server.kept[0, b"imagegate:a"][0] == b"1"


class Sender:
    """Has a server answer by what it sends at its own pace, until the client hangs up."""

    def __init__(self, server: ValkeyServer, chunks: Iterable[bytes], pause: float = 0.0) -> None:
        self.sent = 0
        self._server = server
        self._chunks = chunks
        self._pause = pause
        self._asked, self._gone = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        server.say = self._say

    def was_hung_up_on(self) -> bool:
        """Whether that was before its end."""
        self._thread.join(60)
        return self._gone.is_set()

    def _say(self, _: list[bytes]) -> bytes:
        self._asked.set()
        return b""

    def _send(self) -> None:
        self._asked.wait(60)
        try:
            for chunk in self._chunks:
                self._server._server.open[0].sendall(chunk)
                self.sent += len(chunk)
                self._gone.wait(self._pause)
        except OSError:
            self._gone.set()


def test_a_server_that_says_a_terabyte_comes() -> None:
    """The clock stands still: it is the bytes that end it."""
    with ValkeyServer() as server:
        chunks = chain([b"*1\r\n$1000000000000\r\n"], repeat(bytes(1024 * 1024), 1024))
        sender = Sender(server, chunks)
        store = ValkeyStore(server.url, SettableClock().monotonic)
        assert store.get(["a"]) == {}
        assert store.counts["failed"] == 1
        assert sender.was_hung_up_on()
        assert sender.sent < 2 * MAX_VALUE + 32 * 1024 * 1024  # what the kernel holds for both ends
        store.close()


def test_a_server_whose_value_is_larger_than_any_we_put() -> None:
    clock = SettableClock()
    with ValkeyServer() as server:
        store = ValkeyStore(server.url, clock.monotonic)
        server.kept[0, b"imagegate:a"] = bytes(MAX_VALUE + 1), 1e12
        server.kept[0, b"imagegate:b"] = bytes(MAX_VALUE // 2), 1e12
        while not (found := store.get(["a", "b"])):  # a machine that is busy may need a second look at so much
            clock.advance(6)
        assert list(found) == ["b"]
        store.close()


def test_a_server_that_says_one_byte_after_another() -> None:
    """Each comes in time; together they would take a minute."""
    with ValkeyServer() as server:
        sender = Sender(server, (bytes([byte]) for byte in b"*1\r\n$1000\r\n" + b"x" * 600), pause=0.1)
        store = ValkeyStore(server.url)
        assert store.get(["a"]) == {}
        assert store.counts["failed"] == 1
        assert sender.was_hung_up_on()
        store.close()


def test_a_server_that_repeats_the_password_is_not_quoted() -> None:
    with ValkeyServer() as server:
        store = ValkeyStore(f"valkey://:s3cret@127.0.0.1:{server.port}")
        server.say = lambda command: b"-ERR unknown command 'AUTH', with args beginning with: " + command[-1] + b"\r\n"
        assert store.get(["a"]) == {}
        assert "s3cret" not in repr(store) + str(store.counts)
        store.close()


def test_the_number_in_the_header_is_ours() -> None:
    assert APPLICATION.to_bytes(4, "big") == b"IMGT"
