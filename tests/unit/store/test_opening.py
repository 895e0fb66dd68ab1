"""Which store a place names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.store.memory import MemoryStore
from gate.store.opening import AnyStore, open_store
from gate.store.sqlite import SqliteStore
from gate.store.valkey import ValkeyStore

if TYPE_CHECKING:
    from pathlib import Path


def _opened(place: str | None, folder: Path | None = None) -> AnyStore:
    return open_store(place, folder, time.monotonic, time.monotonic)


def test_nothing_is_memory() -> None:
    assert isinstance(_opened(None), MemoryStore)


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
    assert isinstance(_opened(None, tmp_path / "file" / "caches"), MemoryStore)
    assert isinstance(_opened(None, tmp_path / "zero\0byte"), MemoryStore)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").symlink_to(tmp_path / "elsewhere")
    assert isinstance(_opened(None, tmp_path), MemoryStore)
    assert not (tmp_path / "elsewhere").exists()
