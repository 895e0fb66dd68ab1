"""`GateConfig` documents: registries, their mirrors and what they need, where credentials come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy.config import (
    CloudKeychain,
    Config,
    CredentialSources,
    CustomResource,
    Limits,
    Place,
    RegistryRule,
)
from tests.unit.policy.build import Json, config, parsed

if TYPE_CHECKING:
    from gate.documents import Document
    from gate.policy.reading.sets import ParsedSet

SECRET: Json = {"name": "n", "key": "k"}


def read(**spec: object) -> ParsedSet:
    def never(_document: Document, name: str, _limit: int) -> bytes:
        raise AssertionError(name)

    return parsed(json.dumps(config(**spec)), never, "policies/config.yaml")


def registry(**fields: Any) -> RegistryRule:
    found = read(registries=[fields])
    assert [str(p) for p in found.errors] == []
    (rule,) = found.set.config.registries
    return rule


def test_defaults() -> None:
    assert read().set.config == Config()
    assert Config().credentials == CredentialSources(pull_secrets=True)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"host": "GHCR.io:443"}, RegistryRule(Place("ghcr.io"))),
        ({"host": "index.docker.io"}, RegistryRule(Place("docker.io"))),
        (
            {"host": "docker.io", "mirrors": ["mirror.test:5000/hub", "Other.test"]},
            RegistryRule(Place("docker.io"), (Place("mirror.test:5000", "hub"), Place("other.test"))),
        ),
        (
            {"host": "h.test", "prefix": "a/b", "mirrorOf": "registry-1.docker.io", "authoritative": True},
            RegistryRule(Place("h.test", "a/b"), mirror_of="docker.io", authoritative=True),
        ),
        ({"host": "h.test", "mirrorOf": "quay.io"}, RegistryRule(Place("h.test"), mirror_of="quay.io")),
        ({"host": "r.test", "insecure": True}, RegistryRule(Place("r.test"), insecure=True)),
        # files stand beside the document
        ({"host": "r.test", "ca": {"file": "ca.pem"}}, RegistryRule(Place("r.test"), ca="policies/ca.pem")),
        ({"host": "r.test", "ca": {"file": "/etc/ca.pem"}}, RegistryRule(Place("r.test"), ca="/etc/ca.pem")),
        (
            {"host": "r.test", "clientCert": {"file": "c.pem", "keyFile": "k.pem"}},
            RegistryRule(Place("r.test"), client_certificate=("policies/c.pem", "policies/k.pem")),
        ),
        (
            {"host": "r.test", "tokenRealms": ["https://auth.test", "https://auth.test:8443"]},
            RegistryRule(Place("r.test"), token_realms=("https://auth.test", "https://auth.test:8443")),
        ),
    ],
)
def test_a_registry(fields: Json, rule: RegistryRule) -> None:
    assert registry(**fields) == rule


@pytest.mark.parametrize("fields", [{"ca": {"secret": SECRET}}, {"clientCert": {"secret": {"name": "n"}}}])
def test_what_is_in_a_secret_keeps_the_registry_from_being_asked(fields: Json) -> None:
    found = read(registries=[{"host": "r.test", **fields}])
    assert [p.warning for p in found.problems] == [True]
    (rule,) = found.set.config.registries
    assert rule.missing == "the Secret n can't be read from here"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "has no `host`"),
        ({"host": "not a host"}, "not a host"),
        ({"host": "r.test/path"}, "r.test/path"),
        ({"host": "r.test", "mirrors": ["m.test/Hub"]}, "m.test/Hub"),
        ({"host": "r.test", "mirrors": ["m.test/"]}, "m.test/"),
        ({"host": "r.test", "mirrors": ["https://m.test"]}, "https://m.test"),
        ({"host": "r.test", "mirrors": ["m.test/hub:v1"]}, "m.test/hub:v1"),
        ({"host": "r.test", "prefix": "hub"}, "`prefix` is of a mirror"),
        ({"host": "r.test", "authoritative": True}, "`authoritative` is of a mirror"),
        ({"host": "r.test", "mirrorOf": "r.test"}, "r.test is no mirror of itself"),
        ({"host": "r.test", "mirrorOf": "docker.io", "prefix": "../x"}, "../x"),
        ({"host": "r.test", "mirrorOf": "no host"}, "no host"),
        ({"host": "r.test", "ca": {}}, "expected exactly one of file, secret"),
        ({"host": "r.test", "clientCert": {"file": "c.pem"}}, "expected {file, keyFile}, or the Secret"),
        ({"host": "r.test", "tokenRealms": ["http://auth.test"]}, "expected an origin such as"),
        ({"host": "r.test", "tokenRealms": ["https://auth.test/token"]}, "expected an origin such as"),
        ({"host": "r.test", "tokenRealms": ["https://u:p@auth.test"]}, "expected an origin such as"),
        ({"host": "r.test", "insecure": "yes"}, "expected true or false"),
        ({"host": "r.test", "skipVerify": True}, "unknown field `skipVerify`"),
    ],
)
def test_a_registry_that_cannot_be_used(fields: Json, said: str) -> None:
    (error,) = read(registries=[fields]).errors
    assert said in f"{error.message}; {error.remedy}"


def test_one_registry_twice() -> None:
    (error,) = read(registries=[{"host": "ghcr.io"}, {"host": "GHCR.io:443"}]).errors
    assert error.message == "ghcr.io stands twice"
    two = [{"host": "h.test", "prefix": p, "mirrorOf": "docker.io"} for p in ("a", "b")]
    assert read(registries=two).errors == ()


def test_credentials() -> None:
    sources = {"pullSecrets": False, "keychains": ["azure", "ecr"], "dockerConfig": {"file": "config.json"}}
    assert read(credentials=sources).set.config.credentials == CredentialSources(
        pull_secrets=False,
        keychains=(CloudKeychain.AZURE, CloudKeychain.ECR),
        docker_config="policies/config.json",
    )
    (error,) = read(credentials={"keychains": ["aws"]}).errors
    assert "expected one of ecr, google, azure" in error.message


def test_a_cluster_has_a_name_and_limits() -> None:
    found = read(clusterName="prod-eu-1", limits={"imagesPerReview": 5, "attestationBytes": "512KiB"})
    assert [str(p) for p in found.errors] == []
    assert (found.set.config.cluster, found.set.config.limits) == ("prod-eu-1", Limits(5, 512 * 1024))


def test_kinds_that_run_images() -> None:
    entry = {"group": "argoproj.io", "kind": "Rollout", "podSpecs": ["spec.template.spec"], "images": ["a[].b[][].c-d"]}
    found = read(customResources=[entry])
    assert [str(p) for p in found.errors] == []
    assert found.set.config.custom_resources == (
        CustomResource(
            "argoproj.io", "Rollout", (("spec", "template", "spec"),), (("a", None, "b", None, None, "c-d"),)
        ),
    )


ROLLOUT: Json = {"group": "argoproj.io", "kind": "Rollout", "podSpecs": ["spec"]}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"limits": {"attestationBytes": "257MiB"}}, "write 256MiB or less"),
        ({"limits": {"attestationBytes": "1GiB"}}, "write 256MiB or less"),
        ({"limits": {"attestationBytes": "0KiB"}}, "expected a size such as 512KiB or 64MiB"),
        ({"limits": {"attestationBytes": "64MB"}}, "expected a size such as 512KiB or 64MiB"),
        ({"limits": {"imagesPerReview": 0}}, "`spec.limits.imagesPerReview`"),
        ({"limits": {"imagesPerReview": 1001}}, "`spec.limits.imagesPerReview`"),
        ({"clusterName": ""}, "`spec.clusterName`"),
        ({"customResources": [ROLLOUT, {**ROLLOUT, "podSpecs": ["x"]}]}, "Rollout (argoproj.io) stands twice"),
        ({"customResources": [{**ROLLOUT, "group": "apps", "kind": "Deployment"}]}, "Kubernetes' own, and known"),
        ({"customResources": [{"group": "g", "kind": "K"}]}, "it says nowhere where its images are"),
        ({"customResources": [{**ROLLOUT, "podSpecs": []}]}, "it says nowhere where its images are"),
        *(
            ({"customResources": [{**ROLLOUT, "podSpecs": [path]}]}, "expected a dotted path such as")
            for path in ("", ".spec", "spec.", "spec..x", "spec[0]", "spec.[]", "a b", "spec[]x", "spec/x", "spec\n")
        ),
    ],
)
def test_what_a_config_may_not_say(spec: Json, said: str) -> None:
    (problem,) = read(**spec).errors
    assert said in str(problem)
