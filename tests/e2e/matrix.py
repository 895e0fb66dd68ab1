"""What `test_cosign_matrix.py` asks cosign and the gate of images, and the answers, as docs/compatibility.md has them.

Files are named as they are called in the home of the commands. `python -m tests.e2e.matrix` writes the tables anew.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from tests.e2e.commands import Format, KeyType
from tests.e2e.pki import DNS, EMAIL, ISSUER, LEAVES, URI, Pki
from tests.e2e.tools import COSIGN, HERE, REFERRERS_REGISTRY, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.e2e.commands import Shell
    from tests.e2e.conftest import Keys

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
NOBODY: Final = "nobody"
# Of what could not be asked at all there is no verdict.
NOT_ASKED: Final = ("dial tcp", "unknown flag", "no such file", "UNAUTHORIZED")
TWO: Final = (Format.LEGACY, Format.BUNDLE)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the verdicts are not the same on purpose.

    Attributes:
        cosign: whether it accepts.
        gate: whether we do.
        why: we do not do as cosign does.
    """

    cosign: bool
    gate: bool
    why: str


DIFFERENCES: Final = {
    "Ed25519ph": Difference(
        cosign=False,
        gate=True,
        why="`cosign sign` makes Ed25519ph signatures (RFC 8032, prehashed) since 2.6 and its own `verify --key` looks "
        "for pure ones only; the gate takes both: either holds under that one key",
    ),
    "hash of P-384": Difference(
        cosign=False,
        gate=True,
        why="`cosign sign` hashes with SHA-384 and `cosign verify` with SHA-256 unless it is told; the gate takes the "
        "two hashes that are in use with the curve",
    ),
    "no log by a key": Difference(
        cosign=False,
        gate=True,
        why="a key that is named needs no log to be one; entries that are there have to hold (`log: required` in a "
        "policy asks for them)",
    ),
    "both formats": Difference(
        cosign=False,
        gate=True,
        why="cosign leaves `.sig` out of account as soon as anybody has stored a bundle, so that anybody who may write "
        "makes a signed image unsigned; of the gate's candidates each counts",
    ),
    "attestation for a signature": Difference(
        cosign=True,
        gate=False,
        why="cosign takes every bundle of the image by the key for a signature; the gate goes by the predicate type "
        "that was signed: a scanner's report is no release",
    ),
    "signature for an attestation": Difference(
        cosign=True,
        gate=False,
        why="the same the other way round: cosign's signature bundles are statements of a type of their own",
    ),
    "unanchored expression": Difference(
        cosign=True,
        gate=False,
        why="cosign looks for the expression anywhere in the identity (`…/org` then fits `…/org-evil`); the gate "
        "matches from end to end",
    ),
    "no extended key usage": Difference(
        cosign=True,
        gate=False,
        why="to Go a certificate without the extension is for everything; the Sigstore client specification wants code "
        "signing named, and a private PKI's other certificates are not to sign images",
    ),
    "host names": Difference(
        cosign=True,
        gate=False,
        why="a host name is nobody who signs: Fulcio issues URIs, e-mail addresses and user names, and the gate reads "
        "these. cosign takes host names of legacy signatures and refuses them in bundles",
    ),
    "roots for a bundle": Difference(
        cosign=False,
        gate=True,
        why="cosign takes `--ca-roots` for legacy signatures only (`unsupported`); the gate for every form",
    ),
}


@dataclass(frozen=True, slots=True)
class Signing:
    """How an image was signed or attested.

    Attributes:
        signer: in words.
        form: how it is stored.
        flags: that say who signs; none: nobody does.
        type_: of the attestation; "" for a signature.
        beside: what somebody else has stored before.
    """

    signer: str
    form: Format
    flags: tuple[str, ...] = ()
    type_: str = ""
    beside: Signing | None = None

    @property
    def what(self) -> str:
        return self.type_ or "signature"


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked of both.

    Attributes:
        asked: in words.
        flags: for both.
        cosign: for cosign only.
        gate: for the gate only.
        type_: of attestations that are asked for; "" asks for signatures, None for what was made.
        form: how cosign is told to look; None: for what was made.
        moved: whether another image is asked about, to which the evidence was attached.
    """

    asked: str
    flags: tuple[str, ...]
    cosign: tuple[str, ...] = ()
    gate: tuple[str, ...] = ()
    type_: str | None = None
    form: Format | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One question and both answers.

    Attributes:
        code: the gate's reason; "" where it accepts.
        difference: a key of `known`; "" where the answers are the same.
    """

    signing: Signing
    check: Check
    code: str = ""
    difference: str = ""
    known: ClassVar[Mapping[str, Difference]] = DIFFERENCES

    @property
    def cosign(self) -> bool:
        return self.known[self.difference].cosign if self.difference else not self.code

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What no two rows share."""
        return (self.signing.signer, self.signing.what, self.check.asked, self.signing.form.value)

    @property
    def answers(self) -> tuple[str, str]:
        return answers(self.cosign, self.code)


def answers(cosign: bool, code: str) -> tuple[str, str]:  # noqa: FBT001 - a verdict
    """As the table shows them."""
    return ("accepts" if cosign else "refuses", f"refuses: {code}" if code else "accepts")


IGNORE: Final = ("--insecure-ignore-tlog",)
SIGNED_BY_KEY: Final = (KeyType.P256, KeyType.P384, KeyType.RSA3072, KeyType.ED25519)


def file_of(kind: KeyType, owner: str = "release") -> str:
    """What its files are called, without their endings."""
    return f"{owner}-{kind.name.lower()}"


def by_key(kind: KeyType, form: Format, *, type_: str = "", annotated: bool = False) -> Signing:
    more = ("-a", "stage=prod") if annotated else ()
    signer = f"key {kind.value}{', -a stage=prod' if annotated else ''}"
    return Signing(signer, form, ("--key", f"{file_of(kind)}.key", *more), type_)


def ask_key(asked: str, kind: KeyType, *more: str, owner: str = "release", log: bool = False) -> Check:
    flags = ("--key", f"{file_of(kind, owner)}.pub", *(() if log else IGNORE), *more)
    return Check(asked, flags)


ITS_KEY: Final = ask_key("its key", KeyType.P256)
ANOTHER_KEY: Final = ask_key("another key", KeyType.P256, owner="stranger")


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


CHAIN: Final = ("--certificate-chain", "acme.chain.pem")
TRUSTED: Final = ("--trusted-root", "acme.trusted_root.json")
STRANGE: Final = ("--trusted-root", "other.trusted_root.json")
# The trusted root beside them is one that cannot verify what is asked, for the authorities are not to be from there.
ROOTS: Final = ("--ca-roots", "acme.root.pem", "--ca-intermediates", "acme.intermediate.pem")
STRANGE_ROOTS: Final = ("--ca-roots", "other.root.pem", "--ca-intermediates", "other.intermediate.pem")
ANY_ISSUER: Final = ("--certificate-oidc-issuer-regexp", ".*")
NO_SCT: Final = ("--insecure-ignore-sct",)


def by_leaf(leaf: str, form: Format, *, type_: str = "", chain: bool | None = None) -> Signing:
    chained = form is not Format.BUNDLE if chain is None else chain
    more = CHAIN if chained else ()
    signer = {
        "uri": "certificate with a URI",
        "email": "certificate with an e-mail address",
        "dns": "certificate with a host name",
        "no-usage": "certificate without extended key usage",
        "server": "certificate for servers",
        "expired": "expired certificate",
    }[leaf]
    signer += " and its chain" if chained and form is Format.BUNDLE else ""
    return Signing(signer, form, ("--key", f"{leaf}.key", "--certificate", f"{leaf}.crt", *more), type_)


def ask_identity(
    asked: str,
    authority: tuple[str, ...],
    identity: str,
    *,
    issuer: tuple[str, ...] = ANY_ISSUER,
    ignore: tuple[str, ...] = IGNORE + NO_SCT,
    regexp: bool = False,
) -> Check:
    flag = "--certificate-identity-regexp" if regexp else "--certificate-identity"
    beside = (STRANGE if authority is ROOTS else TRUSTED) if authority[0] == "--ca-roots" else ()
    return Check(asked, (*authority, flag, identity, *issuer, *ignore), gate=beside)


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


PREDICATES: Final[dict[str, dict[str, object]]] = {
    "spdxjson": {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "api",
        "dataLicense": "CC0-1.0",
        "documentNamespace": "https://acme.example/spdx/1",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: tests"]},
        "packages": [],
    },
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": []},
    "vuln": {
        "invocation": {"parameters": [], "uri": "https://ci.acme.example/1", "event_id": "1", "builder.id": "ci"},
        "scanner": {"uri": "https://scanner.example", "version": "1", "db": {"uri": "", "version": ""}, "result": {}},
        "metadata": {"scanStartedOn": "2026-01-01T00:00:00Z", "scanFinishedOn": "2026-01-01T00:00:01Z"},
    },
    "slsaprovenance1": {
        "buildDefinition": {"buildType": "https://acme.example/build/v1", "externalParameters": {"ref": "main"}},
        "runDetails": {"builder": {"id": "https://ci.acme.example"}, "metadata": {"invocationId": "1"}},
    },
}


def equip(shell: Shell, keys: Keys) -> None:
    """Make the files that the rows name."""
    for kind in SIGNED_BY_KEY:
        keys.of(kind)
        keys.of(kind, "stranger")
    acme = Pki.create(shell, "acme")
    Pki.create(shell, "other")
    for name, profile in LEAVES.items():
        acme.issue(name, profile)
    for name, predicate in PREDICATES.items():
        (shell.home / f"{name}.json").write_text(json.dumps(predicate))


SIGNATURE_TYPE: Final = "https://sigstore.dev/cosign/sign/v1"


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


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


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


def differences(of: Mapping[str, Difference] = DIFFERENCES) -> str:
    """The table of differences."""
    lines = [line(("difference", "cosign", "gate", "why")), line(["---"] * 4)]
    for name, it in of.items():
        lines.append(line((name, *("accepts" if v else "refuses" for v in (it.cosign, it.gate)), it.why)))
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


BLOCKS: Final[dict[str, Callable[[], str]]] = {"versions": versions, "matrix": matrix, "differences": differences}
_BLOCK: Final = re.compile(r"(<!-- (\w+): .*? -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)


def blocks(text: str) -> dict[str, str]:
    """The tables of the document by name."""
    return {match[2]: match[3] for match in _BLOCK.finditer(text)}


def rewritten(text: str, of: Mapping[str, Callable[[], str]]) -> str:
    """The document with its tables as they have to be."""
    return _BLOCK.sub(lambda match: f"{match[1]}{of[match[2]]()}{match[4]}", text)


def cells_of(table: str) -> Iterator[list[str]]:
    """Those of each line, without the head."""
    for row in table.splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split("|")]


def documented(text: str) -> dict[tuple[str, ...], tuple[str, str]]:
    """The answers by `Row.name`, as the document has them."""
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for signer, what, asked, stored, cosign, gate, _ in cells_of(blocks(text)["matrix"]):
        found |= {(signer, what, asked, form): (cosign, gate) for form in stored.split(", ")}
    return found


if __name__ == "__main__":
    # It asks with what is here.
    from tests.e2e import blob_matrix

    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), BLOCKS | blob_matrix.BLOCKS))
