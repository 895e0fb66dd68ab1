"""What `test_cosign_matrix.py` asks cosign and the gate of images, and the answers, as docs/compatibility.md has them.

`python -m tests.e2e.matrix` writes the tables anew.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tests.e2e.commands import Format, KeyType
from tests.e2e.differences import DIFFERENCES
from tests.e2e.pki import DNS, EMAIL, ISSUER, URI
from tests.e2e.questions import (
    ANOTHER_KEY,
    IGNORE,
    ITS_KEY,
    NO_SCT,
    NOBODY,
    PREDICATES,
    ROOTS,
    SIGNATURE_TYPE,
    SIGNED_BY_KEY,
    STRANGE,
    STRANGE_ROOTS,
    TRUSTED,
    Check,
    Row,
    Signing,
    ask_identity,
    ask_key,
    by_key,
    by_leaf,
    file_of,
)
from tests.e2e.tables import DOCUMENT, blocks, cells_of, differences, line, rewritten
from tests.e2e.tools import COSIGN, HERE, REFERRERS_REGISTRY, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


TWO: Final = (Format.LEGACY, Format.BUNDLE)


def _keys() -> Iterator[Row]:
    for kind in SIGNED_BY_KEY:
        told = ("--signature-digest-algorithm", "sha384") if kind is KeyType.P384 else ()
        for form in Format:
            signing = by_key(kind, form)
            ph = "Ed25519ph" if kind is KeyType.ED25519 else ""
            yield Row(signing, replace(ask_key("its key", kind), cosign=told), difference=ph)
            yield Row(signing, replace(ask_key("another key", kind, owner="stranger"), cosign=told), "KEY_MISMATCH")
            if told:
                asked = "its key, no --signature-digest-algorithm"
                yield Row(signing, ask_key(asked, kind), difference="hash of P-384")


def _ways() -> Iterator[Row]:
    """What else may be wrong with a signature by a key."""
    for form in Format:
        signing = by_key(KeyType.P256, form, annotated=True)
        for pair, code in (("stage=prod", ""), ("stage=dev", "ANNOTATION_MISMATCH"), ("team=x", "ANNOTATION_MISMATCH")):
            yield Row(signing, ask_key(f"its key, -a {pair}", KeyType.P256, "-a", pair), code)
        signing = by_key(KeyType.P256, form)
        yield Row(signing, replace(ITS_KEY, asked="its key, on another image", moved=True), "SIGNATURE_INVALID")
        yield Row(signing, ask_identity("a certificate's identity", TRUSTED, URI), "IDENTITY_MISMATCH")
        yield Row(Signing(NOBODY, form), replace(ITS_KEY, asked="a key"), "SIGNATURE_MISSING")
    bundle = by_key(KeyType.P256, Format.BUNDLE)
    log = replace(ask_key("its key, no --insecure-ignore-tlog", KeyType.P256, log=True), cosign=TRUSTED)
    yield Row(bundle, log, difference="no log by a key")
    stranger = replace(bundle, flags=("--key", f"{file_of(KeyType.P256, 'stranger')}.key"))
    both = replace(by_key(KeyType.P256, Format.LEGACY), signer="key ECDSA P-256, a stranger's bundle", beside=stranger)
    yield Row(both, replace(ITS_KEY, form=Format.BUNDLE), difference="both formats")
    yield Row(both, replace(ITS_KEY, asked="its key, --new-bundle-format=false"))


def _right(form: Format) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The authority as it is given for a form, and a stranger's."""
    return (TRUSTED, STRANGE) if form is Format.BUNDLE else (ROOTS, STRANGE_ROOTS)


def _certificates() -> Iterator[Row]:
    for form in Format:
        ours, strange = _right(form)
        bundle = form is Format.BUNDLE
        uri = by_leaf("uri", form)
        yield Row(uri, ask_identity("its identity", ours, URI))
        yield Row(uri, ask_identity("another identity", ours, f"{URI}r"), "IDENTITY_MISMATCH")
        yield Row(uri, ask_identity("another root", strange, URI), "CERTIFICATE_UNTRUSTED")
        yield Row(uri, ask_identity("no --insecure-ignore-sct", TRUSTED, URI, ignore=IGNORE), "SCT_MISSING")
        part = ask_identity("a part of its identity as --certificate-identity-regexp", ours, "ci.acme", regexp=True)
        yield Row(uri, part, "IDENTITY_MISMATCH", "unanchored expression")
        yield Row(
            uri, ask_identity("all of it as --certificate-identity-regexp", ours, "^https://.*/release$", regexp=True)
        )
        bare = Check("its bare key", ("--key", "uri.pub", *IGNORE))
        yield Row(uri, bare, "KEY_MISMATCH" if bundle else "")
        yield Row(by_leaf("expired", form), ask_identity("its identity", ours, URI), "CERTIFICATE_EXPIRED")
        # cosign does not sign with it when it sees the chain.
        yield Row(
            by_leaf("server", form, chain=False), ask_identity("its identity", ours, URI), "CERTIFICATE_UNTRUSTED"
        )
        no_usage = by_leaf("no-usage", form)
        yield Row(no_usage, ask_identity("its identity", ours, URI), "CERTIFICATE_UNTRUSTED", "no extended key usage")
        host = ask_identity("its identity", ours, DNS)
        yield Row(by_leaf("dns", form), host, "CERTIFICATE_UNTRUSTED", "" if bundle else "host names")
        yield from _issuers(form)


def _issuers(form: Format) -> Iterator[Row]:
    email, ours = by_leaf("email", form), _right(form)[0]
    for issuer, code in ((ISSUER, ""), (f"{ISSUER}/", "IDENTITY_MISMATCH")):
        asked = "its identity, another issuer" if code else "its identity and issuer"
        yield Row(email, ask_identity(asked, ours, EMAIL, issuer=("--certificate-oidc-issuer", issuer)), code)


def _more_of_certificates() -> Iterator[Row]:
    for form in (Format.LEGACY, Format.REFERRER_LEGACY):
        yield Row(by_leaf("uri", form), ask_identity("its identity, --trusted-root", TRUSTED, URI))
    bundle = by_leaf("uri", Format.BUNDLE)
    yield Row(bundle, ask_identity("its identity, --ca-roots", ROOTS, URI), difference="roots for a bundle")
    log = ask_identity("no --insecure-ignore-tlog", TRUSTED, URI, ignore=NO_SCT)
    yield Row(bundle, log, "LOG_ENTRY_MISSING")
    chained = by_leaf("uri", Format.BUNDLE, chain=True)
    yield Row(chained, ask_identity("its identity", TRUSTED, URI), "SIGNATURE_INVALID")


def _attestations() -> Iterator[Row]:
    for type_ in PREDICATES:
        other = "vuln" if type_ != "vuln" else "spdxjson"
        for form in TWO:
            signing = by_key(KeyType.P256, form, type_=type_)
            yield Row(signing, ITS_KEY)
            wrong = replace(ITS_KEY, asked=f"its key, --type {other}", type_=other)
            yield Row(signing, wrong, "ATTESTATION_MISSING")
            yield Row(signing, ANOTHER_KEY, "ATTESTATION_INVALID")


def _attestations_by_other_keys() -> Iterator[Row]:
    for kind in SIGNED_BY_KEY:
        if kind is KeyType.P256:
            continue
        told = ("--signature-digest-algorithm", "sha384") if kind is KeyType.P384 else ()
        for type_ in PREDICATES:
            for form in TWO:
                signing = by_key(kind, form, type_=type_)
                ph = "Ed25519ph" if kind is KeyType.ED25519 else ""
                yield Row(signing, replace(ask_key("its key", kind), cosign=told), difference=ph)
                yield Row(signing, ask_key("another key", kind, owner="stranger"), "ATTESTATION_INVALID")


def _more_of_attestations() -> Iterator[Row]:
    for form in TWO:
        signing = by_key(KeyType.P256, form, type_="spdxjson")
        moved = replace(ITS_KEY, asked="its key, on another image", moved=True)
        yield Row(signing, moved, "ATTESTATION_INVALID")
        signature = replace(ITS_KEY, asked="its key, as a signature", type_="")
        taken = "attestation for a signature" if form is Format.BUNDLE else ""
        yield Row(signing, signature, "SIGNATURE_MISSING", taken)
        nobody = Signing(NOBODY, form, type_="spdxjson")
        yield Row(nobody, replace(ITS_KEY, asked="a key"), "ATTESTATION_MISSING")
        asked = f"its key, --type {SIGNATURE_TYPE}"
        taken = "signature for an attestation" if form is Format.BUNDLE else ""
        as_attestation = replace(ITS_KEY, asked=asked, type_=SIGNATURE_TYPE)
        yield Row(by_key(KeyType.P256, form), as_attestation, "ATTESTATION_MISSING", taken)
        ours, strange = _right(form)
        leaf = by_leaf("uri", form, type_="spdxjson")
        yield Row(leaf, ask_identity("its identity", ours, URI))
        wrong = replace(ask_identity("its identity, --type vuln", ours, URI), type_="vuln")
        yield Row(leaf, wrong, "ATTESTATION_MISSING")
        yield Row(leaf, ask_identity("another identity", ours, f"{URI}r"), "IDENTITY_MISMATCH")
        yield Row(leaf, ask_identity("another root", strange, URI), "ATTESTATION_INVALID")
        expired = by_leaf("expired", form, type_="spdxjson")
        yield Row(expired, ask_identity("its identity", ours, URI), "CERTIFICATE_EXPIRED")


ROWS: Final = (
    *_keys(), *_ways(), *_certificates(), *_more_of_certificates(), *_attestations(),
    *_attestations_by_other_keys(), *_more_of_attestations(),
)  # fmt: skip


_HEAD: Final = ("signed by", "what", "asked for", "stored as", "cosign", "gate", "difference")


def matrix() -> str:
    """The table of all rows; forms with the same answers share a line."""

    def question(row: Row) -> tuple[str, ...]:
        return row.name[:3]

    def outcome(row: Row) -> tuple[str, ...]:
        return (*row.answers, row.difference)

    lines = [line(_HEAD), line("---" for _ in _HEAD)]
    order = list(dict.fromkeys(question(row) for row in ROWS))
    for asked, alike in groupby(sorted(ROWS, key=lambda r: order.index(question(r))), question):
        forms: dict[tuple[str, ...], list[str]] = {}
        for row in alike:
            forms.setdefault(outcome(row), []).append(row.signing.form.value)
        lines.extend(line((*asked, ", ".join(stored), *answer)) for answer, stored in forms.items())
    return "\n".join(lines)


def versions() -> str:
    """What was measured."""
    module = re.search(r"(\S+/go-containerregistry) v(\S+)", (HERE / REFERRERS_REGISTRY.name / "go.mod").read_text())
    assert module is not None
    lines = [
        line(("program", "version", "is")),
        line(["---"] * 3),
        line(("cosign", COSIGN.version, COSIGN.package)),
        line(("registry without the referrers API", REGISTRY.version, REGISTRY.package)),
        line(("registry with the referrers API", module[2], f"{module[1]}, tests/e2e/referrers-registry")),
    ]
    return "\n".join(lines)


BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "versions": versions,
    "matrix": matrix,
    "differences": lambda: differences(DIFFERENCES),
}


def documented(text: str) -> dict[tuple[str, ...], tuple[str, str]]:
    """The answers by `Row.name`, as the document has them."""
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for signer, what, asked, stored, cosign, gate, _ in cells_of(blocks(text)["matrix"]):
        found |= {(signer, what, asked, form): (cosign, gate) for form in stored.split(", ")}
    return found


if __name__ == "__main__":
    from tests.e2e import blob_matrix

    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), BLOCKS | blob_matrix.BLOCKS))
