"""Which images the ready policies are tested on, and what is attested of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.policies import documents as doc
from tests.policies.signing import DAY, NOW, Evidence, Makers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gate.image.digest import Digest
    from tests.fakes.reports import Object

_AGO: Final = NOW - DAY
_OTHER: Final = "https://github.com/acme/api/.github/workflows/nightly.yml"
_BASE: Final = "debian"
_AGPL: Final = {"license": {"id": "AGPL-3.0-only"}}
_CHOICE: Final = {"expression": "MIT OR GPL-3.0-only"}
_ODD: Final = {"license": {"name": "see the file"}}


def _evidence(folder: Path, makers: Makers, name: str = "api") -> Evidence:
    return Evidence(folder / "testdata" / name, makers)


def _release_key(folder: Path, makers: Makers) -> None:
    (folder / "release.pub").write_bytes(makers.release.pem)


def _trusted_root(folder: Path, makers: Makers) -> None:
    (folder / "testdata" / "trusted_root.json").write_bytes(makers.trusted_root)


def sbom(folder: Path, makers: Makers) -> None:
    """In both formats, empty, a stranger's, none."""
    api = _evidence(folder, makers)
    _release_key(folder, makers)
    api.attest(api.image("cyclonedx"), makers.release, doc.CYCLONEDX, doc.cyclonedx(), _AGO)
    api.attest(api.image("spdx"), makers.release, doc.SPDX, doc.spdx(_AGO), _AGO)
    empty = {**doc.cyclonedx(), "components": [], "dependencies": []}
    api.attest(api.image("empty"), makers.release, doc.CYCLONEDX, empty, _AGO)
    api.attest(api.image("stranger"), makers.stranger, doc.CYCLONEDX, doc.cyclonedx(), _AGO)
    api.image("none")


def components(folder: Path, makers: Makers) -> None:
    """With and without what is forbidden."""
    api = _evidence(folder, makers)
    _release_key(folder, makers)
    boms = {
        "good": doc.cyclonedx(doc.component(doc.LOG4J.replace("2.14.1", "2.17.1"))),
        "log4j": doc.cyclonedx(doc.component(doc.LOG4J)),
        "xz": doc.cyclonedx(doc.component("pkg:deb/debian/xz-utils@5.6.1-1?distro=debian-13")),
        "xz-reverted": doc.cyclonedx(doc.component("pkg:deb/debian/xz-utils@5.6.1%2Breally5.4.5-1?distro=debian-13")),
    }
    _each(api, makers, boms)


def licenses(folder: Path, makers: Makers) -> None:
    """A choice, what is forbidden, what nobody knows."""
    api = _evidence(folder, makers)
    _release_key(folder, makers)
    boms = {
        "good": doc.cyclonedx(),
        "choice": doc.cyclonedx(doc.component("pkg:npm/dual@1.0.0", _CHOICE)),
        "agpl": doc.cyclonedx(doc.component("pkg:npm/strict@1.0.0", _AGPL)),
        "unknown": doc.cyclonedx(doc.component("pkg:npm/odd@1.0.0", _ODD)),
    }
    _each(api, makers, boms)


def _each(api: Evidence, makers: Makers, boms: Mapping[str, Object]) -> None:
    for tag, document in boms.items():
        api.attest(api.image(tag), makers.release, doc.CYCLONEDX, document, _AGO)


def scan(folder: Path, makers: Makers) -> None:
    """Fresh, old, with what can be fixed and what can't, and with somebody's word on that."""
    api = _evidence(folder, makers)
    _release_key(folder, makers)
    _trusted_root(folder, makers)

    def scanned(tag: str, *findings: Object, days: int = 1) -> None:
        at = NOW - days * DAY
        api.attest(api.image(tag), makers.workflow(at), doc.VULN, doc.scan(at, *findings), at)

    scanned("clean")
    scanned("old", days=8)
    scanned("fixable", doc.finding())
    scanned("no-fix", doc.finding(fixed=""))
    scanned("turned-bad", days=3)
    scanned("turned-bad", doc.finding())
    for tag, signer in (("vex", makers.release), ("stranger-vex", makers.stranger)):
        scanned(tag, doc.finding())
        image = api.image(tag)
        api.attest(image, signer, doc.OPENVEX, doc.vex(_AGO, image), _AGO)
    api.image("none")


def provenance(folder: Path, makers: Makers) -> None:
    """By the release workflow of main, of other sources and refs, by another workflow, none."""
    api = _evidence(folder, makers)
    _trusted_root(folder, makers)
    said = {
        "good": doc.provenance(_AGO),
        "other-source": doc.provenance(_AGO, source="https://github.com/acme/fork"),
        "other-workflow": doc.provenance(_AGO, workflow=_OTHER),
        "branch": doc.provenance(_AGO, ref="refs/heads/dev"),
    }
    for tag, predicate in said.items():
        api.attest(api.image(tag), makers.workflow(_AGO), doc.SLSA, predicate, _AGO)
    pulled = makers.workflow(_AGO, "refs/pull/7/merge", "pull_request_target")
    api.attest(api.image("pull-request"), pulled, doc.SLSA, doc.provenance(_AGO), _AGO)
    api.image("none")


def tests_passed(folder: Path, makers: Makers) -> None:
    """Passed, failed, failed after they had passed, without a result, none."""
    api = _evidence(folder, makers)
    _trusted_root(folder, makers)

    def tested(tag: str, predicate: object, days: int = 1) -> None:
        at = NOW - days * DAY
        api.attest(api.image(tag), makers.workflow(at), doc.TEST_RESULT, predicate, at)

    tested("passed", doc.results())
    tested("failed", doc.results("FAILED", "contract"))
    tested("failed-later", doc.results(), days=3)
    tested("failed-later", doc.results("FAILED", "unit"))
    tested("silent", {"configuration": []})
    api.image("none")


def release(folder: Path, makers: Makers) -> None:
    """A release, one that an exception is made for, and one with everything wrong."""
    api = _evidence(folder, makers)
    _release_key(folder, makers)
    _trusted_root(folder, makers)
    for tag, found in (("v1", doc.finding(fixed="")), ("waived", doc.finding("CVE-2025-0001"))):
        image = api.image(tag)
        api.sign(image, makers.release, _AGO)
        api.sign(image, makers.workflow(_AGO), _AGO)
        _attest(api, image, makers, cyclonedx=doc.cyclonedx(), vuln=doc.scan(_AGO, found), slsa=doc.provenance(_AGO))
    bom = doc.cyclonedx(doc.component(doc.LOG4J, _AGPL))
    built = doc.provenance(_AGO, source="https://github.com/acme/fork")
    _attest(api, api.image("wrong"), makers, cyclonedx=bom, vuln=doc.scan(_AGO, doc.finding()), slsa=built)


def acme_prod(folder: Path, makers: Makers) -> None:
    """A release, a hot fix, one with everything wrong, one with nothing, and the base they are built on."""
    base = _base(_evidence(folder, makers, "base"), makers)
    api = _evidence(folder, makers)
    _release_key(folder, makers)
    _trusted_root(folder, makers)
    (folder / "pki.pem").write_bytes(makers.pki_root)
    (folder / "acme-tsa.json").write_bytes(makers.trusted_root)
    good = api.image("v1", _BASE, "v1", labels=base)
    fix = api.image("hotfix", _BASE, "hotfix", labels=base)
    wrong = api.image("wrong", "another base", "wrong", labels=base)
    api.image("none")
    then = NOW - 4 * DAY
    for signer in (makers.release, makers.workflow(then), makers.builder(then)):
        api.sign(good, signer, then)
    for signer in (makers.release, makers.workflow(_AGO), makers.person(_AGO)):
        api.sign(fix, signer, _AGO)
    api.sign(wrong, makers.workflow(_AGO), _AGO)
    waived = doc.scan(_AGO, doc.finding("CVE-2025-0001"))
    harmless = doc.scan(_AGO, doc.finding())
    bom, built, tested = doc.cyclonedx(), doc.provenance(_AGO), doc.results()
    _attest(api, good, makers, cyclonedx=bom, vuln=waived, slsa=built, tests=tested)
    _attest(api, fix, makers, cyclonedx=bom, vuln=harmless, slsa=built, tests=tested)
    api.attest(fix, makers.release, doc.OPENVEX, doc.vex(_AGO, fix), _AGO)
    bom = doc.cyclonedx(doc.component(doc.LOG4J, _AGPL))
    built = doc.provenance(_AGO, source="https://github.com/acme/fork")
    _attest(api, wrong, makers, cyclonedx=bom, vuln=harmless, slsa=built, tests=doc.results("FAILED", "unit"))


def _base(bases: Evidence, makers: Makers) -> dict[str, str]:
    """A base that the workflow has signed, and how images say that they are built on it."""
    then = NOW - 31 * DAY
    image = bases.image("12", _BASE)
    bases.sign(image, makers.workflow(then), then)
    named = "org.opencontainers.image.base"
    return {f"{named}.name": "ghcr.io/acme/bases/debian:12", f"{named}.digest": str(image)}


def _attest(api: Evidence, image: Digest, makers: Makers, **said: Object) -> None:
    """What the workflow says of an image."""
    ci = makers.workflow(_AGO)
    types = {"cyclonedx": doc.CYCLONEDX, "vuln": doc.VULN, "slsa": doc.SLSA, "tests": doc.TEST_RESULT}
    for kind, predicate in said.items():
        api.attest(image, ci, types[kind], predicate, _AGO)


FOLDERS: Final[dict[str, Callable[[Path, Makers], None]]] = {
    "sbom": sbom,
    "components": components,
    "licenses": licenses,
    "scan": scan,
    "provenance": provenance,
    "tests-passed": tests_passed,
    "release": release,
    "acme-prod": acme_prod,
}
