"""docker-registry 2.8 that dies between two questions, and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.demo.cluster import Webhook
from tests.e2e.registries import docker_registry
from tests.e2e.stock import failed, image, policy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.commands import Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.stock import Stock

pytestmark = pytest.mark.e2e


def test_commands_before_between_and_after(stock: Stock, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "first", data=stock.data) as registry:
        host = registry.host
        assert shell.verify(image(host), keys.release).code == 0
        registry.kill()
        finding = failed(shell.verify(image(host), keys.release), "REGISTRY_UNREACHABLE")
        assert finding["message"].startswith(f"{host} could not be reached: ")
        assert finding["remedy"] == "retry"
    with docker_registry(tmp_path / "second", data=stock.data, port=int(host.partition(":")[2])):
        found = shell.verify(image(host), keys.release)
        assert found.code == 0, found.text


def test_a_webhook_that_goes_on(stock: Stock, keys: Keys, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "first", data=stock.data) as registry:
        host = registry.host
        policies = policy(tmp_path / "policies", keys, host)
        with Webhook(tmp_path, policies, host, workers=1) as webhook:
            before = webhook.admit(image(host, "v1"))
            assert before.allowed, before.message
            registry.kill()  # with connections to it kept open
            between = webhook.admit(image(host, "v2"))
            assert not between.allowed
            assert between.message.startswith(f"NOT JUDGED {image(host, 'v2')} (container app)"), between.message
            assert f"REGISTRY_UNREACHABLE: {host} could not be reached" in between.message
            with docker_registry(tmp_path / "second", data=stock.data, port=int(host.partition(":")[2])):
                after = webhook.admit(image(host, "v2"))
                assert after.allowed, after.message
                refused = webhook.admit(image(host, "unsigned"))
                assert not refused.allowed
                assert "SIGNATURE_MISSING: " in refused.message
