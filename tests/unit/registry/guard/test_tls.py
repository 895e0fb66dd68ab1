from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.tls import Contexts, Files, Peer, check_files, failure
from gate.registry.guard.transport import Request, Transport
from tests.fakes.clients import soon
from tests.fakes.hostile_server import HostileServer, answer
from tests.fakes.hostile_server import Peer as Client
from tests.fakes.scripted_server import Reply, ScriptedServer

Y2020, Y2021, Y2099 = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2021, 2099))


@dataclass
class Authority:
    """Issues certificates into a folder."""

    folder: Path
    title: str = "Corp Root"

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.title)])
        self.file = self.folder / "ca.pem"
        made = self._built(self._name, self._key.public_key(), Y2099).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _built(self, name: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(Y2020).not_valid_after(until)

    def issue(
        self, file: str, *names: str, until: datetime = Y2099, start: datetime | None = None, password: str = ""
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._built(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)]), key.public_key(), until)
        if start:
            builder._not_valid_before = start.replace(tzinfo=None)
        if names:
            kinds = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(kinds), critical=False)
        chain, private = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        chain.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption(),
            )
        )
        return chain, private


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "corp")


def _hello(client: Client) -> bool:
    client.send(answer(200, (), b"hello"))
    return True


def _get(hosts: Hosts, host: str, contexts: Contexts | None = None, *, scheme: str = "https") -> bytes:
    transport = Transport(hosts, lambda name, port: ["127.0.0.1"], contexts=contexts)
    try:
        return transport.send(Request("GET", f"{scheme}://{host}/", 999, identified=True), soon(5)).body
    finally:
        transport.close()


def _fails(hosts: Hosts, host: str, contexts: Contexts | None = None, *, scheme: str = "https") -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable) as caught:
        _get(hosts, host, contexts, scheme=scheme)
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    return caught.value


def _named(authority: Authority, host: str, certificate: tuple[Path, Path] | None = None) -> Hosts:
    certificates = {host: (str(certificate[0]), str(certificate[1]))} if certificate else {}
    return Hosts(authorities={host: str(authority.file)}, client_certificates=certificates)


def _wants(server: HostileServer, authority: Authority, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
    assert server._context is not None
    server._context.verify_mode = ssl.CERT_REQUIRED
    server._context.load_verify_locations(authority.file)
    server._context.maximum_version = version


# contexts


def test_a_context_is_shared_by_all_with_the_same_files(authority: Authority) -> None:
    contexts = Contexts()
    plain, files = contexts.get(Files()), Files(str(authority.file))
    assert contexts.get(Files()) is plain
    assert contexts.get(files) is contexts.get(Files(str(authority.file)))
    assert contexts.get(files) is not plain


def test_a_context_checks_chain_and_name_and_speaks_no_old_tls(authority: Authority) -> None:
    for files in (Files(), Files(str(authority.file)), Files(None, _texts(authority.issue("me")))):
        context = Contexts().get(files)
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def _texts(files: tuple[Path, Path]) -> tuple[str, str]:
    return str(files[0]), str(files[1])


def test_an_authority_is_added_to_those_of_the_system(authority: Authority) -> None:
    system = len(Contexts().get(Files()).get_ca_certs())
    assert len(Contexts().get(Files(str(authority.file))).get_ca_certs()) == system + 1


def test_an_intermediate_can_be_the_authority(authority: Authority) -> None:
    """As in containerd. Here: the server's own certificate, which signs nothing, not even itself."""
    certificate = authority.issue("server", "registry.test")
    with HostileServer(_hello, certificate) as server:
        host = f"registry.test:{server.port}"
        assert _get(Hosts(authorities={host: str(certificate[0])}), host) == b"hello"


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_files_are_looked_at_again_after_ten_seconds(authority: Authority, tmp_path: Path) -> None:
    clock = _Clock()
    contexts = Contexts(clock)
    files = Files(str(authority.file))
    first = contexts.get(files)
    authority.file.write_bytes(Authority(tmp_path / "new").file.read_bytes())
    clock.now += 9.9
    assert contexts.get(files) is first
    clock.now += 0.2
    second = contexts.get(files)
    assert second is not first
    clock.now += 100
    assert contexts.get(files) is second


def test_a_secret_that_is_swapped_under_a_symlink_is_noticed(authority: Authority, tmp_path: Path) -> None:
    """Kubernetes swaps `..data`; the files' own links stay."""
    mount = tmp_path / "mount"
    for version in ("one", "two"):
        (mount / version).mkdir(parents=True)
        chain, key = authority.issue(version)
        (mount / version / "tls.crt").write_bytes(chain.read_bytes())
        (mount / version / "tls.key").write_bytes(key.read_bytes())
    (mount / "..data").symlink_to("one")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    clock = _Clock()
    contexts = Contexts(clock)
    files = Files(None, (str(mount / "tls.crt"), str(mount / "tls.key")))
    first = contexts.get(files)
    (mount / "..tmp").symlink_to("two")
    (mount / "..tmp").replace(mount / "..data")
    assert contexts.renewed(files)
    assert contexts.get(files) is not first
    assert not contexts.renewed(files)


def test_files_that_turn_bad_in_use_have_a_minute(authority: Authority) -> None:
    clock = _Clock()
    contexts = Contexts(clock)
    chain, key = authority.issue("me")
    files = Files(None, (str(chain), str(key)))
    first = contexts.get(files)
    good = key.read_bytes()
    key.write_bytes(authority.issue("other")[1].read_bytes())
    clock.now += 11
    assert contexts.get(files) is first
    clock.now += 30
    assert contexts.get(files) is first
    clock.now += 31
    with pytest.raises(UsageError, match="is not the private key"):
        contexts.get(files)
    key.write_bytes(good)
    clock.now += 11
    assert contexts.get(files) is not first


SECRET = "c2VjcmV0LWtleS1ieXRlcw"


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("authority_text", "said"),
    [
        (None, "can't be read: No such file"),
        ("", "has no certificate of an authority"),
        (SECRET, "has no certificate of an authority"),
        (f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n", "has no certificate of an authority"),
        (f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n", "has no certificate of an authority"),
    ],
)
def test_an_authoritys_file_that_cannot_be_used_is_named(tmp_path: Path, authority_text: str | None, said: str) -> None:
    file = tmp_path / "ca.pem"
    if authority_text is not None:
        file.write_text(authority_text)
    with pytest.raises(UsageError) as caught:
        check_files(Hosts(authorities={"registry.test": str(file)}))
    assert str(file) in caught.value.message
    assert said in caught.value.message
    assert "PEM" in caught.value.remedy
    assert SECRET not in str(caught.value)


def test_a_folder_and_an_endless_file_are_no_authority(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as opened:
        opened.truncate(5 * 1024 * 1024)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file, said in (
        (tmp_path, "it is no regular file"),
        (pipe, "it is no regular file"),
        (big, "more than"),
        ("a\0b", "embedded null byte"),
    ):
        with pytest.raises(UsageError, match=said):
            Contexts().get(Files(str(file)))


def test_client_certificates_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    chain, key = _texts(authority.issue("me"))
    other = str(authority.issue("other")[1])
    locked = str(authority.issue("locked", password="hunter2-correct-horse")[1])
    text = _write(tmp_path / "text", SECRET)
    damaged = _write(tmp_path / "damaged", f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n")
    for pair, named, said in (
        ((chain, other), other, "is not the private key of the certificate"),
        ((chain, locked), locked, "has a password"),
        ((chain, text), text, "has no private key"),
        ((text, key), text, "has no certificate"),
        ((key, key), key, "has no certificate"),
        ((chain, chain), chain, "has no private key"),
        ((chain, damaged), damaged, "can't be used"),
        ((chain, f"{key}x"), f"{key}x", "can't be read"),
        ((f"{chain}x", key), f"{chain}x", "can't be read"),
    ):
        with pytest.raises(UsageError) as caught:
            check_files(Hosts(client_certificates={"registry.test": pair}))
        assert named in caught.value.message
        assert said in caught.value.message
        assert caught.value.remedy
        for line in (SECRET, *Path(key).read_text().split("\n")[1:-2]):
            assert line not in str(caught.value)


def test_a_file_that_turned_bad_since_the_start_is_an_inability(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "none.pem"
    with HostileServer(_hello, authority.issue("server", "registry.test")) as server:
        host = f"registry.test:{server.port}"
        error = _fails(Hosts(authorities={host: str(file)}), host)
        assert server.connections == 0
    assert str(file) in error.message


# with servers


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_to_whom_it_is_for(authority: Authority, version: ssl.TLSVersion) -> None:
    with HostileServer(_hello, authority.issue("server", "registry.test", "other.test")) as server:
        _wants(server, authority, version)
        host = f"registry.test:{server.port}"
        assert _get(_named(authority, host, authority.issue("me")), host) == b"hello"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_has_no_client_certificate_is_told_to_give_one(authority: Authority, version: ssl.TLSVersion) -> None:
    with HostileServer(_hello, authority.issue("server", "registry.test")) as server:
        _wants(server, authority, version)
        host = f"registry.test:{server.port}"
        error = _fails(_named(authority, host), host)
        assert server.heads == []
    assert "wants a client certificate" in error.message
    assert f"clientCert of {host}" in error.remedy


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_that_is_refused_is_named(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    stranger = Authority(tmp_path / "stranger", "Stranger").issue("me")
    old = authority.issue("old", until=Y2021)
    with HostileServer(_hello, authority.issue("server", "registry.test")) as server:
        _wants(server, authority, version)
        host = f"registry.test:{server.port}"
        for certificate, said in ((stranger, "unknown ca"), (old, "certificate expired")):
            error = _fails(_named(authority, host, certificate), host)
            assert f"does not take the client certificate {certificate[0]} ({said})" in error.message


def test_nginx_says_it_in_http(authority: Authority) -> None:
    page = b"<html><head><title>400 No required SSL certificate was sent</title></head>"

    def nginx(client: Client) -> bool:
        client.send(answer(400, (), page))
        return True

    with HostileServer(nginx, authority.issue("server", "registry.test")) as server:
        host = f"registry.test:{server.port}"
        error = _fails(_named(authority, host), host)
    assert f"clientCert of {host}" in error.remedy


@pytest.mark.parametrize(
    "page",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<title>400 The plain HTTP request was sent to HTTPS port</title>",
    ],
)
def test_plain_http_to_a_tls_port_is_told(page: bytes) -> None:
    with ScriptedServer(lambda asked: Reply(400, body=page)) as server:
        error = _fails(Hosts(frozenset({server.host})), server.host, scheme="http")
    assert f"leave out --insecure-registry {server.host}" in error.remedy


def test_another_400_is_an_answer() -> None:
    with ScriptedServer(lambda asked: Reply(400, body=b"no")) as server:
        assert _get(Hosts(frozenset({server.host})), server.host, scheme="http") == b"no"


def test_an_unknown_authority_is_named(authority: Authority, tmp_path: Path) -> None:
    with HostileServer(_hello, authority.issue("server", "registry.test")) as server:
        host = f"registry.test:{server.port}"
        error = _fails(Hosts(private=frozenset({host})), host)
        assert "CN=Corp Root" in error.message
        assert f"--registry-ca {host}=FILE" in error.remedy
        other = Authority(tmp_path / "other")
        error = _fails(_named(other, host), host)
        assert str(other.file) in error.message
        assert f"--registry-ca {host}=FILE" in error.remedy
        assert server.heads == []


def test_an_expired_certificate_says_since_when(authority: Authority) -> None:
    with HostileServer(_hello, authority.issue("server", "registry.test", until=Y2021)) as server:
        host = f"registry.test:{server.port}"
        error = _fails(_named(authority, host), host)
    assert "expired" in error.message
    assert "2021-01-01" in error.message
    assert "renew" in error.remedy


def test_a_wrong_name_says_which_there_are(authority: Authority) -> None:
    names = [f"n{number}.test" for number in range(7)]
    for given, said in (
        (("registry.test", "10.1.2.3"), "registry.test, 10.1.2.3"),
        (names, "n4.test and 2 more"),
        ((), "no name at all"),
    ):
        with HostileServer(_hello, authority.issue("server", *given)) as server:
            host = f"another.test:{server.port}"
            error = _fails(_named(authority, host), host)
            assert said in error.message
            assert host in error.message
            assert server.heads == []


def test_an_address_is_a_name_too(authority: Authority) -> None:
    with HostileServer(_hello, authority.issue("server", "127.0.0.1")) as server:
        assert _get(_named(authority, server.host), server.host) == b"hello"
    with HostileServer(_hello, authority.issue("server", "10.9.8.7")) as server:
        assert "10.9.8.7" in _fails(_named(authority, server.host), server.host).message


def test_plain_http_behind_the_port_is_told() -> None:
    with ScriptedServer(lambda asked: Reply(200)) as server:
        error = _fails(Hosts(private=frozenset({server.host})), server.host)
    assert "does not speak TLS" in error.message
    assert f"--insecure-registry {server.host}" in error.remedy


def test_what_a_certificate_says_is_only_printed(tmp_path: Path) -> None:
    hostile = Authority(tmp_path / "x", "\x1b[31mroot\n; ok")
    with HostileServer(_hello, hostile.issue("server", "registry.test")) as server:
        host = f"registry.test:{server.port}"
        assert str(_fails(Hosts(private=frozenset({host})), host)).isprintable()


def test_to_look_at_a_certificate_takes_two_seconds_at_most(authority: Authority) -> None:
    chain = authority.issue("server", "registry.test")

    with HostileServer(_hello, chain) as server:
        host = f"registry.test:{server.port}"
        calls = []

        def second_hangs(name: str, port: int) -> list[str]:
            calls.append(name)
            if len(calls) > 1:
                time.sleep(3)
            return ["127.0.0.1"]

        transport = Transport(Hosts(private=frozenset({host})), second_hangs)
        begun = time.monotonic()
        with pytest.raises(EvidenceUnavailable, match="authority"):
            transport.send(Request("GET", f"https://{host}/", 9), soon(10))
        assert time.monotonic() - begun < 2.8
        transport.close()


def test_a_renewed_client_certificate_is_used_at_once_when_the_old_one_is_refused(authority: Authority) -> None:
    chain, key = authority.issue("me", until=Y2021)
    with HostileServer(_hello, authority.issue("server", "registry.test")) as server:
        _wants(server, authority)
        host = f"registry.test:{server.port}"
        contexts = Contexts()
        hosts = _named(authority, host, (chain, key))
        assert "certificate expired" in _fails(hosts, host, contexts).message
        authority.issue("me")
        assert _get(hosts, host, contexts) == b"hello"


def test_connections_of_an_old_context_are_not_kept(authority: Authority, tmp_path: Path) -> None:
    clock = _Clock()
    with HostileServer(_hello, authority.issue("server", "registry.test")) as server:
        host = f"registry.test:{server.port}"
        transport = Transport(_named(authority, host), lambda name, port: ["127.0.0.1"], contexts=Contexts(clock))

        def get() -> bytes:
            return transport.send(Request("GET", f"https://{host}/", 99), soon()).body

        assert [get(), get()] == [b"hello", b"hello"]
        assert server.connections == 1
        authority.file.write_bytes(Authority(tmp_path / "new").file.read_bytes())
        clock.now += 11
        with pytest.raises(EvidenceUnavailable, match="is not known here"):
            get()
        transport.close()


@pytest.mark.parametrize(
    ("reason", "proxy", "said", "remedy"),
    [
        ("UNSUPPORTED_PROTOCOL", False, "no TLS 1.2", "1.3"),
        ("WRONG_VERSION_NUMBER", True, "does not speak TLS", "http://"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", False, "perhaps wants a client certificate", "clientCert"),
        ("SOMETHING_NEW", False, "something new", "registry"),
    ],
)
def test_every_reason_has_words(reason: str, proxy: bool, said: str, remedy: str) -> None:  # noqa: FBT001
    error = ssl.SSLError(1, "x")
    error.reason = reason
    found = failure(error, Peer("registry.test", "registry.test", Files(), is_proxy=proxy))
    assert said in found.message
    assert remedy in found.remedy
