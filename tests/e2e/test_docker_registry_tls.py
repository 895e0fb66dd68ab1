"""docker-registry 2.8 that asks for a client certificate, with everything by a private authority."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gate.demo.cluster import LOOPBACK
from tests.e2e.registries import docker_registry
from tests.e2e.stock import VERDICTS, check, every, failed, image, policy, shows_none_of, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.commands import Ran, Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.registries import Process
    from tests.e2e.stock import Stock

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path

    @property
    def client(self) -> dict[str, str]:
        """As `clientCert` in a GateConfig."""
        return {"file": str(self.certificate), "keyFile": str(self.key)}


class Authority:
    """Issues certificates for 127.0.0.1, good for servers and clients alike."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {name}")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = self._pair("authority", self._name, self._key, ca=True).certificate

    def issue(self, name: str) -> Pair:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._pair(name, subject, ec.generate_private_key(ec.SECP256R1()), ca=False)

    def _pair(self, file: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> Pair:
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ours")


@pytest.fixture(scope="module")
def mine(authority: Authority) -> Pair:
    """What the registry lets in."""
    return authority.issue("gate")


@pytest.fixture(scope="module")
def registry(authority: Authority, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    pair = authority.issue("registry")
    tls = {"certificate": str(pair.certificate), "key": str(pair.key), "clientcas": [str(authority.file)]}
    with docker_registry(tmp_path_factory.mktemp("mtls"), data=stock.data, tls=tls) as process:
        yield process


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks the registry with what a GateConfig says of it."""

    registry: Process
    shell: Shell
    keys: Keys
    folder: Path

    def __call__(self, *images: str, **said: Any) -> Ran:
        policies = policy(self.folder / "policies", self.keys, self.registry.host, {"host": self.registry.host, **said})
        found = check(self.shell, policies, *(images or (image(self.registry.host),)))
        shows_none_of(found, "PRIVATE KEY")
        return found


@pytest.fixture
def ask(registry: Process, shell: Shell, keys: Keys, tmp_path: Path) -> Asking:
    return Asking(registry, shell, keys, tmp_path)


def test_with_certificate_and_authority(ask: Asking, authority: Authority, mine: Pair) -> None:
    found = ask(*every(ask.registry.host), ca={"file": str(authority.file)}, clientCert=mine.client)
    assert found.code == 1, found.text
    assert verdicts(found) == VERDICTS
    # commands without policies are told by the same document
    file = str(ask.folder / "policies" / "config.yaml")
    found = ask.shell.gate("resolve", image(ask.registry.host), "--config", file)
    assert found.code == 0, found.text


def test_without_a_client_certificate(ask: Asking, authority: Authority) -> None:
    finding = failed(ask(ca={"file": str(authority.file)}), "REGISTRY_UNREACHABLE")
    assert finding["message"] == f"TLS with {ask.registry.host} failed: it wants a client certificate"
    assert finding["remedy"].startswith(f"give the clientCert of {ask.registry.host} in a GateConfig (--config FILE")


def test_with_somebody_elses_certificate(ask: Asking, authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "theirs").issue("stranger")
    finding = failed(ask(ca={"file": str(authority.file)}, clientCert=other.client), "REGISTRY_UNREACHABLE")
    assert f"it does not take the client certificate {other.certificate}" in finding["message"]
    assert finding["remedy"] == f"put one into {other.certificate} that the registry takes"


def test_without_the_authority(ask: Asking, mine: Pair) -> None:
    finding = failed(ask(clientCert=mine.client), "REGISTRY_UNREACHABLE")
    said = "the authority that signed its certificate, CN=authority of ours, is not known here"
    assert finding["message"] == f"TLS with {ask.registry.host} failed: {said}"
    assert f"--registry-ca {ask.registry.host}=FILE" in finding["remedy"]


def test_with_another_authority(ask: Asking, mine: Pair, tmp_path: Path) -> None:
    other = Authority(tmp_path, "theirs")
    finding = failed(ask(ca={"file": str(other.file)}, clientCert=mine.client), "REGISTRY_UNREACHABLE")
    assert f"is not known here and is not in {other.file}" in finding["message"]


def test_in_plain_http(ask: Asking) -> None:
    finding = failed(ask(insecure=True), "REGISTRY_UNREACHABLE")
    assert finding["message"] == f"{ask.registry.host} was not asked: it speaks TLS, and was asked in plain HTTP"
    assert ask.registry.host in finding["remedy"]
