"""What is asked of cosign and the gate: how something was signed, and what both are told.

Files are named as they are called in the home of the commands; `equip` makes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from tests.e2e.commands import Format, KeyType
from tests.e2e.differences import DIFFERENCES
from tests.e2e.pki import LEAVES, Pki

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.commands import Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.differences import Difference

NOBODY: Final = "nobody"
# Of what could not be asked at all there is no verdict.
NOT_ASKED: Final = ("dial tcp", "unknown flag", "no such file", "UNAUTHORIZED")


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
