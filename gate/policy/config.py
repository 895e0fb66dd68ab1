"""What is not a rule: `GateConfig` as frozen values (POLICY §7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

MAX_IMAGES: Final = 100
"""Different images of one review, if `GateConfig.limits.imagesPerReview` says nothing else."""

MAX_ATTESTATION: Final = 64 * 1024 * 1024
"""Bytes of one payload or bundle where attestations are wanted, if `limits.attestationBytes` says nothing else."""


class Where(StrEnum):
    """Which objects `/mutate` pins."""

    PODS = "pods"
    ALL = "all"
    NONE = "none"


class Unmatched(StrEnum):
    """What becomes of an image that no cluster policy in enforce or warn matches."""

    DENY = "deny"
    WARN = "warn"
    AUDIT = "audit"


class CloudKeychain(StrEnum):
    """Clouds whose own identity of the gate gives credentials for their registries."""

    ECR = "ecr"
    GOOGLE = "google"
    AZURE = "azure"


@dataclass(frozen=True, slots=True)
class Place:
    """A registry host, in canonical form, and a path below which repositories stand; "" for none."""

    host: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class RegistryRule:
    """What the operator says of one registry.

    Attributes:
        place: its host, and, of a mirror, the path below which it keeps what it mirrors.
        mirrors: other places that have what it has, tried first.
        mirror_of: the host that it mirrors; "" where it is no mirror.
        authoritative: whether, as a mirror, its tags and listings count.
        ca: a file of authorities beside the system's; "" for none.
        client_certificate: files of a certificate chain and its key.
        insecure: whether it is spoken to over plain HTTP.
        token_realms: other origins that its credentials may go to.
        missing: why it can't be asked from here; "" where it can.
    """

    place: Place
    mirrors: tuple[Place, ...] = ()
    mirror_of: str = ""
    authoritative: bool = False
    ca: str = ""
    client_certificate: tuple[str, str] | None = None
    insecure: bool = False
    token_realms: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True)
class CredentialSources:
    """Where credentials come from, beside the command line.

    Attributes:
        pull_secrets: whether those of the reviewed namespace count, in a cluster.
        keychains: clouds that are asked.
        docker_config: a file; "" for none.
    """

    pull_secrets: bool = True
    keychains: tuple[CloudKeychain, ...] = ()
    docker_config: str = ""


@dataclass(frozen=True, slots=True)
class CustomResource:
    """A kind beside Kubernetes' own whose objects run images.

    Attributes:
        group: its API group, without version.
        pod_specs: paths to pod specs: keys, and None for each element of a list.
        images: paths to images, likewise.
    """

    group: str
    kind: str
    pod_specs: tuple[tuple[str | None, ...], ...] = ()
    images: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one review may ask for.

    Attributes:
        images: different images of one object.
        attestation: bytes of one payload or bundle where attestations are wanted.
    """

    images: int = MAX_IMAGES
    attestation: int = MAX_ATTESTATION


@dataclass(frozen=True, slots=True)
class Config:
    """The whole.

    Attributes:
        cluster: its name, for reports; "" for none.
        stale_if_error: seconds that the last complete listing stands in for a registry that cannot be reached.
        longest_exception: how far away the end of an exception may be; until it is nearer it does not count.
        longest_break_glass: how long one may last from its creation; one that may last longer does not count.
    """

    unmatched: Unmatched = Unmatched.DENY
    pinning: Where = Where.PODS
    exclude_namespaces: tuple[str, ...] = ()
    registries: tuple[RegistryRule, ...] = ()
    credentials: CredentialSources = CredentialSources()
    stale_if_error: float = 0.0
    longest_exception: timedelta = timedelta(days=180)
    longest_break_glass: timedelta = timedelta(hours=8)
    cluster: str = ""
    limits: Limits = Limits()
    custom_resources: tuple[CustomResource, ...] = ()
