"""What the tests of the command line share: running it, a registry with images, policies as texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from gate.cli.main import main
from tests.fakes.signing import alice

if TYPE_CHECKING:
    from pathlib import Path

    from gate.demo.registry import DemoRegistry
    from gate.image.digest import Digest

AT = "2026-11-23T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def gate(*arguments: object, stdin: str | bytes | None = None) -> Ran:
    """In this process; colours are not taken out, so that tests see them."""
    result = CliRunner().invoke(main, [str(a) for a in arguments], input=stdin, color=True)
    return Ran(result.exit_code, result.stdout, result.stderr)


def gate_process(*arguments: object, stdin: str = "", env: dict[str, str] | None = None) -> Ran:
    """In a process of its own: with real streams."""
    done = subprocess.run(
        [sys.executable, "-m", "gate", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},  # noqa: TID251
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Shop:
    """A registry on loopback and what was put there.

    Attributes:
        folder: of the layouts, by repository path.
        digests: by `repository:tag`.
        key: file of the key that signed `acme/api:v1` and `acme/web:v1`.
    """

    registry: DemoRegistry
    folder: Path
    digests: dict[str, Digest]
    key: Path

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--insecure-registry", self.host)

    def image(self, name: str) -> str:
        return f"{self.host}/{name}"

    def asked(self) -> int:
        return len(self.registry.requests)


def policy(rules: str, *, name: str = "p", mode: str = "enforce", match: str = "{}", signers: str = "{}") -> str:
    return f"""\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {{name: {name}}}
spec:
  mode: {mode}
  match: {match}
  signers: {signers}
  rules: {rules}
"""


def signed_by_alice(**more: str) -> str:
    """A policy that wants alice's signature."""
    signers = json.dumps({"alice": {"key": {"pem": alice().pem.decode()}}})
    return policy("[{signature: {by: alice}}]", signers=signers, **more)


ANYTHING = policy("[{image: {tags: unsafeAny, denyTags: []}}]")
"""Every image passes, and no registry is asked."""

NOTHING = policy('[{deny: {message: "never"}}]')


def pod(*images: str, name: str = "p", namespace: str | None = None) -> str:
    """A Pod as YAML (JSON, that is)."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    containers = [{"name": f"c{i}", "image": image} for i, image in enumerate(images)]
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}, indent=1
    )


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
