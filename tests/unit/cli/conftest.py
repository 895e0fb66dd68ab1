from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.demo.images import LayoutWriter
from gate.demo.registry import DemoRegistry
from tests.fakes.signing import alice, mallory
from tests.unit.cli.support import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own settings, and a working folder of the test's own."""
    for name in list(os.environ):  # noqa: TID251 - to clean it
        if name.startswith("IMAGEGATE_") or name in ("NO_COLOR", "FORCE_COLOR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def _pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with DemoRegistry(folder / "registry") as registry:
        digests = {}

        def pushed(name: str, content: str) -> LayoutWriter:
            repository, tag = name.split(":")
            writer = LayoutWriter(folder / "registry" / repository)
            digests[name] = writer.image(tag, content)
            return writer

        api = pushed("acme/api:v1", "api")
        api.sign_legacy(digests["acme/api:v1"], alice(), f"{registry.host}/acme/api", {"stage": "prod"})
        web = pushed("acme/web:v1", "web")
        web.sign_bundle(digests["acme/web:v1"], alice())
        pushed("acme/plain:v1", "plain")
        stranger = pushed("acme/stranger:v1", "stranger")
        stranger.sign_bundle(digests["acme/stranger:v1"], mallory())
        broken = pushed("acme/broken:v1", "broken")
        broken.sign_legacy(digests["acme/api:v1"], alice(), f"{registry.host}/acme/api")
        wrong = broken.content(f"{digests['acme/api:v1'].tag}.sig")
        assert wrong is not None
        broken.manifest(json.loads(wrong), f"{digests['acme/broken:v1'].tag}.sig")
        key = folder / "alice.pub"
        key.write_bytes(alice().pem)
        yield Shop(registry, folder / "registry", digests, key)


@pytest.fixture
def shop(_pushed: Shop) -> Shop:
    """The registry with nothing asked of it yet."""
    _pushed.registry.requests.clear()
    return _pushed
