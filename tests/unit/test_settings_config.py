"""What flags and `GateConfig` say of registries, together."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.policy.config import CloudKeychain, Config, CredentialSources, Place, RegistryRule
from gate.registry.guard.hosts import Hosts, Mirror
from gate.registry.guard.tls import Files
from gate.settings import Settings, parse_hosts, with_config

HUB = RegistryRule(Place("docker.io"), mirrors=(Place("mirror.test", "hub"),))
HARBOR = RegistryRule(Place("harbor.test", "dockerhub"), mirror_of="docker.io", authoritative=True)


def hosts(*rules: RegistryRule, flags: Hosts | None = None) -> Hosts:
    return with_config(Settings(flags or Hosts()), Config(registries=rules)).hosts


def test_nothing_said_changes_nothing() -> None:
    settings = Settings(parse_hosts(["a.test"], ["b.test"], [], offline=True), cache=False)
    assert with_config(settings, Config()) == settings


def test_mirrors() -> None:
    found = hosts(HUB, HARBOR)
    assert found.mirrors == {
        "docker.io": (Mirror("mirror.test", "hub"), Mirror("harbor.test", "dockerhub", authoritative=True))
    }
    # whoever is named may be at home
    assert all(found.may_be_private(host) for host in ("docker.io", "mirror.test", "harbor.test"))
    assert not found.may_be_private("other.test")


def test_mirrors_of_flags_come_first() -> None:
    flags = parse_hosts([], [], [], ["docker.io=first.test:5000/x", "index.docker.io=second.test"], offline=False)
    assert flags.mirrors == {"docker.io": (Mirror("first.test:5000", "x"), Mirror("second.test"))}
    assert all(flags.may_be_private(host) for host in ("docker.io", "first.test:5000", "second.test"))
    assert [mirror.host for mirror in hosts(HUB, flags=flags).mirrors["docker.io"]] == [
        "first.test:5000",
        "second.test",
        "mirror.test",
    ]


def test_what_docker_hub_needs_is_needed_where_it_is_asked() -> None:
    found = hosts(RegistryRule(Place("docker.io"), ca="ca.pem", client_certificate=("c.pem", "k.pem")))
    assert Files.of(found, "registry-1.docker.io") == Files("ca.pem", ("c.pem", "k.pem"))
    assert Files.of(found, "auth.docker.io") == Files()
    flags = Hosts(authorities={"docker.io": "flag.pem"})
    both = hosts(RegistryRule(Place("docker.io"), ca="ca.pem"), flags=flags)
    assert Files.of(both, "registry-1.docker.io") == Files("flag.pem")


@pytest.mark.parametrize(
    "text", ["docker.io", "docker.io=", "=m.test", "docker.io=https://m.test", "docker.io=m.test/A"]
)
def test_mirrors_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_hosts([], [], [], [text], offline=False)


def test_what_a_registry_needs() -> None:
    found = hosts(
        RegistryRule(Place("plain.test:5000"), insecure=True),
        RegistryRule(Place("ca.test"), ca="ca.pem", client_certificate=("c.pem", "k.pem")),
        RegistryRule(Place("tokens.test"), token_realms=("https://auth.test:8443",)),
        RegistryRule(Place("secret.test"), missing="the Secret n can't be read from here"),
    )
    assert found.base_url("plain.test:5000") == "http://plain.test:5000"
    assert found.authorities == {"ca.test": "ca.pem"}
    assert found.client_certificates == {"ca.test": ("c.pem", "k.pem")}
    assert found.token_realms == {"tokens.test": frozenset({"https://auth.test:8443"})}
    assert found.missing == {"secret.test": "the Secret n can't be read from here"}
    named = ("plain.test:5000", "ca.test", "tokens.test", "auth.test:8443", "secret.test")
    assert all(found.may_be_private(host) for host in named)
    assert not found.is_insecure("ca.test")


def test_flags_come_before_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "flag.pem"
    file.touch()
    flags = parse_hosts(["plain.test"], [], [f"ca.test={file}"], offline=True)
    found = hosts(RegistryRule(Place("ca.test"), ca="config.pem"), flags=flags)
    assert (found.authorities, found.offline) == ({"ca.test": str(file)}, True)
    assert found.is_insecure("plain.test")


def test_credentials() -> None:
    settings = Settings(docker_configs=(Path("a.json"),), keychains=("google", "ecr"))
    sources = CredentialSources(keychains=(CloudKeychain.ECR, CloudKeychain.AZURE), docker_config="b.json")
    found = with_config(settings, Config(credentials=sources))
    assert found.docker_configs == (Path("a.json"), Path("b.json"))
    assert found.keychains == ("google", "ecr", "azure")
