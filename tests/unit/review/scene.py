"""A registry that has an image, what is trusted, and what a review of it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from gate.demo.images import AMD64, BUNDLE, CREATED, OCI_CONFIG, OCI_LAYER, Layer
from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.review.review import Reviewer, Subject
from gate.trust.root import TrustedRoot
from tests.fakes.clock import SettableClock
from tests.fakes.fulcio import ISSUER, Profile, uri
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import FixedRoots
from tests.fakes.signing import alice, bob
from tests.fakes.signing_authority import Signature, SigningAuthority, encode, shared_world, statement
from tests.unit.policy.build import policies, policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.image.manifest import Platform
    from gate.policy.policy_set import PolicySet
    from gate.review.ports import Registry, TrustedRoots
    from gate.review.review import ImageReview
    from tests.fakes.fulcio import Signer

Json = dict[str, Any]

NAME: Final = "ghcr.io/acme/api"
TAGGED: Final = f"{NAME}:v1.4.2"
PINNED: Final = Digest.of(b"whatever it is")
NOTATION: Final = "application/vnd.cncf.notary.signature"
SBOM: Final = "https://cyclonedx.org/bom"
DAY: Final = timedelta(days=1)
WORLD: Final = shared_world()
WORKFLOW: Final = "https://github.com/acme/api/.github/workflows"

KEYS: Json = {"release": {"key": {"pem": alice().pem.decode()}}, "security": {"key": {"pem": bob().pem.decode()}}}
CI: Json = {"ci": {"github": {"workflow": "acme/api/.github/workflows/release.yml", "refs": ["refs/heads/main"]}}}


def signed_by(name: str, signers: Json, **more: object) -> PolicySet:
    return policies(policy([{"signature": {"by": name, **more}}], name="acme-prod", signers=signers))


BY_RELEASE: Final = {"release": KEYS["release"]}


def workflow(file: str = "release.yml", ref: str = "refs/heads/main") -> Profile:
    """The certificate of a workflow, as Fulcio issues it."""
    subject = f"{WORKFLOW}/{file}@{ref}"
    claims = {9: subject, 12: "https://github.com/acme/api", 14: ref, 20: "push"}
    return Profile(names=(uri(subject),), issuer=ISSUER, claims=claims)


@dataclass
class Scene:
    """A registry that has an image, and what is trusted."""

    registry: RegistrySimulator = field(default_factory=RegistrySimulator)
    clock: SettableClock = field(default_factory=SettableClock)

    def __post_init__(self) -> None:
        self.digest = self.registry.push_image(NAME, "v1.4.2")
        self.roots = FixedRoots({"public-good": TrustedRoot.parse(WORLD.trusted_root())})

    def attach(self, bundle: Json, image: tuple[str, Digest] | None = None) -> None:
        name, digest = image or (NAME, self.digest)
        self.registry.repository(name).attach(digest, BUNDLE, [Layer(BUNDLE, encode(bundle))])

    def keyless(
        self,
        signer: Signer | None = None,
        world: SigningAuthority = WORLD,
        image: tuple[str, Digest] | None = None,
        **more: Any,
    ) -> None:
        """Sign it, or another image, by a workflow; `more` is of the bundle."""
        _, digest = image or (NAME, self.digest)
        signature = Signature.of_payload(signer or world.issue(profile=workflow()), statement(digest))
        self.attach(world.bundle(signature, **more), image)

    def attest(
        self,
        predicate_type: str,
        predicate: object,
        *,
        age: timedelta = timedelta(),
        signer: Profile | None = None,
    ) -> None:
        """Have a workflow, that of releases, attest something of it, so long ago."""
        at = self.clock.now() - age
        said = statement(self.digest, predicate_type, predicate)
        signature = Signature.of_payload(WORLD.issue(profile=signer or workflow(), at=at), said)
        self.attach(WORLD.bundle(signature, entries=[WORLD.entry(signature, at=at)]))

    def judge(
        self,
        found: PolicySet,
        text: str = TAGGED,
        workload: Workload | None = None,
        stage: Stage = Stage.CHECK,
        seconds: float = 10.0,
    ) -> ImageReview:
        return judged(self.registry, self.roots, self.clock, found, text, workload, stage, seconds)


def judged(
    registry: Registry,
    roots: TrustedRoots,
    clock: SettableClock,
    found: PolicySet,
    text: str = TAGGED,
    workload: Workload | None = None,
    stage: Stage = Stage.CHECK,
    seconds: float = 10.0,
) -> ImageReview:
    reviewer = Reviewer(registry, roots, clock.monotonic, clock.now, jobs=1)
    try:
        (review,) = reviewer.review(found, [Subject(text, workload or Workload())], stage, clock.deadline(seconds))
    finally:
        reviewer.close()
    return review


def built(
    registry: RegistrySimulator,
    name: str,
    tag: str | None,
    layers: Sequence[str],
    labels: Mapping[str, str] | None = None,
    platform: Platform = AMD64,
) -> Digest:
    """Push an image of some layers, each of them a text, the lowest first."""
    repository = registry.repository(name)
    contents = [layer.encode() for layer in layers]
    config = {
        "created": CREATED,
        "os": platform.os,
        "architecture": platform.architecture,
        "config": {"Labels": dict(labels or {})},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(content)) for content in contents]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": repository.stored(Layer(OCI_CONFIG, encode(config))),
        "layers": [repository.stored(Layer(OCI_LAYER, content)) for content in contents],
    }
    return repository.manifest(manifest, tag).digest


def based_on(name: str, digest: Digest | None = None) -> dict[str, str]:
    """The labels that say what an image is built on."""
    where = "org.opencontainers.image.base"
    return {f"{where}.name": name, **({f"{where}.digest": str(digest)} if digest is not None else {})}
