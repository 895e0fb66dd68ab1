"""Images in a folder that any number of docker-registries serve, each with its own way of letting people in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.e2e.commands import Format
from tests.e2e.policies import signed_by
from tests.e2e.registries import Repository, basic, docker_registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gate.image.digest import Digest
    from tests.e2e.commands import Ran, Shell
    from tests.e2e.conftest import Keys

PATH: Final = "acme/api"
VERDICTS: Final = {
    "v1": ("allow", []),
    "v2": ("allow", []),
    "strange": ("deny", ["KEY_MISMATCH"]),
    "unsigned": ("deny", ["SIGNATURE_MISSING"]),
}
"""What each tag is, judged by the release key."""


@dataclass(frozen=True, slots=True)
class Stock:
    """The folder, and the digests of the tags of `PATH`."""

    data: Path
    digests: Mapping[str, Digest]

    @classmethod
    def create(cls, folder: Path, shell: Shell, keys: Keys) -> Stock:
        data = folder / "data"
        with docker_registry(folder, data=data) as registry:
            repository = Repository(registry.host, PATH)
            digests = {tag: repository.image(tag, tag) for tag in VERDICTS}
            # Annotated, so that the payload is no function of image and name, and has to be fetched.
            shell.sign(repository.at(digests["v1"]), keys.release, Format.LEGACY, "-a", "stage=test")
            shell.sign(repository.at(digests["v2"]), keys.release, Format.BUNDLE)
            shell.sign(repository.at(digests["strange"]), keys.stranger, Format.LEGACY, "-a", "stage=test")
        return cls(data, digests)

    def pinned(self, host: str, tag: str) -> str:
        """The reference by digest."""
        return f"{host}/{PATH}@{self.digests[tag]}"


def every(host: str) -> list[str]:
    """All of them, by tag."""
    return [image(host, tag) for tag in VERDICTS]


def image(host: str, tag: str = "v1") -> str:
    return f"{host}/{PATH}:{tag}"


def login(file: Path, host: str, password: str) -> str:
    """What `docker login` leaves, as a file for `--registry-config`."""
    file.write_text(json.dumps({"auths": {host: {"auth": basic(password)}}}))
    return str(file)


def policy(folder: Path, keys: Keys, host: str, *registries: Mapping[str, Any], docker_config: str = "") -> Path:
    """A folder with a policy for what `host` has, and a GateConfig that says this of `registries`."""
    folder.mkdir(exist_ok=True)
    (folder / "policy.yaml").write_text(signed_by(keys.release, f"{host}/acme"))
    spec: dict[str, Any] = {"registries": list(registries)}
    if docker_config:
        spec["credentials"] = {"dockerConfig": {"file": docker_config}}
    config = {"apiVersion": "imagegate.dev/v1", "kind": "GateConfig", "metadata": {"name": "default"}, "spec": spec}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def check(shell: Shell, policies: Path, *images: str, flags: tuple[str, ...] = ()) -> Ran:
    """`gate check` of these images."""
    return shell.gate("check", *(f"image:{name}" for name in images), "-p", str(policies), "--output", "json", *flags)


def verdicts(ran: Ran) -> dict[str, tuple[str, list[str]]]:
    """The verdict and codes of each image, by its tag; notes aside."""
    return {
        judged["image"].rpartition(":")[2]: (
            judged["verdict"],
            [finding["code"] for finding in judged["findings"] if finding["verdict"] != "allow"],
        )
        for judged in ran.json["images"]
    }


def failed(ran: Ran, code: str) -> dict[str, str]:
    """The only finding of the only image, which could not be evaluated."""
    assert ran.code == 3, ran.text
    document = ran.json
    (judged,) = document.get("images", [document])
    (finding,) = [finding for finding in judged["findings"] if finding["verdict"] != "allow"]
    assert (judged["verdict"], finding["code"], finding["verdict"]) == ("error", code, "error"), ran.text
    return {"remedy": "", **finding}


def shows_none_of(ran: Ran, *secrets: str) -> None:
    """Neither stream has a secret in it."""
    for secret in secrets:
        assert secret not in ran.out + ran.err
