"""What an image may be built on: proven by its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.image.config import ImageConfig
from gate.image.digest import Digest
from gate.image.manifest import Platform
from gate.image.platforms import BaseClaim, PlatformImage
from gate.image.reference import Reference
from gate.policy.bases import Base
from gate.policy.evaluate import conclude
from gate.policy.finding import Reason
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from tests.fakes.clock import START
from tests.fakes.signing import alice, mallory
from tests.unit.policy.build import DIGEST, PINNED, Json, codes, evidence, fact, policies, policy, revocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.facts import Evidence

EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
BASE = Digest.of(b"the base")
NAME = "ghcr.io/acme/bases/debian"
AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
CLAIM = BaseClaim(f"{NAME}:12", str(BASE))
WANTED: Json = {"base": {"images": ["ghcr.io/acme/bases/**"]}}
SIGNED: Json = {"base": {"images": ["ghcr.io/acme/bases/**"], "by": "a", "maxAge": "90d"}}
NOT_ALLOWED, UNKNOWN = [("BASE_NOT_ALLOWED", "deny")], [("BASE_UNKNOWN", "deny")]


def image(*layers: str, platform: Platform = AMD, claims: tuple[BaseClaim, ...] = (CLAIM,)) -> PlatformImage:
    config = ImageConfig("", platform, "", {}, layers)
    return PlatformImage(Digest.of(repr((layers, platform)).encode()), platform, config, claims)


def base(*images: PlatformImage, found: Evidence | None = None) -> Base:
    return Base(BASE, images, found or evidence([fact(alice())]))


def judged(
    rule: Json, images: tuple[PlatformImage, ...], bases: Mapping[str, Base | Reason], *more: Json
) -> list[tuple[str, str]]:
    planned = plan(policies(policy([rule]), *more), Reference.parse(PINNED), Workload(), Stage.CHECK, START)
    assert planned.bases
    named = {Reference.parse(name): one for name, one in bases.items()}
    return codes(conclude(planned, Known(DIGEST, {}, images, bases=named), START))


AT = f"{NAME}@{BASE}"
ONE = {AT: base(image("l1", "l2"))}


def test_an_image_whose_layers_begin_with_those_of_its_base() -> None:
    assert judged(WANTED, (image("l1", "l2", "l3"),), ONE) == []
    assert judged(WANTED, (image("l1", "l2"),), ONE) == []


@pytest.mark.parametrize("layers", [("l1",), ("l2", "l1"), ("x", "l1", "l2"), ("l1", "x", "l2"), ()])
def test_a_claim_without_the_layers_is_no_proof(layers: tuple[str, ...]) -> None:
    assert judged(WANTED, (image(*layers),), ONE) == NOT_ALLOWED


def test_who_says_nothing_is_not_known_and_who_says_another_is_not_allowed() -> None:
    assert judged(WANTED, (image("l1", "l2", claims=()),), ONE) == UNKNOWN
    other = (BaseClaim("docker.io/library/debian:12", str(BASE)),)
    assert judged(WANTED, (image("l1", "l2", claims=other),), ONE) == NOT_ALLOWED
    assert judged(WANTED, (image("l1", "l2", claims=(BaseClaim("not a name"),)),), ONE) == NOT_ALLOWED
    assert judged(WANTED, (image("l1", "l2", claims=(BaseClaim(f"{NAME}:12", "sha256:x"),)),), ONE) == NOT_ALLOWED


def test_one_of_several_claims_suffices() -> None:
    two = (BaseClaim("docker.io/library/debian:12"), CLAIM)
    assert judged(WANTED, (image("l1", "l2", claims=two),), ONE) == []


def test_digests_may_be_named_too() -> None:
    rule = {"base": {"digests": [str(BASE)]}}
    elsewhere = (BaseClaim("mirror.example/debian", str(BASE)),)
    known = {f"mirror.example/debian@{BASE}": base(image("l1"))}
    assert judged(rule, (image("l1", "x", claims=elsewhere),), known) == []
    assert judged({"base": {"digests": [str(DIGEST)]}}, (image("l1", claims=elsewhere),), known) == NOT_ALLOWED


def test_a_base_of_nothing_is_beneath_everything_and_counts_for_nothing() -> None:
    assert judged(WANTED, (image("l1"),), {AT: base(image())}) == NOT_ALLOWED
    assert judged(WANTED, (image(EMPTY, "l1"),), {AT: base(image(EMPTY))}) == NOT_ALLOWED
    assert judged(WANTED, (image(EMPTY, "l1", "x"),), {AT: base(image(EMPTY, "l1"))}) == []
    two = {"base": {**WANTED["base"], "minLayers": 2}}
    assert judged(two, (image("l1", "l2"),), {AT: base(image("l1"))}) == NOT_ALLOWED


def test_every_platform_has_to_be_built_on_it() -> None:
    both = {AT: base(image("a1"), image("r1", platform=ARM))}
    good = image("a1", "x"), image("r1", "x", platform=ARM)
    assert judged(WANTED, good, both) == []
    lying = image("a1", "x"), image("evil", "x", platform=ARM)
    assert judged(WANTED, lying, both) == NOT_ALLOWED
    crossed = image("a1", "x"), image("a1", "x", platform=ARM)  # the layers of another platform
    assert judged(WANTED, crossed, both) == NOT_ALLOWED


def test_the_base_has_to_be_signed_where_that_is_asked() -> None:
    images = (image("l1", "l2", "l3"),)
    unsigned = {AT: base(image("l1", "l2"), found=evidence())}
    strangers = {AT: base(image("l1", "l2"), found=evidence([fact(mallory())]))}
    fresh = {"base": {"images": ["ghcr.io/acme/bases/**"], "by": "a"}}
    assert judged(fresh, images, ONE) == []
    assert judged(fresh, images, unsigned) == [("SIGNATURE_MISSING", "deny")]
    assert judged(fresh, images, strangers) == [("KEY_MISMATCH", "deny")]
    assert judged(SIGNED, images, ONE) == [("SIGNATURE_TOO_OLD", "deny")]  # nothing proves how old it is


def test_what_could_not_be_known_is_an_error() -> None:
    images = (image("l1", "l2"),)
    away = Reason(Code.REGISTRY_TIMEOUT, "ghcr.io did not answer", "retry")
    assert judged(WANTED, images, {AT: away}) == [("REGISTRY_TIMEOUT", "error")]
    assert judged(WANTED, images, {}) == [("INTERNAL", "error")]


def test_a_base_that_is_revoked_counts_no_more() -> None:
    found = judged(WANTED, (image("l1", "l2"),), ONE, revocation(digests=[str(BASE)]))
    assert found == [("REVOKED", "deny")]
