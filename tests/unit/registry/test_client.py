from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import ACCEPTED, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from gate.image.reference import Repository
from gate.registry.client import RegistryClient
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import Request, Response, Transport
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.clock import SettableClock
from tests.fakes.scripted_server import Asked, Counted, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def _manifest(media_type: str | None = OCI_MANIFEST) -> bytes:
    blob = {"mediaType": "application/x-any", "digest": str(Digest.of(b"")), "size": 0}
    document = {"schemaVersion": 2, "config": blob, "layers": [blob]}
    return json.dumps(document | ({"mediaType": media_type} if media_type else {})).encode()


MANIFEST = _manifest()
DIGEST = Digest.of(MANIFEST)
TAG = "/v2/acme/api/manifests/v1"
BY_DIGEST = f"/v2/acme/api/manifests/{DIGEST}"
TAGS = "/v2/acme/api/tags/list"
REFERRERS = f"/v2/acme/api/referrers/{DIGEST}"
GOOD = Reply(200, (("Docker-Content-Digest", str(DIGEST)),), MANIFEST, OCI_MANIFEST)
EMPTY_INDEX = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()


class World:
    def __init__(self, server: ScriptedServer, script: Counted, client: RegistryClient) -> None:
        self.server = server
        self.script = script
        self.client = client
        self.repository = Repository(server.host, "acme/api")

    def answers(self, path: str, *replies: Reply) -> None:
        self.script.replies[path] = list(replies)

    def resolve(self) -> Digest:
        return self.client.resolve(self.repository, "v1", soon())


@pytest.fixture
def world() -> Iterator[World]:
    script = Counted()
    with ScriptedServer(script) as server, client_of(server.host) as client:
        yield World(server, script, client)


def _fails(call: Callable[[], object]) -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable) as caught:
        call()
    return caught.value


def test_head_is_enough_where_the_digest_is_a_header(world: World) -> None:
    world.answers(TAG, GOOD)
    assert world.resolve() == DIGEST
    assert [asked.method for asked in world.server.asked] == ["HEAD"]


@pytest.mark.parametrize(
    "head", [Reply(200, content_type=OCI_MANIFEST), Reply(405), Reply(404), Reply(400), Reply(500)]
)
def test_get_is_asked_where_head_says_no_digest(world: World, head: Reply) -> None:
    """ECR, Nexus, Red Hat and S3 leave the header out; others know no HEAD."""
    world.answers(f"HEAD {TAG}", head)
    world.answers(f"GET {TAG}", Reply(200, body=MANIFEST, content_type=OCI_MANIFEST))
    assert world.resolve() == DIGEST
    busy = head.status == 500
    assert [asked.method for asked in world.server.asked] == ["HEAD"] * (1 + busy) + ["GET"]


def test_the_digest_of_a_get_is_computed_and_not_believed(world: World) -> None:
    other = Digest.of(b"other")
    world.answers(f"HEAD {TAG}", Reply(405))
    world.answers(f"GET {TAG}", Reply(200, (("Docker-Content-Digest", str(other)),), MANIFEST, OCI_MANIFEST))
    assert world.resolve() == DIGEST


@pytest.mark.parametrize(
    "claimed",
    ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "latest", str(DIGEST).upper(), f"{DIGEST}x", "../../x"],
)
def test_an_unusable_digest_is_refused(world: World, claimed: str) -> None:
    world.answers(TAG, Reply(200, (("Docker-Content-Digest", claimed),), MANIFEST, OCI_MANIFEST))
    assert _fails(world.resolve).code is Code.REGISTRY_PROTOCOL


def test_two_different_digests_in_one_answer_are_refused(world: World) -> None:
    twice = (("Docker-Content-Digest", str(DIGEST)), ("Docker-Content-Digest", str(Digest.of(b"other"))))
    world.answers(TAG, Reply(200, twice, MANIFEST, OCI_MANIFEST))
    assert _fails(world.resolve).code is Code.REGISTRY_PROTOCOL


def test_all_four_types_are_accepted_in_every_request(world: World) -> None:
    world.answers(f"HEAD {TAG}", Reply(405))
    world.answers(f"GET {TAG}", GOOD)
    world.answers(BY_DIGEST, GOOD)
    world.resolve()
    world.client.manifest(world.repository, DIGEST, soon())
    assert len(world.server.asked) == 3
    for asked in world.server.asked:
        assert [item.strip() for item in asked.headers["accept"].split(",")] == list(ACCEPTED)
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["user-agent"].startswith("imagegate/")


@pytest.mark.parametrize("media_type", [SCHEMA1, SCHEMA1_SIGNED, f"{SCHEMA1}; charset=utf-8"])
def test_schema_1_is_refused(world: World, media_type: str) -> None:
    """Its digest is not the one of the image: docker-registry converts on the fly."""
    world.answers(f"HEAD {TAG}", Reply(200, (("Docker-Content-Digest", str(DIGEST)),), b"", media_type))
    error = _fails(world.resolve)
    assert error.code is Code.REGISTRY_PROTOCOL
    assert "schema 1" in error.message
    world.answers(f"HEAD {TAG}", Reply(405))
    world.answers(f"GET {TAG}", Reply(200, body=MANIFEST, content_type=media_type))
    assert "schema 1" in _fails(world.resolve).message


def test_a_schema_1_body_is_refused_whatever_it_is_called(world: World) -> None:
    body = b'{"schemaVersion": 1, "name": "acme/api", "fsLayers": []}'
    world.answers(TAG, Reply(200, body=body, content_type=OCI_MANIFEST))
    assert _fails(lambda: world.client.manifest(world.repository, "v1", soon())).code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("body", [MANIFEST + b" ", _manifest(DOCKER_MANIFEST), b"", b"{}"])
def test_another_body_than_the_digests_is_refused(world: World, body: bytes) -> None:
    world.answers(BY_DIGEST, Reply(200, (("Docker-Content-Digest", str(DIGEST)),), body, OCI_MANIFEST))
    error = _fails(lambda: world.client.manifest(world.repository, DIGEST, soon()))
    assert error.code is Code.REGISTRY_PROTOCOL
    assert str(DIGEST) in error.message


@pytest.mark.parametrize(
    ("content_type", "body", "refused"),
    [
        (OCI_MANIFEST, MANIFEST, None),
        (f"{OCI_MANIFEST}; charset=utf-8", MANIFEST, None),
        ("", MANIFEST, None),
        ("application/json", MANIFEST, None),
        ("application/octet-stream", MANIFEST, None),
        (OCI_MANIFEST, _manifest(None), None),
        (DOCKER_MANIFEST, _manifest(None), None),
        (DOCKER_MANIFEST, MANIFEST, Code.REGISTRY_PROTOCOL),
        (OCI_INDEX, MANIFEST, Code.REGISTRY_PROTOCOL),
        (OCI_INDEX, _manifest(None), Code.REGISTRY_PROTOCOL),
        (DOCKER_LIST, _manifest(None), Code.REGISTRY_PROTOCOL),
        (OCI_MANIFEST, EMPTY_INDEX, Code.REGISTRY_PROTOCOL),
    ],
)
def test_a_manifest_is_of_the_type_it_is_called(
    world: World, content_type: str, body: bytes, refused: Code | None
) -> None:
    """CVE-2021-41190: one content, two readings."""
    digest = Digest.of(body)
    world.answers(f"/v2/acme/api/manifests/{digest}", Reply(200, (), body, content_type))
    if refused is None:
        assert world.client.manifest(world.repository, digest, soon()) is not None
    else:
        error = _fails(lambda: world.client.manifest(world.repository, digest, soon()))
        assert error.code is refused


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_a_failure_and_not_an_unsigned_image(world: World, body: bytes) -> None:
    world.answers(TAG, Reply(200, body=body, content_type=OCI_MANIFEST))
    assert _fails(lambda: world.client.manifest(world.repository, "v1", soon())).code is Code.REGISTRY_PROTOCOL


def test_a_large_manifest_is_cut_off(world: World) -> None:
    world.answers(TAG, Reply(200, body=b" " * (4 * 1024 * 1024 + 1), content_type=OCI_MANIFEST))
    assert _fails(lambda: world.client.manifest(world.repository, "v1", soon())).code is Code.RESPONSE_TOO_LARGE


@pytest.mark.parametrize(
    ("status", "headers", "code", "remedy"),
    [
        (401, (), Code.REGISTRY_UNAUTHORIZED, "docker login"),
        (403, (), Code.REGISTRY_UNAUTHORIZED, "docker login"),
        (429, (), Code.REGISTRY_RATE_LIMITED, "retry later"),
        (429, (("Retry-After", "30"),), Code.REGISTRY_RATE_LIMITED, "retry in 30 s"),
        (429, (("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),), Code.REGISTRY_RATE_LIMITED, "retry later"),
        (500, (), Code.REGISTRY_UNREACHABLE, "retry"),
        (502, (), Code.REGISTRY_UNREACHABLE, "retry"),
        (503, (), Code.REGISTRY_UNREACHABLE, "retry"),
        (418, (), Code.REGISTRY_UNREACHABLE, "retry"),
        (204, (), Code.REGISTRY_UNREACHABLE, "retry"),
    ],
)
def test_a_failing_registry_is_named_with_its_status(
    world: World, status: int, headers: tuple[tuple[str, str], ...], code: Code, remedy: str
) -> None:
    for path in (TAG, BY_DIGEST, REFERRERS, f"/v2/acme/api/blobs/{DIGEST}"):
        world.answers(path, Reply(status, headers))
    calls: list[Callable[[], object]] = [
        world.resolve,
        lambda: world.client.manifest(world.repository, DIGEST, soon()),
        lambda: world.client.referrers(world.repository, DIGEST, soon()),
        lambda: world.client.blob(world.repository, Descriptor("x/y", DIGEST, 3), 9, soon()),
    ]
    for call in calls:
        error = _fails(call)
        assert error.code is code
        assert error.remedy.startswith(remedy)
        for part in (world.server.host, str(status), "acme/api", "no credentials"):
            assert part in error.message


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refused_head_is_not_asked_again_as_get(world: World, status: int) -> None:
    world.answers(TAG, Reply(status))
    _fails(world.resolve)
    assert [asked.method for asked in world.server.asked] == ["HEAD"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_message_names_the_source_of_the_credentials_that_were_refused(status: int) -> None:
    """Those that were sent: what a registry says before it has seen any says nothing of them."""
    challenge = Reply(401, (("WWW-Authenticate", 'Basic realm="x"'),))
    held = Held(Credential("~/.docker/config.json", "u", "hunter2"))
    with (
        ScriptedServer(lambda asked: Reply(status) if asked.authorization else challenge) as server,
        client_of(server.host, keychain=held) as client,
    ):
        repository = Repository(server.host, "acme/api")
        error = _fails(lambda: client.resolve(repository, "v1", soon()))
        sent = [bool(asked.authorization) for asked in server.asked]
    assert error.message == (
        f"{server.host} answered {status} for tag v1 of repository acme/api"
        " with the credentials of ~/.docker/config.json, and 1 other way to ask"
    )
    assert sent == [False, True, False]
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_message_names_no_credentials_that_were_not_sent(world: World, status: int) -> None:
    world.answers(TAG, Reply(status))
    with client_of(world.server.host, keychain=Held(Credential("~/.docker/config.json", "u", "hunter2"))) as client:
        error = _fails(lambda: client.resolve(world.repository, "v1", soon()))
    assert error.message.endswith("of repository acme/api with no credentials")


def test_an_unknown_tag_says_so(world: World) -> None:
    error = _fails(world.resolve)
    assert error.code is Code.IMAGE_NOT_FOUND
    assert error.message == f"{world.server.host} has no tag v1 in repository acme/api (asked with no credentials)"


def test_several_challenge_headers_are_read_as_one() -> None:
    """A registry may send `Basic` and `Bearer` in headers of their own."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(200, body=b'{"token": "t"}')
        if asked.authorization == "Bearer t":
            return GOOD
        bearer = f'Bearer realm="http://{asked.headers["host"]}/token"'
        return Reply(401, (("WWW-Authenticate", bearer), ("WWW-Authenticate", 'Basic realm="x"')))

    with ScriptedServer(script) as server, client_of(server.host) as client:
        assert client.resolve(Repository(server.host, "acme/api"), "v1", soon()) == DIGEST


def _index(*names: str) -> bytes:
    entries = [{"mediaType": OCI_MANIFEST, "digest": str(Digest.of(name.encode())), "size": 1} for name in names]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


@pytest.mark.parametrize("content_type", [OCI_INDEX, "application/json", "text/plain", ""])
def test_referrers_are_read_by_their_body(world: World, content_type: str) -> None:
    """Harbor called them application/json."""
    world.answers(REFERRERS, Reply(200, body=_index("a"), content_type=content_type))
    found = world.client.referrers(world.repository, DIGEST, soon())
    assert [entry.digest for entry in found] == [Digest.of(b"a")]
    assert "artifactType" not in world.server.asked[0].query


def test_referrers_are_read_page_by_page(world: World) -> None:
    link = f'<{REFERRERS}?page=2>; rel="next"'
    world.answers(
        REFERRERS, Reply(200, (("Link", link),), _index("a"), OCI_INDEX), Reply(200, (), _index("b"), OCI_INDEX)
    )
    found = world.client.referrers(world.repository, DIGEST, soon())
    assert [entry.digest for entry in found] == [Digest.of(b"a"), Digest.of(b"b")]
    assert [asked.query for asked in world.server.asked] == [{}, {"page": ["2"]}]


@pytest.mark.parametrize(
    "link", [f'<{REFERRERS}>; rel="next"', f'<https://evil.test{REFERRERS}>; rel="next"', '<//evil.test/x>; rel="next"']
)
def test_referrers_that_go_elsewhere_or_in_circles_are_refused(world: World, link: str) -> None:
    world.answers(REFERRERS, Reply(200, (("Link", link),), _index("a"), OCI_INDEX))
    error = _fails(lambda: world.client.referrers(world.repository, DIGEST, soon()))
    assert error.code is Code.REGISTRY_PROTOCOL
    assert len(world.server.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_a_registry_without_the_referrers_api_has_none(world: World, status: int) -> None:
    world.answers(REFERRERS, Reply(status, body=b"<html>"))
    assert world.client.referrers(world.repository, DIGEST, soon()) == ()


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}"])
def test_referrers_that_are_no_index_are_a_failure(world: World, body: bytes) -> None:
    world.answers(REFERRERS, Reply(200, body=body, content_type="text/html"))
    error = _fails(lambda: world.client.referrers(world.repository, DIGEST, soon()))
    assert error.code is Code.REGISTRY_PROTOCOL


def _tags(*tags: str) -> bytes:
    return json.dumps({"name": "acme/api", "tags": tags}).encode()


def test_tags_are_read_page_by_page(world: World) -> None:
    more = ("Link", f'<{TAGS}?n=1000&last=b>; rel="next"')
    world.answers(TAGS, Reply(200, (more,), _tags("a", "b"), "application/json"), Reply(200, (), _tags("c")))
    assert world.client.tags(world.repository, soon()) == ("a", "b", "c")
    assert [asked.query for asked in world.server.asked] == [{"n": ["1000"]}, {"n": ["1000"], "last": ["b"]}]


def test_tags_of_a_repository_that_is_not_there(world: World) -> None:
    error = _fails(lambda: world.client.tags(world.repository, soon()))
    assert error.code is Code.IMAGE_NOT_FOUND
    assert "no repository acme/api" in error.message
    assert "no credentials" in error.message


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, Code.REGISTRY_UNAUTHORIZED),
        (403, Code.REGISTRY_UNAUTHORIZED),
        (429, Code.REGISTRY_RATE_LIMITED),
        (405, Code.REGISTRY_UNREACHABLE),
        (500, Code.REGISTRY_UNREACHABLE),
    ],
)
@pytest.mark.parametrize("page", [1, 2])
def test_tags_that_are_not_told_are_not_none(world: World, status: int, code: Code, page: int) -> None:
    first = Reply(200, (("Link", f'<{TAGS}?last=a>; rel="next"'),), _tags("a"))
    world.answers(TAGS, *[first][: page - 1], Reply(status))
    error = _fails(lambda: world.client.tags(world.repository, soon()))
    assert error.code is code
    assert len(world.server.asked) == page + (status == 500)  # a busy registry is asked once more


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", _tags("a\n")])
def test_what_is_no_list_of_tags_is_a_failure(world: World, body: bytes) -> None:
    world.answers(TAGS, Reply(200, body=body))
    error = _fails(lambda: world.client.tags(world.repository, soon()))
    assert error.code is Code.REGISTRY_PROTOCOL
    assert world.repository.path in error.message


def test_a_blob_may_lie_elsewhere(world: World) -> None:
    descriptor = Descriptor("x/y", Digest.of(b"content"), 7)
    world.answers(f"/v2/acme/api/blobs/{descriptor.digest}", Reply(307, (("Location", "/storage/x?sig=1"),)))
    world.answers("/storage/x", Reply(200, body=b"content"))
    assert world.client.blob(world.repository, descriptor, 7, soon()).read() == b"content"
    assert world.server.asked[-1].query == {"sig": ["1"]}


class _Redirected(Transport):
    """Whatever is asked, somebody at `url` answers that they want credentials."""

    def __init__(self, hosts: Hosts, url: str) -> None:
        super().__init__(hosts)
        self.url = url
        self.sent: list[Request] = []

    def send(self, request: Request, deadline: Deadline) -> Response:
        self.sent.append(request)
        return Response(401, {"www-authenticate": 'Basic realm="x"'}, b"", self.url)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://registry.test/v2/acme/api/manifests/v1", True),
        ("https://registry.test/elsewhere", True),
        ("https://registry.test.evil.test/v2/acme/api/manifests/v1", False),
        ("https://registry.test:8443/v2/acme/api/manifests/v1", False),
        ("https://evil.test/https://registry.test/", False),
        ("http://registry.test/v2/acme/api/manifests/v1", False),
    ],
)
def test_only_the_registrys_own_challenge_is_answered(url: str, own: object) -> None:
    """A redirect's target is somebody else, however its name begins."""
    hosts = Hosts()
    transport = _Redirected(hosts, url)
    held = Held(Credential("config.json", "u", "hunter2"))
    clock = SettableClock()
    client = RegistryClient.over(
        transport, Remembering(held, clock.monotonic), hosts, clock.monotonic, clock.now, clock.advance
    )
    assert _fails(lambda: client.resolve(Repository("registry.test", "acme/api"), "v1", soon())).code is (
        Code.REGISTRY_UNAUTHORIZED
    )
    assert [request.headers.get("Authorization", "") for request in transport.sent] == (
        ["", held.credential.basic if held.credential else "", ""] if own else [""]
    )
    transport.close()


def test_nothing_is_asked_offline(world: World) -> None:
    with client_of(hosts=Hosts(insecure=frozenset({world.server.host}), offline=True)) as client:
        error = _fails(lambda: client.resolve(world.repository, "v1", soon()))
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert "--offline" in error.message
    assert world.server.asked == []


def test_connections_are_kept(world: World) -> None:
    world.answers(BY_DIGEST, GOOD)
    for _ in range(5):
        assert world.client.manifest(world.repository, DIGEST, soon()) is not None
    assert len(world.server.asked) == 5
    assert len({asked.peer for asked in world.server.asked}) == 1
