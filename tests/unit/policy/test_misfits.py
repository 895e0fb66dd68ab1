from __future__ import annotations

import pytest

from gate.image.reference import Reference
from gate.policy.matching import Workload, match, misfits
from tests.unit.policy.build import ALLOW, TAGGED, Json, policies, policy

PROD = Workload("Deployment", "prod", {"env": "prod", "team": "a"}, "web")


@pytest.mark.parametrize(
    ("restriction", "told"),
    [
        ({"images": ["docker.io/**", "quay.io/**"]}, "images: ghcr.io/acme/api is none of docker.io/**, quay.io/**"),
        ({"exclude": ["quay.io/**", "ghcr.io/acme/*"]}, "exclude: ghcr.io/acme/api is excluded by ghcr.io/acme/*"),
        ({"kinds": ["Job", "CronJob"]}, "kinds: kind Deployment is none of Pod, Job, CronJob"),
        ({"serviceAccounts": ["api"]}, "serviceAccounts: service account web is none of api"),
        ({"namespaces": {"names": ["dev", "test"]}}, "namespaces: namespace prod is none of dev, test"),
        (
            {"namespaces": {"matchLabels": {"env": "dev", "tier": "1"}}},
            "namespaces: namespace prod has env=prod; wanted: env=dev, tier=1",
        ),
        (
            {"namespaces": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["1", "2"]}]}},
            "namespaces: namespace prod has none of these labels; wanted: tier In 1 2",
        ),
    ],
)
def test_why_a_policy_is_not_about_an_image(restriction: Json, told: str) -> None:
    (found,) = policies(policy(ALLOW, match=restriction)).policies
    reference = Reference.parse(TAGGED)
    assert match(found, reference, PROD) is None
    assert [f"{m.field}: {m.why}" for m in misfits(found, reference, PROD)] == [told]


def test_every_restriction_that_does_not_fit_is_told() -> None:
    restriction = {"images": ["quay.io/**"], "kinds": ["Job"], "namespaces": {"names": ["dev"]}}
    (found,) = policies(policy(ALLOW, match=restriction, namespace="dev")).policies
    told = misfits(found, Reference.parse(TAGGED), PROD)
    assert [m.field for m in told] == ["images", "namespace", "namespaces", "kinds"]
    assert told[1].why == "namespace prod is not its own, dev"


def test_what_is_not_known_is_no_misfit() -> None:
    restriction = {"kinds": ["Job"], "serviceAccounts": ["api"], "namespaces": {"matchLabels": {"env": "dev"}}}
    (found,) = policies(policy(ALLOW, match=restriction)).policies
    assert misfits(found, Reference.parse(TAGGED), Workload()) == ()
    assert match(found, Reference.parse(TAGGED), Workload()) is not None
