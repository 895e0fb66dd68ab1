"""What `test_cosign_blobs.py` asks cosign and the gate of files and bundles, and the answers.

It asks as matrix.py does of images; `python -m tests.e2e.matrix` writes these tables too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from tests.e2e.commands import Format, KeyType
from tests.e2e.differences import DIFFERENCES, Difference
from tests.e2e.pki import URI
from tests.e2e.questions import (
    ANOTHER_KEY,
    ITS_KEY,
    NO_SCT,
    SIGNATURE_TYPE,
    SIGNED_BY_KEY,
    STRANGE,
    TRUSTED,
    Check,
    Row,
    Signing,
    ask_identity,
    ask_key,
    by_key,
    by_leaf,
)
from tests.e2e.questions import IGNORE as NO_LOG
from tests.e2e.tables import blocks, cells_of, differences, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FILE: Final = "app.tar"
OTHER: Final = "other.tar"
CONTENT: Final = {FILE: b"the release\n" * 1000, OTHER: b"another one\n" * 1000}

BLOB_DIFFERENCES: Final = {
    "no digest in the bundle": Difference(
        cosign=False,
        gate=True,
        why="`cosign sign-blob` signs with Ed25519 purely and leaves `messageDigest` out, which `cosign verify-blob` "
        "insists on; Sigstore's specification has it to tell files apart by, not to verify with, and the gate does "
        "without",
    ),
    "certificate chain in a bundle": Difference(
        cosign=True,
        gate=False,
        why="v0.3 of the bundle has the signing certificate alone; cosign takes a chain where "
        "`--allow-certificate-chain` asks for it",
    ),
    "bundle before Sigstore's": Difference(
        cosign=True,
        gate=False,
        why="`--new-bundle-format=false` writes a format of cosign's own, which is deprecated; the gate reads Sigstore "
        "bundles alone",
    ),
    "digests of two files": Difference(
        cosign=True,
        gate=False,
        why="to in-toto any digest of a subject suffices, and cosign looks at that of the strongest hash alone; to the "
        "gate a subject that states digests of two files contradicts itself and names neither",
    ),
    "digest in capitals": Difference(
        cosign=True,
        gate=False,
        why="in-toto's specification has them in lower case; cosign decodes them, the gate compares what is written",
    ),
}


@dataclass(frozen=True, slots=True)
class BlobSigning(Signing):
    """How a file was signed or attested; the bundle is a file too.

    Attributes:
        subjects: of a statement that is attested as it is, a key of SUBJECTS; "" where cosign makes the statement.
        image: whether it is an image in a registry that was signed, and the file is its manifest.
        old: whether in cosign's format from before Sigstore bundles.
    """

    subjects: str = ""
    image: bool = False
    old: bool = False

    @property
    def what(self) -> str:
        signed = self.type_ or ("old signature" if self.old else "signature")
        return " ".join(filter(None, (signed, self.subjects, "of an image" if self.image else "")))


@dataclass(frozen=True, slots=True)
class BlobCheck(Check):
    """What is asked of both; `moved` asks about another file.

    Attributes:
        by_digest: whether the file is named by its SHA-256.
    """

    by_digest: bool = False


@dataclass(frozen=True, slots=True)
class BlobRow(Row):
    """One question and both answers."""

    signing: BlobSigning
    check: BlobCheck
    known: ClassVar[Mapping[str, Difference]] = DIFFERENCES | BLOB_DIFFERENCES


def _hex(algorithm: str, file: str = FILE) -> str:
    return hashlib.new(algorithm, CONTENT[file]).hexdigest()


# The digests of each subject of a statement; the words follow the name of its type.
SUBJECTS: Final[dict[str, list[dict[str, str]]]] = {
    "of two files": [{"sha256": _hex("sha256", OTHER)}, {"sha256": _hex("sha256")}],
    "by sha512 alone": [{"sha512": _hex("sha512")}],
    "by sha256, with another's sha512": [{"sha256": _hex("sha256"), "sha512": _hex("sha512", OTHER)}],
    "by sha512, with another's sha256": [{"sha512": _hex("sha512"), "sha256": _hex("sha256", OTHER)}],
    "by sha256 in capitals": [{"sha256": _hex("sha256").upper()}],
}


def _signed(signing: Signing, *, subjects: str = "", image: bool = False, old: bool = False) -> BlobSigning:
    made = (signing.signer, signing.form, signing.flags, signing.type_)
    return BlobSigning(*made, subjects=subjects, image=image, old=old)


def _asked(check: Check, asked: str = "", *, type_: str | None = None, of: str = FILE) -> BlobCheck:
    """The same of a blob: of FILE, of OTHER, or of `digest` or `other digest` for theirs."""
    return BlobCheck(
        asked or check.asked,
        check.flags,
        check.cosign,
        check.gate,
        check.type_ if type_ is None else type_,
        moved=of in (OTHER, "other digest"),
        by_digest="digest" in of,
    )


def _told(kind: KeyType) -> tuple[str, ...]:
    return ("--signature-digest-algorithm", "sha384") if kind is KeyType.P384 else ()


def _keys() -> Iterator[BlobRow]:
    for kind in SIGNED_BY_KEY:
        signing = _signed(by_key(kind, Format.BUNDLE))
        its = replace(ask_key("its key", kind), cosign=_told(kind))
        another = replace(ask_key("another key", kind, owner="stranger"), cosign=_told(kind))
        hintless = "no digest in the bundle" if kind is KeyType.ED25519 else ""
        yield BlobRow(signing, _asked(its), difference=hintless)
        yield BlobRow(signing, _asked(another), "KEY_MISMATCH")
        yield BlobRow(signing, _asked(its, "its key, another file", of=OTHER), "SIGNATURE_INVALID")
        # Of these two kinds SHA-256 is not what was signed.
        unknown = "SIGNATURE_UNSUPPORTED" if kind in (KeyType.P384, KeyType.ED25519) else ""
        yield BlobRow(signing, _asked(its, "its key, sha256:HEX", of="digest"), unknown)


def _more_of_keys() -> Iterator[BlobRow]:
    p384 = ask_key("its key, no --signature-digest-algorithm", KeyType.P384)
    yield BlobRow(_signed(by_key(KeyType.P384, Format.BUNDLE)), _asked(p384), difference="hash of P-384")
    signing = _signed(by_key(KeyType.P256, Format.BUNDLE))
    elsewhere = _asked(ITS_KEY, "its key, another file's sha256:HEX", of="other digest")
    yield BlobRow(signing, elsewhere, "SIGNATURE_INVALID")
    log = replace(ask_key("its key, no --insecure-ignore-tlog", KeyType.P256, log=True), cosign=TRUSTED)
    yield BlobRow(signing, _asked(log), difference="no log by a key")
    yield BlobRow(signing, _asked(ask_identity("a certificate's identity", TRUSTED, URI)), "IDENTITY_MISMATCH")
    yield BlobRow(signing, _asked(ITS_KEY, "its key, --type spdxjson", type_="spdxjson"), "ATTESTATION_MISSING")
    old = _signed(by_key(KeyType.P256, Format.BUNDLE), old=True)
    yield BlobRow(old, _asked(ITS_KEY), "SIGNATURE_UNSUPPORTED", "bundle before Sigstore's")


def _certificates() -> Iterator[BlobRow]:
    uri = _signed(by_leaf("uri", Format.BUNDLE))
    its = ask_identity("its identity", TRUSTED, URI)
    yield BlobRow(uri, _asked(its))
    yield BlobRow(uri, _asked(its, "its identity, sha256:HEX", of="digest"))
    yield BlobRow(uri, _asked(its, "its identity, another file", of=OTHER), "SIGNATURE_INVALID")
    yield BlobRow(uri, _asked(ask_identity("another identity", TRUSTED, f"{URI}r")), "IDENTITY_MISMATCH")
    yield BlobRow(uri, _asked(ask_identity("another root", STRANGE, URI)), "CERTIFICATE_UNTRUSTED")
    no_sct = ask_identity("no --insecure-ignore-sct", TRUSTED, URI, ignore=NO_LOG)
    yield BlobRow(uri, _asked(no_sct), "SCT_MISSING")
    no_log = ask_identity("no --insecure-ignore-tlog", TRUSTED, URI, ignore=NO_SCT)
    yield BlobRow(uri, _asked(no_log), "LOG_ENTRY_MISSING")
    yield BlobRow(uri, _asked(Check("its bare key", ("--key", "uri.pub", *NO_LOG))), "KEY_MISMATCH")
    yield BlobRow(_signed(by_leaf("expired", Format.BUNDLE)), _asked(its), "CERTIFICATE_EXPIRED")
    chained = _signed(by_leaf("uri", Format.BUNDLE, chain=True))
    yield BlobRow(chained, _asked(its), "SIGNATURE_INVALID")
    allowed = replace(its, asked="its identity, --allow-certificate-chain", cosign=("--allow-certificate-chain",))
    yield BlobRow(chained, _asked(allowed), "SIGNATURE_INVALID", "certificate chain in a bundle")


def _attestations() -> Iterator[BlobRow]:
    for kind in SIGNED_BY_KEY:
        signing = _signed(by_key(kind, Format.BUNDLE, type_="spdxjson"))
        its = replace(ask_key("its key", kind), cosign=_told(kind))
        yield BlobRow(signing, _asked(its), difference="Ed25519ph" if kind is KeyType.ED25519 else "")
    signing = _signed(by_key(KeyType.P256, Format.BUNDLE, type_="spdxjson"))
    yield BlobRow(signing, _asked(ANOTHER_KEY), "KEY_MISMATCH")
    yield BlobRow(signing, _asked(ITS_KEY, "its key, --type vuln", type_="vuln"), "ATTESTATION_MISSING")
    yield BlobRow(signing, _asked(ITS_KEY, "its key, another file", of=OTHER), "SIGNATURE_INVALID")
    yield BlobRow(signing, _asked(ITS_KEY, "its key, sha256:HEX", of="digest"))
    yield BlobRow(signing, _asked(ITS_KEY, "its key, no --type (cosign verify-blob)", type_=""))
    leaf = _signed(by_leaf("uri", Format.BUNDLE, type_="spdxjson"))
    yield BlobRow(leaf, _asked(ask_identity("its identity", TRUSTED, URI)))
    yield BlobRow(leaf, _asked(ask_identity("another root", STRANGE, URI)), "CERTIFICATE_UNTRUSTED")


def _statements() -> Iterator[BlobRow]:
    def about(subjects: str) -> BlobSigning:
        return _signed(by_key(KeyType.P256, Format.BUNDLE, type_="spdxjson"), subjects=subjects)

    its, by_digest = _asked(ITS_KEY), _asked(ITS_KEY, "its key, sha256:HEX", of="digest")
    yield BlobRow(about("of two files"), its)
    yield BlobRow(about("by sha512 alone"), its)
    yield BlobRow(about("by sha512 alone"), by_digest, "SIGNATURE_UNSUPPORTED")
    yield BlobRow(about("by sha256, with another's sha512"), its, "SIGNATURE_INVALID")
    yield BlobRow(about("by sha256, with another's sha512"), by_digest)
    yield BlobRow(about("by sha512, with another's sha256"), its, "SIGNATURE_INVALID", "digests of two files")
    yield BlobRow(about("by sha256 in capitals"), its, "SIGNATURE_INVALID", "digest in capitals")


def _images() -> Iterator[BlobRow]:
    """A bundle from a registry, and the manifest that it is about."""
    attested = _signed(by_key(KeyType.P256, Format.BUNDLE, type_="spdxjson"), image=True)
    yield BlobRow(attested, _asked(ITS_KEY, "its key, the manifest"))
    signed = _signed(by_key(KeyType.P256, Format.BUNDLE), image=True)
    yield BlobRow(signed, _asked(ITS_KEY, "its key, the manifest's sha256:HEX", of="digest"))
    yield BlobRow(signed, _asked(ITS_KEY, f"its key, the manifest, --type {SIGNATURE_TYPE}", type_=SIGNATURE_TYPE))
    wrong = _asked(ITS_KEY, "its key, the manifest, --type spdxjson", type_="spdxjson")
    yield BlobRow(signed, wrong, "ATTESTATION_MISSING")


BLOB_ROWS: Final = (
    *_keys(), *_more_of_keys(), *_certificates(), *_attestations(), *_statements(), *_images(),
)  # fmt: skip

_HEAD: Final = ("signed by", "what", "asked for", "cosign", "gate", "difference")


def blobs() -> str:
    """The table of all rows; signers of whom the same is said share a line."""
    signers: dict[tuple[str, ...], list[str]] = {}
    for row in BLOB_ROWS:
        signer, what, asked, _ = row.name
        signers.setdefault((what, asked, *row.answers, row.difference), []).append(signer)
    lines = [line(_HEAD), line("---" for _ in _HEAD)]
    lines.extend(line((", ".join(names), *rest)) for rest, names in signers.items())
    return "\n".join(lines)


BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "blobs": blobs,
    "blob_differences": lambda: differences(BLOB_DIFFERENCES),
}


def documented(text: str) -> dict[tuple[str, ...], tuple[str, str]]:
    """The answers by signer, what and question, as the document has them."""
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for signers, what, asked, cosign, gate, _ in cells_of(blocks(text)["blobs"]):
        found |= {(signer, what, asked): (cosign, gate) for signer in signers.split(", ")}
    return found
