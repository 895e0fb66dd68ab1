"""What the demonstration shows: images in their ways of being signed, and what is expected of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.demo.images import LayoutWriter
from gate.demo.signing import SigningKey

if TYPE_CHECKING:
    from pathlib import Path

    from gate.image.digest import Digest

REPOSITORIES = "shop"


@dataclass(frozen=True, slots=True)
class Case:
    """One image of the demonstration.

    Attributes:
        image: as a Pod names it.
        story: what happened to it.
        allowed: whether it may run.
        code: the finding that decides, where it may not.
    """

    image: str
    story: str
    allowed: bool
    code: Code | None = None


def write_images(root: Path, key: SigningKey, host: str) -> tuple[Case, ...]:
    """Write every repository below `root`, sign what is to be signed, and say what is expected.

    Args:
        root: of the registry.
        key: the trusted one.
        host: of the registry, as images name it.
    """

    def repository(name: str) -> LayoutWriter:
        return LayoutWriter(root / REPOSITORIES / name)

    def named(name: str) -> str:
        return f"{host}/{REPOSITORIES}/{name}"

    stranger = SigningKey.generate()
    api = repository("api")
    api.sign_legacy(api.image("v1", "api 1"), key, named("api"))
    web = repository("web")
    web.sign_bundle(web.image("v1", "web 1"), key)
    worker = repository("worker")
    worker.sign_bundle(worker.image("v1", "worker 1"), stranger)
    repository("cron").image("v1", "cron 1")
    billing = repository("billing")
    good = billing.image(None, "billing 1")
    payload = billing.sign_legacy(good, key, named("billing"))
    changed = billing.image("v1", "billing 1, changed by somebody after it was signed")
    _move_signature(billing, payload, f"{changed.tag}.sig")
    return (
        Case(f"{named('api')}:v1", "signed by the release key, cosign 2 format", allowed=True),
        Case(f"{named('web')}:v1", "signed by the release key, Sigstore bundle", allowed=True),
        Case(f"{named('worker')}:v1", "signed by a stranger", allowed=False, code=Code.KEY_MISMATCH),
        Case(f"{named('cron')}:v1", "not signed", allowed=False, code=Code.SIGNATURE_MISSING),
        Case(f"{named('billing')}:v1", "changed after it was signed", allowed=False, code=Code.SIGNATURE_INVALID),
        Case(f"{named('api')}:latest", "a tag that moves", allowed=False, code=Code.TAG_MUTABLE),
        Case(
            "docker.io/library/nginx:1.27",
            "from a registry that is not allowed",
            allowed=False,
            code=Code.REGISTRY_NOT_ALLOWED,
        ),
    )


def _move_signature(writer: LayoutWriter, signature: Digest, tag: str) -> None:
    """Put an image's signature where another image's is looked for, as somebody with push rights could."""
    content = writer.content(signature)
    assert content is not None
    writer.manifest(json.loads(content), tag)


def policy(host: str, key: SigningKey) -> str:
    """The policy of the demonstration."""
    pem = "\n".join(f"          {line}" for line in key.pem.decode().strip().splitlines())
    return f"""\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {{name: shop}}
spec:
  signers:
    release:
      key:
        pem: |
{pem}
  rules:
  - image: {{registries: ["{host}/{REPOSITORIES}"], denyTags: [latest]}}
  - signature: {{by: release}}
"""
