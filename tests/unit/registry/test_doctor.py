"""What `gate doctor` sees of registries that are well, and of those that are not."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST
from gate.image.reference import Repository
from gate.registry.asking import Asker
from gate.registry.auth import Authenticator
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.keychain import Chain, Remembering
from gate.registry.doctor import Doctor
from gate.registry.doctor_check import Check, Status
from gate.registry.doctor_token import Granted, granted
from gate.registry.guard.hosts import Hosts, Mirror
from gate.registry.guard.patience import Patience
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.loopback import LoopbackTransport
from tests.fakes.registry_vendors import DistributionOpen, DockerHub, Ghcr
from tests.fakes.scripted_server import Reply, ScriptedServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline
    from gate.registry.credentials.credential import Keychain
    from tests.fakes.registries import FakeRegistry
    from tests.fakes.scripted_server import Asked

PATH = "acme/api"
SCOPE = f"repository:{PATH}:pull"


@contextmanager
def doctor_of(
    fake: FakeRegistry, *credentials: Credential, hosts: Hosts | None = None, keychains: tuple[Keychain, ...] = ()
) -> Iterator[Doctor]:
    hosts = hosts or Hosts(insecure=frozenset({fake.host}), authorities=dict.fromkeys(fake.names, fake.authority))
    transport = LoopbackTransport(hosts, dict.fromkeys(fake.names, fake.port))
    keychains = keychains or tuple(map(Held, credentials)) or (Held(None),)
    patient = Patience(transport, lambda _: None)
    remembering = Remembering(Chain(keychains), fake.clock.monotonic)
    authenticator = Authenticator(patient, remembering, hosts, fake.clock.monotonic, fake.clock.now)
    asker = Asker(patient, authenticator, hosts, fake.clock.monotonic)
    try:
        yield Doctor(transport, asker, authenticator, keychains, hosts, fake.clock.now)
    finally:
        transport.close()


def look(fake: FakeRegistry, *credentials: Credential, target: str = "v1") -> list[Check]:
    name = fake.named(PATH)
    with doctor_of(fake, *credentials) as doctor:
        return list(doctor.look(name.registry, name, target, soon()))


def told(checks: list[Check], name: str) -> list[tuple[Status, str]]:
    return [(check.status, check.said) for check in checks if check.name == name]


def test_a_public_image() -> None:
    with Ghcr() as fake:
        fake.repository(PATH).image("v1", "one")
        seen = look(fake)
        assert [check.name for check in seen] == [
            "name",
            "address",
            "TLS",
            "challenge",
            "credentials",
            "token",
            "access",
        ]
        assert {check.status for check in seen} == {Status.OK}
        assert told(seen, "name") == [(Status.OK, "asked at https://ghcr.io")]
        assert told(seen, "address") == [(Status.OK, "127.0.0.1")]
        ((_, tls),) = told(seen, "TLS")
        assert tls.startswith("TLSv1.3, a certificate by ")
        assert told(seen, "challenge") == [(Status.OK, "bearer by ghcr.io")]
        assert told(seen, "credentials") == [(Status.OK, "none: it is asked as anybody may")]
        ((_, token),) = told(seen, "token")
        assert token.startswith(
            f"asked for {SCOPE} with nobody's credentials; does not say what it grants; good until "
        )
        assert told(seen, "access") == [(Status.OK, "granted with nobody's credentials")]


class _Failing:
    """A helper that is not there."""

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        raise EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "the helper is not there", remedy="install it")

    def forget(self, repository: Repository) -> None: ...


@pytest.mark.parametrize(("tag", "access"), [("v1", Status.OK), ("gone", Status.FAILED)])
def test_a_helper_that_fails_is_no_failure_where_anybody_may_read(tag: str, access: Status) -> None:
    with Ghcr() as fake:
        fake.repository(PATH).image("v1", "one")
        name = fake.named(PATH)
        with doctor_of(fake, keychains=(_Failing(),)) as doctor:
            seen = list(doctor.look(name.registry, name, tag, soon()))
        assert told(seen, "credentials") == [(Status.WARNING, "the helper is not there")]
        assert [status for status, _ in told(seen, "access")] == [access]


def test_an_old_login_is_no_failure_where_anybody_may_read() -> None:
    with Ghcr() as fake:
        fake.repository(PATH).image("v1", "one")
        seen = look(fake, fake.stale())
        statuses = [status for status, _ in told(seen, "access")]
        assert statuses == [Status.WARNING, Status.OK]
        (refused,) = [c for c in seen if c.name == "access" and c.status is Status.WARNING]
        assert refused.remedy == "docker login ghcr.io"
        assert not any(secret in str(seen) for secret in fake.secrets)


def test_a_private_image_with_nobodys_and_the_wrong_credentials() -> None:
    with Ghcr() as fake:
        fake.repository(PATH, private=True).image("v1", "one")
        for credentials in ((), (fake.wrong(),)):
            seen = look(fake, *credentials)
            access = [check for check in seen if check.name == "access"]
            assert {check.status for check in access} == {Status.FAILED}
            assert {check.remedy for check in access} == {"docker login ghcr.io"}
        assert {status for status, _ in told(look(fake, fake.good()), "access")} == {Status.OK}


def test_a_tag_that_is_not_there() -> None:
    with Ghcr() as fake:
        fake.repository(PATH).image("v1", "one")
        (check,) = [c for c in look(fake, target="v2") if c.name == "access"]
        assert check == Check("access", Status.FAILED, "404 with nobody's credentials", "check the name")


@pytest.mark.parametrize(("left", "status"), [(100, Status.OK), (5, Status.WARNING)])
def test_a_rate_limit(left: int, status: Status) -> None:
    with DockerHub(remaining=left) as fake:
        fake.repository(PATH).image("v1", "one")
        assert told(look(fake), "rate limit") == [(status, f"{left} of 100 pulls left in 6 h")]


def test_plain_http_is_said() -> None:
    with DistributionOpen() as fake:
        fake.repository(PATH).image("v1", "one")
        name = fake.at(PATH)
        with doctor_of(fake) as doctor:
            seen = list(doctor.look(name.registry, name, "v1", soon()))
        (check,) = [c for c in seen if c.name == "name"]
        assert (check.status, check.remedy) == (Status.WARNING, "give it TLS")
        assert told(seen, "TLS") == []
        assert told(seen, "challenge") == [(Status.OK, "lets anybody in")]


def test_a_host_alone() -> None:
    with Ghcr() as fake, doctor_of(fake) as doctor:
        seen = list(doctor.look("ghcr.io", None, "", soon()))
    assert [check.name for check in seen] == ["name", "address", "TLS", "challenge"]


def test_each_step_is_the_last_where_it_fails() -> None:
    with Ghcr() as fake:
        with doctor_of(fake) as doctor:
            (name, failed) = doctor.look("other.test", None, "", soon())
            assert (name.status, failed.name, failed.status) == (Status.OK, "REGISTRY_UNREACHABLE", Status.FAILED)
        with doctor_of(fake, hosts=Hosts(missing={"ghcr.io": "the Secret n can't be read from here"})) as doctor:
            (failed,) = doctor.look("ghcr.io", None, "", soon())
            assert "the Secret n can't be read from here" in failed.said


def test_offline_nothing_is_looked_at_and_what_would_help_is_said() -> None:
    hosts = Hosts(mirrors={"ghcr.io": (Mirror("m.test"),)}, offline=True)
    with Ghcr() as fake, doctor_of(fake, hosts=hosts) as doctor:
        (alone,) = doctor.look("ghcr.io", None, "", soon())
        (image,) = doctor.look("ghcr.io", fake.named(PATH), "v1", soon())
    said = ("REGISTRY_UNREACHABLE", Status.FAILED, "ghcr.io was not asked (--offline)")
    assert (alone.name, alone.status, alone.said) == (image.name, image.status, image.said) == said
    assert alone.remedy == "leave out --offline to look at it"
    assert image.remedy.endswith("--layout ghcr.io/acme/api=DIR")


# mirrors, as the gate asks them


def mirrored(
    origin: FakeRegistry, *mirrors: tuple[FakeRegistry, bool], target: str = "v1", path: str | None = PATH
) -> list[Check]:
    """What is seen of an image where others stand before its registry; each says whether it is authoritative."""
    places = tuple(Mirror(fake.host, "hub", authoritative) for fake, authoritative in mirrors)
    named = frozenset({origin.host, *(place.host for place in places)})
    hosts = Hosts(insecure=named, mirrors={origin.host: places})
    with doctor_of(origin, hosts=hosts) as doctor:
        name = None if path is None else origin.at(path)
        return list(doctor.look(origin.host, name, target, soon()))


def failures(checks: list[Check]) -> list[str]:
    return [check.said for check in checks if check.status is Status.FAILED]


@pytest.mark.parametrize("path", [PATH, None], ids=["an image", "the host alone"])
def test_where_an_authoritative_mirror_answers_the_origin_is_not_needed(path: str | None) -> None:
    with DistributionOpen() as origin, DistributionOpen() as mirror:
        digest = mirror.repository(f"hub/{PATH}").image("v1", "one")
        origin.down()
        for target in ("v1", str(digest)):
            seen = mirrored(origin, (mirror, True), target=target, path=path)
            assert failures(seen) == []
            assert seen[0].said == f"{mirror.host}/hub is asked before {origin.host} for everything; authoritative"
            assert seen[-1].said == f"{origin.host} is not asked: {mirror.host} is authoritative, and answers"
            assert all(check.said.startswith(f"{mirror.host}: ") for check in seen[1:-1])


def test_an_authoritative_mirror_that_is_away_leaves_it_to_the_origin() -> None:
    with DistributionOpen() as origin, DistributionOpen() as mirror:
        origin.repository(PATH).image("v1", "one")
        mirror.down()
        seen = mirrored(origin, (mirror, True))
        (away,) = [check for check in seen if check.name == "REGISTRY_UNREACHABLE"]
        assert (away.status, mirror.host in away.said) == (Status.WARNING, True)
        assert seen[-1].said == "granted with nobody's credentials"
        assert failures(seen) == []


def test_that_an_authoritative_mirror_has_no_such_tag_is_the_answer() -> None:
    with DistributionOpen() as origin, DistributionOpen() as mirror:
        digest = origin.repository(PATH).image("v1", "one")
        mirror.repository(f"hub/{PATH}")
        assert failures(mirrored(origin, (mirror, True))) == [f"{mirror.host}: 404 with nobody's credentials"]
        # what is named by its digest may be elsewhere
        assert failures(mirrored(origin, (mirror, True), target=str(digest))) == []


def test_another_mirror_is_looked_at_beside_the_origin() -> None:
    with DistributionOpen() as origin, DistributionOpen() as mirror:
        mirror.repository(f"hub/{PATH}").image("v1", "one")
        seen = mirrored(origin, (mirror, False))
        assert seen[0].said == f"{mirror.host}/hub is asked before {origin.host} for what is named by its digest"
        assert f"{mirror.host}: granted with nobody's credentials" in [check.said for check in seen]
        assert failures(seen) == ["404 with nobody's credentials"]
        origin.repository(PATH).image("v1", "one")
        mirror.down()
        assert failures(mirrored(origin, (mirror, False))) == []


def test_the_referrers_are_an_authoritative_mirrors() -> None:
    with DistributionOpen() as origin, DistributionOpen() as mirror:
        digest = mirror.repository(f"hub/{PATH}").image("v1", "one")
        places = (Mirror(mirror.host, "hub", authoritative=True),)
        hosts = Hosts(insecure=frozenset({origin.host, mirror.host}), mirrors={origin.host: places})
        with doctor_of(origin, hosts=hosts) as doctor:
            origin.down()
            check = doctor.referrers(origin.at(PATH), digest, soon())
            assert (check.status, check.said.startswith(f"{mirror.host}: ")) == (Status.OK, True)
            origin.up()
            mirror.down()
            check = doctor.referrers(origin.at(PATH), digest, soon())
            assert (check.status, mirror.host in check.said) == (Status.OK, False)


def test_docker_hub_with_an_authority_of_its_own() -> None:
    """As behind what inspects TLS: the operator names Docker Hub, and its token service by itself."""
    with DockerHub() as fake:
        fake.repository(PATH).image("v1", "one")
        authorities = dict.fromkeys(("docker.io", "auth.docker.io"), fake.authority)
        name = fake.named(PATH)
        with doctor_of(fake, hosts=Hosts(authorities=authorities)) as doctor:
            seen = list(doctor.look(name.registry, name, "v1", soon()))
        assert failures(seen) == []
        ((_, tls),) = told(seen, "TLS")
        assert f"{fake.authority} is believed too" in tls


# what is no registry


def scripted(reply: Reply, *, path: str | None = PATH) -> list[Check]:
    with ScriptedServer(lambda _: reply) as server, DistributionOpen() as fake:
        hosts = Hosts(insecure=frozenset({server.host}))
        with doctor_of(fake, hosts=hosts) as doctor:
            name = None if path is None else Repository(server.host, path)
            return list(doctor.look(server.host, name, "v1", soon()))


@pytest.mark.parametrize(
    "page",
    [
        Reply(200, (), b"<html>login</html>", "text/html; charset=utf-8"),
        Reply(200, (), b"<html>login</html>", "Text/HTML"),
        Reply(200, (), b"<html/>", "application/xhtml+xml"),
    ],
)
def test_a_web_page_is_no_registry(page: Reply) -> None:
    checks = {check.name: check for check in scripted(page)}
    assert checks["challenge"].status is Status.WARNING
    assert checks["access"].status is Status.FAILED
    for name in ("challenge", "access"):
        assert "a web page" in checks[name].said
        assert checks[name].remedy.startswith("is it a registry?")
    alone = scripted(page, path=None)[-1]
    assert (alone.name, alone.status) == ("challenge", Status.FAILED)


def test_a_page_without_a_type_is_known_by_its_beginning() -> None:
    assert scripted(Reply(200, (), b"\n<!doctype html>"), path=None)[-1].status is Status.FAILED


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200),
        Reply(200, (), b"{}", "application/json"),
        Reply(200, (), b"", "text/html"),
        Reply(200, (("Docker-Distribution-API-Version", "registry/2.0"),), b"true", "text/html"),
        Reply(200, (), b"true", "text/plain"),
    ],
)
def test_registries_say_little(reply: Reply) -> None:
    assert told(scripted(reply, path=None), "challenge") == [(Status.OK, "lets anybody in")]


def test_a_page_that_it_redirects_to_is_said_to_be_there() -> None:
    page = Reply(200, (), b"<html>", "text/html")
    with (
        DistributionOpen() as fake,
        ScriptedServer(lambda _: page) as login,
        ScriptedServer(lambda _: Reply(302, (("Location", f"{login.url}/login"),))) as server,
        doctor_of(fake, hosts=Hosts(insecure=frozenset({server.host, login.host}))) as doctor,
    ):
        seen = list(doctor.look(server.host, Repository(server.host, PATH), "v1", soon()))
    assert [check.said for check in seen if check.name in ("challenge", "access")] == [
        f"/v2/ answered with a web page by {login.host}, where it redirected to",
        f"200 with nobody's credentials by {login.host}, where it redirected to: a web page and no manifest",
    ]


@pytest.mark.parametrize(
    ("reply", "remedy"),
    [
        (Reply(400), "check the name"),
        (Reply(404), "check the name"),
        (Reply(403), "docker login HOST"),
        (Reply(429), "retry later, or docker login HOST for more"),
        (Reply(429, (("Retry-After", "900"),)), "retry in 900 s, or docker login HOST for more"),
        (Reply(500), "retry"),
        (Reply(503, (("Retry-After", "900"),)), "retry in 900 s"),
    ],
)
def test_the_remedy_is_of_what_was_answered(reply: Reply, remedy: str) -> None:
    seen = scripted(reply)
    (access,) = [check for check in seen if check.name == "access"]
    host = next(check.said for check in seen if check.name == "name").rpartition("/")[2]
    assert (access.status, access.remedy) == (Status.FAILED, remedy.replace("HOST", host))
    (challenge,) = [check for check in seen if check.name == "challenge"]
    busy = reply.status == 429 or reply.status >= 500
    assert challenge.remedy == ("retry later" if busy else "is it a registry?")


def test_the_referrers_api_and_what_stands_in_for_it() -> None:
    for fake, said in ((Ghcr(), "no referrers API (404): the tag sha256-"), (DockerHub(), "no referrers API (404)")):
        with fake:
            digest = fake.repository(PATH).image("v1", "one")
            with doctor_of(fake) as doctor:
                check = doctor.referrers(fake.named(PATH), digest, soon())
            assert (check.status, said in check.said) == (Status.OK, True)


def test_a_registry_that_answers_something_else() -> None:
    with Ghcr() as fake:
        fake.fail(500, None)
        with doctor_of(fake) as doctor:
            checks = {check.name: check for check in doctor.look("ghcr.io", Repository("ghcr.io", PATH), "v1", soon())}
        assert checks["challenge"].status is Status.WARNING
        assert checks["challenge"].said == "/v2/ answered 500 without a challenge"
        assert checks["access"].status is Status.FAILED


# what does not speak for the image


MANIFEST: Final = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": str(Digest.of(b"{}")),
            "size": 2,
        },
        "layers": [],
    }
).encode()
THERE: Final = Digest.of(MANIFEST)
HERE: Final = Reply(200, (("Docker-Content-Digest", str(THERE)),), MANIFEST, OCI_MANIFEST)
GONE: Final = Reply(404)
EMPTY: Final = Reply()
ELSEWHERE: Final = Reply(302, (("Location", "http://portal.test/login"),))
LARGE: Final = Reply(200, (), b"x" * 100_000, "text/plain")


def an_image(
    *, version: Reply = EMPTY, head: Reply = HERE, get: Reply = HERE, referrers: Reply = GONE
) -> Callable[[Asked], Reply]:
    """A registry with one image, and its answer to each kind of question."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return version
        if "/referrers/" in asked.path:
            return referrers
        if asked.path.rpartition("/")[2] in ("v1", str(THERE)):
            return head if asked.method == "HEAD" else get
        return GONE

    return answer


def seen_of(
    server: ScriptedServer, *credentials: Credential, path: str | None = PATH, target: str = "v1", seconds: float = 10.0
) -> list[Check]:
    with (
        DistributionOpen() as fake,
        doctor_of(fake, *credentials, hosts=Hosts(insecure=frozenset({server.host}))) as doctor,
    ):
        name = None if path is None else Repository(server.host, path)
        return list(doctor.look(server.host, name, target, soon(seconds)))


def is_resolved(server: ScriptedServer) -> bool:
    """Whether the gate itself finds the image."""
    with client_of(server.host) as client:
        return client.resolve(Repository(server.host, PATH), "v1", soon()) == THERE


@pytest.mark.parametrize(
    ("version", "said"),
    [(ELSEWHERE, "redirected to plain HTTP at portal.test"), (LARGE, "sent more than the 65536 bytes")],
)
def test_what_v2_does_is_no_failure_where_the_image_is_there(version: Reply, said: str) -> None:
    with ScriptedServer(an_image(version=version)) as server:
        assert is_resolved(server)
        seen = seen_of(server)
        (challenge,) = [check for check in seen if check.name == "challenge"]
        assert (challenge.status, said in challenge.said) == (Status.WARNING, True)
        assert challenge.remedy.startswith("is it a registry?")
        assert told(seen, "access") == [(Status.OK, "granted with nobody's credentials")]
        assert failures(seen) == []
        alone = seen_of(server, path=None)[-1]
        assert (alone.status, said in alone.said, bool(alone.remedy)) == (Status.FAILED, True, True)


def test_a_v2_that_hangs_leaves_time_for_the_image() -> None:
    over = threading.Event()

    def hangs(asked: Asked) -> Reply:
        if asked.path == "/v2/":
            over.wait(20)
        return an_image()(asked)

    with ScriptedServer(hangs) as server:
        try:
            seen = seen_of(server, seconds=3.0)
        finally:
            over.set()
    (challenge,) = [check for check in seen if check.name == "challenge"]
    assert (challenge.status, challenge.remedy) == (Status.WARNING, "retry")
    assert told(seen, "access") == [(Status.OK, "granted with nobody's credentials")]


@pytest.mark.parametrize(
    ("head", "remark"),
    [
        (Reply(405), "; HEAD is answered 405, so it is asked for by GET"),
        (Reply(404), "; HEAD is answered 404, so it is asked for by GET"),
        (Reply(400), "; HEAD is answered 400, so it is asked for by GET"),
        (Reply(200, (), b"", "text/html"), ""),
        (Reply(200, (), b"", OCI_MANIFEST), ""),
    ],
)
def test_where_a_head_gives_nothing_it_is_asked_as_the_gate_asks(head: Reply, remark: str) -> None:
    with ScriptedServer(an_image(head=head)) as server:
        assert is_resolved(server)
        seen = seen_of(server)
        assert told(seen, "access") == [(Status.OK, f"granted with nobody's credentials{remark}")]
        assert failures(seen) == []


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_head_that_is_refused_is_the_answer(status: int) -> None:
    with ScriptedServer(an_image(head=Reply(status))) as server:
        assert told(seen_of(server), "access") == [(Status.FAILED, f"{status} with nobody's credentials")]
        assert {asked.method for asked in server.asked if "/manifests/" in asked.path} == {"HEAD"}


def test_a_get_that_is_no_better_is_the_answer() -> None:
    with ScriptedServer(an_image(head=Reply(405), get=Reply(404))) as server:
        (access,) = [check for check in seen_of(server) if check.name == "access"]
        assert access == Check("access", Status.FAILED, "404 with nobody's credentials", "check the name")


def test_a_digest_is_not_resolved() -> None:
    with ScriptedServer(an_image(head=Reply(403))) as server:
        seen = seen_of(server, target=str(THERE))
        assert told(seen, "access") == [(Status.OK, "granted with nobody's credentials")]


# the list of referrers, as the gate reads it


def index(*entries: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


ENTRY: Final = {"mediaType": OCI_MANIFEST, "digest": str(THERE), "size": len(MANIFEST)}
NEXT: Final = (("Link", '<http://elsewhere.test/x>; rel="next"'),)


def listed(referrers: Reply) -> Check:
    with (
        ScriptedServer(an_image(referrers=referrers)) as server,
        DistributionOpen() as fake,
        doctor_of(fake, hosts=Hosts(insecure=frozenset({server.host}))) as doctor,
    ):
        return doctor.referrers(Repository(server.host, PATH), THERE, soon())


@pytest.mark.parametrize(
    ("referrers", "said"),
    [
        (Reply(200, (), b"<html>login</html>", "text/html"), "REGISTRY_PROTOCOL: "),
        (Reply(200, NEXT, index(), OCI_INDEX), "goes on elsewhere"),
        (Reply(200, (), MANIFEST, OCI_MANIFEST), "is an image and no list"),
        (Reply(200, (), b" " * (MAX_MANIFEST + 1), OCI_INDEX), "RESPONSE_TOO_LARGE: "),
        (Reply(403), "REGISTRY_UNAUTHORIZED: "),
        (Reply(500), "REGISTRY_UNREACHABLE: "),
    ],
    ids=["a page", "elsewhere", "an image", "too large", "refused", "an error"],
)
def test_a_list_of_referrers_that_the_gate_cannot_read(referrers: Reply, said: str) -> None:
    check = listed(referrers)
    assert (check.name, check.status) == ("referrers", Status.FAILED)
    assert said in check.said
    assert check.remedy


def test_how_many_referrers_are_listed() -> None:
    for entries in ([], [ENTRY, ENTRY]):
        check = listed(Reply(200, (), index(*entries), OCI_INDEX))
        assert check == Check("referrers", Status.OK, f"the referrers API answers, and lists {len(entries)}")


def test_a_mirrors_list_that_cannot_be_read_leaves_it_to_the_origin() -> None:
    page = Reply(200, (), b"<html>", "text/html")
    with ScriptedServer(an_image(referrers=page)) as mirror, DistributionOpen() as origin:
        digest = origin.repository(PATH).image("v1", "one")
        places = (Mirror(mirror.host, "hub", authoritative=True),)
        hosts = Hosts(insecure=frozenset({origin.host, mirror.host}), mirrors={origin.host: places})
        with doctor_of(origin, hosts=hosts) as doctor:
            check = doctor.referrers(origin.at(PATH), digest, soon())
        assert any("/referrers/" in path for path in mirror.paths())
    assert (check.status, mirror.host in check.said) == (Status.OK, False)


# tokens, by their own word


def jwt(**claims: object) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "ES256", "kid": "k-of-the-signer"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJlLW9mLWl0"])


def access(*actions: str, name: str = PATH, kind: str = "repository") -> list[dict[str, object]]:
    return [{"type": kind, "name": name, "actions": actions}]


ENDS: Final = datetime(2026, 11, 1, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("claims", "said", "less"),
    [
        ({"access": access("pull")}, "grants pull", ""),
        ({"access": access("*")}, "grants *", ""),
        ({"access": access("push", "pull", "sell-your-soul")}, "grants pull, push", ""),
        ({"access": access("pull", kind="repository(plugin)")}, "grants pull", ""),
        ({"access": access("push")}, "grants push", "less"),
        ({"access": access("pull", name="acme/web")}, "grants nothing", "less"),
        ({"access": access("pull", kind="registry")}, "grants nothing", "less"),
        ({"access": [{"type": "repository", "name": PATH, "actions": None}]}, "grants nothing", "less"),
        ({"access": []}, "grants nothing", "less"),
        ({"access": None}, "grants nothing", "less"),
        ({"sub": "acme"}, "does not say what it grants", ""),
    ],
)
def test_what_a_token_says_that_it_grants(claims: dict[str, object], said: str, less: str) -> None:
    found = granted(jwt(**claims, exp=ENDS.timestamp()), PATH)
    assert (str(found), found.is_less, found.ends) == (said, less == "less", ENDS)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "..",
        "a.b.c",
        "a.%%%.c",
        "a.\u00fc.c",
        "a.b.c.d.e",
        "a." + base64.urlsafe_b64encode(b"[" * 9_000).decode() + ".c",
        "a." + base64.urlsafe_b64encode(b"\xff{}").decode() + ".c",
        jwt(access="pull"),
        jwt(access=[None]),
        jwt(access=[{"type": "repository", "name": PATH, "actions": [1]}]),
        jwt(access=access("pull"), exp=1e300),
        jwt(access=access("pull"), exp="soon"),
        jwt(access=access("pull"), more="x" * 16_384),
    ],
)
def test_a_token_that_cannot_be_read_says_nothing(token: str) -> None:
    assert granted(token, PATH) == Granted()


def with_tokens(token: str, *, good: bool) -> Callable[[Asked], Reply]:
    """A registry that gives everybody one token, and `good`: lets those in who have it."""

    def answer(asked: Asked) -> Reply:
        realm = f"http://{asked.headers['host']}/token"
        if asked.path == "/token":
            return as_json({"token": token, "expires_in": 300})
        if asked.authorization == f"Bearer {token}" and good:
            return an_image()(asked)
        return Reply(401, (("WWW-Authenticate", f'Bearer realm="{realm}",service="registry"'),))

    return answer


def of_token(token: str, *credentials: Credential, good: bool) -> list[Check]:
    with ScriptedServer(with_tokens(token, good=good)) as server:
        seen = seen_of(server, *credentials)
        assert any(asked.query.get("scope") == [SCOPE] for asked in server.asked) or credentials
    shown = str(seen)
    assert not [part for part in token.split(".") if part in shown]
    return [check for check in seen if check.name in ("token", "access")]


def test_a_tokens_scope_and_end_are_shown() -> None:
    token, entry = of_token(jwt(access=access("pull"), exp=4_000_000_000), good=True)
    # which the service says before the token does; ten seconds before, it is no longer used
    lasts = "good until 2026-11-01 12:04:50 UTC"
    assert token == Check("token", Status.OK, f"asked for {SCOPE} with nobody's credentials; grants pull; {lasts}")
    assert entry == Check("access", Status.OK, "granted with nobody's credentials")


def test_the_sooner_end_is_shown() -> None:
    (token, _) = of_token(jwt(access=access("pull"), exp=ENDS.timestamp()), good=True)
    assert token.said.endswith("; grants pull; good until 2026-11-01 12:01:00 UTC")


def test_a_token_that_grants_less_is_said_to() -> None:
    token, entry = of_token(jwt(access=[]), good=False)
    assert (token.status, "; grants nothing; " in token.said) == (Status.WARNING, True)
    assert token.remedy.startswith(f"check the name and who may pull {PATH}, or docker login 127.0.0.1:")
    assert (entry.status, entry.said) == (Status.FAILED, "401 with nobody's credentials")


def test_a_token_that_is_good_enough_may_say_what_it_likes() -> None:
    token, entry = of_token(jwt(access=[], exp=1), good=True)
    assert (token.status, token.remedy, entry.status) == (Status.OK, "", Status.OK)


def test_a_token_that_is_over_when_it_is_given() -> None:
    token, entry = of_token(jwt(access=access("pull"), exp=1_600_000_000), good=False)
    assert token.said.endswith("; grants pull; over since 2020-09-13 12:26:40 UTC")
    assert (token.status, token.remedy) == (Status.WARNING, "have a new one, or compare the clocks")
    assert entry.status is Status.FAILED


def test_each_credential_has_its_token() -> None:
    with DockerHub() as fake:
        fake.repository(PATH, private=True).image("v1", "one")
        seen = [check for check in look(fake, fake.stranger()) if check.name in ("token", "access")]
    assert [check.name for check in seen] == ["token", "access", "token", "access"]
    assert [check.said.partition(";")[0].partition(" with ")[2] for check in seen[::2]] == [
        fake.stranger().source,
        "nobody's credentials",
    ]
    assert not any(secret in str(seen) for secret in fake.secrets)


def test_a_token_that_is_a_credential() -> None:
    token = jwt(access=access("push"))
    given, _, *nobodys = of_token(token, Credential("a file", registry_token=token), good=False)
    assert given.said == f"a file is one, wanted for {SCOPE}; grants push"
    assert given.status is Status.WARNING
    assert [check.name for check in nobodys] == ["token", "access"]


def test_no_token_for_the_scope() -> None:
    with Ghcr() as fake:
        fake.repository(PATH, private=True).image("v1", "one")
        seen = look(fake, fake.wrong())
        assert told(seen, "token") == []
        assert all(f": no token for {SCOPE}: " in said for _, said in told(seen, "access"))
