"""The real programs this tier runs: built once from their published sources, kept in a cache folder."""

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
            command = ["install", f"{self.package}@v{self.version}"] if self.package else ["build", "-o", scratch, "."]
            done = subprocess.run(
                [go, *command],
                cwd=scratch if self.package else self.source,
                env={**ENVIRONMENT, "GOBIN": scratch, "CGO_ENABLED": "0", "GOWORK": "off"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                pytest.fail(f"{self.name} {self.version} could not be built:\n{done.stderr[-4000:]}")
            # Another run may be building the same: whole files only.
            Path(scratch, self.name).replace(self.program)


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
ALL = (COSIGN, REGISTRY, REFERRERS_REGISTRY)
BUILD_SECONDS = 1800
