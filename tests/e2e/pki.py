"""A private PKI as files in cosign's home: a root, an intermediate, certificates that sign code, a trusted root."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.fakes.fulcio import Fulcio, Keypair, Profile, email, uri

if TYPE_CHECKING:
    from tests.e2e.commands import Shell

URI: Final = "https://ci.acme.example/release"
EMAIL: Final = "releases@acme.example"
DNS: Final = "ci.acme.example"
ISSUER: Final = "https://id.acme.example"
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When the certificates begin to be valid: they are for ten years, the expired one was for an hour."""

_SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
LEAVES: Final = {
    "uri": Profile(names=(uri(URI),), issuer=None, lifetime=timedelta(days=3650)),
    "email": Profile(names=(email(EMAIL),), issuer=ISSUER, lifetime=timedelta(days=3650)),
    "dns": Profile(names=(x509.DNSName(DNS),), issuer=None, lifetime=timedelta(days=3650)),
    "no-usage": Profile(names=(uri(URI),), issuer=None, usages=None, lifetime=timedelta(days=3650)),
    "server": Profile(names=(uri(URI),), issuer=None, usages=(_SERVER,), lifetime=timedelta(days=3650)),
    "expired": Profile(names=(uri(URI),), issuer=None, lifetime=timedelta(hours=1)),
}


@dataclass(frozen=True, slots=True)
class Pki:
    """Writes into a shell's home `NAME.root.pem`, `.intermediate.pem`, `.chain.pem` and `.trusted_root.json`."""

    shell: Shell
    name: str
    authority: Fulcio

    @classmethod
    def create(cls, shell: Shell, name: str) -> Pki:
        made = cls(shell, name, Fulcio.create(f"{name}.example"))
        below, root = (issuer.certificate for issuer in made.authority.issuers)
        made._write("root.pem", root)
        made._write("intermediate.pem", below)
        made._write("chain.pem", below, root)
        authority = f"url={made.authority.uri},certificate-chain={name}.chain.pem,start-time=2020-01-01T00:00:00Z"
        done = shell.cosign(
            "trusted-root", "create", f"--fulcio={authority}", "--out", f"{name}.trusted_root.json"
        )  # fmt: skip
        assert done.code == 0, done.text
        return made

    def issue(self, leaf: str, profile: Profile) -> None:
        """Write `LEAF.crt` and cosign's pair `LEAF.key` and `LEAF.pub`."""
        key = Keypair.generate()
        certificate = self.authority.issue(key, profile, START).chain[0]
        (self.shell.home / f"{leaf}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        private = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.shell.home / f"{leaf}.pem").write_bytes(private)
        done = self.shell.cosign("import-key-pair", "--key", f"{leaf}.pem", "--output-key-prefix", leaf, "-y")
        assert done.code == 0, done.text

    def _write(self, kind: str, *certificates: x509.Certificate) -> None:
        content = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
        (self.shell.home / f"{self.name}.{kind}").write_bytes(content)
