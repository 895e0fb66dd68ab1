"""Ways around policies that worked on others (research/policy.md and kubernetes.md): each must still be judged."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.documents import Document, read_documents
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.decision import Verdict
from gate.policy.evaluate import Stage, Workload, plan
from gate.policy.parse import parse_set
from gate.policy.schema import KINDS, LATER, schema_of
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import (
    ALLOW,
    DIGEST,
    OTHER,
    PINNED,
    REPOSITORY,
    SIGNED,
    SIGNERS,
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
    from gate.evidence.facts import Evidence

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
}
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
) -> list[tuple[str, str]]:
    rules = [{"image": IMAGE if image is None else image}, {"signature": SIGNATURE if signature is None else signature}]
    found = policies(policy(rules, match=MATCH if match is None else match, signers=signers))
    return codes(decide(found, text, workload, stage, facts, OTHER))


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
    "signature.annotations": [verdict(signature=changed(SIGNATURE, "annotations", to={"env": "dev"}))],
    "signature.reference": [verdict(facts=evidence([fact(alice(), {"env": "prod"}, "ghcr.io/evil/api")]))],
    "image.registries": [verdict(image=changed(IMAGE, "registries", to=["ghcr.io/acme-evil"]))],
    "image.tags": [
        verdict(image=changed(IMAGE, "tags", to="digest"), text=f"{REPOSITORY}:v1", stage=Stage.CHECK),
    ],
    "image.denyTags": [verdict(image=changed(IMAGE, "denyTags", to=["v*"]))],
    "image.denyTagsWithDigest": [verdict(text=f"{REPOSITORY}:dev@{DIGEST}")],
    "image.denyDigests": [verdict(image=changed(IMAGE, "denyDigests", to=[str(DIGEST)]))],
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
    found = plan(policies(policy([{"signature": SIGNATURE}])), Reference.parse(PINNED), HERE, Stage.CHECK)
    assert [str(s) for s in found.sources] == ["ghcr.io/acme/sigs"]
    without = policies(policy([{"signature": changed(SIGNATURE, "repository", to=None)}]))
    assert [str(s) for s in plan(without, Reference.parse(PINNED), HERE, Stage.CHECK).sources] == [REPOSITORY]


def test_cve_2025_29778_the_table_has_every_field() -> None:
    spec = schema_of("ClusterGatePolicy")["properties"]["spec"]["properties"]
    rules = spec["rules"]["items"]["properties"]
    parts = {"signature": rules["signature"], "image": rules["image"], "match": spec["match"]}
    fields = {
        f"{part}.{name}" for part, s in parts.items() for name, inner in s["properties"].items() if inner != LATER
    }
    fields |= {f"match.namespaces.{name}" for name in spec["match"]["properties"]["namespaces"]["properties"]}
    assert fields - {"match.namespaces", "signature.repository"} == set(NEGATIVE)


def test_cve_2025_29778_modes_of_keys_are_not_ignored() -> None:
    logged = evidence([fact(alice(), {"env": "prod"}, logged=True)])
    signers = {**SIGNERS, "a": {"key": {**SIGNERS["a"]["key"], "transparencyLog": "ignore"}}}
    assert verdict(facts=logged) == [("SIGNATURE_UNSUPPORTED", "deny")]
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
    assert parsed(json.dumps(document)).problems


def test_an_empty_set_denies_everything() -> None:
    found = parse_set([], None).set
    assert codes(decide(found)) == UNMATCHED
    assert found.enforces


def test_an_earlier_document_is_not_overridden_by_a_later_one() -> None:
    strict, lenient = json.dumps(policy(SIGNED)), json.dumps(policy(ALLOW))
    for text in (f"{strict}\n---\n{lenient}", f"{lenient}\n---\n{strict}"):
        assert "stands twice" in parsed(text).problems[0].message
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
