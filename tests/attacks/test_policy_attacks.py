"""Ways around policies that worked on others (research/policy.md and kubernetes.md): each must still be judged."""

from __future__ import annotations

import copy
import gc
import itertools
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.demo.images import COSIGN_ARTIFACT, Layer, referrers_of
from gate.documents import Document, read_documents
from gate.evidence import cosign
from gate.evidence.candidate import Candidate
from gate.evidence.facts import Format, Storage
from gate.image.config import ImageConfig
from gate.image.content import InMemory
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST, Platform
from gate.image.platforms import PlatformImage
from gate.image.reference import Reference
from gate.policy.finding import Verdict
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.reading.schema.kinds import KINDS, schema_of
from gate.policy.reading.sets import parse_set
from gate.policy.trust import TrustNeeds, WitnessedKey
from gate.review.examine import Examiner
from gate.review.limits import MAX_BESIDE, MAX_CANDIDATES
from gate.review.lister import EVIDENCE_SECONDS
from gate.review.listing import Listing, Place
from gate.review.review import Reviewer, Subject
from tests.fakes.clients import client_of, soon
from tests.fakes.clock import START, SettableClock
from tests.fakes.contents import AtHand, listed
from tests.fakes.registry_simulator import MemoryRepository
from tests.fakes.roots import NoRoots
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import (
    ALLOW,
    DIGEST,
    OTHER,
    PINNED,
    REPOSITORY,
    SIGNED,
    SIGNERS,
    WRONG_ENTRY,
    Json,
    codes,
    config,
    decide,
    evidence,
    fact,
    parsed,
    policies,
    policy,
)
from tests.unit.review.build import NAME, world

if TYPE_CHECKING:
    from gate.demo.signing import SigningKey
    from gate.evidence.facts import Evidence
    from gate.policy.policy_set import PolicySet

SIGNATURE: Json = {
    "by": ["a", "b"],
    "annotations": {"env": "prod"},
    "repository": "ghcr.io/acme/sigs",
    "reference": "match",
}
IMAGE: Json = {
    "registries": ["ghcr.io/acme"],
    "tags": "pin",
    "denyTags": ["dev"],
    "denyTagsWithDigest": True,
    "denyDigests": [str(OTHER)],
    "maxAge": "30d",
    "platforms": ["linux/amd64"],
    "labels": {"team": "pay*"},
    "nonRoot": True,
}
CONFIG = ImageConfig("2026-10-20T00:00:00Z", Platform("linux", "amd64"), "65532", {"team": "payments"})
RUNS = PlatformImage(DIGEST, CONFIG.platform, CONFIG)
MATCH: Json = {
    "images": ["ghcr.io/acme/**"],
    "exclude": ["ghcr.io/acme/test/**"],
    "kinds": ["Deployment"],
    "serviceAccounts": ["api"],
    "namespaces": {
        "names": ["prod"],
        "matchLabels": {"env": "prod"},
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}],
    },
}
HERE = Workload("Deployment", "prod", {"env": "prod", "tier": "front"}, "api")
GOOD = evidence([fact(alice(), {"env": "prod"})])


def verdict(
    *,
    signature: Json | None = None,
    image: Json | None = None,
    match: Json | None = None,
    text: str = PINNED,
    workload: Workload = HERE,
    stage: Stage = Stage.VALIDATE,
    facts: Evidence = GOOD,
    signers: Json = SIGNERS,
    runs: PlatformImage = RUNS,
) -> list[tuple[str, str]]:
    rules = [{"image": IMAGE if image is None else image}, {"signature": SIGNATURE if signature is None else signature}]
    found = policies(policy(rules, match=MATCH if match is None else match, signers=signers))
    return codes(decide(found, text, workload, stage, facts, OTHER, platforms=(runs,)))


def built(**fields: Any) -> PlatformImage:
    return replace(RUNS, config=replace(CONFIG, **fields))


def changed(value: Json, *path: str | int, to: object) -> Json:
    """A copy with one field changed, or left out."""
    result = copy.deepcopy(value)
    inner: Any = result
    for part in path[:-1]:
        inner = inner[part]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return result


UNMATCHED = [("NO_POLICY_MATCHED", "deny")]
NEGATIVE: dict[str, list[list[tuple[str, str]]]] = {
    # field: what is decided where it says something else than what there is
    "signature.by": [verdict(signature=changed(SIGNATURE, "by", to="b"))],
    "signature.maxAge": [verdict(signature={**SIGNATURE, "maxAge": "1h"})],
    "signature.minAge": [verdict(signature={**SIGNATURE, "minAge": "1h"})],
    "signature.unless": [verdict(signature={**SIGNATURE, "minAge": "1h", "unless": {"by": "b"}})],
    "signature.annotations": [verdict(signature=changed(SIGNATURE, "annotations", to={"env": "dev"}))],
    "signature.reference": [verdict(facts=evidence([fact(alice(), {"env": "prod"}, "ghcr.io/evil/api")]))],
    "image.registries": [verdict(image=changed(IMAGE, "registries", to=["ghcr.io/acme-evil"]))],
    "image.tags": [
        verdict(image=changed(IMAGE, "tags", to="digest"), text=f"{REPOSITORY}:v1", stage=Stage.CHECK),
    ],
    "image.denyTags": [verdict(image=changed(IMAGE, "denyTags", to=["v*"]))],
    "image.denyTagsWithDigest": [verdict(text=f"{REPOSITORY}:dev@{DIGEST}")],
    "image.denyDigests": [verdict(image=changed(IMAGE, "denyDigests", to=[str(DIGEST)]))],
    "image.maxAge": [verdict(runs=built(created="2026-09-01T00:00:00Z")), verdict(runs=built(created=""))],
    "image.platforms": [verdict(image=changed(IMAGE, "platforms", to=["linux/amd64", "linux/arm64"]))],
    "image.labels": [verdict(runs=built(labels={"team": "other"})), verdict(runs=built(labels={}))],
    "image.nonRoot": [verdict(runs=built(user="")), verdict(runs=built(user="root"))],
    "match.images": [verdict(match=changed(MATCH, "images", to=["ghcr.io/other/**"]))],
    "match.exclude": [verdict(match=changed(MATCH, "exclude", to=["ghcr.io/acme/**"]))],
    "match.kinds": [verdict(match=changed(MATCH, "kinds", to=["Job"]))],
    "match.serviceAccounts": [verdict(match=changed(MATCH, "serviceAccounts", to=["other"]))],
    "match.namespaces.names": [verdict(match=changed(MATCH, "namespaces", "names", to=["dev"]))],
    "match.namespaces.matchLabels": [verdict(match=changed(MATCH, "namespaces", "matchLabels", to={"env": "dev"}))],
    "match.namespaces.matchExpressions": [
        verdict(match=changed(MATCH, "namespaces", "matchExpressions", 0, "operator", to="NotIn")),
        verdict(match=changed(MATCH, "namespaces", "matchExpressions", 0, "key", to="other")),
        verdict(match=changed(MATCH, "namespaces", "matchExpressions", 0, "values", to=["back"])),
    ],
}


def test_cve_2025_29778_as_it_is_meant_everything_passes() -> None:
    assert verdict() == []


@pytest.mark.parametrize("field", sorted(NEGATIVE))
def test_cve_2025_29778_no_field_is_ignored(field: str) -> None:
    # Kyverno compared the issuer and forgot the subject expression beside it
    for found in NEGATIVE[field]:
        assert [v for _, v in found if v in ("deny", "error")]
        assert (found == UNMATCHED) is field.startswith("match.")


def test_cve_2025_29778_the_repository_of_signatures_is_not_ignored() -> None:
    found = plan(policies(policy([{"signature": SIGNATURE}])), Reference.parse(PINNED), HERE, Stage.CHECK, START)
    assert [str(s.repository) for s in found.sources] == ["ghcr.io/acme/sigs"]
    without = policies(policy([{"signature": changed(SIGNATURE, "repository", to=None)}]))
    (here,) = plan(without, Reference.parse(PINNED), HERE, Stage.CHECK, START).sources
    assert (str(here.repository), here.tag_prefix) == (REPOSITORY, "")
    prefixed = policies(policy([{"signature": {"by": "a", "tagPrefix": "team-"}}]))
    (here,) = plan(prefixed, Reference.parse(PINNED), HERE, Stage.CHECK, START).sources
    assert (str(here.repository), here.tag_prefix) == (REPOSITORY, "team-")


def test_cve_2025_29778_the_table_has_every_field() -> None:
    spec = schema_of("ClusterGatePolicy")["properties"]["spec"]["properties"]
    rules = spec["rules"]["items"]["properties"]
    parts = {"signature": rules["signature"], "image": rules["image"], "match": spec["match"]}
    fields = {f"{part}.{name}" for part, s in parts.items() for name in s["properties"]}
    fields |= {f"match.namespaces.{name}" for name in spec["match"]["properties"]["namespaces"]["properties"]}
    elsewhere = {"match.namespaces", "signature.repository", "signature.tagPrefix", "signature.platformEvidence"}
    assert fields - elsewhere == set(NEGATIVE)


def test_cve_2025_29778_modes_of_keys_are_not_ignored() -> None:
    logged = evidence([fact(alice(), {"env": "prod"}, witness=WRONG_ENTRY)])
    signers = {**SIGNERS, "a": {"key": {**SIGNERS["a"]["key"], "transparencyLog": "ignore"}}}
    assert verdict(facts=logged) == [("LOG_ENTRY_INVALID", "deny")]
    assert verdict(facts=logged, signers=signers) == []
    signers["a"] = {"key": {**SIGNERS["a"]["key"], "hash": "sha512"}}
    assert verdict(signers=signers) == [("KEY_MISMATCH", "deny")]


def test_kyverno_17173_what_is_cached_never_skips_a_deny_rule() -> None:
    lenient = policies(policy(SIGNED))
    with world() as here:
        here.registry.sign_legacy(NAME, here.digest, alice())
        assert here.codes(lenient, here.pinned) == []
        asked = here.registry.calls.total()
        rules: list[tuple[Json, str]] = [
            ({"deny": {}}, "DENIED_BY_POLICY"),
            ({"image": {"registries": ["quay.io"]}}, "REGISTRY_NOT_ALLOWED"),
            ({"image": {"denyDigests": [str(here.digest)]}}, "DIGEST_DENIED"),
            ({"image": {"denyTags": ["v1"], "denyTagsWithDigest": True}}, "TAG_MUTABLE"),
            ({"signature": {"by": "b"}, "name": "bob"}, "KEY_MISMATCH"),
            ({"signature": {"by": "a", "annotations": {"k": "v"}}, "name": "x"}, "ANNOTATION_MISMATCH"),
        ]
        for rule, code in rules:
            assert here.codes(policies(policy([*SIGNED, rule])), here.pinned) == [(code, "deny")]
        assert here.codes(policies(policy(SIGNED, match={"images": ["quay.io/**"]})), here.pinned) == UNMATCHED
        # all of this without another question
        assert here.registry.calls.total() == asked
        assert here.codes(lenient, here.pinned) == []


def test_kyverno_17173_the_namespace_is_part_of_every_decision() -> None:
    found = policies(policy(SIGNED), policy([{"deny": {}}], name="q", namespace="locked"))
    with world() as here:
        here.registry.sign_legacy(NAME, here.digest, alice())
        for namespace, expected in [("open", Verdict.ALLOW), ("locked", Verdict.DENY), ("open", Verdict.ALLOW)]:
            review = here.review(found, here.pinned, Stage.VALIDATE, Workload("Pod", namespace))
            assert review.decision.verdict is expected


@pytest.mark.parametrize(
    "match",
    [
        {"namespaces": {"names": ["prod"]}},
        {"namespaces": {"matchLabels": {"env": "prod"}}},
        {"namespaces": {"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]}},
        {"namespaces": {"matchExpressions": [{"key": "env", "operator": "Exists"}]}},
    ],
)
@pytest.mark.parametrize("workload", [Workload(), Workload("Pod"), Workload("Pod", None, {"env": "dev"})])
def test_cve_2025_46342_a_namespace_that_is_not_known_skips_nothing(match: Json, workload: Workload) -> None:
    found = policies(policy([{"deny": {}}], match=match), policy(ALLOW, name="all"))
    assert codes(decide(found, workload=workload)) == [("DENIED_BY_POLICY", "deny")]


def test_cve_2025_46342_labels_that_are_not_known_skip_nothing() -> None:
    match = {"namespaces": {"names": ["prod"], "matchLabels": {"env": "prod"}}}
    found = policies(policy([{"deny": {}}], match=match), policy(ALLOW, name="all"))
    assert codes(decide(found, workload=Workload("Pod", "prod"))) == [("DENIED_BY_POLICY", "deny")]
    # only a namespace that is known is excluded
    excluded = policies(policy([{"deny": {}}]), config(excludeNamespaces=["kube-system"]))
    assert codes(decide(excluded, workload=Workload("Pod"))) == [("DENIED_BY_POLICY", "deny")]


@pytest.mark.parametrize(
    ("image", "covered"),
    [
        # policy-controller matched `name@digest` or the raw text, IVP the raw text with `*` over `/`
        ("nginx", True),
        ("docker.io/nginx", True),
        ("library/nginx", True),
        ("index.docker.io/library/nginx:v1", True),
        (f"registry-1.docker.io/library/nginx@{DIGEST}", True),
        ("docker.io:443/library/nginx", True),
        ("Docker.IO/library/nginx", True),
        ("acme/nginx", False),
        ("ghcr.io/library/nginx", False),
        ("evil.example/docker.io/library/nginx", False),
        ("docker.io/library/nginx/evil", False),
        ("docker.io/evil/library/nginx", False),
    ],
)
def test_policy_controller_globs_match_the_normalised_name(image: str, covered: bool) -> None:  # noqa: FBT001
    found = policies(policy([{"deny": {}}], match={"images": ["docker.io/library/*"]}), policy(ALLOW, name="all"))
    assert bool(codes(decide(found, image))) is covered


@pytest.mark.parametrize("tail", ["", ":v1", ":latest", f"@{DIGEST}", f":ghcr.io_trusted@{DIGEST}", ":trusted"])
def test_policy_controller_888_a_tag_never_moves_an_image_out_of_a_pattern(tail: str) -> None:
    found = policies(
        policy([{"deny": {}}], match={"images": [REPOSITORY], "exclude": ["**/trusted"]}), policy(ALLOW, name="all")
    )
    assert codes(decide(found, f"{REPOSITORY}{tail}")) == [("DENIED_BY_POLICY", "deny")]


def test_cve_2022_47633_a_registry_that_answers_twice_is_asked_once() -> None:
    # the first digest is signed and verified, the second runs
    found = policies(policy(SIGNED))
    with world(cache=False) as here:
        evil = here.registry.push_image(NAME, "evil", "evil")
        here.registry.sign_legacy(NAME, here.digest, alice())
        for stage in (Stage.CHECK, Stage.VALIDATE, Stage.MUTATE):
            here.registry.set_tag(NAME, "v1", here.digest, evil)
            review = here.review(
                found, stage=stage, workload=Workload("Deployment" if stage is Stage.VALIDATE else "Pod")
            )
            assert (review.decision.verdict, review.digest) == (Verdict.ALLOW, here.digest)
            assert evil.hex not in f"{review.pin} {review.resolved}"
        # what another hook put there since is judged by what it is
        review = here.review(found, f"{NAME}:v1@{evil}", Stage.VALIDATE, Workload("Pod"))
        assert review.decision.verdict is Verdict.DENY
        # and a Pod that is still without a digest is not admitted at all
        review = here.review(found, f"{NAME}:v1", Stage.VALIDATE, Workload("Pod"))
        assert [f.code for f in review.decision.findings] == [Code.DIGEST_REQUIRED]


@pytest.mark.parametrize(
    "code", [Code.REGISTRY_TIMEOUT, Code.REGISTRY_UNREACHABLE, Code.REGISTRY_RATE_LIMITED, Code.IMAGE_NOT_FOUND]
)
@pytest.mark.parametrize("place", ["resolve", "manifest", "referrers", "blob"])
def test_connaisseur_errors_are_not_cached(place: str, code: Code) -> None:
    found = policies(policy(SIGNED))
    with world() as here:
        here.registry.sign_bundle(NAME, here.digest, alice())
        here.registry.fail_with(place, code)
        review = here.review(found)
        assert review.decision.verdict is Verdict.ERROR
        assert Code.SIGNATURE_MISSING not in {f.code for f in review.decision.findings}
        here.registry.heal()
        assert here.review(found).decision.verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    "image",
    [
        *(
            "ghcr.io/acme-evil/api",
            "ghcr.io/acmeevil",
            "ghcr.io/ac",
            "ghcr.io/evil/acme/api",
            "evil.example/ghcr.io/acme/api",
        ),
        *(
            "ghcr.io.evil.example/acme/api",
            "xghcr.io/acme/api",
            "ghcr.io:8443/acme/api",
            "acme/api",
            "ghcr.io-acme.test/api",
        ),
        *("localhost/ghcr.io/acme/api", "ghcr.io/acme.evil/api", "ghcr.io/acme_evil/api", "www.ghcr.io/acme/api"),
    ],
)
def test_a_registry_prefix_is_whole_segments(image: str) -> None:
    found = policies(policy([{"image": {"registries": ["ghcr.io/acme"], "tags": "unsafeAny", "denyTags": []}}]))
    assert codes(decide(found, image)) == [("REGISTRY_NOT_ALLOWED", "deny")]


SPELLINGS = [
    "ghcr.io/acme/api",
    "GHCR.IO/acme/api",
    "Ghcr.Io:443/acme/api",
    "ghcr.io:0443/acme/api",
    "ghcr.io:00443/acme/api:v1",
]


@pytest.mark.parametrize("image", SPELLINGS)
def test_spellings_of_a_registry_are_one(image: str) -> None:
    allowed = policies(policy([{"image": {"registries": ["ghcr.io/acme"], "tags": "unsafeAny", "denyTags": []}}]))
    assert codes(decide(allowed, image)) == []
    matched = policies(policy([{"deny": {}}], match={"images": ["ghcr.io/acme/*"]}), policy(ALLOW, name="all"))
    assert codes(decide(matched, image)) == [("DENIED_BY_POLICY", "deny")]
    excluded = policies(
        policy([{"deny": {}}], match={"images": ["**"], "exclude": ["ghcr.io/**"]}), policy(ALLOW, name="all")
    )
    assert codes(decide(excluded, image)) == []


@pytest.mark.parametrize(
    "image",
    [
        # letters of other alphabets, full width, a long s, punycode, percent escapes, a dot at the end, user info
        *("gh\N{CYRILLIC SMALL LETTER ES}r.io/acme/api", "\N{FULLWIDTH LATIN SMALL LETTER G}hcr.io/acme/api"),
        *(
            "ghcr\N{IDEOGRAPHIC FULL STOP}io/acme/api",
            "gh\u200bcr.io/acme/api",
            "ghcr.io./acme/api",
            "ghcr.io%2facme/api",
        ),
        *("xn--ghr-xdd.io/acme/api", "ghcr.io@evil.example/acme/api", "ghcr.io\\acme/api", "https://ghcr.io/acme/api"),
        *("ghcr.io/../acme/api", "ghcr.io//acme/api", "ghcr.io/acme/api ", " ghcr.io/acme/api", "ghcr.io/acme/api\n"),
        *("GHCR.IO\N{KELVIN SIGN}/acme/api", "Acme/api", "ghcr.io/Acme/api", "ghcr.io:443:443/acme/api"),
    ],
)
def test_look_alikes_of_a_registry_are_others_or_nothing(image: str) -> None:
    found = policies(policy([{"image": {"registries": ["ghcr.io/acme"], "tags": "unsafeAny", "denyTags": []}}]))
    with world() as here:
        (code,) = here.codes(found, image)
    assert code in [("REGISTRY_NOT_ALLOWED", "deny"), ("REFERENCE_INVALID", "deny")]


@pytest.mark.parametrize(
    "spec",
    [
        {"rules": []},
        {"rules": [{}]},
        {"rules": None},
        {"rules": [{"signature": {"by": []}}]},
        {"rules": [{"signature": {"by": {"all": []}}}]},
        {"rules": [{"signature": {"by": {"atLeast": 0, "of": ["a"]}}}]},
        {"rules": [{"signature": {"by": None}}]},
        {"rules": [{"signature": {}}]},
        {"rules": SIGNED, "match": {"images": []}},
        {"rules": SIGNED, "match": {"image": ["ghcr.io/**"]}},
        {"rules": SIGNED, "mode": "Enforce"},
        {"rules": SIGNED, "mode": ""},
        {"rules": [*SIGNED, {"image": {"registries": []}}]},
        {"rules": [{**SIGNED[0], "unless": {"by": "b"}}]},
        {},
    ],
)
def test_kyverno_17161_what_is_empty_is_no_policy(spec: Json) -> None:
    document = policy(SIGNED)
    document["spec"] = {"signers": SIGNERS, **spec}
    assert parsed(json.dumps(document)).errors


def test_an_empty_set_denies_everything() -> None:
    found = parse_set([], None).set
    assert codes(decide(found)) == UNMATCHED
    assert found.enforces


def test_an_earlier_document_is_not_overridden_by_a_later_one() -> None:
    strict, lenient = json.dumps(policy(SIGNED)), json.dumps(policy(ALLOW))
    for text in (f"{strict}\n---\n{lenient}", f"{lenient}\n---\n{strict}"):
        assert "stands twice" in parsed(text).errors[0].message
    twice = strict.replace('"rules"', '"rules": [{"image": {"tags": "unsafeAny", "denyTags": []}}], "rules"')
    (error,) = read_documents(twice, "p.yaml")
    assert not isinstance(error, Document)
    assert "stands twice" in error.message


def test_the_word_no_is_a_word() -> None:
    # YAML 1.1 readers make it false, and the registry of Norway a boolean
    label = {"namespaces": {"matchLabels": {"country": "no"}}}
    found = policies(policy([{"deny": {}}], match=label), policy(ALLOW, name="all"))
    assert codes(decide(found, workload=Workload("Pod", "n", {"country": "no"}))) == [("DENIED_BY_POLICY", "deny")]


def test_a_signature_of_another_image_or_key_never_counts() -> None:
    found = policies(policy([{"signature": {"by": {"all": ["a", "b"]}}}]))
    with world() as here:
        other = here.registry.push_image(NAME, "other", "other")
        here.registry.sign_legacy(NAME, other, alice())
        here.registry.sign_bundle(NAME, here.digest, mallory())
        here.registry.sign_bundle(NAME, here.digest, bob())
        # the tag of the signatures of one image moved to those of another
        repository = here.registry.repository(NAME)
        repository.tags[f"{here.digest.tag}.sig"] = repository.tags[f"{other.tag}.sig"]
        assert here.codes(found) == [("SIGNERS_TOO_FEW", "deny")]


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "GateConfig"])
def test_a_namespaces_policy_only_adds(kind: str) -> None:
    lenient = policy(ALLOW, name="lenient", namespace="n" if kind == "GatePolicy" else "", mode="audit")
    found = policies(policy(SIGNED), lenient)
    assert codes(decide(found, workload=Workload("Pod", "n"), facts=evidence())) == [("SIGNATURE_MISSING", "deny")]


def test_a_digest_beside_a_tag_is_the_one_that_is_judged() -> None:
    found = policies(policy(SIGNED))
    with world() as here:
        here.registry.sign_legacy(NAME, here.digest, alice())
        evil = here.registry.push_image(NAME, "evil", "evil")
        assert here.codes(found, f"{NAME}:v1@{evil}") == [("SIGNATURE_MISSING", "deny")]
        assert here.codes(found, f"{NAME}:evil@{here.digest}") == []
        assert here.codes(found, f"{NAME}@{Digest.of(b'')}") == [("IMAGE_NOT_FOUND", "error")]


@pytest.mark.parametrize("tag", ["latest", "LATEST", "Latest"])
def test_a_tag_is_matched_as_it_is_written(tag: str) -> None:
    found = policies(policy([{"image": {"tags": "unsafeAny"}}]))
    assert bool(codes(decide(found, f"{REPOSITORY}:{tag}"))) is (tag == "latest")


# whoever writes a GatePolicy must not hold the process that decides for all


STARS = "a*" * 100
REPETITIONS = "/".join(["**"] * 100)


@pytest.mark.parametrize(
    "pattern",
    [f"evil.example/{STARS}b", f"evil.example/{REPETITIONS}/b", f"evil.example/{STARS}/{STARS}b", f"**/{STARS}b"],
)
def test_redos_an_image_pattern_of_a_tenant_is_matched_in_linear_time(pattern: str) -> None:
    """Backtracking over these takes longer than the universe has."""
    name = "evil.example/" + "/".join(["a" * 100] * 2)
    for match in ({"images": [pattern]}, {"images": ["**"], "exclude": [pattern]}):
        found = policies(policy([{"deny": {}}], match=match, namespace="shop"), policy(ALLOW, name="all"))
        denied = codes(decide(found, f"{name}:v1", Workload("Pod", "shop")))
        assert denied == ([] if "exclude" not in match else [("DENIED_BY_POLICY", "deny")])


def test_redos_tag_globs_of_a_tenant_are_matched_in_linear_time() -> None:
    rules: list[Json] = [{"image": {"tags": "unsafeAny", "denyTags": ["*a" * 200 + "b", "**a" * 150 + "b"]}}]
    found = policies(policy(rules, namespace="shop"), policy(ALLOW, name="all"))
    assert codes(decide(found, f"{REPOSITORY}:{'a' * 128}", Workload("Pod", "shop"))) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"match": {"images": ["evil.example/" + "a*" * 150_000]}, "rules": [{"deny": {}}]},
        {"rules": [{"image": {"tags": "unsafeAny", "denyTags": ["*a" * 150_000]}}]},
    ],
)
def test_a_pattern_of_a_tenant_that_is_too_large_to_compile_is_a_problem(
    spec: Json, capfd: pytest.CaptureFixture[str]
) -> None:
    errors = parsed(json.dumps(policy(namespace="shop", **spec))).errors
    assert len(errors) == 1
    assert capfd.readouterr().err == ""  # RE2 writes a line a step


def test_a_pattern_that_covers_nothing_of_docker_hub_is_no_policy() -> None:
    """`docker.io/*` looks as if it denied Docker's own images, which have two segments."""
    for match in ({"images": ["docker.io/*"]}, {"images": ["**"], "exclude": ["docker.io/*"]}):
        (problem,) = parsed(json.dumps(policy([{"deny": {}}], match=match))).errors
        assert "covers nothing" in str(problem)
        assert "write docker.io/library/*" in str(problem)


# signatures that are there, and a registry that does not say so


def _index(*digests: Digest) -> bytes:
    entries = [{"mediaType": OCI_MANIFEST, "digest": str(digest), "size": 5} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


class Liar:
    """A registry with one image, and what it says instead of the truth at some paths."""

    def __init__(self) -> None:
        self.repository = MemoryRepository()
        self.image = self.repository.image("v1", "one")
        self.lies: dict[str, Reply] = {}
        self.base = "/v2/acme/api"

    def __call__(self, asked: Asked) -> Reply:
        if asked.path in self.lies:
            return self.lies[asked.path]
        what, _, target = asked.path.removeprefix(f"{self.base}/").partition("/")
        if what == "referrers":
            listed = referrers_of(Digest.parse(target), list(self.repository.manifests.values()))
            return Reply(200, body=listed, content_type=OCI_INDEX)
        wanted = Digest.parse(target) if target.startswith("sha256:") else target
        if what == "blobs":
            assert isinstance(wanted, Digest)
            return Reply(200, body=self.repository.blobs[wanted])
        content = self.repository.content(wanted)
        return Reply(404) if content is None else Reply(200, body=content, content_type=OCI_MANIFEST)

    def codes(self, found: PolicySet) -> list[tuple[str, str]]:
        with ScriptedServer(self) as server, client_of(server.host) as client:
            reviewer = Reviewer(client, NoRoots(), time.monotonic, SettableClock().now)
            try:
                subject = Subject(f"{server.host}/acme/api:v1@{self.image}")
                (review,) = reviewer.review(found, [subject], Stage.VALIDATE, soon(30))
            finally:
                reviewer.close()
        return codes(review.decision)


def _lie(liar: Liar, how: str) -> None:
    image = liar.repository.content(liar.image)
    assert image is not None
    tags = f"{liar.base}/manifests/{liar.image.tag}"
    as_image = Reply(200, body=image, content_type=OCI_MANIFEST)
    gone = Reply(200, body=_index(Digest.of(b"gone")), content_type=OCI_INDEX)
    match how:
        case "a listed referrer that is not there":
            liar.lies[f"{liar.base}/referrers/{liar.image}"] = gone
        case "a referrer of the fallback tag that is not there":
            liar.lies[tags] = gone
        case "an image instead of the list of referrers":
            liar.lies[f"{liar.base}/referrers/{liar.image}"] = as_image
        case "another image at the fallback tag":
            other = liar.repository.content(liar.repository.image(None, "another"))
            assert other is not None
            liar.lies[tags] = Reply(200, body=other, content_type=OCI_MANIFEST)
        case "an index at the tag of signatures":
            liar.lies[f"{tags}.sig"] = Reply(200, body=_index(liar.image), content_type=OCI_INDEX)
        case _:
            raise AssertionError(how)


LIES = [
    "a listed referrer that is not there",
    "a referrer of the fallback tag that is not there",
    "an image instead of the list of referrers",
    "another image at the fallback tag",
    "an index at the tag of signatures",
]


@pytest.mark.parametrize("how", LIES)
def test_a_registry_that_hides_signatures_is_broken_and_the_image_not_unsigned(how: str) -> None:
    liar = Liar()
    assert liar.codes(policies(policy(SIGNED))) == [("SIGNATURE_MISSING", "deny")]
    _lie(liar, how)
    assert liar.codes(policies(policy(SIGNED))) == [("REGISTRY_PROTOCOL", "error")]
    # nor does a signature by somebody else make it a denial
    elsewhere = "bundle" if how == LIES[4] else "legacy"
    _sign(liar, elsewhere, mallory())
    assert liar.codes(policies(policy(SIGNED))) == [("REGISTRY_PROTOCOL", "error")]


@pytest.mark.parametrize("how", LIES)
def test_a_signature_of_another_place_suffices_whatever_is_broken_beside_it(how: str) -> None:
    liar = Liar()
    _lie(liar, how)
    _sign(liar, "bundle" if how == LIES[4] else "legacy", alice())
    assert liar.codes(policies(policy(SIGNED))) == []
    both: list[Json] = [{"signature": {"by": {"all": ["a", "b"]}}}]
    assert liar.codes(policies(policy(both))) == [("REGISTRY_PROTOCOL", "error")]


def _sign(liar: Liar, how: str, key: SigningKey) -> None:
    if how == "bundle":
        liar.repository.sign_bundle(liar.image, key)
    else:
        liar.repository.sign_legacy(liar.image, key, "registry.test/acme/api")


# many signatures


def test_a_hundred_referrers_of_a_thousand_signatures_each_are_not_all_verified() -> None:
    """One payload, read once, and a signature for each layer: verifying them all took minutes of a core."""
    with world(referrers_api=False) as here:
        payload, annotations = mallory().simple_signing(here.digest, NAME)
        repository = here.registry.repository(NAME)
        layer = Layer(cosign.SIMPLE_SIGNING, payload, annotations)
        first = repository.attach(here.digest, COSIGN_ARTIFACT, [layer], config=Layer(COSIGN_ARTIFACT, b"{}"))
        document = json.loads(repository.content(first) or b"")
        document["layers"] *= 1000
        referrers = [repository.manifest({**document, "annotations": {"n": str(i)}}).digest for i in range(100)]
        repository.manifest(json.loads(_index(*referrers)), here.digest.tag)
        found = here.review(policies(policy(SIGNED)), here.pinned)
        assert [(str(f.code), str(f.verdict)) for f in found.decision.findings] == [("RESPONSE_TOO_LARGE", "error")]
        assert len(found.evidence.rejected) == MAX_CANDIDATES
        assert here.registry.calls["blob"] == 0
        # nor are all their manifests read
        assert here.registry.calls["manifest"] <= 2 + 16 + 1
        here.registry.sign_legacy(NAME, here.digest, alice())
        assert here.review(policies(policy(SIGNED)), here.pinned).decision.verdict is Verdict.ALLOW


def test_large_annotations_beside_one_payload_are_counted_as_bytes() -> None:
    """Manifests of half a megabyte, all of one payload."""
    with world(referrers_api=False) as here:
        payload, annotations = mallory().simple_signing(here.digest, NAME)
        repository = here.registry.repository(NAME)
        large = "y" * (MAX_BESIDE // 9)
        referrers = []
        for i in range(20):
            layer = Layer(cosign.SIMPLE_SIGNING, payload, {**annotations, cosign.CHAIN: f"{i}{large}"})
            config = Layer(COSIGN_ARTIFACT, b"{}")
            referrers.append(repository.attach(here.digest, COSIGN_ARTIFACT, [layer], config=config))
        repository.manifest(json.loads(_index(*referrers)), here.digest.tag)
        assert here.codes(policies(policy(SIGNED)), here.pinned) == [("RESPONSE_TOO_LARGE", "error")]


def test_the_verification_of_many_signatures_ends_with_the_deadline() -> None:
    payload, annotations = mallory().simple_signing(DIGEST, NAME)
    candidate = Candidate(Format.LEGACY, Digest.of(payload), cosign.SIMPLE_SIGNING, payload, annotations)
    many = [replace(candidate, annotations={**annotations, "x": str(i)}) for i in range(MAX_CANDIDATES)]
    name = Reference.parse(NAME).name
    examiner = Examiner(AtHand({candidate.digest: payload}), NoRoots())
    reads = itertools.count()
    found = examiner.examine(
        Place(Storage(name), DIGEST, "", name, attestations=False),
        Listing(DIGEST, tuple(map(listed, many))),
        TrustNeeds((WitnessedKey(alice().public),)),
        Deadline(100, lambda: float(next(reads))),
    )
    assert len(found.rejected) == 100
    assert [u.code for u in found.unavailable] == [Code.DEADLINE_EXCEEDED]


def test_large_evidence_is_not_kept_and_what_is_kept_is_bounded() -> None:
    """5,000 images with 8 MiB of signatures each: what is kept is counted in bytes."""
    with world() as here:
        size = 700 * 1024
        for n in range(20):
            name = f"registry.test/evil/{n}"
            digest = here.registry.push_image(name, "v1", str(n))
            repository = here.registry.repository(name)
            for i in range(2 if n % 2 else 5):
                content = bytes([n, i]) + bytes(size)
                repository.append(f"{digest.tag}.sig", Layer(cosign.SIMPLE_SIGNING, content, {"x": "y"}))
            review = here.review(policies(policy(SIGNED)), f"{name}@{digest}")
            assert review.decision.verdict is Verdict.DENY
        gc.collect()
        held = sum(len(o.content) for o in gc.get_objects() if isinstance(o, (Candidate, InMemory)))
        assert held < size  # of no payload more than its digest is kept
        here.clock.advance(EVIDENCE_SECONDS)
        # and what is over goes with the next one that comes
        assert here.review(policies(policy(SIGNED)), here.pinned).decision.verdict is Verdict.DENY
        assert len(here.reviewer._gatherer._lister._fresh._kept) == 1


@pytest.mark.parametrize(
    "user",
    [
        "0",
        "0:1000",
        "00",
        "+0",
        "-0",
        "-1",
        "4294967296",
        "4294967296:1000",
        f"{2**64}",
        "0" * 100_000,
        "1" + "0" * 9999,
    ],
)
def test_cve_2024_40635_a_number_that_runtimes_take_for_root_is_root(user: str) -> None:
    # containerd kept the last 32 bits of a user's number
    assert verdict(runs=built(user=user)) == [("RUNS_AS_ROOT", "deny")]
    assert verdict(runs=built(user=f"{2**31 - 1}:0")) == []
