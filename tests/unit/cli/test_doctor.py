"""`gate doctor` on the command line, against the registry of the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.scripted_server import Reply, ScriptedServer
from tests.unit.cli.support import Shop, gate, write
from tests.unit.registry.test_doctor import ELSEWHERE, PATH, an_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.support import Ran


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


def test_a_layout_answers_and_nobody_is_asked(shop: Shop) -> None:
    layout = ("--layout", f"ghcr.io/acme/api={shop.folder}/acme/api")
    for offline in ((), ("--offline",)):
        ran = gate("doctor", "ghcr.io/acme/api:v1", *layout, *offline)
        assert (ran.code, ran.err) == (0, "")
        names = [line.split()[1] for line in ran.out.splitlines()]
        assert names == ["layout", "image", "signatures"]
        assert f"{shop.folder}/acme/api answers for ghcr.io/acme/api: no registry is asked" in ran.out
        assert "1 legacy" in ran.out
    gone = gate("doctor", "ghcr.io/acme/api:gone", *layout, "--offline")
    assert (gone.code, "IMAGE_NOT_FOUND" in gone.out) == (3, True)


def test_offline_without_a_layout() -> None:
    ran = gate("doctor", "ghcr.io/acme/api:v1", "--offline")
    assert ran.code == 3
    assert "ghcr.io was not asked (--offline)" in ran.out
    assert "fix: leave out --offline to look at it, or" in ran.out


MIRRORED = """
apiVersion: imagegate.dev/v1
kind: GateConfig
metadata: {name: default}
spec: {registries: [{host: HOST, mirrorOf: gone.test, authoritative: true, insecure: true}]}
"""


def test_an_authoritative_mirror_is_looked_at_instead_of_its_origin(shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path, "config.yaml", MIRRORED.replace("HOST", shop.host))
    for target in ("gone.test/acme/api:v1", f"{shop.host}/acme/api:v1"):
        ran = gate("doctor", target, "--config", file)
        assert (ran.code, ran.err) == (0, "")
        assert f"gone.test is not asked: {shop.host} is authoritative, and answers" in ran.out
        assert "gone.test/acme/api@sha256:" in ran.out
        assert f"referrers    {shop.host}: " in ran.out
    assert f"{shop.host}/acme/api is a mirror's, and judged as gone.test/acme/api" in ran.out


def test_a_tag_that_is_not_there(shop: Shop) -> None:
    ran = gate("doctor", f"{shop.host}/acme/api:gone", "--insecure-registry", shop.host)
    assert ran.code == 3
    assert "fix: check the name" in ran.out


def of_registry(**answers: Reply) -> Ran:
    with ScriptedServer(an_image(**answers)) as server:
        return gate("doctor", f"{server.host}/{PATH}:v1", "--insecure-registry", server.host, "-o", "json")


@pytest.mark.parametrize("answers", [{"version": ELSEWHERE}, {"head": Reply(405)}, {"head": Reply(404)}])
def test_what_the_gate_does_without_is_no_failure(answers: dict[str, Reply]) -> None:
    ran = of_registry(**answers)
    assert (ran.code, ran.json["checks"][-1]["name"]) == (0, "signatures")


def test_a_list_that_cannot_be_read_is_one_here_too_and_each_failure_has_a_remedy() -> None:
    ran = of_registry(referrers=Reply(200, (), b"<html>login</html>", "text/html"))
    assert ran.code == 3
    failed = [check for check in ran.json["checks"] if check["status"] == "failed"]
    assert [check["name"] for check in failed] == ["referrers", "signatures"]
    assert all(check["remedy"] for check in failed)
