"""`gate doctor` on the command line, against the registry of the demonstration."""

from __future__ import annotations

import pytest

from tests.unit.cli.support import Shop, gate


def test_an_image(shop: Shop) -> None:
    ran = gate("doctor", f"{shop.host}/acme/api:v1", "--insecure-registry", shop.host)
    assert (ran.code, ran.err) == (0, "")
    names = [line.split()[1] for line in ran.out.splitlines() if not line.startswith(" ")]
    assert names == ["name", "address", "challenge", "credentials", "access", "image", "referrers", "signatures"]
    assert f"asked in plain HTTP at http://{shop.host}" in ran.out
    assert "fix: give it TLS" in ran.out


def test_json(shop: Shop) -> None:
    ran = gate("doctor", f"{shop.host}/acme/api:v1", "--insecure-registry", shop.host, "-o", "json")
    assert (ran.code, ran.json["target"]) == (0, f"{shop.host}/acme/api:v1")
    assert {check["name"]: check["status"] for check in ran.json["checks"]}["access"] == "ok"


def test_a_host_that_is_not_named_is_not_connected_to(shop: Shop) -> None:
    ran = gate("doctor", shop.host)
    assert ran.code == 3
    assert "failed" in ran.out
    assert f"--private-registry {shop.host}" in ran.out


@pytest.mark.parametrize("target", ["", "nginx:", "https://ghcr.io", "a b"])
def test_what_is_neither_host_nor_image(target: str) -> None:
    assert gate("doctor", target).code == 2


def test_a_tag_that_is_not_there(shop: Shop) -> None:
    ran = gate("doctor", f"{shop.host}/acme/api:gone", "--insecure-registry", shop.host)
    assert ran.code == 3
    assert "fix: check the name" in ran.out
