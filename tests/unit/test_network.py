"""The network of a process: whom it asks for credentials, and when nobody."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.network import Network
from gate.registry.guard.hosts import Hosts
from gate.settings import Settings
from tests.fakes.clients import soon
from tests.fakes.clock import SettableClock
from tests.unit.registry.credentials.support import make_helper

if TYPE_CHECKING:
    from pathlib import Path

NAME = Repository("registry.test", "acme/api")


@pytest.mark.parametrize("offline", [True, False])
def test_offline_runs_no_helper_and_asks_no_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, offline: bool
) -> None:
    """Nothing is asked, so nothing is needed: a helper is a program, with a network of its own if it likes."""
    make_helper(tmp_path, "test", f"touch {tmp_path}/ran; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")  # noqa: TID251
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credsStore": "test"}))
    settings = Settings(Hosts(offline=offline), docker_configs=(file,), keychains=("ecr",) if offline else ())
    network = Network(settings, time.monotonic, SettableClock().now, lambda _: None)
    try:
        network().scope(NAME, soon())
        assert (tmp_path / "ran").exists() is not offline
        if offline:
            with pytest.raises(EvidenceUnavailable, match="--offline") as caught:
                network().resolve(NAME, "v1", soon())
            assert caught.value.code is Code.REGISTRY_UNREACHABLE
            assert not (tmp_path / "ran").exists()
            checks = list(network.doctor().look(NAME.registry, NAME, "v1", soon()))
            assert [check.name for check in checks] == ["REGISTRY_UNREACHABLE"]
    finally:
        network.close()
