"""What holds of every set of policies, whatever is in it (POLICY §2)."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.codes import Code
from gate.image.config import ImageConfig
from gate.image.manifest import Platform
from gate.image.platforms import PlatformImage
from gate.image.reference import Reference
from gate.policy.finding import Verdict
from gate.policy.matching import Workload, match
from gate.policy.plan import Stage
from tests.fakes.signing import alice, bob
from tests.unit.policy.build import DIGEST, OTHER, SIGNERS, Json, decide, evidence, fact, parsed, policies, waiver

if TYPE_CHECKING:
    from gate.evidence.facts import Evidence
    from gate.policy.decision import Decision
    from gate.policy.policy_set import PolicySet

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEARCH = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
STRICTNESS = {Verdict.ALLOW: 0, Verdict.WARN: 1, Verdict.ERROR: 2, Verdict.DENY: 2}  # neither runs

PATTERNS = [
    *("**", "ghcr.io/**", "ghcr.io/acme/**", "ghcr.io/acme/api", "ghcr.io/*/api", "ghcr.io/acme-evil/**", "**/api"),
    *(
        "docker.io/library/nginx",
        "docker.io/**",
        "*/acme/**",
        "ghcr.io/acme/**/api",
        "registry.test:5000/**",
        "g*.io/**",
    ),
]
IMAGES = [
    *(
        "ghcr.io/acme/api:v1",
        "ghcr.io/acme/api",
        "ghcr.io/acme/api:latest",
        "ghcr.io/acme/web:v2",
        "nginx",
        "nginx:1.27",
    ),
    *(f"ghcr.io/acme/api:v1@{DIGEST}", f"nginx@{DIGEST}", "ghcr.io/acme-evil/api:v1", "registry.test:5000/a:v1"),
]
RULES: list[Json] = [
    {"deny": {}},
    {"image": {"registries": ["ghcr.io/acme"]}},
    {"image": {"tags": "digest"}},
    {"image": {"tags": "unsafeAny", "denyTags": []}},
    {"image": {"denyTags": ["v*"], "denyTagsWithDigest": True}},
    {"image": {"denyDigests": [str(OTHER)]}},
    {"image": {"nonRoot": True, "labels": {"team": "*"}}},
    {"signature": {"by": "a"}},
    {"signature": {"by": ["a", "b"]}},
    {"signature": {"by": {"all": ["a", "b"]}}},
    {"signature": {"by": "m", "platformEvidence": "all"}},
]
NEEDING_DIGEST = ("signature", "denyDigests", "nonRoot")
namespaces = st.sampled_from(["prod", "dev"])


def some(words: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=3, unique=True)


@st.composite
def gate_policies(draw: st.DrawFn, name: str = "p", *, own: bool | None = None) -> Json:
    """A policy document; a GatePolicy where `own`, either where that is None."""
    rules = draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique_by=str))
    if any(word in json.dumps(rules) for word in NEEDING_DIGEST):
        rules = [rule for rule in rules if "unsafeAny" not in json.dumps(rule)]
    spec: Json = {
        "mode": draw(st.sampled_from(["enforce", "enforce", "warn", "audit"])),
        "match": draw(matches),
        "signers": SIGNERS,
        "rules": [{**rule, "name": f"r{i}"} for i, rule in enumerate(rules)],
    }
    if draw(st.booleans()):
        spec["exceptions"] = [draw(exceptions)]
        spec["exceptions"][0]["rule"] = draw(st.sampled_from([rule["name"] for rule in spec["rules"]]))
    metadata = {"name": name}
    if draw(st.booleans()) if own is None else own:
        metadata["namespace"] = draw(namespaces)
    kind = "GatePolicy" if "namespace" in metadata else "ClusterGatePolicy"
    return {"apiVersion": "imagegate.dev/v1", "kind": kind, "metadata": metadata, "spec": spec}


matches = st.fixed_dictionaries(
    {"images": some(PATTERNS)},
    optional={
        "exclude": some(PATTERNS[2:]),
        "kinds": some(["Deployment", "Job"]),
        "serviceAccounts": some(["default", "api"]),
        "namespaces": st.fixed_dictionaries(
            {}, optional={"names": some(["prod", "dev"]), "matchLabels": st.just({"env": "prod"})}
        ),
    },
)
exceptions = st.fixed_dictionaries(
    {},
    optional={
        "images": some(PATTERNS),
        "digests": st.just([str(DIGEST)]),
        "namespaces": some(["prod", "dev"]),
        "until": st.sampled_from(["2026-10-01", "2026-11-10", "2027-01-31"]),
    },
).map(lambda fields: {**waiver("x"), **fields})
configs = st.fixed_dictionaries(
    {},
    optional={
        "unmatched": st.sampled_from(["deny", "warn", "audit"]),
        "pinning": st.sampled_from([{"where": "pods"}, {"where": "all"}, {"where": "none"}]),
        "excludeNamespaces": st.just(["kube-system"]),
    },
).map(lambda spec: {**_head("GateConfig", "default"), "spec": spec})
revocations = st.sampled_from([str(DIGEST), str(OTHER)]).map(
    lambda digest: {**_head("GateRevocation", "r"), "spec": {"digests": [digest], "reason": "x"}}
)


def _head(kind: str, name: str) -> Json:
    return {"apiVersion": "imagegate.dev/v1", "kind": kind, "metadata": {"name": name}}


@st.composite
def sets(draw: st.DrawFn) -> list[Json]:
    """Documents of a set."""
    found = [draw(gate_policies(f"p{i}")) for i in range(draw(st.integers(0, 3)))]
    return [*found, *draw(st.lists(configs, max_size=1)), *draw(st.lists(revocations, max_size=1))]


workloads = st.builds(
    Workload,
    st.sampled_from([None, "Pod", "Deployment", "CronJob"]),
    st.sampled_from([None, "prod", "dev", "kube-system"]),
    st.sampled_from([None, {}, {"env": "prod"}]),
    st.sampled_from([None, "default", "api"]),
)
stages = st.sampled_from([Stage.CHECK, Stage.VALIDATE])
known = st.lists(st.sampled_from([alice, bob]), max_size=2, unique=True).map(
    lambda keys: evidence([fact(key()) for key in keys])
) | st.just(evidence(unavailable=[Code.REGISTRY_TIMEOUT]))
asked = st.tuples(st.sampled_from(IMAGES), workloads, stages, known, st.sampled_from(["0", "65532"]))
Asked = tuple[str, Workload, Stage, "Evidence", str]


def decision(found: PolicySet, what: Asked) -> Decision:
    image, workload, stage, facts, user = what
    amd64 = Platform("linux", "amd64")
    runs = PlatformImage(DIGEST, amd64, ImageConfig("", amd64, user, {"team": "x"}))
    return decide(found, image, workload, stage, facts, platforms=(runs,))


def check_another_policy(documents: list[Json], more: Json, what: Asked) -> None:
    before, after = decision(policies(*documents), what), decision(policies(*documents, more), what)
    denied = [f for f in before.findings if f.verdict.stops and f.code is not Code.NO_POLICY_MATCHED]
    if denied:
        assert after.verdict.stops, f"{denied[0]} and then {after.findings}"


@given(sets(), gate_policies("more"), asked)
@QUICK
def test_another_policy_never_lets_through_what_was_denied(documents: list[Json], more: Json, what: Asked) -> None:
    check_another_policy(documents, more, what)


@pytest.mark.property
@given(sets(), gate_policies("more"), asked)
@SEARCH
def test_another_policy_never_lets_through_searched(documents: list[Json], more: Json, what: Asked) -> None:
    check_another_policy(documents, more, what)


def check_own_policy(documents: list[Json], more: Json, what: Asked) -> None:
    before, after = decision(policies(*documents), what), decision(policies(*documents, more), what)
    assert STRICTNESS[after.verdict] >= STRICTNESS[before.verdict]
    unmatched = [f for f in before.findings if f.code is Code.NO_POLICY_MATCHED]
    assert all(f in after.findings for f in unmatched)


@given(sets(), gate_policies("more", own=True), asked)
@QUICK
def test_a_namespaces_policy_never_relaxes_and_makes_nothing_matched(
    documents: list[Json], more: Json, what: Asked
) -> None:
    check_own_policy(documents, more, what)


@pytest.mark.property
@given(sets(), gate_policies("more", own=True), asked)
@SEARCH
def test_a_namespaces_policy_never_relaxes_searched(documents: list[Json], more: Json, what: Asked) -> None:
    check_own_policy(documents, more, what)


def check_order(documents: list[Json], what: Asked, seed: int) -> None:
    shuffled: list[Json] = json.loads(json.dumps(documents))
    rng = random.Random(seed)
    rng.shuffle(shuffled)
    for document in shuffled:
        spec: dict[str, Any] = document["spec"]
        for field in ("rules", "exceptions"):
            rng.shuffle(spec.get(field, []))
        if "signers" in spec:
            names = list(spec["signers"])
            rng.shuffle(names)
            spec["signers"] = {name: spec["signers"][name] for name in names}
    assert decision(policies(*documents), what) == decision(policies(*shuffled), what)


@given(sets(), asked, st.integers(0, 1000))
@QUICK
def test_no_order_matters(documents: list[Json], what: Asked, seed: int) -> None:
    check_order(documents, what, seed)


@pytest.mark.property
@given(sets(), asked, st.integers(0, 1000))
@SEARCH
def test_no_order_matters_searched(documents: list[Json], what: Asked, seed: int) -> None:
    check_order(documents, what, seed)


SPELLINGS = {
    "nginx": [
        "docker.io/nginx",
        "docker.io/library/nginx",
        "index.docker.io/library/nginx",
        "registry-1.docker.io/nginx",
    ],
    "ghcr.io/acme/api": ["GHCR.io/acme/api", "ghcr.io:443/acme/api"],
    "registry.test:5000/a": ["Registry.Test:05000/a"],
}


@given(sets(), asked, st.sampled_from([(a, b) for a, others in SPELLINGS.items() for b in others]))
@QUICK
def test_every_spelling_of_an_image_is_judged_alike(documents: list[Json], what: Asked, same: tuple[str, str]) -> None:
    found = policies(*documents)
    one, other = (decision(found, (f"{name}:v1", *what[1:])) for name in same)
    assert [(f.code, f.verdict, f.policy, f.rule) for f in one.findings] == [
        (f.code, f.verdict, f.policy, f.rule) for f in other.findings
    ]


@given(st.lists(gate_policies(), max_size=6), st.sampled_from(IMAGES), workloads)
@QUICK
def test_the_index_overlooks_no_policy(documents: list[Json], image: str, workload: Workload) -> None:
    for i, document in enumerate(documents):
        document["metadata"]["name"] = f"p{i}"
    found, reference = policies(*documents), Reference.parse(image)
    matched = [p for p in found.policies if match(p, reference, workload) is not None]
    candidates = found.index.candidates(reference.name, workload.namespace)
    assert [p for p in candidates if match(p, reference, workload) is not None] == matched


@given(sets(), asked)
@QUICK
def test_a_file_a_config_map_and_a_custom_resource_decide_alike(documents: list[Json], what: Asked) -> None:
    as_yaml = "---\n".join(_yaml(document) for document in documents)
    stored = [  # what an API server makes of it
        {
            **document,
            "metadata": {
                **document["metadata"],
                "uid": "0b8c4c1e-0000-4000-8000-000000000000",
                "resourceVersion": "17",
                "generation": 1,
                "creationTimestamp": "2026-11-01T00:00:00Z",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(document)},
                "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}}],
            },
            "status": {"observedGeneration": 1},
        }
        for document in documents
    ]
    found = [
        parsed(as_yaml),
        parsed("\n---\n".join(map(json.dumps, documents))),
        parsed("\n---\n".join(map(json.dumps, stored))),
    ]
    assert [str(problem) for one in found for problem in one.errors] == []
    decisions = [decision(one.set, what) for one in found]
    assert decisions[1:] == decisions[:1] * 2
    assert len({tuple(p.hash for p in one.set.policies) for one in found}) == 1


def _yaml(document: Json) -> str:
    """In block style, strings as people write them."""
    import yaml  # noqa: PLC0415

    return str(yaml.safe_dump(document, sort_keys=False))
