"""Every check strikes where it should: the text that is underlined stands between « and »."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gate.authoring.lint import lint
from gate.errors import Place
from gate.feeds.folder import load_policies
from gate.feeds.policy_tests import prepare_tests
from gate.image.manifest import OCI_INDEX
from gate.policy.reading.checks import Check
from gate.registry.layout import RECORDED
from tests.fakes.signing import alice, bob
from tests.fakes.signing_authority import shared_world
from tests.unit.policy.reading.test_reading_signers import CA

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.reading.problems import Problem

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RECORDED_OF_ANOTHER = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [],
    "annotations": {RECORDED: "b.test/c"},
}
LATER = datetime(2400, 1, 1, tzinfo=UTC)


def document(kind: str, spec: str, name: str = "p", namespace: str = "") -> str:
    """A document whose spec is in flow style, on one line."""
    inside = f", namespace: {namespace}" if namespace else ""
    return f"apiVersion: imagegate.dev/v1\nkind: {kind}\nmetadata: {{name: {name}{inside}}}\nspec: {spec}\n"


def cluster(spec: str, name: str = "p") -> str:
    return document("ClusterGatePolicy", spec, name)


def own(spec: str) -> str:
    return document("GatePolicy", spec, namespace="team")


def rules(text: str) -> str:
    """A policy with these rules, and with two signers by key, a and b."""
    return cluster(f"{{signers: {{a: ALICE, b: BOB}}, rules: [{text}, {{signature: {{by: [a, b]}}, name: all}}]}}")


def signer(kind: str, fields: str) -> str:
    return cluster(f"{{signers: {{s: {{{kind}: {{{fields}}}}}}}, rules: [{{signature: {{by: s}}}}]}}")


def config(spec: str) -> str:
    return document("GateConfig", spec, "default")


def match(text: str) -> str:
    return cluster(f"{{match: {{{text}}}, rules: [{{image: {{}}}}]}}")


def waived(entry: str, images: str = "ghcr.io/acme/**") -> str:
    return cluster(f"{{match: {{images: ['{images}']}}, rules: [{{image: {{}}}}], exceptions: [{{{entry}}}]}}")


def granted(spec: str, policy: str = "") -> str:
    taken = policy or cluster("{rules: [{image: {}}], exceptionsFrom: {names: [team]}}")
    return f"{taken}---\n{document('GateException', spec, 'x', 'team')}"


def gate_test(more: str = "", findings: str = "[]", case: str = "{name: d, image: x, expect: {verdict: deny}}") -> str:
    """A policy with three rules, and a test of it."""
    expected = f"{{name: c, image: a.test/b, expect: {{verdict: deny, findings: {findings}}}}}"
    spec = f"{{at: 2026-11-23T12:00:00Z, cases: [{expected}, {case}]{more}}}"
    return f"{cluster('{rules: [{image: {}}, {image: {}}, {deny: {}}]}')}---\n{document('GateTest', spec, 't')}"


def excepting(more: str) -> str:
    return f"rule: image, until: 2026-12-31, reason: r, {more}"


def inside(more: str, kind: str) -> str:
    """An exception from one of a policy's rules, of each type one, that is narrowed to something inside of images."""
    taken = f"{{rule: {kind}, until: 2026-12-31, reason: r, {more}}}"
    every = f"[{{signature: {{by: a}}}}, {{sbom: {{by: a, denyLicenses: [AGPL-3.0-only]}}}}, {{scan: {{{SCANNED}}}}}]"
    return cluster(f"{{signers: {{a: ALICE}}, rules: {every}, exceptions: [{taken}]}}")


SCANNED = "by: a, maxAge: 7d, deny: [{severity: high}]"
DENY = "rules: [{deny: {}}]"
GITHUB = "workflow: a/b/.github/workflows/c.yml, refs: [refs/heads/main]"
KEYLESS = "issuer: https://accounts.google.com, subject: a@acme.example"
STAMPED = "timestamp: {required: true}"
CASES: list[tuple[Check, str]] = [
    # the text
    (Check.NOT_YAML, f"{cluster(f'{{{DENY}}}')}---\na: [\n«"),
    (Check.YAML_FEATURE, f"{cluster(f'{{{DENY}}}')}---\na: «!!binary eA»\n"),
    (Check.DUPLICATE_KEY, cluster(f"{{mode: warn, «mode»: audit, {DENY}}}")),
    (
        Check.TOO_LARGE,
        cluster(f"{{{DENY}}}").replace("v1", "v1\na: &a [x, x]\nb: «[*b]»", 1).replace("b: «", "b: «&b "),
    ),
    # the document
    (Check.API_VERSION, cluster(f"{{{DENY}}}").replace("imagegate.dev/v1", "«imagegate.dev/v2»")),
    (Check.UNKNOWN_KIND, document("«GatePolcy»", f"{{{DENY}}}")),
    (Check.INSIDE_LIST, f"«- {{kind: GatePolicy, apiVersion: imagegate.dev/v1}}\n»---\n{cluster(f'{{{DENY}}}')}"),
    (Check.NAMESPACE, document("GatePolicy", f"{{{DENY}}}", "«p»")),
    (Check.NAMESPACE, document("ClusterGatePolicy", f"{{{DENY}}}", namespace="«team»")),
    (Check.RESERVED_NAME, document("GateConfig", "{}", "«main»")),
    (Check.DUPLICATE_DOCUMENT, f"{cluster(f'{{{DENY}}}')}---\n{cluster(f'{{{DENY}}}', '«p»')}"),
    # its shape
    (Check.UNKNOWN_FIELD, cluster(f"{{«mood»: warn, {DENY}}}")),
    (Check.MISSING_FIELD, cluster("«{mode: warn}»")),
    (Check.WRONG_TYPE, match("images: «ghcr.io/acme/**»")),
    (Check.WRONG_VALUE, cluster(f"{{mode: «enforced», {DENY}}}")),
    (Check.UNDECLARED_KIND, match("kinds: [Job, «Deploymnet»]")),
    (Check.WRONG_FORM, rules("{signature: {by: a, maxAge: «1w»}}")),
    (Check.ONE_OF, rules("«{image: {}, deny: {}}»")),
    (Check.EMPTY, match("images: «[]»")),
    (Check.TOO_MANY, rules(f"{{deny: {{message: «{'x' * 501}»}}}}")),
    # values
    (Check.IMAGE_PATTERN, match('images: [«"ghcr.io/acme/api:v1"»]')),
    (Check.REGISTRY_PREFIX, rules("{image: {registries: [ghcr.io, «ghcr.io/*»]}}")),
    (Check.TAG_PATTERN, rules("{image: {denyTags: [latest, «':dev'»]}}")),
    (Check.REF_PATTERN, signer("github", GITHUB.replace("refs/heads/main", "«main»"))),
    (Check.REGEX, signer("keyless", r'issuer: x, subjectRegex: «"(?=a)b"»')),
    (Check.PLATFORM, rules("{image: {platforms: [linux/amd64, «linux»]}}")),
    (Check.LABEL_PATTERN, rules(f"{{image: {{labels: {{team: «{'x' * 513}»}}}}}}")),
    (Check.PREDICATE_TYPE, rules("{attestation: {by: a, type: «spdxjsn»}}")),
    (Check.PACKAGE_PATTERN, rules("{sbom: {by: a, denyComponents: [pkg:npm/lodash, «lodash»]}}")),
    (Check.PACKAGE_PATTERN, rules("{sbom: {by: a, denyComponents: [«'pkg:npm/lodash@<'»]}}")),
    (
        Check.PACKAGE_PATTERN,
        cluster(f"{{rules: [{{image: {{}}}}], exceptions: [{{{excepting('components: [«lodash»]')}}}]}}"),
    ),
    (Check.LICENSE_PATTERN, rules("{sbom: {by: a, denyLicenses: [AGPL-3.0-*, «GPL-2.0»]}}")),
    (Check.LICENSE_PATTERN, rules("{sbom: {by: a, allowLicenses: [«MIT OR ISC»]}}")),
    (Check.VALUE_PATTERN, rules(f"{{provenance: {{by: a, builder: «{'x' * 513}»}}}}")),
    (Check.VALUE_PATTERN, rules(f"{{provenance: {{by: a, refs: [refs/heads/main, «{'x' * 513}»]}}}}")),
    (Check.VALUE_PATTERN, rules(f"{{provenance: {{by: a, parameters: {{k: «{'x' * 513}»}}}}}}")),
    (Check.SOURCE_NAME, rules("{provenance: {by: a, source: «https://github.com/acme/api.git»}}")),
    (Check.EXPRESSION, rules("{cel: {expression: «image.tga == 'v1'»}}")),
    (Check.EXPRESSION, rules("{attestation: {by: a, type: spdx, cel: «component.nmae != ''», forEach: component}}")),
    (Check.REFERENCE, rules("{signature: {by: a, repository: «ghcr.io/a:v1»}}")),
    (Check.DIGEST, rules("{image: {denyDigests: [«sha256:abc»]}}")),
    (
        Check.FINGERPRINT,
        document("GateRevocation", "{reason: r, digests: [sha256:HEX], signers: [{fingerprint: «abc»}]}"),
    ),
    (Check.INSTANT, waived("rule: image, reason: r, until: «tomorrow»")),
    (Check.HOST, config("{registries: [{host: «a b»}]}")),
    (Check.WORKFLOW, signer("github", GITHUB.replace("a/b/.github/workflows/c.yml", "«c.yml»"))),
    (Check.LABEL_OPERATOR, match("namespaces: {matchExpressions: [«{key: k, operator: In}»]}")),
    # keys, certificates, files
    (Check.KEY, signer("key", 'pem: «"no key"»')),
    (Check.CERTIFICATE, signer("certificate", 'roots: {pem: «"no certificate"»}, subject: s')),
    (Check.TRUST_ROOT, document("GateTrustRoot", "{json: «{}»}", "r")),
    (Check.FILE_UNREADABLE, signer("key", "file: «gone.pem»")),
    (Check.FILE_REFUSED, own("{signers: {s: {key: {file: «a.pem»}}}, rules: [{signature: {by: s}}]}")),
    # references between parts
    (Check.UNKNOWN_SIGNER, rules("{signature: {by: [a, «c»]}}")),
    (Check.UNKNOWN_RULE, waived("until: 2026-12-31, reason: r, rule: «imago»")),
    (
        Check.AMBIGUOUS_RULE,
        cluster("{rules: [{image: {}}, {image: {}}], exceptions: [{until: 2026-12-31, reason: r, rule: «image»}]}"),
    ),
    (Check.RULE_NAME, rules("{deny: {}, name: x}, {deny: {}, name: «x»}")),
    # rules
    (
        Check.SAME_PRINCIPAL,
        cluster("{signers: {a: ALICE, b: {key: «{pem: PEM}»}}, rules: [{signature: {by: [a, b]}}]}"),
    ),
    (
        Check.SAME_PRINCIPAL,
        cluster(
            f"{{signers: {{s: {{keyless: {{{KEYLESS}}}}}, t: {{keyless: {{{KEYLESS}, {STAMPED}}}}}}},"
            " rules: [{signature: {by: «{all: [s, t]}»}}]}"
        ),
    ),
    (Check.EXPRESSION_SIZE, rules("{signature: {by: [[[[[«[a]»]]]]]}}")),
    (Check.NEVER_MET, rules("{signature: {by: {atLeast: «3», of: [a, b]}}}")),
    (Check.NEVER_MET, rules("{signature: {by: «{all: [a, a]}»}}")),
    (Check.NEVER_MET, rules("{image: {maxAge: «0s»}}")),
    (Check.NEVER_MET, rules("{attestation: {by: a, type: custom, maxAge: «0d»}}")),
    (Check.NEVER_MET, rules(f"{{scan: {{{SCANNED}, maxDatabaseAge: «0d»}}}}")),
    (Check.NEVER_MET, rules(f"{{scan: {{{SCANNED}, vex: {{by: «{{all: [b, b]}}»}}}}}}")),
    (Check.NEVER_MET, rules("{base: {images: ['**'], by: «{all: [a, a]}»}}")),
    (Check.NEVER_MET, rules("{signature: {by: a, maxAge: «0d», minAge: 1d}}")),
    (Check.NEVER_MET, rules("{signature: {by: a, minAge: 1d, unless: {by: «{all: [[a, b], [a, b], b]}»}}}")),
    (
        Check.UNPROVEN_AGE,
        cluster(
            "{signers: {s: {key: {pem: PEM, transparencyLog: ignore}}}, rules: [{signature: {by: s, maxAge: «1d»}}]}"
        ),
    ),
    (
        Check.UNPROVEN_AGE,
        cluster(
            "{signers: {s: {key: {pem: PEM, transparencyLog: ignore}}},"
            " rules: [{base: {images: ['**'], by: s, maxAge: «1d»}}]}"
        ),
    ),
    (Check.UNPROVEN_TIME, signer("keyless", f"{KEYLESS}, transparencyLog: «none»")),
    (Check.UNLESS, rules("{signature: {by: a, unless: «{by: b}»}}")),
    (Check.CONTRADICTION, rules("{image: {tags: «unsafeAny»}}")),
    (Check.CONTRADICTION, rules("{attestation: {by: a, type: spdx, forEach: «component»}}")),
    (Check.CONTRADICTION, rules("{attestation: {by: a, type: spdx, cel: finding.id != '', forEach: «finding»}}")),
    (Check.CONTRADICTION, rules("{sbom: {by: a, unknownLicense: «deny»}}")),
    (Check.CONTRADICTION, rules("{base: {images: ['**'], maxAge: «1d»}}")),
    (
        Check.CLUSTER_ONLY,
        own("{signers: {a: ALICE}, rules: [{signature: {by: a, repository: «ghcr.io/a»}}]}"),
    ),
    (Check.CLUSTER_ONLY, own("{signers: {a: ALICE}, rules: [{sbom: {by: a, repository: «ghcr.io/a»}}]}")),
    (Check.CLUSTER_ONLY, own("{rules: [{cel: {expression: «'true'»}}]}")),
    (Check.NEEDLESS_INSECURITY, signer("keyless", f"{KEYLESS}, insecureIgnoreSct: «true»")),
    # exceptions, revocation, configuration
    (Check.REVOKES_NOTHING, document("GateRevocation", "«{reason: r}»")),
    (Check.REVOKED_SIGNER, document("GateRevocation", "{reason: r, digests: [sha256:HEX], signers: [«{issuer: i}»]}")),
    (Check.BREAK_GLASS_OPEN, document("GateBreakGlass", "«{until: 2026-11-24, reason: r}»")),
    (Check.BREAK_GLASS_LONG, config("{breakGlass: {max: «2d»}}")),
    (Check.MIRROR, config("{registries: [{host: a.test, mirrorOf: «a.test»}]}")),
    (Check.DUPLICATE_REGISTRY, config("{registries: [{host: a.test}, {host: «a.test»}]}")),
    (Check.LIMIT, config("{limits: {attestationBytes: «257MiB»}}")),
    (Check.CUSTOM_RESOURCE, config("{customResources: [{group: apps, kind: «Deployment», images: [a]}]}")),
    # tests of policies
    (Check.NAMESPACE, gate_test().replace("name: t}", "name: t, namespace: «team»}")),
    (Check.DUPLICATE_IN_TEST, gate_test(case="{name: «c», image: x, expect: {verdict: deny}}")),
    (Check.DUPLICATE_IN_TEST, gate_test(", trustRoots: [{name: r, file: ROOT}, {name: «r», file: ROOT}]")),
    (Check.TEST_LAYOUT, gate_test(", evidence: [{repository: a.test/b, layout: «gone»}]")),
    (Check.TEST_POLICIES, gate_test(", policies: «[gone.yaml]»")),
    (Check.TEST_POLICIES, gate_test(", policies: «[root.json]»")),
    (
        Check.TEST_MANIFEST,
        gate_test(case="{name: d, manifest: «{kind: Secret, apiVersion: v1}», expect: {verdict: deny}}"),
    ),
    (
        Check.DUPLICATE_DOCUMENT,
        f"{gate_test()}---\n{gate_test().replace('name: t}', 'name: «t»}').partition('---')[2]}",
    ),
    (Check.EXPECTED_POLICY, gate_test(findings="[{code: DENIED_BY_POLICY, policy: «q»}]")),
    (Check.UNDECLARED_KIND, match("kinds: [Job, «Rollout»]")),
    (Check.UNKNOWN_RULE, gate_test(findings="[{code: DENIED_BY_POLICY, policy: p, rule: «denies»}]")),
    (Check.AMBIGUOUS_RULE, gate_test(findings="[{code: TAG_MUTABLE, rule: «image»}]")),
    # what only lint looks at
    (Check.EXCEPTION_TOO_FAR, waived("rule: image, reason: r, until: «2028-01-01»")),
    (Check.EXCEPTION_TOO_FAR, granted("{policies: [p], exceptions: [{rule: image, reason: r, until: «2028-01-01»}]}")),
    (Check.NEVER_MATCHES, match("images: [ghcr.io/acme/**], exclude: «[quay.io/**, ghcr.io/**]»")),
    (Check.NEVER_MATCHES, own(f"{{match: {{namespaces: {{names: «[other]»}}}}, {DENY}}}")),
    (
        Check.NEVER_MATCHES,
        f"{match('namespaces: {names: «[kube-system]»}')}---\n{config('{excludeNamespaces: [kube-system]}')}",
    ),
    (
        Check.NEVER_MATCHES,
        own(f"{{{DENY}}}").replace("namespace: team", "namespace: «team»")
        + f"---\n{config('{excludeNamespaces: [team]}')}",
    ),
    (
        Check.NEVER_MATCHES,
        match(
            "namespaces: «{matchLabels: {env: prod}, matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}»"
        ),
    ),
    (Check.ALWAYS_DENIES, cluster("{match: {images: [docker.io/**]}, rules: [{image: {registries: «[ghcr.io]»}}]}")),
    (
        Check.ALWAYS_DENIES,
        cluster("{rules: [{image: {registries: [ghcr.io]}, name: x}, {image: {registries: «[quay.io]»}, name: y}]}"),
    ),
    # what is valid
    (Check.UNUSED_SIGNER, cluster(f"{{signers: {{«s»: {{key: {{pem: PEM}}}}}}, {DENY}}}")),
    (Check.FITS_ANYTHING, signer("keyless", 'issuer: i, subjectRegex: «".*"»')),
    (Check.RENEWABLE_AGE, rules("{signature: {by: a, maxAge: «1d»}}")),
    (Check.RENEWABLE_AGE, rules("{attestation: {by: a, type: 'https://acme.example/reviewed/v1', maxAge: «1d»}}")),
    (Check.RENEWABLE_AGE, rules("{base: {images: ['**'], by: a, maxAge: «1d»}}")),
    (Check.UNKNOWN_LICENSE, rules("{sbom: {by: a, allowLicenses: [MIT, «Apache2»]}}")),
    (Check.UNKNOWN_LICENSE, rules("{sbom: {by: a, denyLicenses: [AGPL-3.0-*, «APGL-3.0-*»]}}")),
    (Check.UNKNOWN_PACKAGE_TYPE, rules("{sbom: {by: a, denyComponents: [pkg:npm/x, «pkg:nmp/lodash»]}}")),
    (Check.UNKNOWN_PACKAGE_TYPE, inside("components: [«pkg:nmp/lodash»]", "sbom")),
    (
        Check.MIRROR_PATTERN,
        f"{match('images: [ghcr.io/**, «harbor.test/hub/acme/*»]')}---\n"
        + config("{registries: [{host: harbor.test, prefix: hub, mirrorOf: docker.io}]}"),
    ),
    (Check.UNKNOWN_PLATFORM, rules("{image: {platforms: [linux/x86_64, «linux/amd46»]}}")),
    (Check.UNKNOWN_POLICY, granted(f"{{policies: [p, «q»], exceptions: [{{{excepting('images: [a.test/x]')}}}]}}")),
    (
        Check.EXCEPTION_REFUSED,
        granted(f"{{policies: [«p»], exceptions: [{{{excepting('images: [a.test/x]')}}}]}}", match("images: ['**']")),
    ),
    (Check.UNKNOWN_TRUST_ROOT, signer("keyless", f"{KEYLESS}, trustRoot: «acme»")),
    (Check.LAYOUT_OF_ANOTHER, gate_test(", evidence: [{repository: a.test/b, layout: «kept»}]")),
    (Check.UNUSED_TRUST_ROOT, gate_test(", trustRoots: [{name: «public-good», file: ROOT}]")),
    (Check.SECRET_UNSEEN, signer("key", "secret: «{name: n, key: k}»")),
    (
        Check.BREAK_GLASS_FILE,
        document("«GateBreakGlass»", "{until: 2026-11-24, reason: r, namespaces: [team]}"),
    ),
    (Check.EXCEPTION_ENDED, waived("rule: image, reason: r, until: «2026-11-22»")),
    (Check.EXCEPTION_ENDING, waived("rule: image, reason: r, until: «2026-12-05»")),
    (Check.EXCEPTION_UNREACHED, waived(excepting("images: [ghcr.io/acme/a, «quay.io/acme/a»]"))),
    (
        Check.EXCEPTION_UNREACHED,
        cluster(
            "{match: {namespaces: {names: [a]}}, rules: [{image: {}}],"
            f" exceptions: [{{{excepting('namespaces: [a, «b»]')}}}]}}"
        ),
    ),
    (
        Check.EXCEPTION_UNREACHED,
        cluster("{match: {namespaces: {names: [a]}}, rules: [{image: {}}], exceptionsFrom: {names: [a, «b»]}}"),
    ),
    (Check.EXCEPTION_UNREACHED, granted(f"{{policies: [p], exceptions: [{{{excepting('namespaces: «[other]»')}}}]}}")),
    (
        Check.EXCEPTION_UNREACHED,
        granted(
            f"{{policies: [p], exceptions: [{{{excepting('images: [«quay.io/a»]')}}}]}}",
            cluster("{match: {images: [ghcr.io/**]}, rules: [{image: {}}], exceptionsFrom: {names: [team]}}"),
        ),
    ),
    (Check.EXCEPTION_UNREACHED, inside("vulnerabilities: «[CVE-2026-1]»", "sbom")),
    (Check.EXCEPTION_UNREACHED, inside("components: «['pkg:npm/x']»", "signature")),
    (Check.EXCEPTION_UNREACHED, inside("licenses: «[MIT]»", "scan")),
    (Check.EXCEPTION_UNREACHED, inside("licenses: [MIT, «GPL-3.0»]", "sbom")),
    (Check.EXCEPTION_UNREACHED, inside("licenses: [«AGPL-3.0-*»]", "sbom")),
    (Check.EXCEPTION_UNREACHED, inside("licenses: [«MIT OR ISC»]", "sbom")),
    (
        Check.EXCEPTION_UNREACHED,
        granted(f"{{policies: [p], exceptions: [{{{excepting('vulnerabilities: «[CVE-2026-1]»')}}}]}}"),
    ),
    (Check.KEY_ENDED, signer("key", "pem: PEM, validUntil: «2026-11-22»")),
    (Check.CERTIFICATE_ENDED, signer("certificate", "roots: «{pem: CA}», subject: s")),
    (Check.LITERAL_WILDCARD, signer("keyless", 'issuer: i, subject: «"https://github.com/acme/*"»')),
    (Check.LITERAL_WILDCARD, signer("keyless", 'issuer: «"^https://x$"», subject: s')),
    (Check.LITERAL_WILDCARD, signer("certificate", "roots: {pem: CA}, subject: «'*@acme.example'»")),
    (Check.UNUSED_PATTERN, match("images: [ghcr.io/acme/**, «ghcr.io/acme/api»]")),
    (Check.UNUSED_PATTERN, match("images: [«ghcr.io/a/b», quay.io/**], exclude: [ghcr.io/**]")),
    (Check.UNUSED_PATTERN, match("images: [ghcr.io/**], exclude: [«quay.io/**»]")),
    (Check.UNUSED_PATTERN, rules("{image: {registries: [ghcr.io, «ghcr.io/acme»]}}")),
    (
        Check.UNUSED_PATTERN,
        cluster("{match: {images: [ghcr.io/a/**]}, rules: [{image: {registries: [ghcr.io/a, «quay.io»]}}]}"),
    ),
    (Check.UNUSED_RULE, rules("{deny: «{}»}")),
    (Check.DUPLICATE_ENTRY, match("images: [ghcr.io/a/**, quay.io/**, «ghcr.io/a/**»]")),
    (Check.NOTHING_ENFORCED, cluster(f"{{mode: «audit», {DENY}}}")),
]
"""One entry for each thing that a check is about; `NOT_UTF8` and `NOT_COMPARED` have tests of their own."""


def filled(text: str) -> str:
    """With keys and certificates in the place of their names."""
    first, second = (json.dumps(key.pem.decode()) for key in (alice(), bob()))
    for name, value in (
        ("ALICE", f"{{key: {{pem: {first}}}}}"),
        ("BOB", f"{{key: {{pem: {second}}}}}"),
        ("PEM", first),
        ("CA}", f"{json.dumps(CA)}}}"),
        ("HEX", "0" * 64),
        ("ROOT", "root.json"),
    ):
        text = text.replace(name, value)
    return text


def marked(text: str, file: str) -> tuple[str, Place]:
    """The text without its marks, and the place between them."""
    before, _, rest = text.partition("«")
    inside, _, after = rest.partition("»")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    end = 0 if "\n" in inside or not inside else column + len(inside)
    return before + inside + after, Place(file, line, column, end)


def linted(folder: Path, text: str, now: datetime = NOW) -> list[Problem]:
    (folder / "p.yaml").write_text(text, encoding="utf-8")
    (folder / "root.json").write_bytes(shared_world().trusted_root())
    (folder / "kept").mkdir(exist_ok=True)
    (folder / "kept/oci-layout").write_text("{}")
    (folder / "kept/index.json").write_text(json.dumps(RECORDED_OF_ANOTHER))
    parsed = load_policies([folder / "p.yaml"]).parsed
    return [*parsed.problems, *lint(parsed, now), *prepare_tests(parsed.tests).problems]


@pytest.mark.parametrize(("check", "text"), CASES, ids=[f"{check}-{i}" for i, (check, _) in enumerate(CASES)])
def test_what_a_check_is_about(check: Check, text: str, tmp_path: Path) -> None:
    clean, place = marked(filled(text), str(tmp_path / "p.yaml"))
    found = linted(tmp_path, clean, LATER if check is Check.CERTIFICATE_ENDED else NOW)
    assert place in [problem.place for problem in found if problem.check is check], "\n".join(map(repr, found))
    # Nothing else is wrong with it: what is said is to the point.
    beside = [problem for problem in found if problem.check is not check and not problem.warning]
    assert beside == []
    assert all(problem.remedy for problem in found if problem.check is check)


def test_every_check_has_a_case() -> None:
    assert set(Check) - {check for check, _ in CASES} == {Check.NOT_UTF8, Check.NOT_COMPARED}


def test_what_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"\xef\xbb\xbfkind: X\r\nname: gr\xfc\xdfe\r\n")
    (problem,) = load_policies([tmp_path]).parsed.problems
    assert (problem.check, problem.place) == (Check.NOT_UTF8, Place(str(tmp_path / "p.yaml"), 2, 9))


def test_where_there_are_too_many_patterns_that_is_said(tmp_path: Path) -> None:
    images = ", ".join(f"'ghcr.io/{'a' * 100}{i}/**'" for i in range(60))
    text = "---\n".join(match(f"images: [{images}]").replace("name: p", f"name: p{i}") for i in range(2))
    found = linted(tmp_path, text)
    assert [(problem.check, problem.place.line) for problem in found] == [(Check.NOT_COMPARED, 2)]


@pytest.mark.parametrize(
    "text",
    [
        match("images: ['**'], exclude: [ghcr.io/**]"),
        match("images: [ghcr.io/*/api, 'ghcr.io/a*/**'], exclude: [ghcr.io/acme/tools/**]"),
        match("namespaces: {matchLabels: {env: prod}, matchExpressions: [{key: env, operator: Exists}]}"),
        match("namespaces: {names: [a, b], matchLabels: {kubernetes.io/metadata.name: a}}"),
        f"{match('namespaces: {names: [a, kube-system]}')}---\n{config('{excludeNamespaces: [kube-system]}')}",
        waived(excepting("images: ['**/a']")),
        waived("rule: image, reason: r, until: 2026-12-31"),
        rules("{image: {registries: [ghcr.io/a, ghcr.io/b], denyTags: ['*', '**', 'v1.*', _x, a-b]}}"),
        cluster("{match: {images: [quay.io/**]}, rules: [{image: {}}, {deny: {}}], exceptionsFrom: {names: [team]}}"),
        cluster(f"{{rules: [{{image: {{}}}}, {{deny: {{}}}}], exceptions: [{{{excepting('images: [a.test/x]')}}}]}}")
        .replace("rule: image", "rule: deny"),
        signer("key", "pem: PEM, validUntil: 2026-11-23"),
        cluster(f"{{signers: {{s: {{github: {{{GITHUB}}}}}}}, rules: [{{signature: {{by: {{all: [s, s]}}}}}}]}}"),
        f"{cluster(f'{{mode: audit, {DENY}}}')}---\n{cluster(f'{{mode: warn, {DENY}}}', 'q')}",
        own(f"{{mode: audit, {DENY}}}"),
        inside("vulnerabilities: [CVE-2026-1], components: ['pkg:npm/x@<2']", "scan"),
        inside("components: ['pkg:npm/x'], licenses: [mit, LicenseRef-acme, Acme Proprietary]", "sbom"),
        rules("{sbom: {by: a, maxAge: 7d, allowLicenses: ['*', LicenseRef-acme]}}"),
        rules("{provenance: {by: a, maxAge: 7d}}"),
        rules("{attestation: {by: a, type: openvex, maxAge: 7d}}"),
        cluster(
            "{signers: {s: {keyless: {issuer: i, subject: s}}},"
            " rules: [{attestation: {by: s, type: 'https://acme.example/reviewed/v1', maxAge: 7d}}]}"
        ),
    ],
)  # fmt: skip
def test_of_what_may_be_right_nothing_is_said(text: str, tmp_path: Path) -> None:
    assert linted(tmp_path, filled(text)) == []


@pytest.mark.parametrize(
    ("exception", "check"),
    [
        ("2026-11-23T12:00:00Z", Check.EXCEPTION_ENDED),
        ("2026-11-23T12:00:01Z", Check.EXCEPTION_ENDING),
        ("2026-12-07T12:00:00Z", Check.EXCEPTION_ENDING),
        ("2026-12-07T12:00:01Z", None),
        ("2027-05-22T12:00:00Z", None),
        ("2027-05-22T12:00:01Z", Check.EXCEPTION_TOO_FAR),
        ("2027-05-21", None),
        ("2027-05-22", Check.EXCEPTION_TOO_FAR),
    ],
)
def test_exceptions_by_the_clock(exception: str, check: Check | None, tmp_path: Path) -> None:
    found = linted(tmp_path, waived(f"rule: image, reason: r, until: '{exception}'"))
    assert [problem.check for problem in found] == ([check] if check else [])
    assert all(p.remedy == "write 2027-05-21 or an earlier day" for p in found if p.check is Check.EXCEPTION_TOO_FAR)


def test_what_config_allows_is_not_too_far(tmp_path: Path) -> None:
    text = waived("rule: image, reason: r, until: 2027-11-01")
    assert [p.check for p in linted(tmp_path, text)] == [Check.EXCEPTION_TOO_FAR]
    assert linted(tmp_path, f"{text}---\n{config('{exceptions: {max: 365d}}')}") == []


def test_what_is_wrong_by_the_clock_keeps_no_set_from_being_used(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(waived("rule: image, reason: r, until: 2028-01-01"))
    assert load_policies([tmp_path]).parsed.problems == ()


def test_a_policy_that_is_not_whole_is_not_reasoned_about(tmp_path: Path) -> None:
    """An entry that can't be read is left out of what is known: nothing follows from what is missing."""
    found = linted(tmp_path, match("images: ['ghcr.io/A', quay.io/x], exclude: [quay.io/**]"))
    assert [problem.check for problem in found] == [Check.IMAGE_PATTERN]
