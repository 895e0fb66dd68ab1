from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from gate.demo.images import AMD64, LayoutWriter, Writer
from gate.demo.registry import DemoRegistry
from gate.errors import UsageError
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST, Platform
from gate.image.reference import Repository
from gate.registry.guard.transport import Response
from gate.registry.layout import Layout
from gate.registry.tags import collect
from tests.fakes.clients import client_of, soon
from tests.fakes.registry_simulator import MemoryRepository
from tests.fakes.signing import alice

if TYPE_CHECKING:
    from pathlib import Path

HELLO = Digest.parse("sha256:37576420b214b96086bac5a82379d6b8b04a26352f51568e01e936ecab7c8bfe")


def _writers(folder: Path) -> list[Writer]:
    return [LayoutWriter(folder), MemoryRepository()]


def test_images_have_the_same_digest_everywhere_and_always(tmp_path: Path) -> None:
    for writer in _writers(tmp_path):
        assert writer.image("v1", "hello") == writer.image(None, "hello") == HELLO
        assert writer.image("v2", "other") != HELLO
        assert writer.image("v3", "hello", platform=Platform("linux", "arm64", "v8")) != HELLO
        assert writer.image("v4", "hello", config={"User": "1000"}) != HELLO
        assert writer.image("v5", "hello", created="2020-01-01T00:00:00Z") != HELLO


def test_an_images_configuration_says_what_it_was_given(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path)
    writer.image("v1", "hello", platform=Platform("linux", "arm64", "v8"), config={"Labels": {"a": "b"}})
    manifest = json.loads(writer.content("v1") or b"")
    config = json.loads((tmp_path / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_bytes())
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm64", "v8")
    assert config["created"] == "2026-01-01T00:00:00Z"
    assert config["config"] == {"Labels": {"a": "b"}}
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]


def test_what_is_not_there_cannot_be_signed(tmp_path: Path) -> None:
    for writer in _writers(tmp_path):
        with pytest.raises(UsageError, match="no manifest"):
            writer.sign_bundle(Digest.of(b"absent"), alice())


def test_a_writer_goes_on_where_another_ended(tmp_path: Path) -> None:
    first = LayoutWriter(tmp_path).image("v1", "one")
    second = LayoutWriter(tmp_path).image("v2", "two")
    layout = Layout.open(tmp_path)
    assert (layout.by_tag("v1"), layout.by_tag("v2")) == (first, second)


def test_no_drafts_are_left(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path)
    writer.index("v1", [(writer.image(None, "one"), AMD64)])
    assert [path for path in tmp_path.rglob("*") if path.name.endswith(".new")] == []


def test_head_says_what_get_says(tmp_path: Path) -> None:
    LayoutWriter(tmp_path / "acme" / "api").image("v1", "hello")
    with DemoRegistry(tmp_path) as registry:
        connection = http.client.HTTPConnection(registry.host, timeout=10)
        said = []
        for method in ("HEAD", "GET"):
            connection.request(method, "/v2/acme/api/manifests/v1")
            response = connection.getresponse()
            body = response.read()
            headers = {k: v for k, v in response.getheaders() if k not in ("Date", "Server")}
            said.append((response.status, headers, body))
        connection.close()
    (head_status, head_headers, nothing), (status, headers, body) = said
    assert (head_status, head_headers, nothing) == (status, headers, b"")
    assert Digest.of(body) == HELLO
    assert headers == {
        "Content-Type": OCI_MANIFEST,
        "Content-Length": str(len(body)),
        "Docker-Content-Digest": str(HELLO),
    }
    assert list(registry.requests) == [("HEAD", "/v2/acme/api/manifests/v1"), ("GET", "/v2/acme/api/manifests/v1")]


def test_what_is_written_meanwhile_is_served(tmp_path: Path) -> None:
    with DemoRegistry(tmp_path) as registry, client_of(registry.host) as client:
        repository = Repository(registry.host, "acme/api")
        assert client.manifest(repository, "v1", soon()) is None
        writer = LayoutWriter(tmp_path / "acme" / "api")
        first = writer.image("v1", "one")
        assert client.resolve(repository, "v1", soon()) == first
        second = writer.image("v1", "two")
        assert client.resolve(repository, "v1", soon()) == second


def test_dropped_connections_are_made_anew(tmp_path: Path) -> None:
    digest = LayoutWriter(tmp_path / "acme" / "api").image("v1", "one")
    with DemoRegistry(tmp_path) as registry, client_of(registry.host) as client:
        for _ in range(3):
            assert client.resolve(Repository(registry.host, "acme/api"), "v1", soon()) == digest
            registry.drop_connections()


@pytest.mark.parametrize("api", ["with the API", "without it"])
def test_referrers_are_told_in_one_place(tmp_path: Path, api: str) -> None:
    writer = LayoutWriter(tmp_path / "acme" / "api")
    digest = writer.image("v1", "one")
    signature = writer.sign_bundle(digest, alice())
    has_api = api == "with the API"
    with DemoRegistry(tmp_path, referrers_api=has_api) as registry:
        listed = registry.answer(f"/v2/acme/api/referrers/{digest}")
        tagged = registry.answer(f"/v2/acme/api/manifests/{digest.tag}")
        none = registry.answer(f"/v2/acme/api/manifests/{signature.tag}")
    assert (listed.status, tagged.status, none.status) == ((200, 404, 404) if has_api else (404, 200, 404))
    found = listed if has_api else tagged
    assert found.content_type == OCI_INDEX
    (entry,) = json.loads(found.body)["manifests"]
    assert entry["digest"] == str(signature)
    assert ("annotations" in entry) is has_api  # cosign up to 3.0.6 left them out of the fallback tag


def _page(registry: DemoRegistry, query: str) -> tuple[list[str], str | None]:
    found = registry.answer("/v2/acme/api/tags/list", query)
    assert found.status == 200
    return json.loads(found.body)["tags"], (found.headers or {}).get("Link")


def test_tags_are_told_in_pages(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "acme" / "api")
    for tag in ("b", "a", "d", "c", "B"):
        writer.image(tag, "one")
    with DemoRegistry(tmp_path) as registry:
        assert _page(registry, "") == (["B", "a", "b", "c", "d"], None)
        assert _page(registry, "n=2") == (["B", "a"], '</v2/acme/api/tags/list?n=2&last=a>; rel="next"')
        assert _page(registry, "n=2&last=a") == (["b", "c"], '</v2/acme/api/tags/list?n=2&last=c>; rel="next"')
        assert _page(registry, "n=2&last=c") == (["d"], None)
        assert _page(registry, "n=5") == (["B", "a", "b", "c", "d"], None)
        assert _page(registry, "last=bb") == (["c", "d"], None)
        assert _page(registry, "n=0") == ([], None)
        for number in ("-1", "x", "1e9", "٣"):
            assert registry.answer("/v2/acme/api/tags/list", f"n={number}").status == 400


def test_pages_of_tags_put_together_are_all_tags(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "acme" / "api")
    tags = [f"v{i}" for i in range(7)]
    for tag in tags:
        writer.image(tag, "one")
    with DemoRegistry(tmp_path) as registry:

        def get(path: str) -> Response:
            where, _, query = path.replace("n=1000", "n=3").partition("?")
            found = registry.answer(where, query)
            headers = {name.lower(): value for name, value in (found.headers or {}).items()}
            return Response(found.status, headers, found.body, f"http://{registry.host}{path}")

        assert collect(Repository(registry.host, "acme/api"), get) == tuple(tags)


def test_a_cosign_save_layout_is_served_under_any_tag(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "acme" / "api")
    digest = writer.image(None, "one")
    with DemoRegistry(tmp_path) as registry:
        assert registry.answer("/v2/acme/api/manifests/v1").digest == digest
        assert registry.answer(f"/v2/acme/api/manifests/{Digest.of(b'x').tag}").status == 404
