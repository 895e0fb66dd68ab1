"""What `gate inspect` tells of attested documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.cli.attested import read
from gate.deadline import Deadline
from gate.demo.images import Layer, LayoutWriter
from gate.review.predicates import PredicateReader
from tests.fakes.reports import (
    cyclonedx,
    cyclonedx_vulnerability,
    openvex,
    trivy,
    trivy_finding,
    vuln,
)
from tests.fakes.signing_authority import Signature, shared_world, statement
from tests.unit.cli.support import Ran, gate
from tests.unit.policy.build import DIGEST
from tests.unit.policy.build import attested as verified

if TYPE_CHECKING:
    from pathlib import Path

    from gate.image.digest import Digest

WORLD = shared_world()
AT = "2026-11-23T12:00:00Z"
BOM = "https://cyclonedx.org/bom"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
VEX = "https://openvex.dev/ns"
SLSA = "https://slsa.dev/provenance/v1"
TEST = "https://in-toto.io/attestation/test-result/v0.1"
HOSTILE = "\x1b[31mx\n└─ not verified: none" + "y" * 5000


def image(folder: Path) -> Digest:
    (folder / "root.json").write_bytes(WORLD.trusted_root())
    return LayoutWriter(folder / "image").image("v1", "api")


def inspected(folder: Path, of: Digest, *said: tuple[str, Any], output: str = "text") -> Ran:
    """Of an image about which its workflow has attested some things."""
    writer = LayoutWriter(folder / "image")
    for predicate_type, predicate in said:
        layer = WORLD.legacy_attestation(Signature.of_payload(WORLD.issue(), statement(of, predicate_type, predicate)))
        writer.append(f"{of.tag}.att", Layer(layer.media_type, layer.content, layer.annotations))
    return gate("inspect", "oci:image", "--offline", "--trusted-root", "root.json", "--at", AT, "-o", output)


def lines(ran: Ran) -> list[str]:
    assert (ran.code, ran.err) == (0, "")
    return [line.strip("│├└─ ") for line in ran.out.splitlines()]


def summaries(ran: Ran) -> list[Any]:
    assert (ran.code, ran.err) == (0, "")
    return [one.get("summary") for one in ran.json["attestations"]]


def library(name: str, *licenses: str) -> dict[str, Any]:
    named = [{"license": {"id": licence}} for licence in licenses]
    return {"type": "library", "name": name, "version": "1", "bom-ref": name, "licenses": named}


def test_an_sbom(tmp_path: Path) -> None:
    parts = [library(f"c{number}", "MIT" if number else "Apache-2.0") for number in range(8)]
    document = cyclonedx(components=parts)
    del document["vulnerabilities"]
    of = image(tmp_path)
    told = lines(inspected(tmp_path, of, (BOM, document)))
    assert "cyclonedx 1.6 SBOM of 8 components; 2d old" in told
    assert "licences: MIT (7), Apache-2.0 (1)" in told
    assert "top-level: c0 1, c1 1, c2 1, c3 1, c4 1 and 3 more" in told
    (summary,) = summaries(inspected(tmp_path, of, output="json"))
    assert summary == {
        "sbom": {
            "format": "cyclonedx",
            "version": "1.6",
            "time": "2026-11-20T12:20:30Z",
            "components": 8,
            "licenses": {"MIT": 7, "Apache-2.0": 1},
            "topLevel": [f"c{number} 1" for number in range(5)],
        }
    }


def cleared(of: Digest, status: str) -> Any:
    product = {"@id": f"pkg:oci/api@sha256%3A{of.hex}"}
    said = {"vulnerability": {"name": "CVE-2026-1"}, "products": [product], "status": status}
    return openvex({**said, "justification": "component_not_present", "action_statement": "update"})


FINDINGS = trivy_finding("CVE-2026-1", Severity="CRITICAL"), trivy_finding("CVE-2026-2")
SCAN = vuln(trivy(*FINDINGS, CreatedAt="2026-11-20T12:00:00Z"))


def test_a_scan_before_and_after_vex(tmp_path: Path) -> None:
    of = image(tmp_path)
    assert "scan by trivy 0.67.0: 1 critical, 1 high; 3d old" in lines(inspected(tmp_path, of, (VULN, SCAN)))
    told = lines(inspected(tmp_path, of, (VEX, cleared(of, "not_affected"))))
    assert "scan by trivy 0.67.0: 1 critical, 1 high; after VEX, whoever signed it: 1 high; 3d old" in told
    assert "VEX by Acme Security <security@acme.example>: 1 statement; 2d old" in told
    scan, vex = summaries(inspected(tmp_path, of, output="json"))
    assert scan["scan"]["findings"] == {"critical": 1, "high": 1}
    assert scan["scan"]["findingsAfterVex"] == {"high": 1}
    assert vex["vex"]["statements"] == {"not_affected": 1}


@pytest.mark.parametrize("other", [True, False])
def test_vex_that_takes_nothing_away(tmp_path: Path, *, other: bool) -> None:
    of = image(tmp_path)
    said = cleared(DIGEST, "not_affected") if other else cleared(of, "affected")
    told = lines(inspected(tmp_path, of, (VULN, SCAN), (VEX, said)))
    assert any("; after VEX, whoever signed it: 1 critical, 1 high; " in line for line in told)


def test_provenance(tmp_path: Path) -> None:
    external = {"workflow": {"ref": "refs/heads/main", "repository": "https://github.com/acme/api", "path": "r.yml"}}
    source = {"uri": "git+https://github.com/acme/api@refs/heads/main", "digest": {"gitCommit": "0" * 40}}
    document = {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": external,
            "resolvedDependencies": [source],
        },
        "runDetails": {"builder": {"id": "https://builder.example"}},
    }
    of = image(tmp_path)
    told = lines(inspected(tmp_path, of, (SLSA, document)))
    (line,) = [one for one in told if one.startswith("built by ")]
    assert line.startswith("built by https://builder.example of ")
    assert "github.com/acme/api at refs/heads/main; of a time that is not stated" in line
    (summary,) = summaries(inspected(tmp_path, of, output="json"))
    assert (summary["provenance"]["ref"], summary["provenance"]["time"]) == ("refs/heads/main", None)


def test_a_cyclonedx_document_may_be_several_things(tmp_path: Path) -> None:
    of = image(tmp_path)
    document = cyclonedx(cyclonedx_vulnerability())
    (summary,) = summaries(inspected(tmp_path, of, (BOM, document), output="json"))
    assert set(summary) == {"sbom", "scan"}


def test_what_is_unreadable_says_so_and_what_is_unknown_says_nothing(tmp_path: Path) -> None:
    of = image(tmp_path)
    told = lines(inspected(tmp_path, of, (VULN, {"scanner": {"result": []}}), (TEST, {"result": "PASSED"})))
    (unread,) = [line for line in told if line.startswith("not read: ")]
    assert unread.startswith(f"not read: it can't be read as a vulnerability scan ({VULN}): ")
    one, other = summaries(inspected(tmp_path, of, output="json"))
    assert (list(one), other) == (["unread"], None)


def test_hostile_words_are_one_bounded_line_each(tmp_path: Path) -> None:
    of = image(tmp_path)
    document = cyclonedx(components=[{**library(HOSTILE), "licenses": [{"license": {"name": HOSTILE}}]}])
    provenance = {
        "buildDefinition": {"buildType": "https://b.example", "externalParameters": {}},
        "runDetails": {"builder": {"id": HOSTILE}},
    }
    ran = inspected(tmp_path, of, (BOM, document), (SLSA, provenance), (VEX, openvex(author=HOSTILE)))
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert sum(line.startswith("└─ not verified: none") for line in ran.out.splitlines()) == 1
    assert max(map(len, ran.out.splitlines())) < 1000
    assert len(inspected(tmp_path, of, output="json").out) < 10_000


def test_what_was_not_read_in_time_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = Deadline.after(0, lambda: 1.0)
    one = verified(VULN, SCAN)
    (said,) = read([one], DIGEST, over).values()
    assert (said.late, said.contents) == (True, {})
    real = PredicateReader.read
    monkeypatch.setattr(PredicateReader, "read", lambda reader, wanted, _: real(reader, wanted, over))
    ran = inspected(tmp_path, image(tmp_path), (VULN, SCAN))
    assert ran.code == 3
    assert ran.err == "gate: 1 attestations were not read: the time allowed ran out; give it more with --timeout\n"
    assert "not read: the time allowed ran out before it was read" in ran.out


def test_an_older_vex_document_of_the_same_signer_is_not_heard() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    documents = []
    for age, status in ((2, "affected"), (1, "not_affected")):
        said = cleared(DIGEST, status)
        said["timestamp"] = f"{at - timedelta(days=age):%Y-%m-%dT%H:%M:%SZ}"
        documents.append(verified(VEX, said))
    scan = verified(VULN, SCAN)
    found = read([scan, *documents], DIGEST, Deadline.after(60, lambda: 1.0))[scan]
    assert [one.ids[0] for one in found.remaining or ()] == ["CVE-2026-2"]
