"""Debian's redis-server as a process on loopback. Its program is in another package, and libraries in two more."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from gate.demo.cluster import LOOPBACK, free_port
from tests.e2e.registries import Process
from tests.e2e.tools import _APT, DebianTool, _ran, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DebianRedis(DebianTool):
    """`redis-server` is a link to what the package redis-tools has: the program looks at the name it is called by."""

    package: str = "redis-tools"
    libraries: tuple[str, ...] = ("liblzf1", "libjemalloc2")

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return ["env", f"LD_LIBRARY_PATH={self.folder / 'lib'}", str(self.path())]

    def _download(self, scratch: Path) -> None:
        root = scratch / "root"
        for package in (self.package, *self.libraries):
            self._unpack(package, scratch, root)
        library = self.folder / "lib"
        library.mkdir(exist_ok=True)
        for found in sorted(root.glob("usr/lib/*/*.so.*")):
            found.replace(library / found.name)
        # Whole files only, and the one that says that everything is there last: another run may be doing the same.
        (root / "usr" / "bin" / "redis-check-rdb").replace(self.program)

    def _unpack(self, package: str, scratch: Path, root: Path) -> None:
        got = _ran(scratch, *_APT, "download", package)
        if got.returncode != 0 and os.geteuid() == 0:  # images of Debian come without the lists
            _ran(scratch, *_APT, "update")
            got = _ran(scratch, *_APT, "download", package)
        file = next(scratch.glob(f"{package}_*.deb"), None)
        if got.returncode != 0 or file is None:
            absent(f"apt-get gives no package {package}: {got.stderr.strip()[-500:]}")
        version = _ran(scratch, "dpkg-deb", "--field", str(file), "Version").stdout.strip()
        version = version.rpartition(":")[2]  # Debian's epoch says nothing of the program
        if package == self.package and not version.startswith(f"{self.version}."):
            absent(f"the package {package} is {version}, and the tests are for {self.version}")
        unpacked = _ran(scratch, "dpkg-deb", "--extract", str(file), str(root))
        if unpacked.returncode != 0:
            pytest.fail(f"{file.name} could not be unpacked: {unpacked.stderr.strip()[-500:]}")


REDIS: Final = DebianRedis("redis-server", "7.0")


def redis_server(
    folder: Path, port: int = 0, settings: Mapping[str, str] | None = None, *, tls: bool = False
) -> Process:
    """A server that keeps nothing on disk.

    Args:
        folder: for its socket and log.
        port: 0 for a free one.
        settings: of its configuration, such as `requirepass`.
        tls: spoken at the port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    usual = {"port": str(port), "bind": LOOPBACK, "save": "", "appendonly": "no", "dir": str(folder)}
    if tls:
        usual |= {"port": "0", "tls-port": str(port)}
    arguments = [word for name, value in {**usual, **(settings or {})}.items() for word in (f"--{name}", value)]
    return Process([*REDIS.command, *arguments], port, folder / "log")
