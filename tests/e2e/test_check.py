"""`gate check` on manifests of images in a real registry, signed by the real cosign."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gate.demo.cluster import free_port
from tests.e2e.commands import Format, Ran
from tests.e2e.policies import cron_job, deployment, signed_by
from tests.e2e.registries import Process, Repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.commands import Shell
    from tests.e2e.conftest import Keys

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Shop:
    """Four repositories of one registry, each with an image `v1`, and the policy about them."""

    shell: Shell
    policy: str
    api: Repository
    web: Repository
    worker: Repository
    cron: Repository

    def check(self, *sources: str, policy: str = "", stdin: str = "", flags: tuple[str, ...] = ()) -> Ran:
        """`gate check --output json`."""
        return self.shell.gate(
            "check", *sources, "-p", policy or self.policy, "--insecure-registry", self.api.host,
            "--output", "json", *flags, stdin=stdin,
        )  # fmt: skip


@pytest.fixture(scope="module")
def shop(plain: Process, shell: Shell, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    def repository(name: str) -> Repository:
        return Repository(plain.host, f"shop/{name}")

    api, web, worker, cron = map(repository, ("api", "web", "worker", "cron"))
    shell.sign(api.at(api.image("v1", "api")), keys.release, Format.LEGACY)
    shell.sign(web.at(web.image("v1", "web")), keys.release, Format.BUNDLE)
    shell.sign(worker.at(worker.image("v1", "worker")), keys.stranger, Format.BUNDLE)
    cron.image("v1", "cron")
    policy = tmp_path_factory.mktemp("policy") / "shop.yaml"
    policy.write_text(signed_by(keys.release, f"{plain.host}/shop"))
    return Shop(shell, str(policy), api, web, worker, cron)


def _write(file: Path, *documents: dict[str, Any]) -> str:
    file.write_text(yaml.safe_dump_all(documents))
    return str(file)


def _verdicts(ran: Ran) -> dict[str, tuple[str, list[str]]]:
    """The verdict and codes of each image, notes aside."""
    return {
        image["image"]: (
            image["verdict"],
            [finding["code"] for finding in image["findings"] if finding["verdict"] != "allow"],
        )
        for image in ran.json["images"]
    }


def test_a_deployment_of_signed_images_passes(shop: Shop, tmp_path: Path) -> None:
    source = _write(tmp_path / "deploy.yaml", deployment("api", shop.api.at("v1"), init_images=[shop.web.at("v1")]))
    found = shop.check(source)
    assert found.code == 0, found.text
    report = found.json
    assert (report["apiVersion"], report["verdict"]) == ("imagegate.dev/report/v1", "allow")
    assert report["summary"] == {"images": 2, "allow": 2, "warn": 0, "deny": 0, "error": 0}
    images = {image["image"]: image for image in report["images"]}
    for repository, form in ((shop.api, "legacy"), (shop.web, "bundle")):
        image = images[repository.at("v1")]
        assert image["resolved"] == f"{repository.at('v1')}@{repository.digest('v1')}"
        assert [signature["format"] for signature in image["signatures"]] == [form]
        (location,) = image["locations"]
        assert (location["file"], location["kind"], location["namespace"]) == (source, "Deployment", "shop")
        line = (tmp_path / "deploy.yaml").read_text().splitlines()[location["line"] - 1]
        assert line[location["column"] - 1 :] == repository.at("v1")


def test_a_cron_job_with_an_unsigned_image_is_denied(shop: Shop, tmp_path: Path) -> None:
    job = cron_job("nightly", shop.cron.at("v1"), init_images=[shop.web.at("v1")])
    found = shop.check(_write(tmp_path / "cron.yaml", job))
    assert found.code == 1, found.text
    assert found.json["verdict"] == "deny"
    assert _verdicts(found) == {
        shop.cron.at("v1"): ("deny", ["SIGNATURE_MISSING"]),
        shop.web.at("v1"): ("allow", []),
    }
    (denied,) = [image for image in found.json["images"] if image["verdict"] == "deny"]
    assert denied["resolved"] == f"{shop.cron.at('v1')}@{shop.cron.digest('v1')}"
    assert denied["findings"][0] | {"policy": "shop", "rule": "signature"} == denied["findings"][0]


def test_a_list_on_stdin(shop: Shop) -> None:
    items = [deployment("api", shop.api.at("v1")), cron_job("worker", shop.worker.at("v1"))]
    found = shop.check("-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    assert found.code == 1, found.text
    assert _verdicts(found) == {
        shop.api.at("v1"): ("allow", []),
        shop.worker.at("v1"): ("deny", ["KEY_MISMATCH"]),
    }


def test_a_folder_and_an_image(shop: Shop, tmp_path: Path) -> None:
    _write(tmp_path / "a.yaml", deployment("api", shop.api.at("v1")), {"apiVersion": "v1", "kind": "ConfigMap"})
    (tmp_path / "b.json").write_text(json.dumps(deployment("web", shop.web.at("v1"))))
    pinned = shop.api.at(shop.api.digest("v1"))
    found = shop.check(str(tmp_path), f"image:{pinned}")
    assert found.code == 0, found.text
    resolved = {image["image"]: image["resolved"] for image in found.json["images"]}
    assert resolved == {
        shop.api.at("v1"): f"{shop.api.at('v1')}@{shop.api.digest('v1')}",
        shop.web.at("v1"): f"{shop.web.at('v1')}@{shop.web.digest('v1')}",
        pinned: pinned,
    }


def test_what_the_reference_alone_decides(shop: Shop, tmp_path: Path) -> None:
    source = _write(
        tmp_path / "deploy.yaml",
        deployment("app", shop.api.at("latest"), "docker.io/library/nginx:1.27", shop.api.name),
    )
    found = shop.check(source)
    assert found.code == 1, found.text
    verdicts = _verdicts(found)
    assert verdicts[shop.api.at("latest")] == ("deny", ["TAG_MUTABLE"])
    assert verdicts["docker.io/library/nginx:1.27"] == ("deny", ["REGISTRY_NOT_ALLOWED"])
    assert verdicts[shop.api.name] == ("deny", ["TAG_MISSING"])


def test_a_warning_fails_where_it_is_asked_to(shop: Shop, keys: Keys, tmp_path: Path) -> None:
    policy = tmp_path / "warn.yaml"
    policy.write_text(signed_by(keys.release, f"{shop.api.host}/shop", mode="warn"))
    source = _write(tmp_path / "cron.yaml", cron_job("nightly", shop.cron.at("v1")))
    found = shop.check(source, policy=str(policy))
    assert found.code == 0, found.text
    assert _verdicts(found) == {shop.cron.at("v1"): ("warn", ["SIGNATURE_MISSING"])}
    assert shop.check(source, policy=str(policy), flags=("--fail-on", "warn")).code == 1


def test_without_a_policy_the_baseline_holds(shop: Shop, tmp_path: Path) -> None:
    source = _write(tmp_path / "deploy.yaml", deployment("api", shop.api.at("latest"), shop.cron.at("v1")))
    found = shop.shell.gate("check", source, "--output", "json")
    assert found.code == 1, found.text
    assert _verdicts(found) == {
        shop.api.at("latest"): ("deny", ["TAG_MUTABLE", "DIGEST_REQUIRED"]),
        shop.cron.at("v1"): ("warn", ["DIGEST_REQUIRED"]),
    }


def test_what_cannot_be_read_exits_2_and_the_rest_is_judged(shop: Shop, tmp_path: Path) -> None:
    good = _write(tmp_path / "good.yaml", deployment("api", shop.api.at("v1")))
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: [unclosed\n")
    found = shop.check(good, str(bad))
    assert found.code == 2, found.text
    assert _verdicts(found) == {shop.api.at("v1"): ("allow", [])}
    assert [finding["code"] for finding in found.json["findings"]] == ["SOURCE_UNREADABLE"]


def test_what_cannot_be_used_exits_2(shop: Shop, tmp_path: Path) -> None:
    good = _write(tmp_path / "good.yaml", deployment("api", shop.api.at("v1")))
    policy = tmp_path / "broken.yaml"
    policy.write_text("apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy\nmetadata: {name: x}\nspec: {rulez: []}\n")
    broken = shop.check(good, policy=str(policy))
    assert (broken.code, broken.out) == (2, "")
    assert str(policy) in broken.err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert shop.check(str(empty)).code == 2
    assert shop.check(str(empty), flags=("--allow-empty",)).code == 0


def test_what_could_not_be_evaluated_exits_3_unless_something_is_denied(shop: Shop, tmp_path: Path) -> None:
    absent = deployment("absent", shop.api.at("v9"))
    source = _write(tmp_path / "absent.yaml", absent, deployment("api", shop.api.at("v1")))
    found = shop.check(source)
    assert found.code == 3, found.text
    assert found.json["verdict"] == "error"
    assert _verdicts(found) == {shop.api.at("v9"): ("error", ["IMAGE_NOT_FOUND"]), shop.api.at("v1"): ("allow", [])}
    worse = shop.check(source, _write(tmp_path / "cron.yaml", cron_job("nightly", shop.cron.at("v1"))))
    assert worse.code == 1, worse.text
    assert worse.json["summary"] == {"images": 3, "allow": 1, "warn": 0, "deny": 1, "error": 1}


def test_a_registry_that_is_not_there(shop: Shop, keys: Keys, tmp_path: Path) -> None:
    host = f"127.0.0.1:{free_port()}"
    policy = tmp_path / "policy.yaml"
    policy.write_text(signed_by(keys.release, host))
    source = _write(tmp_path / "deploy.yaml", deployment("api", f"{host}/shop/api:v1"))
    found = shop.check(source, policy=str(policy), flags=("--insecure-registry", host))
    assert found.code == 3, found.text
    assert _verdicts(found) == {f"{host}/shop/api:v1": ("error", ["REGISTRY_UNREACHABLE"])}
