"""`--cache`, `--cache-key` and `--stats`: what is kept between two runs of a command, and what each image cost."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.store_process import Worker
from tests.fakes.store_worker import write_for_ever
from tests.unit.cli.support import gate, signed_by_alice, write

if TYPE_CHECKING:
    from tests.unit.cli.support import Shop

WEB = "acme/web:v1"  # signed by a bundle: a payload that has to be fetched


def check(shop: Shop, folder: Path, *flags: str, image: str = WEB) -> dict[str, Any]:
    """What one run says of an image."""
    rules = write(folder, "policy.yaml", signed_by_alice())
    ran = gate("check", f"image:{shop.image(image)}", "-p", rules, "-o", "json", "--stats", *shop.flags, *flags)
    assert ran.code == 0, ran.err
    (entry,) = json.loads(ran.out)["images"]
    found: dict[str, Any] = entry["stats"]
    whole = json.loads(ran.out)["stats"]
    trouble = whole.pop("cacheTrouble")
    assert whole == found
    return {**found, "trouble": {what: times for what, times in trouble.items() if times}}


def test_what_has_a_digest_is_fetched_once(shop: Shop, tmp_path: Path) -> None:
    first, second = check(shop, tmp_path), check(shop, tmp_path)
    assert (first["requests"], first["cacheHits"]) == (6, 0)
    assert (second["requests"], second["cacheHits"]) == (5, 1)
    assert second["bytes"] < first["bytes"]
    (file,) = (Path(tmp_path, "home", "imagegate")).glob("*.sqlite")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_of_ones_own(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "mine" / "evidence.sqlite"
    check(shop, tmp_path, "--cache", str(file))
    assert check(shop, tmp_path, "--cache", str(file))["cacheHits"] == 1
    assert check(shop, tmp_path, "--cache", str(tmp_path / "another.db"))["cacheHits"] == 0
    assert not Path(tmp_path, "home", "imagegate").exists()


def test_with_a_key_the_list_is_kept_too(shop: Shop, tmp_path: Path) -> None:
    key = tmp_path / "cache.key"
    key.write_bytes(b"k" * 32)
    flags = ("--cache", str(tmp_path / "evidence.sqlite"), "--cache-key", str(key))
    check(shop, tmp_path, *flags)
    assert check(shop, tmp_path, *flags)["requests"] == 1  # what its tag is now
    key.write_bytes(b"K" * 32)
    assert check(shop, tmp_path, *flags)["requests"] == 5


def test_none_keeps_nothing(shop: Shop, tmp_path: Path) -> None:
    for _ in range(2):
        assert check(shop, tmp_path, "--cache", "none")["requests"] == 6
    assert not Path(tmp_path, "home", "imagegate").exists()


@pytest.mark.parametrize("content", [b"", b"no database", b"\xff" * 5000])
def test_a_damaged_file_changes_no_verdict(shop: Shop, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "evidence.sqlite"
    file.write_bytes(content)
    aside = {"setAside": 1} if content else {}
    assert check(shop, tmp_path, "--cache", str(file))["trouble"] == aside
    again = check(shop, tmp_path, "--cache", str(file))
    assert (again["trouble"], again["cacheHits"]) == ({}, 1)


def test_a_file_that_is_in_use_or_was_when_its_process_was_killed(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "evidence.sqlite"
    with Worker(write_for_ever, file) as worker:
        worker.go_on()
        assert worker.hear()
        assert check(shop, tmp_path, "--cache", str(file))["trouble"] == {}
    with Worker(write_for_ever, another := tmp_path / "another.db") as worker:
        worker.go_on()
        assert worker.hear()
        worker.kill()
        assert another.with_name("another.db-wal").stat().st_size
        assert check(shop, tmp_path, "--cache", str(another))["trouble"] == {}
    assert check(shop, tmp_path, "--cache", str(another))["cacheHits"] == 1


@pytest.mark.parametrize("blocks", [0, 1, 16, 40, 80])
def test_a_disk_that_was_full_when_it_was_made(shop: Shop, tmp_path: Path, blocks: int) -> None:
    """Of 512 bytes each: nothing, less than a page, a page, less than its tables, and hardly more."""
    file = tmp_path / "evidence"
    rules = write(tmp_path, "policy.yaml", signed_by_alice())
    ran = subprocess.run(
        [
            *("sh", "-c", 'ulimit -f "$0"; exec "$@"', str(blocks)),
            *(sys.executable, "-m", "gate", "check", f"image:{shop.image(WEB)}", "-p", rules, "--cache", file),
            *shop.flags,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert check(shop, tmp_path, "--cache", str(file))["trouble"] == {}
    assert check(shop, tmp_path, "--cache", str(file))["cacheHits"] == 1


@pytest.mark.parametrize("name", ["evidence.sqlite", "evidence.db"])
def test_a_damaged_file_of_ours_is_set_aside_under_any_name(shop: Shop, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    check(shop, tmp_path, "--cache", str(file))
    good = file.read_bytes()
    for damaged in (good[:70] + b"X" + good[71:], good[:60], good[:5000]):
        file.write_bytes(damaged)
        assert check(shop, tmp_path, "--cache", str(file))["trouble"] == {"setAside": 1}
        assert file.with_name(f"{name}.corrupt").read_bytes() == damaged
        assert check(shop, tmp_path, "--cache", str(file))["cacheHits"] == 1


def test_what_is_named_by_mistake_is_left_as_it_is(shop: Shop, tmp_path: Path) -> None:
    rules = write(tmp_path, "policy.yaml", signed_by_alice())
    other = tmp_path / "app.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    folder = tmp_path / "folder"
    folder.mkdir()
    for place in (rules, other, folder, Path("/dev/null")):
        before = place.lstat()
        ran = gate("check", f"image:{shop.image(WEB)}", "-p", rules, "--cache", place, *shop.flags)
        assert (ran.code, ran.out) == (2, "")
        assert f"--cache {place} is no" in ran.err
        assert (place.lstat().st_ino, place.lstat().st_mtime) == (before.st_ino, before.st_mtime)


def test_stats_are_a_table_on_stderr(shop: Shop, tmp_path: Path) -> None:
    rules = write(tmp_path, "policy.yaml", signed_by_alice())
    images = [f"image:{shop.image(name)}" for name in ("acme/api:v1", WEB)]
    ran = gate("check", *images, "-p", rules, "--stats", *shop.flags)
    head, *lines = [line.split() for line in ran.err.splitlines()]
    assert head == ["requests", "waves", "received", "cached", "registry", "verify", "evaluate", "image"]
    assert [(line[0], line[-1]) for line in lines[:2]] == [("5", shop.image("acme/api:v1")), ("6", shop.image(WEB))]
    assert lines[2][0] == "11"
    assert len(lines) == 3
    assert "requests" not in ran.out
    assert "requests" not in gate("check", *images, "-p", rules, *shop.flags).err


def test_what_the_cache_cannot_be_trusted_with_is_said(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "evidence.sqlite"
    check(shop, tmp_path, "--cache", str(file))
    with sqlite3.connect(file) as database:
        changed = database.execute("UPDATE entry SET value = CAST('x' || substr(value, 2) AS BLOB)").rowcount
    database.close()
    assert changed > 0
    assert check(shop, tmp_path, "--cache", str(file))["trouble"] == {"corrupt": 1}
    with sqlite3.connect(file) as database:
        database.execute("UPDATE entry SET value = CAST('x' || substr(value, 2) AS BLOB)")
    database.close()
    rules = write(tmp_path, "policy.yaml", signed_by_alice())
    ran = gate("check", f"image:{shop.image(WEB)}", "-p", rules, "--stats", "--cache", file, *shop.flags)
    assert ran.err.splitlines()[-1] == "trouble with the cache: 1 not what they are called, and passed over"
