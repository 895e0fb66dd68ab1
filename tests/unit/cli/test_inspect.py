from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.demo.images import LayoutWriter
from gate.demo.registry import DemoRegistry
from tests.fakes.scripted_server import Reply, ScriptedServer
from tests.unit.cli.support import Ran, gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gate.image.digest import Digest
    from tests.fakes.scripted_server import Asked


@pytest.fixture
def digest(tmp_path: Path) -> Digest:
    """Of `acme/api` as tagged v1, v1.2 and latest; v2 is another image."""
    writer = LayoutWriter(tmp_path / "root" / "acme" / "api")
    for tag in ("v1", "latest"):
        writer.image(tag, "one")
    writer.image("v2", "two")
    return writer.image("v1.2", "one")


@contextmanager
def _registry(folder: Path, broken: Mapping[str, int]) -> Iterator[str]:
    """A registry that answers some paths with a status."""

    def script(asked: Asked) -> Reply:
        for end, status in broken.items():
            if asked.path.endswith(end):
                return Reply(status)
        found = served.answer(asked.path)
        named = (("Docker-Content-Digest", str(found.digest)),) if found.digest else ()
        return Reply(found.status, named, found.body, found.content_type)

    with DemoRegistry(folder / "root") as served, ScriptedServer(script) as server:
        yield server.host


def _inspect(folder: Path, *flags: str, broken: Mapping[str, int] | None = None) -> Ran:
    with _registry(folder, broken or {}) as host:
        return gate("inspect", f"{host}/acme/api:v1", "--insecure-registry", host, *flags)


def _row(ran: Ran) -> list[str]:
    return [line for line in ran.out.splitlines() if line.startswith("├─ tags: ")]


def test_tags_that_point_at_it(tmp_path: Path, digest: Digest) -> None:
    ran = _inspect(tmp_path, "--tags")
    assert (ran.code, ran.err) == (0, "")
    assert _row(ran) == ["├─ tags: latest, v1, v1.2"]
    assert str(digest) in ran.out
    told = _inspect(tmp_path, "--tags", "-o", "json")
    assert (told.code, told.json["tags"], told.json["digest"]) == (0, ["latest", "v1", "v1.2"], str(digest))


def test_nobody_asks_for_tags_unless_told_to(tmp_path: Path, digest: Digest) -> None:
    with DemoRegistry(tmp_path / "root") as registry:
        ran = gate("inspect", f"{registry.host}/acme/api:v1", "--insecure-registry", registry.host, "-o", "json")
        assert not [path for _, path in registry.requests if "tags" in path]
    assert (ran.code, "tags" in ran.json) == (0, False)
    assert _row(_inspect(tmp_path)) == []


def test_an_image_without_a_tag_has_none(tmp_path: Path) -> None:
    digest = LayoutWriter(tmp_path / "image").image(None, "nameless")
    ran = gate("inspect", f"oci:image@{digest}", "--tags", "--offline")
    assert (ran.code, _row(ran)) == (0, ["├─ tags: none"])
    assert gate("inspect", "oci:image", "--tags", "--offline", "-o", "json").json["tags"] == []


def test_an_image_in_a_folder_has_its_names(tmp_path: Path, digest: Digest) -> None:
    ran = gate("inspect", f"oci:root/acme/api@{digest}", "--tags", "--offline")
    assert (ran.code, ran.err, _row(ran)) == (0, "", ["├─ tags: v1, latest, v1.2"])


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "IMAGE_NOT_FOUND"), (401, "REGISTRY_UNAUTHORIZED"), (500, "REGISTRY_UNREACHABLE")],
)
def test_a_registry_that_lists_no_tags_is_a_note(status: int, code: str, tmp_path: Path, digest: Digest) -> None:
    ran = _inspect(tmp_path, "--tags", broken={"/tags/list": status})
    assert (ran.code, _row(ran)) == (0, [])
    assert str(digest) in ran.out
    assert ran.err.startswith(f"gate: its tags: {code}: ")
    assert ran.err.count("\n") == 1
    assert "tags" not in _inspect(tmp_path, "--tags", "-o", "json", broken={"/tags/list": status}).json


def test_tags_that_fail_are_counted(tmp_path: Path, digest: Digest) -> None:
    broken = {f"/manifests/{tag}": 500 for tag in ("latest", "v2")}
    ran = _inspect(tmp_path, "--tags", broken=broken)
    assert (ran.code, _row(ran)) == (0, ["├─ tags: v1, v1.2"])
    assert ran.err.startswith("gate: its tags: of 4 tags, 2 could not be resolved: REGISTRY_UNREACHABLE: ")
    assert ran.err.count("\n") == 1


def test_tags_beyond_the_most_are_counted(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    digest = writer.image(None, "one")
    for i in range(510):
        writer.image(f"t{i}", "other")
    writer.image("zz", "one")
    ran = gate("inspect", f"oci:image@{digest}", "--tags", "--offline")
    assert (ran.code, _row(ran)) == (0, ["├─ tags: none known"])
    assert ran.err == "gate: its tags: of 511 tags, 11 were not looked at\n"
