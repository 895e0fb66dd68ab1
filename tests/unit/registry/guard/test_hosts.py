from __future__ import annotations

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.tls import Files

HOST = "registry.test:5000"
PUBLIC = ["8.8.8.8", "104.18.124.25", "2606:4700::6812:7c19", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.199",
    "100.100.100.201",
    "100.127.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "0.1.2.3",
    "fd00::1",
    "fc00::1",
    "fd00:ec1:ffff::254",
    "fd00:ec3::254",
    "fd20:ce::253",
    "fd00:c1::a9fe:a9ff",
    "fd00:100::100:201",
    "fd00:42::43",
    "fd00:a9fe:a9fe::2",
    "fec0::1",
    "2001:db8::1",
    "2001::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.0.171",
    "::ffff:192.0.0.9",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:192.168.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:a00:1::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
    "64:ff9b::",
    "2002::1",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "::ffff:224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::10.0.0.1",
    "64:ff9b:1::a00:1",
    "4000::1",
    "5f00::1",
    "::ffff:192.0.0.192",
]
CLOUDS = {
    "Azure, platform": ("168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1"),
    "Oracle, metadata": (
        "192.0.0.192",
        "::ffff:192.0.0.192",
        "64:ff9b::c000:c0",
        "2002:c000:c0::1",
        "fd00:c1::a9fe:a9fe",
    ),
    "Alibaba, metadata": (
        "100.100.100.200",
        "::ffff:100.100.100.200",
        "64:ff9b::6464:64c8",
        "2002:6464:64c8::1",
        "fd00:100::100:200",
    ),
    "AWS, metadata": ("fd00:ec2::254",),
    "AWS, DNS": ("fd00:ec2::253",),
    "AWS, time": ("fd00:ec2::123",),
    "AWS, Pod Identity": ("fd00:ec2::23",),
    "AWS, the rest": ("fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff"),
    "Google, metadata": ("fd20:ce::254", "fd20:ce:0:0::254%eth0"),
    "Scaleway, metadata": ("fd00:42::42",),
    "Akamai, metadata": ("fd00:a9fe:a9fe::1",),
}
NAMED = [
    Hosts(insecure=frozenset({HOST})),
    Hosts(private=frozenset({HOST})),
    Hosts(authorities={HOST: "ca.pem"}),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_anybodys(address: str) -> None:
    Hosts().check_address(HOST, address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        Hosts().check_address(HOST, address)
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    assert f"--private-registry {HOST}" in caught.value.remedy


@pytest.mark.parametrize("hosts", NAMED)
@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE])
def test_a_private_address_is_a_named_hosts(hosts: Hosts, address: str) -> None:
    hosts.check_address(HOST, address)


@pytest.mark.parametrize("other", ["registry.test", "registry.test:5001", "evil.registry.test:5000", "test:5000"])
@pytest.mark.parametrize("hosts", NAMED)
def test_only_the_named_host_and_port_is_named(hosts: Hosts, other: str) -> None:
    with pytest.raises(EvidenceUnavailable):
        hosts.check_address(other, "10.0.0.1")


@pytest.mark.parametrize("hosts", [Hosts(), *NAMED])
@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_nobodys(hosts: Hosts, address: str) -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        hosts.check_address(HOST, address)
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    assert caught.value.remedy == ""


@pytest.mark.parametrize("hosts", [Hosts(), *NAMED])
@pytest.mark.parametrize(
    "address", [pytest.param(address, id=f"{cloud}: {address}") for cloud, found in CLOUDS.items() for address in found]
)
def test_what_a_cloud_tells_its_machines_is_nobodys(hosts: Hosts, address: str) -> None:
    """Not a named host's either: who answers for its name could else have the machine's own credentials asked for."""
    with pytest.raises(EvidenceUnavailable, match="which is never connected to") as caught:
        hosts.check_address(HOST, address)
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    assert caught.value.remedy == ""


@pytest.mark.parametrize(
    ("registry", "insecure", "expected"),
    [
        ("ghcr.io", [], "https://ghcr.io"),
        ("docker.io", [], "https://registry-1.docker.io"),
        ("localhost:5000", [], "https://localhost:5000"),
        ("localhost:5000", ["localhost:5000"], "http://localhost:5000"),
        ("localhost:5001", ["localhost:5000"], "https://localhost:5001"),
        ("[::1]:5000", ["[::1]:5000"], "http://[::1]:5000"),
    ],
)
def test_https_unless_named_insecure(registry: str, insecure: list[str], expected: str) -> None:
    assert Hosts(insecure=frozenset(insecure)).base_url(registry) == expected


def test_what_is_said_of_docker_hub_is_said_of_the_host_of_its_api() -> None:
    """Connections know the name they are made to, and operators the one they write in front of images."""
    api, token = "registry-1.docker.io", "auth.docker.io"
    pair = ("chain.pem", "key.pem")
    hosts = Hosts(authorities={"docker.io": "ca.pem"}, client_certificates={"docker.io": pair})
    assert Files.of(hosts, api) == Files("ca.pem", pair)
    assert Files.of(hosts, "docker.io") == Files("ca.pem", pair)
    assert Files.of(hosts, token) == Files()
    assert Files.of(Hosts(authorities={token: "ca.pem"}), token) == Files("ca.pem")
    Hosts(private=frozenset({"docker.io"})).check_address(api, "10.0.0.1")
    insecure = Hosts(insecure=frozenset({"docker.io"}))
    assert insecure.base_url("docker.io") == f"http://{api}"
    insecure.check_address(f"{api}:80", "127.0.0.1")
    for other in (token, "evil.docker.io", f"{api}.evil.test", f"{api}:5000"):
        with pytest.raises(EvidenceUnavailable):
            Hosts(private=frozenset({"docker.io"})).check_address(other, "10.0.0.1")
    own = Hosts(authorities={"docker.io": "ca.pem", api: "own.pem"})
    assert Files.of(own, api) == Files("own.pem")


@pytest.mark.parametrize("named", ["registry.test", "registry.test:80"])
def test_plain_http_without_a_port_is_port_80(named: str) -> None:
    hosts = Hosts(insecure=frozenset({named}))
    assert hosts.is_insecure("registry.test:80")
    assert not hosts.is_insecure("registry.test:8080")
    assert not Hosts(private=frozenset({named})).is_insecure("registry.test:80")
