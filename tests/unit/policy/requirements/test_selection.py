"""Which of several attestations have to pass: the newest of each type, all, or any."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.evidence.facts import CertificateSigner, Identity
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.window import ALWAYS
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import Json, attested, codes, decide, evidence, policies, policy

if TYPE_CHECKING:
    from datetime import datetime

    from gate.demo.signing import SigningKey
    from gate.evidence.facts import Signer, VerifiedAttestation

VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
DAY = timedelta(days=1)
NOT_PRIVATE = False
DENIED = ("VULNERABILITY_DENIED", "deny")
STALE = ("SCAN_STALE", "deny")
UNREADABLE = ("PREDICATE_UNREADABLE", "deny")


def written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def trivy(*found: Json, at: datetime | None = None) -> Json:
    """A report of trivy."""
    return {
        "SchemaVersion": 2,
        "ArtifactName": "ghcr.io/acme/api",
        "ArtifactType": "container_image",
        "Results": [{"Target": "app", "Class": "lang-pkgs", "Type": "jar", "Vulnerabilities": list(found)}],
        **({"CreatedAt": written(at)} if at is not None else {}),
    }


def finding(severity: str = "CRITICAL", name: str = "CVE-2021-44228", **more: object) -> Json:
    return {
        "VulnerabilityID": name,
        "PkgName": "log4j-core",
        "PkgIdentifier": {"PURL": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"},
        "InstalledVersion": "2.14.1",
        "FixedVersion": "2.15.0",
        "Status": "fixed",
        "Severity": severity,
        **more,
    }


def vuln(report: object, at: datetime | str | None = START) -> Json:
    """cosign's predicate around a report."""
    when = {"scanFinishedOn": at if isinstance(at, str) else written(at)} if at is not None else {}
    return {
        "invocation": {},
        "scanner": {"uri": "pkg:github/aquasecurity/trivy", "version": "0.58", "db": {}, "result": report},
        "metadata": when,
    }


def scan(*found: Json, age: timedelta = DAY, key: SigningKey | None = None, **more: Any) -> VerifiedAttestation:
    """An attested scan of some time ago."""
    at = START - age
    return attested(VULN, vuln(trivy(*found, at=at), at), key, **more)


def rule(**spec: object) -> list[Json]:
    return [{"scan": {"by": "a", "maxAge": "7d", "deny": [{"severity": "critical"}], **spec}}]


CLEAN, DIRTY = (), (finding(),)


def of(*attestations: VerifiedAttestation, rules: list[Json] | None = None) -> list[tuple[str, str]]:
    return codes(decide(policies(policy(rules or rule())), facts=evidence(attestations=attestations)))


def test_a_clean_scan_passes_and_a_dirty_one_does_not() -> None:
    assert of(scan()) == []
    assert of(scan(*DIRTY)) == [DENIED]
    assert of() == [("ATTESTATION_MISSING", "deny")]


def test_of_two_scans_the_newest_counts() -> None:
    old, new = 3 * DAY, DAY
    assert of(scan(*DIRTY, age=old), scan(age=new)) == []
    assert of(scan(age=old), scan(*DIRTY, age=new)) == [DENIED]
    assert of(scan(*DIRTY, age=new), scan(age=old)) == [DENIED]  # whatever their order


def test_all_and_any_are_said_where_they_are_meant() -> None:
    both = scan(*DIRTY, age=3 * DAY), scan(age=DAY)
    assert of(*both, rules=rule(select="all")) == [DENIED]
    assert of(*both, rules=rule(select="any")) == []
    assert of(scan(*DIRTY), rules=rule(select="any")) == [DENIED]
    reversed_ = scan(age=3 * DAY), scan(*DIRTY, age=DAY)
    assert of(*reversed_, rules=rule(select="any")) == []


def test_scans_of_one_time_have_to_pass_both() -> None:
    assert of(scan(age=DAY), scan(*DIRTY, age=DAY)) == [DENIED]


def test_what_a_stranger_scanned_is_no_candidate() -> None:
    assert of(scan(*DIRTY, age=DAY), scan(age=timedelta(hours=1), key=mallory())) == [DENIED]
    assert of(scan(age=2 * DAY), scan(*DIRTY, age=DAY, key=mallory())) == []
    assert [code for code, _ in of(scan(key=mallory()))] == ["ATTESTATION_MISSING"]


def test_an_old_scan_that_is_logged_again_today_is_as_old_as_it_was() -> None:
    again = scan(age=3 * DAY, logged=START)
    assert of(scan(*DIRTY, age=DAY, logged=START - DAY), again) == [DENIED]


def test_a_scan_is_as_old_as_its_oldest_word() -> None:
    """`trivy convert` writes the time of writing around an old report."""
    refreshed = attested(VULN, vuln(trivy(at=START - 30 * DAY), START))
    assert of(refreshed) == [STALE]
    logged_late = scan(age=30 * DAY, logged=START)
    assert of(logged_late) == [STALE]
    logged_early = scan(age=DAY, logged=START - 30 * DAY)
    assert of(logged_early) == [STALE]


@pytest.mark.parametrize("at", [None, "0001-01-01T00:00:00Z", START + timedelta(minutes=6)])
def test_a_scan_whose_time_nobody_states_is_stale(at: datetime | str | None) -> None:
    assert of(attested(VULN, vuln(trivy(), at))) == [STALE]


def test_a_scan_without_a_time_stands_beside_the_newest() -> None:
    undated = attested(VULN, vuln(trivy(*DIRTY), None))
    assert sorted(of(scan(), undated)) == [STALE, DENIED]


def test_withheld_scans_are_bounded_by_age() -> None:
    assert of(scan(age=8 * DAY)) == [STALE]
    assert of(scan(age=7 * DAY)) == []


def test_an_unreadable_one_has_to_pass_unless_a_newer_one_is_known() -> None:
    assert UNREADABLE in of(scan(), attested(VULN, {"scanner": {"result": []}}))


def person(name: str = "releases@acme.example") -> Signer:
    identity = Identity("https://accounts.google.com", (name,))
    return CertificateSigner(identity, PUBLIC_GOOD, NOT_PRIVATE, "k" * 64, ("c" * 64,), ALWAYS, frozenset({"ct"}))


PERSON = {"p": {"keyless": {"issuer": "https://accounts.google.com", "subject": "releases@acme.example"}}}
TEST = "https://in-toto.io/attestation/test-result/v0.1"


def test_of_short_lived_certificates_the_log_tells_which_is_newer() -> None:
    broken = attested(TEST, b"no JSON", signer=person(), logged=START - 2 * DAY)
    good = attested(TEST, {"result": "PASSED"}, signer=person(), logged=START - DAY)
    wanted = policy([{"attestation": {"by": "p", "type": TEST, "maxAge": "7d"}}], signers=PERSON)
    assert codes(decide(policies(wanted), facts=evidence(attestations=[broken, good]))) == []
    later = attested(TEST, b"no JSON", signer=person(), logged=START)
    assert codes(decide(policies(wanted), facts=evidence(attestations=[later, good]))) == [UNREADABLE]


def test_of_lasting_keys_no_log_tells_for_whoever_may_write_has_it_logged_again() -> None:
    broken = attested(TEST, b"no JSON", logged=START - 2 * DAY)
    good = attested(TEST, {"result": "PASSED"}, logged=START - DAY)
    wanted = policy([{"attestation": {"by": "a", "type": TEST, "maxAge": "7d"}}])
    assert codes(decide(policies(wanted), facts=evidence(attestations=[broken, good]))) == [UNREADABLE]


def test_what_is_newest_is_known_only_where_everything_is() -> None:
    found = evidence(attestations=[scan()], unavailable=[Code.REGISTRY_TIMEOUT])
    assert codes(decide(policies(policy(rule())), facts=found)) == [("REGISTRY_TIMEOUT", "error")]
    assert codes(decide(policies(policy(rule(select="any"))), facts=found)) == []


def test_where_several_have_to_attest_the_newest_of_each_counts() -> None:
    two = rule(by={"all": ["a", "b"]})
    assert of(scan(age=DAY), scan(age=2 * DAY, key=bob()), rules=two) == []
    assert of(scan(age=DAY), scan(*DIRTY, age=2 * DAY, key=bob()), rules=two) == [DENIED]
    assert of(scan(age=DAY), scan(age=DAY), rules=two) == [("SIGNERS_TOO_FEW", "deny")]


def test_of_any_of_several_signers_the_newest_of_all_counts() -> None:
    either = rule(by=["a", "b"])
    assert of(scan(*DIRTY, age=2 * DAY), scan(age=DAY, key=bob()), rules=either) == []
    assert of(scan(age=2 * DAY), scan(*DIRTY, age=DAY, key=bob()), rules=either) == [DENIED]


def test_scans_of_two_formats_both_count() -> None:
    """A newer document of another type may know less: a VEX document is a CycloneDX document, too."""
    components = [{"type": "library", "name": "x", "bom-ref": "x"}]
    harmless = {"id": "CVE-2020-1", "ratings": [{"severity": "low"}], "affects": [{"ref": "x"}]}
    clean = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"timestamp": written(START)},
        "components": components,
        "vulnerabilities": [harmless],
    }
    newer = attested("https://cyclonedx.org/bom", clean)
    assert of(newer) == []
    assert of(scan(*DIRTY, age=DAY), newer) == [DENIED]


@pytest.mark.parametrize(
    "document",
    [
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []},  # an SBOM
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "vulnerabilities": []},  # VEX
    ],
)
def test_a_cyclonedx_document_that_is_no_scan_is_no_candidate(document: Json) -> None:
    other = attested("https://cyclonedx.org/bom", document)
    assert of(scan(), other) == []
    assert [code for code, _ in of(other)] == ["ATTESTATION_MISSING"]


def test_the_message_of_the_rule_is_told_first() -> None:
    found = decide(policies(policy(rule(message="scan it"))), facts=evidence())
    assert [f.message.startswith("scan it: no attestation found") for f in found.findings] == [True]


def test_nothing_is_read_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def reads(_reading: object, _type: str, statement: bytes) -> None:
        read.append(statement)

    monkeypatch.setattr("gate.policy.content.read.read", reads)
    of(scan(key=mallory()))
    assert read == []
    of(scan(key=alice()))
    assert len(read) == 1
