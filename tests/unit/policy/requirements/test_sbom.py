"""What SBOMs have to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.signing import mallory
from tests.unit.policy.build import Json, attested, codes, decide, evidence, policies, policy, waiver

if TYPE_CHECKING:
    from gate.evidence.facts import VerifiedAttestation
    from gate.policy.decision import Decision

CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"
LOG4J = "pkg:maven/org.apache.logging.log4j/log4j-core"


def component(purl: str = f"{LOG4J}@2.14.1", name: str = "log4j-core", version: str = "2.14.1", **more: object) -> Json:
    return {"type": "library", "name": name, "version": version, "purl": purl, **more}


def cyclonedx(*components: Json, **more: object) -> VerifiedAttestation:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": list(components), **more}
    return attested(CYCLONEDX, document)


def spdx(*packages: Json) -> VerifiedAttestation:
    document = {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "x",
        "dataLicense": "CC0-1.0",
        "documentNamespace": "https://acme.example/x",
        "creationInfo": {"created": "2026-11-01T00:00:00Z", "creators": ["Tool: syft-1.0"]},
        "packages": list(packages),
    }
    return attested(SPDX, document)


def package(name: str = "log4j-core", version: str = "2.14.1", purl: str = f"{LOG4J}@2.14.1", **more: object) -> Json:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    return {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "externalRefs": [reference],
        **more,
    }


def judged(*attestations: VerifiedAttestation, exceptions: list[Json] | None = None, **spec: Any) -> Decision:
    rules = [{"sbom": {"by": "a", **spec}}]
    found = policies(policy(rules, exceptions=exceptions or []))
    return decide(found, facts=evidence(attestations=attestations))


def of(*attestations: VerifiedAttestation, **spec: Any) -> list[str]:
    return [code for code, _ in codes(judged(*attestations, **spec))]


OTHER = component("pkg:npm/left-pad@1.3.0", "left-pad", "1.3.0")


def test_an_sbom_has_to_be_there_and_by_who_may_say() -> None:
    assert of(cyclonedx(OTHER)) == []
    assert of(spdx(package())) == []
    assert of() == ["ATTESTATION_MISSING"]
    assert of(attested(CYCLONEDX, {}, mallory())) == ["ATTESTATION_MISSING"]


def test_an_sbom_of_another_format_is_told_apart_from_none() -> None:
    assert of(spdx(package()), formats=["cyclonedx"]) == ["SBOM_FORMAT"]
    assert of(cyclonedx(OTHER), formats=["spdx"]) == ["SBOM_FORMAT"]
    assert of(cyclonedx(OTHER), formats=["cyclonedx"]) == []


def test_all_sboms_have_to_pass_unless_said_otherwise() -> None:
    two = cyclonedx(OTHER), cyclonedx(component())
    assert of(*two, denyComponents=[LOG4J]) == ["COMPONENT_DENIED"]
    assert of(*two, denyComponents=[LOG4J], select="any") == []


@pytest.mark.parametrize(
    ("pattern", "denied"),
    [
        (LOG4J, True),
        (f"{LOG4J}@<2.17.1", True),
        (f"{LOG4J}@>=2,<2.17.1", True),
        (f"{LOG4J}@2.14.*", True),
        (f"{LOG4J}@2.14.1", True),
        (f"{LOG4J}@<2.14.1", False),
        (f"{LOG4J}@2.15.*", False),
        ("pkg:maven/org.apache.logging.log4j/log4j-api", False),
        ("pkg:npm/log4j-core", False),
    ],
)
def test_components_are_denied_by_their_package_and_version(pattern: str, *, denied: bool) -> None:
    expected = ["COMPONENT_DENIED"] if denied else []
    assert of(cyclonedx(OTHER, component()), denyComponents=[pattern]) == expected
    assert of(spdx(package()), denyComponents=[pattern]) == expected


@pytest.mark.parametrize(
    "hidden",
    [
        component(f"{LOG4J}@weird version"),
        component(LOG4J, version=""),
        component("", version="2.14.1"),
        component(f"{LOG4J.upper()}@2.14.1".replace("PKG:MAVEN", "pkg:maven")),
        component(f"{LOG4J}@2.14.1?type=jar"),
        component("pkg:maven/org.apache.logging.log4j/log4j%2Dcore@2.14.1"),
        {"type": "application", "name": "fat.jar", "components": [component()]},
    ],
)
def test_what_cannot_be_compared_or_is_nested_is_denied(hidden: Json) -> None:
    assert of(cyclonedx(OTHER, hidden), denyComponents=[f"{LOG4J}@<2.17.1"]) == ["COMPONENT_DENIED"]


def licensed(*licenses: Json) -> VerifiedAttestation:
    return cyclonedx(component(licenses=list(licenses)))


def one(name: str) -> Json:
    return {"license": {"id": name}}


AGPL = ["AGPL-3.0-*"]


@pytest.mark.parametrize(
    ("licenses", "code"),
    [
        ([one("MIT")], None),
        ([one("AGPL-3.0-only")], "LICENSE_DENIED"),
        ([one("AGPL-3.0")], "LICENSE_DENIED"),
        ([{"expression": "MIT OR AGPL-3.0-only"}], None),
        ([{"expression": "MIT AND AGPL-3.0-or-later"}], "LICENSE_DENIED"),
        ([one("MIT"), one("AGPL-3.0-or-later")], "LICENSE_DENIED"),
        ([{"license": {"name": "Our own"}}], "LICENSE_UNKNOWN"),
        ([], "LICENSE_UNKNOWN"),
    ],
)
def test_licences_are_judged_as_expressions(licenses: list[Json], code: str | None) -> None:
    assert of(licensed(*licenses), denyLicenses=AGPL) == ([code] if code else [])


def test_licences_that_nobody_knows_pass_where_that_is_said() -> None:
    assert of(licensed(), denyLicenses=AGPL, unknownLicense="allow") == []
    assert of(licensed(one("AGPL-3.0-only")), denyLicenses=AGPL, unknownLicense="allow") == ["LICENSE_DENIED"]
    assert of(licensed()) == []  # nobody asked


def test_only_what_is_allowed_where_that_is_said() -> None:
    assert of(licensed(one("MIT")), allowLicenses=["MIT", "Apache-2.0"]) == []
    assert of(licensed(one("ISC")), allowLicenses=["MIT"]) == ["LICENSE_DENIED"]
    assert of(licensed({"expression": "ISC OR MIT"}), allowLicenses=["MIT"]) == []


@pytest.mark.parametrize("nothing", ["NOASSERTION", "NONE"])
def test_spdx_that_asserts_nothing_is_not_known(nothing: str) -> None:
    found = spdx(package(licenseConcluded=nothing, licenseDeclared=nothing))
    assert of(found, denyLicenses=AGPL) == ["LICENSE_UNKNOWN"]
    declared = spdx(package(licenseConcluded=nothing, licenseDeclared="AGPL-3.0-only"))
    assert of(declared, denyLicenses=AGPL) == ["LICENSE_DENIED"]


@pytest.mark.parametrize("field", ["purl", "version", "license", "supplier", "hash"])
def test_what_every_component_has_to_have(field: str) -> None:
    whole = component(
        licenses=[one("MIT")], supplier={"name": "Apache"}, hashes=[{"alg": "SHA-256", "content": "ab" * 32}]
    )
    assert of(cyclonedx(whole), requireFields=[field]) == []
    key = {"license": "licenses", "hash": "hashes"}.get(field, field)
    lacking = {name: value for name, value in whole.items() if name != key}
    found = judged(cyclonedx(whole, {**lacking, "name": "lacking"}), requireFields=[field])
    assert [code for code, _ in codes(found)] == ["SBOM_INCOMPLETE"]
    assert "1 of 2 components" in found.findings[0].message
    assert "lacking" in found.findings[0].message


def test_an_empty_sbom_is_none() -> None:
    assert of(cyclonedx()) == ["SBOM_INCOMPLETE"]
    assert of(cyclonedx(), minComponents=0) == []
    assert of(cyclonedx(OTHER), minComponents=2) == ["SBOM_INCOMPLETE"]


@pytest.mark.parametrize(
    ("narrowed", "waived"),
    [
        ({"components": [LOG4J]}, True),
        ({"components": ["pkg:npm/left-pad"]}, False),
        ({"licenses": ["AGPL-3.0-only"]}, True),
        ({"licenses": ["agpl-3.0-only"]}, True),
        ({"licenses": ["MIT"]}, False),
    ],
)
def test_exceptions_for_components_and_licences(narrowed: Json, *, waived: bool) -> None:
    found = judged(
        licensed(one("AGPL-3.0-only")),
        denyLicenses=AGPL,
        exceptions=[waiver("sbom", "2026-12-31", **narrowed)],
    )
    assert codes(found) == [("EXCEPTION_USED", "allow") if waived else ("LICENSE_DENIED", "deny")]


def test_an_exception_for_a_component_that_may_be_it_is_none() -> None:
    """What takes something away from a denial has to be certain."""
    found = judged(
        cyclonedx(component("", version="2.14.1")),
        denyComponents=[LOG4J],
        exceptions=[waiver("sbom", "2026-12-31", components=[LOG4J])],
    )
    assert codes(found) == [("COMPONENT_DENIED", "deny")]


def test_the_words_of_denials() -> None:
    (denied,) = judged(cyclonedx(component()), denyComponents=[f"{LOG4J}@<2.17.1"]).findings
    assert denied.message == f"log4j-core 2.14.1 is in the image, which {LOG4J}@<2.17.1 denies; SBOM by a"
    (licence,) = judged(licensed(one("AGPL-3.0-only")), denyLicenses=AGPL).findings
    assert licence.message == "log4j-core 2.14.1 is under AGPL-3.0-only; SBOM by a"


def test_an_exception_for_one_licence_covers_no_other_beside_it() -> None:
    both = licensed(one("AGPL-3.0-only"), {"license": {"name": "Frobnicate"}})
    waived = [waiver("sbom", "2026-12-31", licenses=["AGPL-3.0-only"])]
    assert codes(judged(both, denyLicenses=AGPL, exceptions=waived)) == [("LICENSE_DENIED", "deny")]
