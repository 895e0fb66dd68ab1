from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.demo.images import BUNDLE, Layer, LayoutWriter
from gate.demo.registry import DemoRegistry
from tests.fakes.fulcio import ISSUER, SUBJECT
from tests.fakes.scripted_server import Reply, ScriptedServer
from tests.fakes.signing import alice, mallory
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.unit.cli.support import Ran, gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gate.image.digest import Digest
    from tests.fakes.scripted_server import Asked

WORLD = shared_world()


@pytest.fixture
def digest(tmp_path: Path) -> Digest:
    """Of `acme/api` as tagged v1, v1.2 and latest; v2 is another image."""
    writer = LayoutWriter(tmp_path / "root" / "acme" / "api")
    for tag in ("v1", "latest"):
        writer.image(tag, "one")
    writer.image("v2", "two")
    return writer.image("v1.2", "one")


@contextmanager
def _registry(folder: Path, broken: Mapping[str, int]) -> Iterator[str]:
    """A registry that answers some paths with a status."""

    def script(asked: Asked) -> Reply:
        for end, status in broken.items():
            if asked.path.endswith(end):
                return Reply(status)
        found = served.answer(asked.path)
        named = (("Docker-Content-Digest", str(found.digest)),) if found.digest else ()
        return Reply(found.status, named, found.body, found.content_type)

    with DemoRegistry(folder / "root") as served, ScriptedServer(script) as server:
        yield server.host


def _inspect(folder: Path, *flags: str, broken: Mapping[str, int] | None = None) -> Ran:
    with _registry(folder, broken or {}) as host:
        return gate("inspect", f"{host}/acme/api:v1", "--insecure-registry", host, *flags)


def _row(ran: Ran) -> list[str]:
    return [line for line in ran.out.splitlines() if line.startswith("├─ tags: ")]


def test_tags_that_point_at_it(tmp_path: Path, digest: Digest) -> None:
    ran = _inspect(tmp_path, "--tags")
    assert (ran.code, ran.err) == (0, "")
    assert _row(ran) == ["├─ tags: latest, v1, v1.2"]
    assert str(digest) in ran.out
    told = _inspect(tmp_path, "--tags", "-o", "json")
    assert (told.code, told.json["tags"], told.json["digest"]) == (0, ["latest", "v1", "v1.2"], str(digest))


def test_nobody_asks_for_tags_unless_told_to(tmp_path: Path, digest: Digest) -> None:
    with DemoRegistry(tmp_path / "root") as registry:
        ran = gate("inspect", f"{registry.host}/acme/api:v1", "--insecure-registry", registry.host, "-o", "json")
        assert not [path for _, path in registry.requests if "tags" in path]
    assert (ran.code, "tags" in ran.json) == (0, False)
    assert _row(_inspect(tmp_path)) == []


def test_an_image_without_a_tag_has_none(tmp_path: Path) -> None:
    digest = LayoutWriter(tmp_path / "image").image(None, "nameless")
    ran = gate("inspect", f"oci:image@{digest}", "--tags", "--offline")
    assert (ran.code, _row(ran)) == (0, ["├─ tags: none"])
    assert gate("inspect", "oci:image", "--tags", "--offline", "-o", "json").json["tags"] == []


def test_an_image_in_a_folder_has_its_names(tmp_path: Path, digest: Digest) -> None:
    ran = gate("inspect", f"oci:root/acme/api@{digest}", "--tags", "--offline")
    assert (ran.code, ran.err, _row(ran)) == (0, "", ["├─ tags: v1, latest, v1.2"])


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "IMAGE_NOT_FOUND"), (401, "REGISTRY_UNAUTHORIZED"), (500, "REGISTRY_UNREACHABLE")],
)
def test_a_registry_that_lists_no_tags_is_a_note(status: int, code: str, tmp_path: Path, digest: Digest) -> None:
    ran = _inspect(tmp_path, "--tags", broken={"/tags/list": status})
    assert (ran.code, _row(ran)) == (0, [])
    assert str(digest) in ran.out
    assert ran.err.startswith(f"gate: its tags: {code}: ")
    assert ran.err.count("\n") == 1
    assert "tags" not in _inspect(tmp_path, "--tags", "-o", "json", broken={"/tags/list": status}).json


def test_tags_that_fail_are_counted(tmp_path: Path, digest: Digest) -> None:
    broken = {f"/manifests/{tag}": 500 for tag in ("latest", "v2")}
    ran = _inspect(tmp_path, "--tags", broken=broken)
    assert (ran.code, _row(ran)) == (0, ["├─ tags: v1, v1.2"])
    assert ran.err.startswith("gate: its tags: of 4 tags, 2 could not be resolved: REGISTRY_UNREACHABLE: ")
    assert ran.err.count("\n") == 1


def test_tags_beyond_the_most_are_counted(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    digest = writer.image(None, "one")
    for i in range(510):
        writer.image(f"t{i}", "other")
    writer.image("zz", "one")
    ran = gate("inspect", f"oci:image@{digest}", "--tags", "--offline")
    assert (ran.code, _row(ran)) == (0, ["├─ tags: none known"])
    assert ran.err == "gate: its tags: of 511 tags, 11 were not looked at\n"


PROVENANCE = "https://slsa.dev/provenance/v1"


def _signed(folder: Path) -> LayoutWriter:
    """An image with one of everything: by alice's key, by mallory's, and by certificates of the tests' authority."""
    writer = LayoutWriter(folder / "image")
    image = writer.image("v1", "api")
    writer.sign_legacy(image, alice(), "ghcr.io/acme/api", {"stage": "prod"})
    writer.sign_bundle(image, mallory())
    bundle = WORLD.bundle(Signature.of_payload(WORLD.issue(), statement(image)))
    writer.attach(image, BUNDLE, [Layer(BUNDLE, encode(bundle))])
    layer = WORLD.legacy_attestation(Signature.of_payload(WORLD.issue(), statement(image, PROVENANCE)))
    writer.append(f"{image.tag}.att", Layer(layer.media_type, layer.content, layer.annotations))
    (folder / "alice.pub").write_bytes(alice().pem)
    (folder / "root.json").write_bytes(WORLD.trusted_root())
    return writer


def _branch(ran: Ran, title: str) -> list[str]:
    """The lines of a branch, its title first."""
    lines = ran.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith((f"├─ {title}: ", f"└─ {title}: ")))
    rest = lines[start + 1 :]
    end = next((i for i, line in enumerate(rest) if line.startswith(("├─", "└─"))), len(rest))
    return [line.strip("│├└─ ") for line in (lines[start], *rest[:end])]


def test_each_signature_by_whom(tmp_path: Path) -> None:
    _signed(tmp_path)
    ran = gate("inspect", "oci:image", "--offline", "--trusted-root", "root.json", "--key", "alice.pub")
    assert (ran.code, ran.err) == (0, "")
    signatures = _branch(ran, "signatures")
    assert signatures[0] == "signatures: 2"
    assert any(line.startswith(f"{alice().public.short}  (legacy sha256:") for line in signatures)
    assert any(line.startswith(f"{SUBJECT}  (bundle sha256:") for line in signatures)
    assert {"stage=prod", "signed as ghcr.io/acme/api", f"issuer {ISSUER}"} <= set(signatures)
    attestations = _branch(ran, "attestations")
    assert attestations[0] == "attestations: 1"
    assert attestations[1].startswith(f"{PROVENANCE}  (legacy sha256:")
    assert attestations[2:4] == [f"by {SUBJECT}", f"issuer {ISSUER}"]
    title, *_, why = _branch(ran, "not verified")
    assert (title, why) == (
        "not verified: 1",
        f"KEY_MISMATCH: signed by key {mallory().public.fingerprint[:12]}, by none of the accepted keys",
    )


def test_without_a_key_nobody_wanted_a_certificate(tmp_path: Path) -> None:
    _signed(tmp_path)
    flags = ("oci:image", "--offline", "--trusted-root", "root.json")
    ran = gate("inspect", *flags)
    title, *leaves = _branch(ran, "not verified")
    assert (ran.code, title, len(leaves) >= 4) == (0, "not verified: 2", True)
    assert "certificate is wanted" not in ran.out
    assert ran.out.count("KEY_MISMATCH: signed with a key, and none was given to try: --key FILE verifies it") == 2
    assert leaves[0].startswith("signature  (legacy sha256:")
    rejected = gate("inspect", *flags, "-o", "json").json["rejected"]
    assert {(r["code"], "--key FILE" in r["reason"]) for r in rejected} == {("KEY_MISMATCH", True)}
    assert rejected[0]["kind"] == "signature"


def test_what_is_there_and_does_not_verify_is_not_none(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    image = writer.image("v1", "api")
    ran = gate("inspect", "oci:image", "--offline")
    assert (_branch(ran, "signatures"), _branch(ran, "not verified")) == (["signatures: none"], ["not verified: none"])
    writer.sign_legacy(image, alice(), "ghcr.io/acme/api")
    ran = gate("inspect", "oci:image", "--offline")
    assert (ran.code, _branch(ran, "signatures")) == (0, ["signatures: none verified"])
    assert _branch(ran, "attestations") == ["attestations: none"]


def test_kinds_of_what_does_not_verify(tmp_path: Path) -> None:
    _signed(tmp_path)
    found = gate("inspect", "oci:image", "--offline", "-o", "json").json["rejected"]
    assert {(r["format"], r["kind"]) for r in found if r["format"] == "legacy"} == {
        ("legacy", "signature"),
        ("legacy", "attestation"),
    }
    assert {r["kind"] for r in found} <= {"signature", "attestation", "unknown"}
    assert set(found[0]) >= {"kind", "format", "digest", "code", "reason"}


def test_a_tag_of_signatures_that_is_an_index_is_not_none(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    image = writer.image("v1", "api")
    writer.index(f"{image.tag}.sig", [])
    ran = gate("inspect", "oci:image", "--offline")
    assert (ran.code, "none" in ran.out.replace("none is set", "")) == (3, False)
    assert ran.err == "gate: not all could be looked at, there may be more: 1 unavailable\n"
    for title in ("signatures", "attestations", "not verified"):
        assert _branch(ran, title) == [f"{title}: not known"]
    title, place = _branch(ran, "unavailable")[:2]
    assert (title, place.startswith("REGISTRY_PROTOCOL: "), place.endswith("and is a list of manifests")) == (
        "unavailable: 1",
        True,
        True,
    )
    assert ran.out.splitlines()[-2].startswith("└─ unavailable: 1")
    told = gate("inspect", "oci:image", "--offline", "-o", "json")
    (found,) = told.json["unavailable"]
    assert (told.code, told.json["signatures"], found["code"]) == (3, [], "REGISTRY_PROTOCOL")
    assert "list of manifests" in found["message"]


@pytest.mark.parametrize("end", [".sig", ".att"])
def test_places_that_cannot_be_read(end: str, tmp_path: Path, digest: Digest) -> None:
    LayoutWriter(tmp_path / "root" / "acme" / "api").sign_legacy(digest, alice(), "ghcr.io/acme/api")
    (tmp_path / "alice.pub").write_bytes(alice().pem)
    ran = _inspect(tmp_path, "--key", "alice.pub", broken={f"/manifests/{digest.tag}{end}": 500})
    assert ran.code == 3
    expected = "signatures: 1, and maybe more" if end == ".att" else "signatures: not known"
    assert _branch(ran, "signatures")[0] == expected
    assert _branch(ran, "attestations") == ["attestations: not known"]
    assert _branch(ran, "unavailable")[1].startswith("REGISTRY_UNREACHABLE: ")


def test_all_that_could_be_looked_at_leaves_no_such_branch(tmp_path: Path) -> None:
    LayoutWriter(tmp_path / "image").image("v1", "api")
    ran = gate("inspect", "oci:image", "--offline")
    assert (ran.code, "unavailable" in ran.out) == (0, False)
    assert gate("inspect", "oci:image", "--offline", "-o", "json").json["unavailable"] == []


@pytest.mark.parametrize("columns", [20, 60, 80, 200])
def test_on_a_terminal_lines_go_on_beside_the_bars(columns: int, tmp_path: Path) -> None:
    _signed(tmp_path)
    shown = _on_terminal(columns, "inspect", "oci:image", "--offline", "--trusted-root", "root.json")
    plain = gate("inspect", "oci:image", "--offline", "--trusted-root", "root.json").out
    assert max(map(len, plain.splitlines())) > 90
    assert "".join(shown.split()).replace("│", "") == "".join(plain.split()).replace("│", "")
    for line in shown.splitlines():
        # only what cannot be broken is longer
        assert len(line) <= max(columns, 40) or len(line.strip("│├└─ ").split()) <= 2
        assert line.startswith(("oci:image", "├─ ", "│ ", "└─ ", "  "))


def _on_terminal(columns: int, *arguments: str) -> str:
    """What a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}  # noqa: TID251
    process = subprocess.Popen(
        [sys.executable, "-m", "gate", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    os.close(theirs)
    written = bytearray()
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return written.decode().replace("\r\n", "\n")


def test_what_does_not_verify_says_who_it_claims_to_be_by(tmp_path: Path) -> None:
    _signed(tmp_path)
    # by the trusted root that is shipped, the tests' authority is nobody
    ran = gate("inspect", "oci:image", "--offline", "--key", "alice.pub")
    lines = _branch(ran, "not verified")
    assert lines.count(f"claims to be by {SUBJECT} (issuer {ISSUER}) (not verified)") == 2
    assert f"names key {mallory().public.fingerprint[:12]} (not verified)" in lines
    assert sum(line.startswith(f"attestation of {PROVENANCE}  (legacy ") for line in lines) == 1
    assert sum(line.startswith("signature  (bundle ") for line in lines) == 2
    found = gate("inspect", "oci:image", "--offline", "--key", "alice.pub", "-o", "json").json["rejected"]
    assert {(r["kind"], r.get("claims", {}).get("subject")) for r in found} == {
        ("signature", None),
        ("signature", SUBJECT),
        ("attestation", SUBJECT),
    }
