"""Layouts that `cosign save` wrote for slsa-verifier's releases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import Index, Manifest
from gate.image.reference import Repository
from gate.registry.layout import Layout, LayoutRegistry
from tests.fakes.clients import soon

CHECKOUT = Path(__file__).resolve().parents[3]
REPOSITORY = Repository("ghcr.io", "slsa-framework/example-package")
VERSIONS = ["v1.4.0", "v1.10.0", "v2.0.0"]


@pytest.fixture(params=VERSIONS)
def folder(request: pytest.FixtureRequest) -> Path:
    # gate/settings.py reads the environment of the program; this is the tests' own.
    data = Path(os.environ.get("IMAGEGATE_REAL_DATA") or CHECKOUT.parent / "shared" / "testdata")  # noqa: TID251
    found = data / "slsa-container" / str(request.param) / "container_workflow_dispatch"
    if not found.is_dir():
        missing = "the real signed images are absent: IMAGEGATE_REAL_DATA names no folder with slsa-container in it"
        if os.environ.get("CI") == "true":  # noqa: TID251
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def test_the_image_and_its_attestation_are_found(folder: Path) -> None:
    expected = Digest.parse(folder.with_name(f"{folder.name}.digest").read_text().strip())
    layout = Layout.open(folder)
    assert layout.only_image() == expected
    assert layout.by_tag("any") == expected
    attestation = layout.by_tag(f"{expected.tag}.att")
    assert attestation is not None
    assert attestation != expected
    assert layout.by_tag(f"{expected.tag}.sig") is None
    assert layout.by_tag(f"{attestation.tag}.att") is None
    assert layout.by_tag(expected.tag) is None


def test_everything_that_is_there_matches_its_digest(folder: Path) -> None:
    registry = LayoutRegistry(Layout.open(folder))
    image = registry.layout.only_image()
    stored = registry.manifest(REPOSITORY, image, soon())
    assert stored is not None
    assert isinstance(stored.manifest, (Index, Manifest))
    attestation = registry.manifest(REPOSITORY, f"{image.tag}.att", soon())
    assert attestation is not None
    assert isinstance(attestation.manifest, Manifest)
    assert attestation.manifest.layers
    for layer in attestation.manifest.layers:
        content = registry.blob(REPOSITORY, layer, 1 << 24, soon()).read()
        assert layer.digest.matches(content)
        with pytest.raises(EvidenceUnavailable):
            registry.blob(REPOSITORY, layer, layer.size - 1, soon())
    assert registry.referrers(REPOSITORY, image, soon()) == ()
