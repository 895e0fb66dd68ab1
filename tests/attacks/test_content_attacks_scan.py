"""Scans and VEX that say something else to another reader, or nothing where they should say much.

A report that is read as empty is an image without vulnerabilities (research/policy.md: a Grype report under a rule for
Trivy's passed on others). So what is not understood is `Unreadable`, whatever is wrong with it; nothing else is raised.
"""

from __future__ import annotations

import copy
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy.content import cyclonedx_vulnerabilities as cyclonedx
from gate.policy.content import grype, openvex, reports, trivy, vuln
from gate.policy.content.document import Unreadable, opened
from tests.fakes import reports as written
from tests.fakes.reports import V2_MEDIUM, V31_HIGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[str | int, ...]

TRIVY = written.trivy(
    written.trivy_finding(VendorIDs=["GHSA-9vvw-cc9w-f27h"]),
    Trivy={"Version": "0.67.0", "Server": {"VulnerabilityDB": {"UpdatedAt": "2026-11-19T00:23:45Z"}}},
)
TRIVY["Results"][0]["ExperimentalModifiedFindings"] = [
    {"Type": "vulnerability", "Status": "ignored", "Finding": written.trivy_finding("CVE-1")}
]
GRYPE = written.grype(
    written.grype_match(),
    ignoredMatches=[written.grype_match("CVE-1", appliedIgnoreRules=[{"vulnerability": "CVE-1", "reason": "x"}])],
)
IN_TOTO = written.in_toto_vulns(written.in_toto_entry("CVE-1", ("nvd", "medium"), ("cvss_score", "5.2")))
CYCLONEDX = written.cyclonedx(
    written.cyclonedx_vulnerability(
        references=[{"id": "GHSA-2p68-f74v-9wc6", "source": {"name": "GitHub"}}],
        analysis={
            "state": "not_affected",
            "justification": "code_not_reachable",
            "firstIssued": "2026-01-01T00:00:00Z",
        },
    )
)
OPENVEX = written.openvex(written.openvex_statement(timestamp="2026-11-01T00:00:00Z"))
OPENVEX_FIRST = written.openvex_first(
    {"vulnerability": "CVE-1", "products": ["pkg:a/b@1"], "subcomponents": ["pkg:a/c@1"], "status": "affected"}
)

READERS: dict[str, tuple[Callable[[object], Any], dict[str, Any]]] = {
    "trivy": (trivy.read, TRIVY),
    "grype": (grype.read, GRYPE),
    "reports of trivy": (reports.read, TRIVY),
    "reports of grype": (reports.read, GRYPE),
    "vuln of trivy": (vuln.read, written.vuln(TRIVY)),
    "vuln of grype": (vuln.read, written.vuln(GRYPE)),
    "in-toto vulns": (vuln.read_in_toto, IN_TOTO),
    "cyclonedx": (cyclonedx.read_scan, CYCLONEDX),
    "cyclonedx vex": (cyclonedx.read_vex, CYCLONEDX),
    "openvex": (openvex.read, OPENVEX),
    "openvex v0.0.1": (openvex.read, OPENVEX_FIRST),
}

TEXT: tuple[Any, ...] = (0, 1.5, True, [], {}, [""], {"a": "b"})
NUMBER: tuple[Any, ...] = ("7.5", True, [], {}, "")
LIST: tuple[Any, ...] = ("x", 0, True, {}, [0], [True], [None], [[]])
OBJECT: tuple[Any, ...] = ("x", 0, True, [], [{}])
NOT_NULL: tuple[Any, ...] = (None,)

READ: dict[str, dict[str, tuple[object, ...]]] = {
    "trivy": {
        "SchemaVersion": ("2", True, [], {}, None, 2.5, 0, -2),
        "ArtifactName": TEXT + NOT_NULL,
        "CreatedAt": TEXT,
        "Trivy": OBJECT,
        "Trivy/Version": TEXT,
        "Trivy/Server": OBJECT,
        "Trivy/Server/VulnerabilityDB": OBJECT,
        "Trivy/Server/VulnerabilityDB/UpdatedAt": (*TEXT, "yesterday"),
        "Results": LIST,
        "Results/0/Class": TEXT,
        "Results/0/Vulnerabilities": (*LIST, ["CVE-1"], [{}]),
        "Results/0/Vulnerabilities/0/VulnerabilityID": (*TEXT, None, ""),
        "Results/0/Vulnerabilities/0/VendorIDs": LIST,
        "Results/0/Vulnerabilities/0/PkgName": TEXT,
        "Results/0/Vulnerabilities/0/PkgIdentifier": OBJECT,
        "Results/0/Vulnerabilities/0/PkgIdentifier/PURL": TEXT,
        "Results/0/Vulnerabilities/0/InstalledVersion": TEXT,
        "Results/0/Vulnerabilities/0/FixedVersion": TEXT,
        "Results/0/Vulnerabilities/0/Status": TEXT,
        "Results/0/Vulnerabilities/0/Severity": TEXT,
        "Results/0/Vulnerabilities/0/SeveritySource": TEXT,
        "Results/0/Vulnerabilities/0/CVSS": OBJECT,
        "Results/0/Vulnerabilities/0/CVSS/nvd": OBJECT,
        "Results/0/Vulnerabilities/0/CVSS/nvd/V2Score": (*NUMBER, 10.1, -0.1),
        "Results/0/Vulnerabilities/0/CVSS/nvd/V2Vector": TEXT,
        "Results/0/Vulnerabilities/0/CVSS/nvd/V3Score": (*NUMBER, 10.1, -0.1),
        "Results/0/Vulnerabilities/0/CVSS/nvd/V3Vector": TEXT,
        "Results/0/Vulnerabilities/0/PublishedDate": (*TEXT, "2023", "2023-01-09T10:15:10", "2023-13-01T00:00:00Z"),
        "Results/0/ExperimentalModifiedFindings": LIST,
        "Results/0/ExperimentalModifiedFindings/0/Type": TEXT + NOT_NULL,
        "Results/0/ExperimentalModifiedFindings/0/Status": TEXT,
        "Results/0/ExperimentalModifiedFindings/0/Finding": (*OBJECT, None, {}, {"VulnerabilityID": ""}),
        "Results/0/ExperimentalModifiedFindings/0/Finding/Severity": TEXT,
    },
    "grype": {
        "matches": (*LIST, None),
        "matches/0/vulnerability": OBJECT + NOT_NULL,
        "matches/0/vulnerability/id": (*TEXT, None, ""),
        "matches/0/vulnerability/namespace": TEXT,
        "matches/0/vulnerability/severity": TEXT,
        "matches/0/vulnerability/cvss": LIST,
        "matches/0/vulnerability/cvss/0/version": TEXT,
        "matches/0/vulnerability/cvss/0/vector": TEXT,
        "matches/0/vulnerability/cvss/0/metrics": OBJECT,
        "matches/0/vulnerability/cvss/0/metrics/baseScore": (*NUMBER, 10.1, -0.1),
        "matches/0/vulnerability/fix": OBJECT,
        "matches/0/vulnerability/fix/versions": LIST,
        "matches/0/vulnerability/fix/state": TEXT,
        "matches/0/relatedVulnerabilities": LIST,
        "matches/0/relatedVulnerabilities/0/id": TEXT + NOT_NULL,
        "matches/0/relatedVulnerabilities/0/severity": TEXT,
        "matches/0/artifact": OBJECT + NOT_NULL,
        "matches/0/artifact/name": TEXT + NOT_NULL,
        "matches/0/artifact/version": TEXT,
        "matches/0/artifact/purl": TEXT,
        "ignoredMatches": LIST,
        "ignoredMatches/0/vulnerability/id": (*TEXT, None, ""),
        "ignoredMatches/0/appliedIgnoreRules": LIST,
        "ignoredMatches/0/appliedIgnoreRules/0/reason": TEXT,
        "ignoredMatches/0/appliedIgnoreRules/0/vulnerability": TEXT,
        "descriptor": OBJECT + NOT_NULL,
        "descriptor/name": (*TEXT, None, "", "Grype", "trivy"),
        "descriptor/version": TEXT,
        "descriptor/timestamp": (*TEXT, "now", "2026-11-20 20:15:25", "2026-11-20T20:15:25"),
        "descriptor/db": OBJECT,
        "descriptor/db/status": OBJECT,
        "descriptor/db/status/built": (*TEXT, "today"),
    },
    "vuln of trivy": {
        "scanner": OBJECT + NOT_NULL,
        "scanner/uri": (*TEXT, None, ""),
        "scanner/version": TEXT,
        "scanner/db": OBJECT,
        "scanner/db/lastUpdate": (*TEXT, "now"),
        "scanner/result": ("", "x", 0, True, [], {}, None, [{}]),
        "metadata": OBJECT,
        "metadata/scanFinishedOn": (*TEXT, "2026-11-21"),
    },
    "in-toto vulns": {
        "scanner/uri": (*TEXT, None, ""),
        "scanner/version": TEXT,
        "scanner/result": (*LIST, None),
        "scanner/result/0/id": (*TEXT, None, ""),
        "scanner/result/0/severity": ("high", 9.8, True, [0], [None], [[]], {}),
        "scanner/result/0/severity/0/method": TEXT,
        "scanner/result/0/severity/0/score": (True, [], {}, None),
        "scanner/db/lastUpdate": (*TEXT, "now"),
        "metadata/scanFinishedOn": (*TEXT, "2026-11-21"),
    },
    "cyclonedx": {
        "bomFormat": (*TEXT, None, "", "cyclonedx"),
        "serialNumber": TEXT,
        "version": ("1", True, [], {}, None, 1.5),
        "metadata": OBJECT + NOT_NULL,
        "metadata/timestamp": (*TEXT, "2026"),
        "metadata/tools": ("x", 0, True, [0], [None], [[]]),
        "metadata/tools/components": LIST,
        "metadata/tools/components/0/name": TEXT,
        "metadata/tools/components/0/version": TEXT,
        "metadata/component": OBJECT,
        "metadata/component/bom-ref": (*TEXT, "gem"),
        "components": LIST,
        "components/0/components": LIST,
        "components/0/components/0/bom-ref": (*TEXT, "os"),
        "components/0/components/0/name": TEXT + NOT_NULL,
        "components/0/components/0/version": TEXT,
        "components/0/components/0/purl": TEXT,
        "components/0/components/0/hashes": LIST,
        "vulnerabilities": (*LIST, None, [], [{}]),
        "vulnerabilities/0/id": (*TEXT, None, ""),
        "vulnerabilities/0/references": LIST,
        "vulnerabilities/0/ratings": LIST,
        "vulnerabilities/0/ratings/2/severity": TEXT,
        "vulnerabilities/0/ratings/2/score": (*NUMBER, 10.1, -0.1),
        "vulnerabilities/0/ratings/2/vector": TEXT,
        "vulnerabilities/0/ratings/2/method": TEXT,
        "vulnerabilities/0/ratings/2/source": OBJECT,
        "vulnerabilities/0/ratings/2/source/name": TEXT,
        "vulnerabilities/0/published": (*TEXT, "2020"),
        "vulnerabilities/0/affects": LIST,
        "vulnerabilities/0/affects/0/ref": (*TEXT, None, ""),
        "vulnerabilities/0/analysis": OBJECT,
        "vulnerabilities/0/analysis/state": (*TEXT, None, "Not_Affected", "fixed"),
    },
    "cyclonedx vex": {
        "vulnerabilities": (*LIST, None, [{}]),
        "vulnerabilities/0/analysis/state": (*TEXT, None, "Not_Affected", "fixed"),
        "vulnerabilities/0/analysis/justification": TEXT,
        "vulnerabilities/0/analysis/detail": TEXT,
        "vulnerabilities/0/analysis/firstIssued": (*TEXT, "2020"),
        "vulnerabilities/0/affects/0/ref": (*TEXT, None, ""),
        "metadata/timestamp": (*TEXT, "2026"),
    },
    "openvex": {
        "@context": (*TEXT, None, "", "https://openvex.dev/ns/v9", "https://openvex.dev.evil.test/ns"),
        "author": TEXT,
        "timestamp": (*TEXT, "2026"),
        "statements": (*LIST, None),
        "statements/0/vulnerability": (0, True, [], {}, None, ""),
        "statements/0/vulnerability/name": (*TEXT, None, ""),
        "statements/0/vulnerability/aliases": LIST,
        "statements/0/status": (*TEXT, None, "", "Not_Affected", "NOT_AFFECTED", "resolved"),
        "statements/0/justification": (*TEXT, "", "because"),
        "statements/0/timestamp": (*TEXT, "2026"),
        "statements/0/products": (*LIST, [""], [{}]),
        "statements/0/products/0": (0, True, [], {}, None, ""),
        "statements/0/products/0/@id": TEXT,
        "statements/0/products/0/identifiers": OBJECT,
        "statements/0/products/0/identifiers/purl": TEXT,
        "statements/0/products/0/hashes": OBJECT,
        "statements/0/products/0/hashes/sha-256": TEXT,
        "statements/0/products/0/subcomponents": (*LIST, [{}], [""]),
        "statements/0/products/0/subcomponents/0/@id": (*TEXT, ""),
    },
    "openvex v0.0.1": {
        "statements/0/vulnerability": (0, True, [], {}, None, ""),
        "statements/0/products/0": (0, True, [], {}, None, ""),
        "statements/0/subcomponents/0": (0, True, [], {}, None, ""),
    },
}


def replaced(document: Any, path: Path, value: object) -> Any:
    changed = copy.deepcopy(document)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


def steps(path: str) -> Path:
    return tuple(int(step) if step.isdigit() else step for step in path.split("/"))


def paths(value: Any, before: Path = ()) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*before, key)
        yield from paths(member, (*before, key))


def only_unreadable(read: Callable[[object], Any], document: object) -> None:
    """Read it, or be told that it can't be read."""
    try:
        read(document)
    except Unreadable:
        return


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, fields in READ.items() for path in fields], ids=lambda one: one
)
def test_every_field_that_is_read_is_of_its_type_or_unreadable(name: str, path: str) -> None:
    read, document = READERS[name]
    assert read(document)  # as it stands
    for value in READ[name][path]:
        with pytest.raises(Unreadable):
            read(replaced(document, steps(path), value))


@pytest.mark.parametrize("name", READERS)
def test_whatever_stands_in_whatever_place_nothing_else_is_raised(name: str) -> None:
    read, document = READERS[name]
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    junk: tuple[Any, ...] = (
        None,
        True,
        -1,
        1e308,
        2**70,
        "",
        "\0",
        "0001-01-01T00:00:00Z",
        [],
        {},
        [{}],
        {"": {}},
        deep,
    )
    for path in paths(document):
        changed = copy.deepcopy(document)
        at: Any = changed
        for step in path[:-1]:
            at = at[step]
        for value in junk:
            at[path[-1]] = value
            only_unreadable(read, changed)


@pytest.mark.parametrize("name", READERS)
def test_what_is_required_and_left_out_is_unreadable_and_nothing_else_is_raised(name: str) -> None:
    read, document = READERS[name]
    for path in paths(document):
        changed = copy.deepcopy(document)
        at: Any = changed
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
        only_unreadable(read, changed)


KINDS = {
    "trivy": {"trivy", "reports of trivy", "reports of grype"},
    "grype": {"grype", "reports of trivy", "reports of grype"},
    "vuln of trivy": {"vuln of trivy", "vuln of grype"},
    "in-toto vulns": {"in-toto vulns"},
    "cyclonedx": {"cyclonedx", "cyclonedx vex"},
    "openvex": {"openvex", "openvex v0.0.1"},
}


@pytest.mark.parametrize(("document", "readers"), KINDS.items(), ids=KINDS)
def test_no_document_is_read_as_another(document: str, readers: set[str]) -> None:
    for name in READERS.keys() - readers:
        with pytest.raises(Unreadable):
            READERS[name][0](READERS[document][1])


FOREIGN = {
    "sarif": {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"results": []}],
    },
    "spdx": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": []},
    "csaf": {"document": {"category": "csaf_vex"}, "product_tree": {}, "vulnerabilities": []},
    "snyk": {"vulnerabilities": [], "ok": True, "dependencyCount": 4},
    "clair": {"manifest_hash": "sha256:aa", "packages": {}, "vulnerabilities": {}, "package_vulnerabilities": {}},
    "docker scout": {"vulnerabilities": [], "scan": {}},
    "osv": {"results": []},
    "trivy before v0.20": [{"Target": "debian", "Type": "debian", "Vulnerabilities": None}],
    "trivy of a cluster": {"ClusterName": "prod", "Resources": [], "Findings": []},
    "trivy operator": {"kind": "VulnerabilityReport", "report": {"vulnerabilities": []}},
    "in-toto statement": {"_type": "https://in-toto.io/Statement/v1", "predicate": TRIVY},
    "nothing": None,
    "empty object": {},
    "empty list": [],
    "empty text": "",
    "number": 0,
    "yes": True,
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("name", READERS)
def test_foreign_documents_are_never_empty_scans(name: str, foreign: object) -> None:
    read, document = READERS[name]
    with pytest.raises(Unreadable):
        read(foreign)
    if name.startswith("vuln"):
        with pytest.raises(Unreadable):
            read(replaced(document, ("scanner", "result"), foreign))


@pytest.mark.parametrize("name", READERS)
def test_a_document_that_was_cut_off_is_unreadable(name: str) -> None:
    read, document = READERS[name]
    text = json.dumps(document).encode()
    assert read(opened(text)) == read(document)
    for end in range(0, len(text), 7):
        with pytest.raises(Unreadable):
            read(opened(text[:end]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trivy", '"Severity": "LOW", "Severity"'),
        ("trivy", '"Vulnerabilities": [], "Vulnerabilities"'),
        ("grype", '"matches": [], "matches"'),
        ("cyclonedx", '"vulnerabilities": [], "vulnerabilities"'),
        ("openvex", '"status": "affected", "status"'),
    ],
)
def test_a_key_that_stands_twice_is_unreadable(name: str, text: str) -> None:
    read, document = READERS[name]
    key = text.rpartition(", ")[2]
    twice = json.dumps(document).replace(key, text, 1).encode()
    with pytest.raises(Unreadable, match="twice"):
        read(opened(twice))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_are_unreadable(number: str) -> None:
    text = json.dumps(TRIVY).replace('"V3Score": 7.5', f'"V3Score": {number}').encode()
    with pytest.raises(Unreadable):
        trivy.read(opened(text))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("trivy", "Results"),
        ("trivy", "Results/0/Class"),
        ("trivy", "Results/0/Vulnerabilities"),
        ("trivy", "Results/0/ExperimentalModifiedFindings"),
        ("grype", "matches"),
        ("grype", "ignoredMatches"),
        ("cyclonedx", "vulnerabilities"),
    ],
)
def test_findings_that_only_go_would_see_are_unreadable(name: str, path: str) -> None:
    """Go reads `vulnerabilities` as `Vulnerabilities`: its readers would find what ours does not."""
    read, document = READERS[name]
    *before, member = steps(path)
    for other in (str(member).upper(), str(member).lower(), str(member).swapcase()):
        if other != member:
            also = replaced(document, (*before, other), copy.deepcopy(READERS[name][1].get(str(member), [])))
            with pytest.raises(Unreadable):
                read(also)


def test_components_that_are_nested_without_end_are_unreadable() -> None:
    component: dict[str, Any] = {"type": "library", "name": "x"}
    for _ in range(10_000):
        component = {"type": "library", "name": "x", "components": [component]}
    for read in (cyclonedx.read_scan, cyclonedx.read_vex):
        with pytest.raises(Unreadable, match="deep"):
            read(CYCLONEDX | {"components": [component]})


def test_a_scanner_that_was_told_to_see_nothing_has_found_it_all_the_same() -> None:
    """`.trivyignore` and Grype's `ignore` are the signer's; exceptions are the policy's."""
    told = written.trivy(
        Results=[
            {
                "Class": "os-pkgs",
                "ExperimentalModifiedFindings": [
                    {
                        "Type": "vulnerability",
                        "Status": "ignored",
                        "Finding": written.trivy_finding(Severity="CRITICAL"),
                    }
                ],
            }
        ]
    )
    assert [one.severity.word for one in trivy.read(told).findings] == ["critical"]
    match = written.grype_match(appliedIgnoreRules=[{"vulnerability": "GHSA-9vvw-cc9w-f27h"}])
    assert [one.severity.word for one in grype.read(written.grype(ignoredMatches=[match])).findings] == ["high"]


def test_a_low_score_that_is_no_cvss_makes_nothing_low() -> None:
    """A probability (EPSS) of 0.97 is not a score of 0.97."""
    entry = written.in_toto_entry("CVE-1", ("epss", "0.97"))
    assert vuln.read_in_toto(written.in_toto_vulns(entry)).findings[0].severity.word == "unknown"
    rated = written.cyclonedx_vulnerability(ratings=[{"score": 0.97, "method": "other"}])
    assert cyclonedx.read_scan(written.cyclonedx(rated)).findings[0].severity.word == "unknown"


def test_a_second_finding_of_the_same_never_makes_the_first_milder() -> None:
    mild = written.trivy_finding(
        Severity="LOW",
        FixedVersion="",
        Status="will_not_fix",
        CVSS={"nvd": {"V2Score": 1.0, "V2Vector": V2_MEDIUM, "V3Vector": V31_HIGH}},
        PublishedDate="2026-11-20T00:00:00Z",
    )
    for both in itertools.permutations([written.trivy_finding(), mild]):
        (one,) = trivy.read(written.trivy(*both)).findings
        assert (one.severity.word, one.fix, one.cvss) == ("high", "available", 7.5)
        assert one.published is not None
        assert one.published.year == 2023
