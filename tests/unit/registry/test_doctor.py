"""What `gate doctor` sees of registries that are well, and of those that are not."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.asking import Asker
from gate.registry.auth import Authenticator
from gate.registry.credentials.keychain import Chain, Remembering
from gate.registry.doctor import Check, Doctor, Status
from gate.registry.hosts import Hosts, Mirror
from gate.registry.patience import Patience
from tests.fakes.clients import Held, soon
from tests.fakes.loopback import LoopbackTransport
from tests.fakes.registry_vendors import DistributionOpen, DockerHub, Ghcr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.deadline import Deadline
    from gate.registry.credentials.credential import Credential, Keychain
    from tests.fakes.registries import FakeRegistry

PATH = "acme/api"


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
        assert [check.name for check in seen] == ["name", "address", "TLS", "challenge", "credentials", "access"]
        assert {check.status for check in seen} == {Status.OK}
        assert told(seen, "name") == [(Status.OK, "asked at https://ghcr.io")]
        assert told(seen, "address") == [(Status.OK, "127.0.0.1")]
        ((_, tls),) = told(seen, "TLS")
        assert tls.startswith("TLSv1.3, a certificate by ")
        assert told(seen, "challenge") == [(Status.OK, "bearer by ghcr.io")]
        assert told(seen, "credentials") == [(Status.OK, "none: it is asked as anybody may")]
        ((_, access),) = told(seen, "access")
        assert access.startswith("granted with nobody's credentials, by a token for ")


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
        with doctor_of(fake, hosts=Hosts(offline=True)) as doctor:
            (name, failed) = doctor.look("ghcr.io", None, "", soon())
            assert (failed.name, "--offline" in failed.said) == ("REGISTRY_UNREACHABLE", True)
        with doctor_of(fake, hosts=Hosts(missing={"ghcr.io": "the Secret n can't be read from here"})) as doctor:
            (failed,) = doctor.look("ghcr.io", None, "", soon())
            assert "the Secret n can't be read from here" in failed.said


def test_mirrors_are_named() -> None:
    hosts = Hosts(mirrors={"ghcr.io": (Mirror("m.test", "hub"), Mirror("h.test", authoritative=True))}, offline=True)
    with Ghcr() as fake, doctor_of(fake, hosts=hosts) as doctor:
        name = next(doctor.look("ghcr.io", None, "", soon()))
    assert name.said == "asked at https://ghcr.io; mirrors: m.test/hub, h.test (authoritative)"


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
