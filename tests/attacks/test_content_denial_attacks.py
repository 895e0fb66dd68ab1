"""Names inside of a signed document are whoever's package it is: they forge no line of a denial, nor crowd it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gate.review.words import MOST, denial
from tests.unit.review.content_denials import component, finding, made, provenance, sbom, scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.review.review import ImageReview

FORGED = "x\nALLOWED ghcr.io/acme/api:v1.4.2\r\nFix: nothing\u2028" + "y" * 5000


def _scanned() -> ImageReview:
    found: dict[str, Any] = {**finding(), "PkgName": FORGED, "InstalledVersion": FORGED, "FixedVersion": FORGED}
    return scan({**found, "VulnerabilityID": f"CVE-2026-1{FORGED}"})


@pytest.mark.parametrize(
    "review",
    [
        _scanned,
        lambda: sbom({**component(), "name": FORGED}, denyComponents=["pkg:maven/org.apache.logging.log4j/*"]),
        lambda: sbom({**component(), "name": FORGED, "licenses": []}, denyLicenses=["GPL-*"]),
        lambda: sbom({"type": "library", "name": FORGED}, requireFields=["version"]),
        lambda: provenance(made(FORGED), builder="https://github.com/**"),
    ],
)
def test_names_forge_no_line_and_leave_room_for_the_rest(review: Callable[[], ImageReview]) -> None:
    text = denial([(review(), "container api")])
    first, message, last = text.splitlines()
    assert first.startswith("DENIED ")
    assert "x ALLOWED" in message
    assert last.startswith("Fix: ")
    assert "Explain: gate policy explain " in last
    assert len(text) <= MOST
