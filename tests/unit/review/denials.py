"""One denial for every code that can stop an image, each of a review that really was: tests/golden/denials.txt.

`python -m tests.unit.review.denials > tests/golden/denials.txt` writes them anew.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from gate.codes import Code
from gate.demo.images import Layer
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST
from gate.policy.matching import Workload
from gate.policy.patterns import ImagePattern
from gate.policy.plan import Stage
from gate.policy.policy import AttestationRequirement, Match, Mode, Policy, Rule, Unusable
from gate.policy.policy_set import PolicySet
from gate.policy.signers import One
from gate.registry.client import RegistryClient
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import Response
from gate.review.lanes import too_late
from gate.review.review import Reviewer, Subject
from gate.review.words import denial
from gate.roots import Roots
from gate.settings import Settings
from tests.fakes.clients import Held, ScriptedTransport, client_of, soon
from tests.fakes.clock import SettableClock
from tests.fakes.roots import FixedRoots
from tests.fakes.scripted_server import Reply, ScriptedServer
from tests.fakes.signing import alice, mallory
from tests.fakes.signing_authority import Signature, SigningAuthority, statement
from tests.fakes.tuf_repository import FAR, Odd, TufServer, fetching
from tests.unit.policy.build import config, policies, policy, revocation
from tests.unit.review.content_denials import CONTENT_DENIALS
from tests.unit.review.scene import (
    BY_RELEASE,
    CI,
    DAY,
    KEYS,
    NAME,
    NOTATION,
    PINNED,
    SBOM,
    TAGGED,
    WORLD,
    Json,
    Scene,
    judged,
    signed_by,
    workflow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.registry.guard.transport import Request
    from gate.review.review import ImageReview
    from tests.fakes.fulcio import Signer


def by_rules(*rules: Json, text: str = TAGGED) -> ImageReview:
    return Scene().judge(policies(policy(list(rules), name="acme-prod")), text)


# image


def image_rule(text: str = TAGGED, **fields: object) -> Callable[[], ImageReview]:
    return lambda: by_rules({"image": fields}, text=text)


def digest_denied() -> ImageReview:
    scene = Scene()
    return scene.judge(policies(policy([{"image": {"denyDigests": [str(scene.digest)]}}], name="acme-prod")))


# signatures


def missing() -> ImageReview:
    return Scene().judge(signed_by("release", BY_RELEASE))


def changed() -> ImageReview:
    scene = Scene()
    payload, annotations = alice().simple_signing(Digest.of(b"what was signed"), NAME)
    scene.registry.repository(NAME).append(f"{scene.digest.tag}.sig", Layer(SIMPLE, payload, annotations))
    return scene.judge(signed_by("release", BY_RELEASE))


SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"


def notation() -> ImageReview:
    scene = Scene()
    layer = Layer("application/jose+json", b"an envelope")
    scene.registry.repository(NAME).attach(scene.digest, NOTATION, [layer], config=Layer(NOTATION, b"{}"))
    return scene.judge(signed_by("release", BY_RELEASE))


def by_key(found: PolicySet, name: str = NAME, annotations: Mapping[str, str] | None = None) -> ImageReview:
    scene = Scene()
    payload, beside = alice().simple_signing(scene.digest, name, dict(annotations or {}))
    scene.registry.repository(NAME).append(f"{scene.digest.tag}.sig", Layer(SIMPLE, payload, beside))
    return scene.judge(found)


def stranger() -> ImageReview:
    scene = Scene()
    scene.registry.sign_bundle(NAME, scene.digest, mallory())
    return scene.judge(signed_by("release", BY_RELEASE))


def too_few() -> ImageReview:
    rules = [{"signature": {"by": {"all": ["release", "security"]}}}]
    return by_key(policies(policy(rules, name="acme-prod", signers=KEYS)))


def keyless(signer: Signer | None = None, world: SigningAuthority = WORLD, **more: Any) -> Callable[[], ImageReview]:
    def review() -> ImageReview:
        scene = Scene()
        scene.keyless(signer, world, **more)
        return scene.judge(signed_by("ci", CI))

    return review


def aged(signed: timedelta, **rule: object) -> ImageReview:
    scene = Scene()
    at = scene.clock.now() - signed
    signature = Signature.of_payload(WORLD.issue(profile=workflow(), at=at), statement(scene.digest))
    scene.attach(WORLD.bundle(signature, entries=[WORLD.entry(signature, at=at)]))
    return scene.judge(signed_by("ci", CI, **rule))


def expired() -> ImageReview:
    scene = Scene()
    signature = Signature.of_payload(WORLD.issue(profile=workflow()), statement(scene.digest))
    late = scene.clock.now() - DAY
    scene.attach(WORLD.bundle(signature, entries=[WORLD.entry(signature, at=late)]))
    return scene.judge(signed_by("ci", CI))


def unlogged() -> ImageReview:
    scene = Scene()
    signature = Signature.of_payload(WORLD.issue(profile=workflow()), statement(scene.digest))
    scene.attach(WORLD.bundle(signature, entries=[], timestamps=[WORLD.tsa.stamp(signature.content)]))
    return scene.judge(signed_by("ci", CI))


def logged_for_another() -> ImageReview:
    scene = Scene()
    signer = WORLD.issue(profile=workflow())
    signature = Signature.of_payload(signer, statement(scene.digest))
    other = Signature.of_payload(signer, statement(Digest.of(b"another image")))
    scene.attach(WORLD.bundle(signature, entries=[WORLD.entry(other)]))
    return scene.judge(signed_by("ci", CI))


STAMPED: Json = {"ci": {"github": {**CI["ci"]["github"], "timestamp": {"required": True}}}}


def unstamped() -> ImageReview:
    scene = Scene()
    scene.keyless()
    return scene.judge(signed_by("ci", STAMPED))


def stamped_for_another() -> ImageReview:
    scene = Scene()
    signature = Signature.of_payload(WORLD.issue(profile=workflow()), statement(scene.digest))
    scene.attach(WORLD.bundle(signature, timestamps=[WORLD.tsa.stamp(b"another signature")]))
    return scene.judge(signed_by("ci", STAMPED))


def revoked() -> ImageReview:
    scene = Scene()
    written = revocation(
        "stolen-laptops", signers=[{"fingerprint": alice().public.fingerprint}], reason="laptop stolen"
    )
    scene.registry.sign_bundle(NAME, scene.digest, alice())
    rules = policy([{"signature": {"by": "release"}}], name="acme-prod", signers=BY_RELEASE)
    return scene.judge(policies(rules, written))


# attestations: `gate verify --type` for now


def attested(*, is_valid: bool) -> ImageReview:
    scene = Scene()
    if not is_valid:
        signature = Signature.of_payload(SigningAuthority().issue(profile=workflow()), statement(scene.digest, SBOM))
        layer = WORLD.legacy_attestation(signature)
        scene.registry.repository(NAME).append(
            f"{scene.digest.tag}.att", Layer(layer.media_type, layer.content, layer.annotations)
        )
    (parsed,) = signed_by("ci", CI).policies
    rule = Rule("sbom", AttestationRequirement(One("ci"), (SBOM,)))
    match = Match((ImagePattern.parse("**"),))
    one = Policy(parsed.kind, parsed.name, Mode.ENFORCE, match, (rule,), parsed.signers)
    return scene.judge(PolicySet((one,)))


def unusable() -> ImageReview:
    match = Match((ImagePattern.parse("**"),))
    rule = Rule(
        "policy", Unusable("acme-prod.yaml:12:5: spec.rules[0]: unknown field 'signatur'; did you mean signature?")
    )
    return Scene().judge(PolicySet((Policy("ClusterGatePolicy", "acme-prod", Mode.ENFORCE, match, (rule,)),)))


# what could not be evaluated


def answered(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Callable[[], ImageReview]:
    """The registry says this to everything."""

    def review() -> ImageReview:
        def script(request: Request) -> Response:
            return Response(status, {**(headers or {})}, body, request.url)

        clock = SettableClock()
        client = RegistryClient.over(
            ScriptedTransport(script),
            Remembering(Held(None), clock.monotonic),
            Hosts(),
            clock.monotonic,
            clock.now,
            clock.advance,
        )
        return judged(client, FixedRoots(), clock, signed_by("release", BY_RELEASE))

    return review


def silent() -> ImageReview:
    """A registry that takes the question and says nothing."""

    def script(_: object) -> Reply:
        ended.wait(10)
        return Reply(500)

    ended = threading.Event()
    with ScriptedServer(script) as server, client_of(server.host) as client:
        reviewer = Reviewer(client, FixedRoots(), time.monotonic, SettableClock().now, jobs=1)
        subject = Subject(f"{server.host}/acme/api:v1.4.2")
        try:
            (review,) = reviewer.review(signed_by("release", BY_RELEASE), [subject], Stage.CHECK, soon(0.6))
        finally:
            ended.set()
            reviewer.close()
    return review


def failing(error: EvidenceUnavailable) -> ImageReview:
    scene = Scene()
    scene.registry.fail("resolve", error)
    return scene.judge(signed_by("release", BY_RELEASE))


def in_no_time() -> ImageReview:
    return Scene().judge(signed_by("release", BY_RELEASE), seconds=0.0)


def unknown_root() -> ImageReview:
    signers = {"ci": {"github": {**CI["ci"]["github"], "trustRoot": "acme-sigstore"}}}
    scene = Scene()
    scene.keyless()
    return scene.judge(signed_by("ci", signers))


def expired_root() -> ImageReview:
    """A GateTrustRoot by `tuf` whose repository stopped publishing."""
    scene = Scene()
    scene.keyless()
    url = "https://tuf.acme.example"
    with TufServer(WORLD.trusted_root()) as server, fetching(server.host) as fetch:
        clock, ends = scene.clock, FAR - 30 * DAY
        server.expires["timestamp"] = ends
        server.publish()
        roots = Roots(
            Settings(cache=False),
            lambda asked, limit, deadline: fetch(server.url + asked.removeprefix(url), limit, deadline),
            clock.now,
        )
        try:
            root = {"tuf": {"url": url, "root": {"json": json.loads(server.pinned)}}}
            document = {
                "apiVersion": "imagegate.dev/v1",
                "kind": "GateTrustRoot",
                "metadata": {"name": "acme-sigstore"},
                "spec": root,
            }
            signers = {"ci": {"github": {**CI["ci"]["github"], "trustRoot": "acme-sigstore"}}}
            rules = policy([{"signature": {"by": "ci"}}], name="acme-prod", signers=signers)
            found = policies(document, rules)
            judged(scene.registry, roots, clock, found)
            clock.set(ends)
            server.odd["timestamp.json"] = Odd(503)
            return judged(scene.registry, roots, clock, found)
        finally:
            roots.close()


def crowded() -> ImageReview:
    """More signatures than are read of one image."""
    scene = Scene()
    repository = scene.registry.repository(NAME)
    layers = []
    for number in range(101):
        payload, beside = mallory().simple_signing(scene.digest, NAME, {"number": str(number)})
        layers.append(repository.stored(Layer(SIMPLE, payload, beside)))
    wrapper = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": repository.stored(Layer(SIMPLE, b"{}"))}
    repository.manifest({**wrapper, "layers": layers}, f"{scene.digest.tag}.sig")
    return scene.judge(signed_by("release", BY_RELEASE))


def labels_unknown() -> ImageReview:
    rules = policy([{"deny": {}}], name="acme-prod", match={"namespaces": {"matchLabels": {"env": "prod"}}})
    allowed = policy([{"image": {}}], name="everything")
    return Scene().judge(policies(rules, allowed), f"{TAGGED}@{PINNED}", Workload("Pod", "shop"), Stage.VALIDATE)


DENIALS: Final[dict[Code, Callable[[], ImageReview]]] = {
    **CONTENT_DENIALS,
    Code.REFERENCE_INVALID: lambda: Scene().judge(signed_by("release", BY_RELEASE), "ghcr.io/Acme/API:v1.4.2"),
    Code.TAG_MUTABLE: image_rule(f"{NAME}:main", denyTags=["latest", "main"]),
    Code.TAG_MISSING: image_rule(NAME),
    Code.DIGEST_REQUIRED: image_rule(tags="digest"),
    Code.DIGEST_DENIED: digest_denied,
    Code.REGISTRY_NOT_ALLOWED: image_rule("nginx:1.27", registries=["ghcr.io/acme", "registry.acme.example"]),
    Code.IMAGE_TOO_OLD: image_rule(maxAge="90d"),
    Code.PLATFORM_MISSING: image_rule(platforms=["linux/amd64", "linux/arm64"]),
    Code.LABEL_MISSING: image_rule(labels={"org.opencontainers.image.source": "https://github.com/acme/**"}),
    Code.RUNS_AS_ROOT: image_rule(nonRoot=True),
    Code.SIGNATURE_MISSING: missing,
    Code.SIGNATURE_INVALID: changed,
    Code.SIGNATURE_UNSUPPORTED: notation,
    Code.KEY_MISMATCH: stranger,
    Code.IDENTITY_MISMATCH: keyless(WORLD.issue(profile=workflow("build.yml", "refs/heads/dev"))),
    Code.SIGNERS_TOO_FEW: too_few,
    Code.SIGNATURE_TOO_NEW: lambda: aged(timedelta(hours=5), minAge="72h"),
    Code.SIGNATURE_TOO_OLD: lambda: aged(200 * DAY, maxAge="90d"),
    Code.REFERENCE_MISMATCH: lambda: by_key(
        signed_by("release", BY_RELEASE, reference="match"), name="ghcr.io/acme/staging/api"
    ),
    Code.REVOKED: revoked,
    Code.ANNOTATION_MISMATCH: lambda: by_key(
        signed_by("release", BY_RELEASE, annotations={"stage": "prod"}), annotations={"stage": "dev"}
    ),
    Code.CERTIFICATE_UNTRUSTED: keyless(world=SigningAuthority()),
    Code.CERTIFICATE_EXPIRED: expired,
    Code.SCT_MISSING: keyless(WORLD.issue(profile=workflow(), scts=())),
    Code.LOG_ENTRY_MISSING: unlogged,
    Code.LOG_ENTRY_INVALID: logged_for_another,
    Code.TIMESTAMP_MISSING: unstamped,
    Code.TIMESTAMP_INVALID: stamped_for_another,
    Code.ATTESTATION_MISSING: lambda: attested(is_valid=True),
    Code.ATTESTATION_INVALID: lambda: attested(is_valid=False),
    Code.NO_POLICY_MATCHED: lambda: Scene().judge(
        policies(policy([{"deny": {}}], match={"images": ["docker.io/**"]}), config())
    ),
    Code.DENIED_BY_POLICY: lambda: by_rules({"deny": {"message": "acme/api is retired: use acme/orders"}}),
    Code.POLICY_INVALID: unusable,
    Code.IMAGE_NOT_FOUND: answered(404),
    Code.REGISTRY_UNREACHABLE: answered(503),
    Code.REGISTRY_UNAUTHORIZED: answered(401),
    Code.REGISTRY_RATE_LIMITED: answered(
        429, {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600", "retry-after": "1800"}
    ),
    Code.REGISTRY_TIMEOUT: silent,
    Code.REGISTRY_PROTOCOL: answered(200, {"content-type": "text/html"}, b"<html>sign in</html>"),
    Code.RESPONSE_TOO_LARGE: crowded,
    Code.DEADLINE_EXCEEDED: in_no_time,
    Code.TRUST_ROOT_UNAVAILABLE: unknown_root,
    Code.TRUST_ROOT_EXPIRED: expired_root,
    Code.NAMESPACE_LOOKUP_FAILED: labels_unknown,
    Code.OVERLOADED: lambda: failing(too_late("ghcr.io", (), answered=False)),
    Code.INTERNAL: lambda: failing(
        EvidenceUnavailable(Code.INTERNAL, "1 payloads were not looked at", remedy="report it")
    ),
}
"""How to get each."""

_CHANGING: Final = (
    (re.compile(r"key [0-9a-f]{12}"), "key 0123456789ab"),
    (re.compile(r"127\.0\.0\.1:[0-9]+"), "registry.acme.example:5000"),
)


def words(code: Code) -> str:
    """The denial; keys that are made for each run, and ports, have their places taken."""
    text = denial([(DENIALS[code](), "container api")])
    for pattern, standing_in in _CHANGING:
        text = pattern.sub(standing_in, text)
    return text


def golden() -> str:
    """All of them, in the order of the codes."""
    return "\n\n".join(words(code) for code in Code if code in DENIALS) + "\n"


if __name__ == "__main__":
    sys.stdout.write(golden())
