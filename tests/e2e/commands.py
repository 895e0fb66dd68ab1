"""Runs cosign and gate as a user does: processes, exit codes, streams."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.e2e.tools import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECONDS = 90
# What would change what the commands do, were it set where the tests run.
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value

    @property
    def text(self) -> str:
        """Everything, for a test that fails."""
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Format(Enum):
    """How cosign stores a signature; the value is what the gate calls it."""

    LEGACY = "legacy"
    BUNDLE = "bundle"
    REFERRER_LEGACY = "referrer-legacy"

    @property
    def flags(self) -> list[str]:
        """Of `cosign sign` and `attest`: without the transparency log and its services."""
        common = ["--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry"]
        return common if self is Format.BUNDLE else [*common, "--new-bundle-format=false"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair as files of cosign's."""

    private: Path
    public: Path


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs programs in an empty home.

    Attributes:
        home: also the working folder.
        cosign_path: the program.
    """

    home: Path
    cosign_path: Path

    def elsewhere(self, home: Path) -> Shell:
        """The same in another home."""
        return replace(self, home=home)

    def run(self, command: list[str], stdin: str = "", extra: Mapping[str, str] | None = None) -> Ran:
        kept = {name: ENVIRONMENT[name] for name in _KEPT if name in ENVIRONMENT}
        own = {"HOME": str(self.home), "COSIGN_PASSWORD": "", "NO_PROXY": "127.0.0.1", "NO_COLOR": "1"}
        done = subprocess.run(
            command,
            cwd=self.home,
            env={**kept, **own, **(extra or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def cosign(self, *arguments: str, **extra: str) -> Ran:
        """Run cosign; keyword arguments are environment variables."""
        return self.run([str(self.cosign_path), *arguments], extra=extra)

    def gate(self, *arguments: str, stdin: str = "") -> Ran:
        """As if it were the first time: what an earlier run kept would hide what is asked of whom."""
        return self.run([sys.executable, "-m", "gate", *arguments], stdin, {"IMAGEGATE_CACHE": "none"})

    def sign(self, image: str, key: Key, form: Format, *flags: str, **extra: str) -> None:
        """`cosign sign` with a key, which has to succeed."""
        self.sign_as(image, form, "--key", str(key.private), *flags, **extra)

    def sign_as(self, image: str, form: Format, *flags: str, **extra: str) -> None:
        """`cosign sign` as the flags say who, which has to succeed."""
        more = ["--registry-referrers-mode=oci-1-1"] if form is Format.REFERRER_LEGACY else []
        experimental = {"COSIGN_EXPERIMENTAL": "1"} if form is Format.REFERRER_LEGACY else {}
        done = self.cosign("sign", "-y", *form.flags, *more, *flags, image, **experimental, **extra)
        assert done.code == 0, done.text

    def attest_as(self, image: str, form: Format, type_: str, predicate: str, *flags: str) -> None:
        """`cosign attest` as the flags say who, which has to succeed; `predicate` is a file."""
        done = self.cosign("attest", "-y", "--type", type_, "--predicate", predicate, *form.flags, *flags, image)
        assert done.code == 0, done.text

    def cosign_verify(self, image: str, key: Key, form: Format, *flags: str) -> Ran:
        """What cosign itself says of a signature by a key, without the transparency log."""
        return self.cosign_verify_as(image, form, "--key", str(key.public), "--insecure-ignore-tlog", *flags)

    def cosign_verify_as(self, image: str, form: Format, *flags: str, type_: str = "") -> Ran:
        """What cosign itself says of signatures, or of attestations of a type."""
        what = ["verify-attestation", "--type", type_] if type_ else ["verify"]
        more = ["--experimental-oci11"] if form is Format.REFERRER_LEGACY else []
        old = [] if form is Format.BUNDLE else ["--new-bundle-format=false"]
        return self.cosign(*what, "--allow-http-registry", *old, *more, *flags, image)

    def verify(self, image: str, key: Key, *flags: str) -> Ran:
        """`gate verify`; an image named `127.0.0.1:PORT/…` is asked for over plain HTTP."""
        host = image.partition("/")[0]
        insecure = ["--insecure-registry", host] if ":" in host and not image.startswith("oci:") else []
        return self.gate("verify", image, "--key", str(key.public), *insecure, "--output", "json", *flags)


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyType(Enum):
    """The kinds of keys that are signed with; the value is what the gate calls them."""

    P256 = "ECDSA P-256"
    P384 = "ECDSA P-384"
    P521 = "ECDSA P-521"
    RSA2048 = "RSA 2048"
    RSA3072 = "RSA 3072"
    RSA4096 = "RSA 4096"
    ED25519 = "Ed25519"

    def generate(self) -> PrivateKey:
        match self:
            case KeyType.P256:
                return ec.generate_private_key(ec.SECP256R1())
            case KeyType.P384:
                return ec.generate_private_key(ec.SECP384R1())
            case KeyType.P521:
                return ec.generate_private_key(ec.SECP521R1())
            case KeyType.RSA2048 | KeyType.RSA3072 | KeyType.RSA4096:
                return rsa.generate_private_key(65537, int(self.value.split()[1]))
            case KeyType.ED25519:
                return ed25519.Ed25519PrivateKey.generate()


def make_key(shell: Shell, kind: KeyType, name: str) -> Key:
    """P-256 as `cosign generate-key-pair` makes it, others imported as users of openssl do."""
    key = Key(shell.home / f"{name}.key", shell.home / f"{name}.pub")
    if kind is KeyType.P256:
        done = shell.cosign("generate-key-pair", "--output-key-prefix", name)
    else:
        pem = shell.home / f"{name}.pem"
        pem.write_bytes(
            kind.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        done = shell.cosign("import-key-pair", "--key", str(pem), "--output-key-prefix", name, "-y")
    assert done.code == 0, done.text
    return key
