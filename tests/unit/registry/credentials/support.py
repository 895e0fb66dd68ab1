"""What the tests of credentials share: names, entries of a config.json, helpers on PATH."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from gate.image.reference import Reference, Repository
from gate.registry.credentials.docker_config import DockerConfig

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-correct-horse"
HUB = "https://index.docker.io/v1/"
SOURCE = "~/.docker/config.json"


def repository(text: str = "ghcr.io/acme/api") -> Repository:
    return Reference.parse(text).name


def auth(username: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def config(**content: object) -> DockerConfig:
    return DockerConfig.parse(json.dumps(content).encode(), SOURCE)


def make_helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def answering(username: str, secret: str = SECRET) -> str:
    """What a helper's script ends with when it has credentials."""
    return f"cat > /dev/null; echo '{json.dumps({'Username': username, 'Secret': secret})}'"
