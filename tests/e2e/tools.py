"""The real programs this tier runs: built from their sources or taken from Debian once, kept in a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
ENVIRONMENT = os.environ  # noqa: TID251 - tests hand their surroundings on to what they start
IN_CI = ENVIRONMENT.get("CI") == "true"
_APT = (
    "apt-get", "-qq",
    "-o", "APT::Sandbox::User=root",  # or root's own folders are a reason to warn
    "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and where its source is.

    Attributes:
        package: of the Go module that is installed; "" for a module of this folder, called like the program.
    """

    name: str
    version: str
    package: str = ""

    @property
    def source(self) -> Path:
        return HERE / self.name

    @property
    def folder(self) -> Path:
        cache = Path(ENVIRONMENT.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "imagegate" / "tools" / f"{self.name}-{self.version}"

    @property
    def program(self) -> Path:
        return self.folder / self.name

    def path(self) -> Path:
        """The program, built if it is not there yet; without Go the tests that need it are skipped."""
        if not self.program.is_file():
            go = shutil.which("go")
            if go is None:
                absent(f"no {self.name} {self.version} in {self.folder}, and no Go to build it with")
            self._build(go)
        return self.program

    def _build(self, go: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            folder, command = self._command(scratch)
            done = subprocess.run(
                [go, *command],
                cwd=folder,
                env={**ENVIRONMENT, "GOBIN": scratch, "CGO_ENABLED": "0", "GOWORK": "off"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.fail(f"{self.name} {self.version} could not be built:\n{done.stderr[-4000:]}")
            # Another run may be building the same: whole files only.
            Path(scratch, self.name).replace(self.program)

    def _command(self, scratch: str) -> tuple[str, list[str]]:
        """Where Go is run, and with what, so that the program comes to be in `scratch`."""
        if self.package:
            return scratch, ["install", f"{self.package}@v{self.version}"]
        return str(self.source), ["build", "-o", scratch, "."]


@dataclass(frozen=True, slots=True)
class PinnedTool(Tool):
    """A program that `go install` refuses, for its module replaces others: by the go.mod in the folder of its name."""

    flags: tuple[str, ...] = ()

    def _command(self, scratch: str) -> tuple[str, list[str]]:
        return str(self.source), ["build", *self.flags, "-o", str(Path(scratch, self.name)), self.package]


@dataclass(frozen=True, slots=True)
class DebianTool(Tool):
    """A program out of a package of Debian's, for which nobody has to be root.

    `name` is the package's and the program's; `version` is what the package's has to begin with.
    """

    def path(self) -> Path:
        """The program, downloaded if it is not there yet; where that can't be, the tests that need it are skipped."""
        if not self.program.is_file():
            missing = [command for command in ("apt-get", "dpkg-deb") if shutil.which(command) is None]
            if missing:
                absent(f"no {self.name} {self.version} in {self.folder}, and no {' and '.join(missing)} to get it with")
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                self._download(Path(scratch))
        return self.program

    def _download(self, scratch: Path) -> None:
        got = _ran(scratch, *_APT, "download", self.name)
        complaint = got.stderr
        if got.returncode != 0 and os.geteuid() == 0:  # images of Debian come without the lists
            complaint = _ran(scratch, *_APT, "update").stderr
            got = _ran(scratch, *_APT, "download", self.name)
            complaint += got.stderr
        package = next(scratch.glob("*.deb"), None)
        if got.returncode != 0 or package is None:
            absent(f"apt-get gives no package {self.name}: {complaint.strip()[-500:]}")
        version = _ran(scratch, "dpkg-deb", "--field", str(package), "Version").stdout.strip()
        if not f"{version}.".startswith(f"{self.version}."):
            absent(f"the package {self.name} is {version}, and the tests are for {self.version}")
        unpacked = _ran(scratch, "dpkg-deb", "--extract", str(package), str(scratch / "root"))
        if unpacked.returncode != 0:
            pytest.fail(f"{package.name} could not be unpacked: {unpacked.stderr.strip()[-500:]}")
        (scratch / "root" / "usr" / "bin" / self.name).replace(self.program)


def _ran(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, "LC_ALL": "C"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def absent(reason: str) -> NoReturn:
    """What a test needs is not here: skipped on a desk, failed in CI."""
    if IN_CI:
        pytest.fail(f"{reason} (CI=true: nothing is skipped)")
    pytest.skip(reason)


def _sources(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((folder / name).read_bytes() + b"\0")
    return digest.hexdigest()[:12]


COSIGN = Tool("cosign", "3.1.3", "github.com/sigstore/cosign/v3/cmd/cosign")
REGISTRY = Tool("registry", "3.1.2", "github.com/distribution/distribution/v3/cmd/registry")
REFERRERS_REGISTRY = Tool("referrers-registry", _sources(HERE / "referrers-registry"))
ETCD = PinnedTool("etcd", "3.7.3", "go.etcd.io/etcd/server/v3")
KUBE_APISERVER = PinnedTool(
    "kube-apiserver",
    "1.36.3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    ("-ldflags", "-X k8s.io/component-base/version.gitVersion=v1.36.3"),
)
BUILT = (COSIGN, REGISTRY, REFERRERS_REGISTRY, ETCD, KUBE_APISERVER)
DOCKER_REGISTRY = DebianTool("docker-registry", "2.8")
BUILD_SECONDS = 1800
