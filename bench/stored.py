"""What it costs to read one image's evidence from the SQLite file, alone and with four processes at once."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.rows import Row
from gate.evidence.facts import Format, Storage
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.image.reference import Repository
from gate.review.kept import Blobs, Listings
from gate.review.listing import Listed, Listing, Place
from gate.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = 1_000
READS = 500
PROCESSES = 4
BAR = 0.3
_KEY = b"k" * 32
_HOME = Repository("registry.test", "shop/api")
_LIMIT = 256 * 1024 * 1024


def _payload(number: int) -> bytes:
    return f'{{"n":{number},"x":"{"y" * 2000}"}}'.encode()


def _place(number: int) -> Place:
    return Place(Storage(_HOME), Digest.of(str(number).encode()), "", _HOME, attestations=False)


def _filled(path: Path) -> None:
    """As after an hour: many images, each with a list and two payloads."""
    store = SqliteStore(path, _LIMIT, time.time)
    blobs, listings = Blobs(store), Listings(store, _KEY, time.time, time.monotonic)
    for number in range(IMAGES):
        payloads = [_payload(2 * number), _payload(2 * number + 1)]
        entries = tuple(
            Listed(Format.BUNDLE, Descriptor("x/y", Digest.of(p), len(p), {"signature": "s" * 100})) for p in payloads
        )
        for payload in payloads:
            blobs.put(Digest.of(payload), payload)
        listings.put(_place(number), Listing(_place(number).image, entries), 3600)
        time.sleep(0.0005)  # what is put faster than it can be written is dropped
    time.sleep(0.5)
    store.close()


def _read(path: Path) -> tuple[list[float], int]:
    """Milliseconds of each read, and how many found something else than what there is."""
    store = SqliteStore(path, _LIMIT, time.time)
    blobs, listings = Blobs(store), Listings(store, _KEY, time.time, time.monotonic)
    took: list[float] = []
    wrong = 0
    for number in range(READS):
        begun = time.perf_counter()
        found = listings.get(_place(number))
        contents = blobs.get(e.descriptor.digest for e in found[0].entries) if found else {}
        took.append((time.perf_counter() - begun) * 1000)
        wrong += len(contents) != 2
    store.close()
    return took[1:], wrong


def rows() -> Iterator[Row]:
    """Everything that is measured here."""
    with tempfile.TemporaryDirectory(prefix="imagegate-bench-") as folder:
        path = Path(folder, "cache.sqlite")
        _filled(path)
        took, wrong = _read(path)
        yield Row.of("cached evidence from SQLite (a sealed list, two payloads)", took, "ms", BAR)
        yield Row.count("- reads that failed", [wrong], "", 0)
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            found = pool.map(_read, [path] * PROCESSES)
        each = [one for took, _ in found for one in took]
        yield Row.of(f"- {PROCESSES} processes at once", each, "ms")
        yield Row.count("- reads that failed", [sum(wrong for _, wrong in found)], "", 0)
