from __future__ import annotations

import json

import pytest

from gate.demo.signing import SigningKey
from gate.errors import ParseError
from gate.evidence.cosign import TYPE, SimpleSigning
from gate.image.digest import Digest
from gate.image.reference import Repository

IMAGE = Digest.of(b"image")


def payload(optional: object = None, **critical: object) -> bytes:
    value = {
        "identity": {"docker-reference": "ghcr.io/acme/api"},
        "image": {"docker-manifest-digest": str(IMAGE)},
        "type": TYPE,
        **critical,
    }
    return json.dumps({"critical": {k: v for k, v in value.items() if v is not ...}, "optional": optional}).encode()


def test_what_cosign_writes() -> None:
    content, annotations = SigningKey.generate().simple_signing(IMAGE, "ghcr.io/acme/api", {"env": "prod"})
    found = SimpleSigning.parse(content)
    assert found == SimpleSigning(IMAGE, Repository("ghcr.io", "acme/api"), {"env": "prod"})
    assert list(annotations) == ["dev.cosignproject.cosign/signature"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("ghcr.io/acme/api", Repository("ghcr.io", "acme/api")),
        ("GHCR.io:443/acme/api:1", Repository("ghcr.io", "acme/api")),
        ("index.docker.io/library/nginx", Repository("docker.io", "library/nginx")),
        ("nginx", Repository("docker.io", "library/nginx")),
        (f"nginx@{IMAGE}", Repository("docker.io", "library/nginx")),
        ("https://not.a/Reference", "https://not.a/Reference"),
        ("whatever the signer wishes", "whatever the signer wishes"),
        ("", None),
        (None, None),
        (7, None),
        (["nginx"], None),
    ],
)
def test_docker_reference(named: object, expected: Repository | str | None) -> None:
    assert SimpleSigning.parse(payload(identity={"docker-reference": named})).docker_reference == expected


@pytest.mark.parametrize("identity", [..., None, {}])
def test_no_docker_reference(identity: object) -> None:
    assert SimpleSigning.parse(payload(identity=identity)).docker_reference is None


@pytest.mark.parametrize(
    ("optional", "annotations"),
    [
        (None, {}),
        ({}, {}),
        ({"env": "prod", "b": ""}, {"env": "prod", "b": ""}),
        # older versions of cosign wrote a creator and a time
        ({"creator": "cosign", "timestamp": 1700000000, "nested": {"env": "prod"}}, {"creator": "cosign"}),
        # both stay: each is asked for by its exact name
        ({"env": "prod", "Env": "dev"}, {"env": "prod", "Env": "dev"}),
    ],
)
def test_annotations(optional: object, annotations: dict[str, str]) -> None:
    assert SimpleSigning.parse(payload(optional)).annotations == annotations


def test_optional_may_be_absent() -> None:
    content = payload().replace(b', "optional": null', b"")
    assert b"optional" not in content
    assert SimpleSigning.parse(content).annotations == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"not json",
        payload() + b"{}",
        json.dumps({"critical": None}).encode(),
        json.dumps({"critical": []}).encode(),
        json.dumps({"critical": {}}).encode(),
        payload(type=...),
        payload(type=None),
        payload(type=""),
        payload(type="atomic container signature"),
        payload(type=TYPE.upper()),
        payload(type=TYPE + "\n"),
        payload(type=[TYPE]),
        payload(image=...),
        payload(image=None),
        payload(image=[]),
        payload(image={}),
        payload(image=str(IMAGE)),
        payload(image={"docker-manifest-digest": None}),
        payload(image={"docker-manifest-digest": IMAGE.hex}),
        payload(image={"docker-manifest-digest": str(IMAGE).upper()}),
        payload(image={"docker-manifest-digest": str(IMAGE) + "\n"}),
        payload(image={"docker-manifest-digest": "sha256:../../x"}),
        payload(image={"docker-manifest-digest": "md5:" + "0" * 32}),
        payload(image={"docker-manifest-digest": [str(IMAGE)]}),
        payload(identity=[]),
        payload(identity="ghcr.io/acme/api"),
        payload([]),
        payload("env=prod"),
        payload(True),  # noqa: FBT003 - a JSON value
        payload(Type=TYPE),
        payload(Image={}),
        payload(Identity={}),
        payload(image={"docker-manifest-digest": str(IMAGE), "Docker-Manifest-Digest": str(IMAGE)}),
        payload(identity={"docker-reference": "a", "Docker-Reference": "b"}),
        payload().replace(b'"critical"', b'"Critical"'),
        payload().replace(b'"critical"', b'"Critical": {}, "critical"'),
        payload().replace(b'"critical"', b'"critical": {}, "critical"'),
        payload().replace(b'"optional"', b'"Optional": null, "optional"'),
        payload().replace(b'"type"', b'"type": "x", "type"'),
        payload({"env": "prod"}).replace(b'"env"', b'"env": "dev", "env"'),
    ],
)
def test_refused(content: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        SimpleSigning.parse(content)
    assert len(caught.value.message) < 400
