"""A process of its own that uses a store's file: `python -m tests.fakes.store_worker ROLE PATH [NAME]`.

It says `ready`, waits for a line, does its part, and says what came of it as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from gate.store.sqlite import SqliteStore

LIMIT = 4 * 1024 * 1024
NOBODY = 65534


def value_of(key: str) -> bytes:
    """What each process puts under a key: who reads it knows whether it is right."""
    return key.encode() * 200


def tell(**what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def settle(store: SqliteStore, key: str, tries: int = 2000) -> bool:
    """Put a value until it is there."""
    for _ in range(tries):
        if store.get([key]):
            return True
        store.put(key, value_of(key), 3600)
        time.sleep(0.01)
    return False


def write_for_ever(path: Path, name: str) -> None:
    """Say of each key when it is there for others."""
    store, number = SqliteStore(path, LIMIT, time.monotonic), 0
    while True:
        key = f"{name}-{number}"
        store.put(key, value_of(key), 3600)
        while not store.get([key]):
            time.sleep(0.0005)
        tell(key=key)
        number += 1


def read_and_write(path: Path, name: str) -> None:
    """Among others that do the same; values of others are right or absent."""
    store = SqliteStore(path, LIMIT, time.monotonic)
    wrong = seen = 0
    for number in range(300):
        key = f"{name}-{number}"
        store.put(key, value_of(key), 3600)
        found = store.get([f"{other}-{number - 3}" for other in "abcd"])
        seen += len(found)
        wrong += sum(value != value_of(key) for key, value in found.items())
    settled = settle(store, f"{name}-end")
    # By now what this one wrote is there, however slow the machine is; of the others some may be.
    keys = [f"{other}-{number}" for other in "abcd" for number in range(300)]
    found = store.get(keys)
    seen += len(found)
    wrong += sum(value != value_of(key) for key, value in found.items())
    store.close()
    tell(wrong=wrong, seen=seen, settled=settled, **store.counts)


def settle_once(path: Path, name: str) -> None:
    """One value, for certain."""
    store = SqliteStore(path, LIMIT, time.monotonic)
    settled = settle(store, f"{name}-end")
    store.close()
    tell(settled=settled, **store.counts)


def meet_damage(path: Path, name: str) -> None:
    """Have the file open while somebody spoils it, then go on."""
    store = SqliteStore(path, LIMIT, time.monotonic)
    settle(store, name)
    tell(open=True)
    sys.stdin.readline()
    for number in range(30):
        store.get([f"{name}-{number}"])
        store.put(f"{name}-{number}", value_of(f"{name}-{number}"), 3600)
        time.sleep(0.01)
    settled = settle(store, f"{name}-end")
    store.close()
    tell(settled=settled, **store.counts)


def without_space(path: Path, name: str) -> None:
    """As on a disk that is full: no file may grow beyond what it has."""
    store = SqliteStore(path, LIMIT, time.monotonic)
    before = settle(store, name)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, resource.RLIM_INFINITY))
    for number in range(400):
        store.put(f"{name}-{number}", os.urandom(8192), 3600)
        if number % 40 == 0:
            time.sleep(0.05)
    store_reads = value_of(name) == store.get([name]).get(name)
    deadline = time.monotonic() + 30
    while not store.counts["dropped"] and time.monotonic() < deadline:
        time.sleep(0.01)
    store.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    again = SqliteStore(path, LIMIT, time.monotonic)
    after = settle(again, f"{name}-end")
    again.close()
    tell(before=before, reads=store_reads, after=after, **store.counts)


def as_nobody(path: Path, name: str) -> None:
    """As a user who may not do everything."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    store = SqliteStore(path, LIMIT, time.monotonic)
    found = store.get([name])
    store.put("new", b"value", 3600)
    store.close()
    tell(found=found.get(name) == value_of(name), **store.counts)


def fork(path: Path, name: str) -> None:
    """Use a store, fork, and use it in both."""
    store, unused = SqliteStore(path, LIMIT, time.monotonic), SqliteStore(path, LIMIT, time.monotonic)
    settle(store, name)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        inherited = store.get([name])
        store.put("child", b"value", 3600)
        store.close()
        own = settle(unused, "child-end") and unused.get([name]) != {}
        unused.close()
        os.write(writer, json.dumps({"inherited": len(inherited), "own": own, **store.counts}).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found = store.get([name, "child", "child-end"])
    after = settle(store, f"{name}-end")
    store.close()
    tell(child=json.loads(os.read(reader, 4096)), found=sorted(found), after=after, **store.counts)


ROLES = {
    role.__name__: role
    for role in (write_for_ever, read_and_write, settle_once, meet_damage, without_space, as_nobody, fork)
}

if __name__ == "__main__":
    tell(ready=True)
    sys.stdin.readline()
    ROLES[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
