"""Break-glass: who is let through, by whom, for how long, and what it never lets through (POLICY §6)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gate.codes import INABILITY, Code
from gate.image.reference import Reference
from gate.policy.break_glass import Stamp
from gate.policy.evaluate import unable
from gate.policy.finding import Reason, Verdict
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from tests.fakes.clock import START
from tests.fakes.signing import alice
from tests.unit.policy.build import (
    DENY,
    DIGEST,
    OTHER,
    PINNED,
    REPOSITORY,
    SIGNED,
    TAGGED,
    Json,
    break_glass,
    codes,
    config,
    decide,
    evidence,
    fact,
    parsed,
    policies,
    policy,
    revocation,
)

if TYPE_CHECKING:
    from gate.policy.policy_set import PolicySet

HOUR = timedelta(hours=1)
POD = Workload("Pod", "payments")
USED = ("BREAK_GLASS_USED", "allow")
WARNED = ("SIGNATURE_MISSING", "warn")
UNSIGNED = ("SIGNATURE_MISSING", "deny")


def instant(hours: float) -> str:
    return f"{START + hours * HOUR:%Y-%m-%dT%H:%M:%SZ}"


def opened(*documents: Json, stamped: float | None = -1.0) -> PolicySet:
    """With every break-glass created so many hours from now; None: by nobody who is known."""
    found = policies(*documents)
    stamp = None if stamped is None else Stamp("alice@acme.example", START + stamped * HOUR)
    return replace(found, break_glasses=tuple(replace(glass, stamp=stamp) for glass in found.break_glasses))


def glass(**spec: object) -> Json:
    return break_glass(**{"images": [REPOSITORY], "until": instant(2), **spec})  # type: ignore[arg-type]


def test_what_would_stop_is_a_warning_and_the_use_is_said() -> None:
    found = decide(opened(policy(SIGNED), glass(ticket="INC-1")))
    assert (found.verdict, codes(found)) == (Verdict.WARN, [WARNED, USED])
    note = found.findings[-1]
    assert note.message == (
        f"let through by GateBreakGlass g of alice@acme.example until {instant(2)} (outage, INC-1): SIGNATURE_MISSING"
    )


def test_what_needs_none_uses_none() -> None:
    assert decide(opened(policy(SIGNED), glass()), facts=evidence([fact(alice())])).findings == ()


@pytest.mark.parametrize("code", sorted(INABILITY))
def test_errors_too(code: Code) -> None:
    found = opened(policy(SIGNED), glass())
    assert decide(found, facts=evidence(unavailable=[code])).verdict is Verdict.WARN
    planned = plan(found, Reference.parse(TAGGED), POD, Stage.VALIDATE, START)
    assert unable(planned, Reason(code, "no answer")).verdict is Verdict.WARN
    mutating = plan(found, Reference.parse(TAGGED), POD, Stage.MUTATE, START)
    assert unable(mutating, Reason(code, "no answer")).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("documents", "image"),
    [
        ([policy(DENY)], PINNED),
        ([policy([{"image": {"registries": ["docker.io"]}}])], PINNED),
        ([policy([{"image": {}}])], f"{REPOSITORY}:latest"),
        ([config()], PINNED),  # no policy matches
    ],
)
def test_what_the_reference_alone_shows_too(documents: list[Json], image: str) -> None:
    assert decide(policies(*documents), image).verdict is Verdict.DENY
    assert decide(opened(*documents, glass()), image).verdict is Verdict.WARN


def test_a_pod_that_was_not_pinned_is_let_through() -> None:
    planned = plan(opened(policy(SIGNED), glass()), Reference.parse(TAGGED), POD, Stage.VALIDATE, START)
    assert [(str(f.code), str(f.verdict)) for f in planned.findings] == [USED, ("DIGEST_REQUIRED", "warn")]


# what it never lets through


def test_what_is_revoked_stays_out() -> None:
    gone = revocation(digests=[str(DIGEST)])
    for image in (PINNED, TAGGED):
        assert decide(opened(policy(SIGNED), glass(), gone), image).verdict is Verdict.DENY
    stolen = revocation(signers=[{"fingerprint": alice().public.fingerprint}])
    found = decide(opened(policy(SIGNED), glass(), stolen), facts=evidence([fact(alice())]))
    assert codes(found) == [("REVOKED", "deny")]


def test_revoked_and_let_through_at_once() -> None:
    rules: list[Json] = [*SIGNED, {"signature": {"by": "b"}, "name": "second"}]
    stolen = revocation(signers=[{"fingerprint": alice().public.fingerprint}])
    found = decide(opened(policy(rules), glass(), stolen), facts=evidence([fact(alice())]))
    assert codes(found) == [("REVOKED", "deny"), ("KEY_MISMATCH", "warn"), USED]


# for whom, by whom, how long


@pytest.mark.parametrize(
    ("spec", "through"),
    [
        ({}, True),
        ({"images": ["ghcr.io/acme/*"]}, True),
        ({"images": ["ghcr.io/acme/web"]}, False),
        ({"namespaces": ["payments"]}, True),
        ({"namespaces": ["shop"]}, False),
        ({"digests": [str(DIGEST)]}, True),
        ({"digests": [str(OTHER)]}, False),
    ],
)
def test_all_that_it_is_narrowed_to_has_to_fit(spec: Json, through: bool) -> None:  # noqa: FBT001
    found = decide(opened(policy(SIGNED), glass(**spec)), workload=POD)
    assert found.verdict is (Verdict.WARN if through else Verdict.DENY)


def test_a_namespace_alone_will_do_and_one_that_is_not_known_is_not_it() -> None:
    found = opened(policy(SIGNED), break_glass(namespaces=["payments"], until=instant(2)))
    assert decide(found, workload=POD).verdict is Verdict.WARN
    assert decide(found, workload=Workload("Pod", "shop")).verdict is Verdict.DENY
    assert decide(found).verdict is Verdict.DENY


def test_where_nobody_is_known_to_have_created_it_it_grants_nothing() -> None:
    assert codes(decide(opened(policy(SIGNED), glass(), stamped=None))) == [UNSIGNED]
    assert codes(decide(policies(policy(SIGNED), glass()))) == [UNSIGNED]  # from a file


@pytest.mark.parametrize(
    ("until", "created", "most", "through"),
    [
        (2, -1, None, True),
        (2, -5.9, None, True),
        (2, -6.1, None, False),  # longer than eight hours
        (0, -1, None, False),  # over
        (-1, -2, None, False),
        (2, -6.1, "12h", True),
        (2, -1, "2h", False),
        (20, -3.9, "24h", True),
        (20, -4.1, "24h", False),
    ],
)
def test_how_long(until: float, created: float, most: str | None, through: bool) -> None:  # noqa: FBT001
    documents = [policy(SIGNED), glass(until=instant(until))]
    documents += [config(breakGlass={"max": most})] if most else []
    found = decide(opened(*documents, stamped=created))
    assert found.verdict is (Verdict.WARN if through else Verdict.DENY)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (break_glass(), "it lets everything through"),
        (glass(images=[]), "the list is empty"),
        (glass(images=["ghcr.io/acme/**x"]), "`**` stands for whole segments only"),
        (glass(until="soon"), "neither a day nor an instant"),
        (config(breakGlass={"max": "25h"}), "a break-glass lasts 24 hours at most"),
    ],
)
def test_what_is_wrong_with_one_is_refused(document: Json, message: str) -> None:
    found = parsed(json.dumps(document))
    assert any(message in problem.message for problem in found.errors), found.errors
    assert found.set.break_glasses == ()


def test_in_a_file_it_is_warned_of() -> None:
    found = parsed(json.dumps(glass()))
    assert not found.errors
    assert [problem.message for problem in found.problems] == ["from a file it lets nothing through"]
