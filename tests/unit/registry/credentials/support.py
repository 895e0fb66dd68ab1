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


def lookalikes(host: str) -> list[str]:
    """Texts that hold a cloud's host and name another, or none."""
    return [
        *(f"{host}{end}" for end in (".evil.test", ".", "\n", "\n.evil.test", ":5000", ":443", "@evil.test")),
        *(f"{host}{end}" for end in ("/evil.test", "#evil.test", "?evil.test")),
        *(f"{start}{host}" for start in ("evil.test\n", "evil.test/", "evil.test#", "evil.", "user@", "https://")),
        host.upper(),
        "ghcr.io",
        "docker.io",
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "",
    ]


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
