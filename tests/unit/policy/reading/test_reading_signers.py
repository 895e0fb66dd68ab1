"""Signers in policy documents: every kind and field, what is wrong with them, whom they accept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gate.errors import ParseError
from gate.evidence.facts import FulcioClaims, Identity
from gate.policy.reading.checks import Check
from gate.policy.reading.signers import GITHUB_ISSUER
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec, LogUse
from gate.policy.trust import PUBLIC_GOOD, SIGSTORE, GivenRoot, MissingRoot
from gate.trust.root import TrustedRoot
from gate.trust.window import ALWAYS, Window
from tests.fakes.fulcio import Issuer
from tests.fakes.signing import alice, bob
from tests.fakes.signing_authority import shared_world
from tests.unit.policy.build import DENY, Json, parsed, policy

if TYPE_CHECKING:
    from cryptography import x509

    from gate.documents import Document
    from gate.policy.reading.sets import ParsedSet
    from gate.policy.signers import SignerSpec

ROOT = json.loads(shared_world().trusted_root())
ACME: Json = {
    "apiVersion": "imagegate.dev/v1", "kind": "GateTrustRoot", "metadata": {"name": "acme"}, "spec": {"json": ROOT},
}  # fmt: skip
GIVEN = GivenRoot("acme", TrustedRoot.parse(json.dumps(ROOT).encode()))
CA = shared_world().fulcio.issuers[-1].certificate.public_bytes(Encoding.PEM).decode()
INTERMEDIATE = shared_world().fulcio.issuers[0].certificate.public_bytes(Encoding.PEM).decode()
LEAF = shared_world().issue().leaf
EDWARDS = Issuer.root("edwards.example", kind="Ed25519").certificate
ALICE = {"pem": alice().pem.decode()}
WORKFLOW = "acme/api/.github/workflows/release.yml"
GITHUB: Json = {"workflow": WORKFLOW, "refs": ["refs/heads/main", "refs/tags/v*"]}
KEYLESS: Json = {"issuer": "https://accounts.google.com", "subject": "releases@acme.example"}
PKI: Json = {"roots": {"pem": CA}, "subject": "build@acme.example"}
SECRET: Json = {"secret": {"name": "n", "key": "k"}}


def pem(certificate: x509.Certificate | None) -> str:
    assert certificate
    return certificate.public_bytes(Encoding.PEM).decode()


def read(signers: Json, *others: Json, namespace: str = "", files: dict[str, bytes] | None = None) -> ParsedSet:
    def read_file(_document: Document, name: str, limit: int) -> bytes:
        if name not in (files or {}):
            raise ParseError(f"{name} cannot be read")
        return (files or {})[name][: limit + 1]

    rules = [{"signature": {"by": name}} for name in signers] or DENY
    documents = [policy(rules, signers=signers, namespace=namespace), *others]
    return parsed("\n---\n".join(map(json.dumps, documents)), read_file)


def signer(kind: str, fields: Json, *others: Json) -> SignerSpec:
    found = read({"s": {kind: fields}}, *others)
    assert [str(p) for p in found.errors] == []
    return found.set.policies[0].signers["s"]


def problem(signers: Json, *others: Json, namespace: str = "") -> str:
    (found,) = read(signers, *others, namespace=namespace).errors
    return f"{found.message}; {found.remedy}"


# key


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, {}),
        ({"transparencyLog": "optional"}, {}),
        ({"transparencyLog": "required"}, {"log": LogUse.REQUIRED}),
        ({"transparencyLog": "ignore"}, {"log": LogUse.IGNORE}),
        ({"trustRoot": PUBLIC_GOOD}, {}),
        ({"trustRoot": "acme"}, {"trust_root": GIVEN}),
        ({"validFrom": "2026-01-01"}, {"window": Window(datetime(2026, 1, 1, tzinfo=UTC))}),
        (
            {"validUntil": "2026-12-31"},
            {"window": Window(None, datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))},
        ),
        (
            {"validFrom": "2026-01-01T02:00:00+02:00", "validUntil": "2026-06-01T00:00:00Z"},
            {"window": Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))},
        ),
    ],
)
def test_a_key(fields: Json, changes: dict[str, Any]) -> None:
    assert signer("key", {**ALICE, **fields}, ACME) == replace(KeySpec("s", alice().public), **changes)


def test_a_key_in_a_secret_is_missing_and_said() -> None:
    found = read({"s": {"key": {**SECRET, "transparencyLog": "required", "validFrom": "2026-01-01"}}})
    (warning,) = found.problems
    assert (warning.warning, found.errors) == (True, ())
    spec = found.set.policies[0].signers["s"]
    assert isinstance(spec, KeySpec)
    assert (spec.key, spec.log) == (None, LogUse.REQUIRED)
    assert spec.window.start is not None
    assert spec.missing in warning.message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "expected exactly one of pem, file, secret; found none"),
        ({**ALICE, **SECRET}, "expected exactly one of pem, file, secret; found pem, secret"),
        ({**ALICE, "validFrom": "yesterday"}, "'yesterday' is neither a day nor an instant"),
        ({**ALICE, "validFrom": "2026-02-30"}, "'2026-02-30' is neither a day nor an instant"),
        ({**ALICE, "validUntil": "2026-01-01T00:00:00"}, "is neither a day nor an instant"),
        ({**ALICE, "validFrom": "2026-02-01", "validUntil": "2026-01-01"}, "it ends before it begins"),
        ({**ALICE, "validFrom": 2026}, "expected a text, got 2026"),
        ({**ALICE, "transparencyLog": "none"}, "expected one of optional, required, ignore"),
        ({**ALICE, "trustRoot": "Acme"}, "expected the name of a GateTrustRoot"),
        ({"file": "gone.pem"}, "gone.pem cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used(fields: Json, said: str) -> None:
    assert said in problem({"s": {"key": fields}})


# keyless


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, {}),
        ({"transparencyLog": "required"}, {}),
        ({"timestamp": {"required": True}}, {"timestamp": True}),
        ({"timestamp": {"required": False}}, {}),
        ({"transparencyLog": "none", "timestamp": {"required": True}}, {"log": LogUse.IGNORE, "timestamp": True}),
        ({"trustRoot": "acme"}, {"trust_root": GIVEN}),
        ({"trustRoot": "acme", "insecureIgnoreSct": True}, {"trust_root": GIVEN, "sct": False}),
    ],
)
def test_keyless(fields: Json, changes: dict[str, Any]) -> None:
    found = signer("keyless", {**KEYLESS, **fields}, ACME)
    assert isinstance(found, KeylessSpec)
    assert found == replace(KeylessSpec("s", found.identity), **changes)
    assert not found.identity.mismatch(Identity(KEYLESS["issuer"], (KEYLESS["subject"],)))
    assert found.identity.mismatch(Identity(KEYLESS["issuer"], (f"x{KEYLESS['subject']}",)))
    assert found.identity.mismatch(Identity("https://accounts.google.com.evil.example", (KEYLESS["subject"],)))


def test_keyless_by_regular_expressions() -> None:
    found = signer("keyless", {"issuerRegex": r"https://.*\.acme\.example", "subjectRegex": r"[a-z]+@acme\.example"})
    assert isinstance(found, KeylessSpec)
    assert not found.identity.mismatch(Identity("https://a.acme.example", ("bob@acme.example",)))
    for issuer, subject in (
        ("https://a.acme.example.evil", "bob@acme.example"),
        ("xhttps://a.acme.example", "bob@acme.example"),
        ("https://a.acme.example", "bob@acme.example.evil"),
        ("https://a.acme.example", "bob@acme.example\n"),
        ("https://a.acme.example", "b.ob@acme.example"),
    ):
        assert found.identity.mismatch(Identity(issuer, (subject,)))


@pytest.mark.parametrize(
    "lax",
    [".*", "(?s).*", "(.*)", ".*|a", "[^ ]*", r"\s*|.*", ".+", "^.+$", "(.+)", r"\S+", ".*.", ".{5,}", "http.*|[^/]+"],
)
def test_a_regular_expression_that_strangers_fit_is_a_warning(lax: str) -> None:
    for given, field in (("issuer", "issuerRegex"), ("subject", "subjectRegex")):
        fields = {key: value for key, value in KEYLESS.items() if key != given}
        found = read({"s": {"keyless": {**fields, field: lax}}})
        (warning,) = found.problems
        assert (warning.warning, found.errors) == (True, ())
        assert warning.check is Check.FITS_ANYTHING
        assert (warning.message.partition(": ")[0], warning.remedy) == (f"{lax!r} fits anybody", "say who is meant")


@pytest.mark.parametrize(
    "lax", ["[^/]+", r".+@.+\.com", r"https://github\.com/.*", r"spiffe://[^/]+/.*", r"https://gitlab\.com/.+@.+"]
)
def test_subjects_of_one_shape_are_not_of_one_owner(lax: str) -> None:
    (warning,) = read({"s": {"keyless": {"issuer": KEYLESS["issuer"], "subjectRegex": lax}}}).problems
    assert warning.check is Check.FITS_ANYTHING


def test_a_regular_expression_that_says_who_is_meant() -> None:
    for subject in (r"https://github\.com/acme/.+", r"[a-z]+@(acme|other)\.example", r"spiffe://acme\.example/.*"):
        fields = {"issuerRegex": r"https://(gitlab\.com|accounts\.google\.com)", "subjectRegex": subject}
        assert read({"s": {"keyless": fields}}).problems == ()
    named = {"issuer": KEYLESS["issuer"], "subjectRegex": r".+@acme\.example"}
    assert read({"s": {"keyless": named}}).problems == ()


def test_nobody_is_known_by_a_trust_root_without_authorities() -> None:
    bare: Json = {**ACME, "spec": {"json": {**ROOT, "certificateAuthorities": []}}}
    said = "the trust root acme has no certificate authority: nobody is known by it; give one that has"
    assert problem({"s": {"keyless": {**KEYLESS, "trustRoot": "acme"}}}, bare) == said
    assert problem({"s": {"github": {**GITHUB, "trustRoot": "acme"}}}, bare) == said
    # a key is known without; logs and timestamps are all that it asks for
    assert read({"s": {"key": {**ALICE, "trustRoot": "acme"}}}, bare).problems == ()
    assert read({"s": {"certificate": {**PKI, "timestamp": {"trustRoot": "acme"}}}}, bare).problems == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"issuer": "i"}, "expected exactly one of subject, subjectRegex; found none"),
        ({"subject": "s"}, "expected exactly one of issuer, issuerRegex; found none"),
        ({**KEYLESS, "issuerRegex": "i"}, "expected exactly one of issuer, issuerRegex; found issuer, issuerRegex"),
        ({**KEYLESS, "subjectRegex": "i"}, "expected exactly one of subject, subjectRegex"),
        ({"issuer": "i", "subjectRegex": "("}, "is not a regular expression"),
        ({"issuer": "i", "subjectRegex": "(?=a)"}, "is not a regular expression"),
        ({"issuer": "i", "subject": ""}, "is empty"),
        ({"issuerRegex": "", "subject": "s"}, "is empty"),
        ({**KEYLESS, "transparencyLog": "none"}, "without a transparency log nothing says when it was signed"),
        ({**KEYLESS, "transparencyLog": "none", "timestamp": {"required": False}}, "nothing says when it was signed"),
        ({**KEYLESS, "transparencyLog": "optional"}, "expected one of required, none"),
        ({**KEYLESS, "insecureIgnoreSct": True}, "every certificate of public-good is in a CT log"),
        ({**KEYLESS, "timestamp": {"trustRoot": "acme"}}, "unknown field `trustRoot`"),
        ({**KEYLESS, "identities": []}, "unknown field `identities`"),
    ],
)
def test_keyless_that_cannot_be_used(fields: Json, said: str) -> None:
    assert said in problem({"s": {"keyless": fields}})


# trust roots


def test_a_trust_root_that_nobody_has_is_a_warning_and_missing() -> None:
    found = read({"s": {"keyless": {**KEYLESS, "trustRoot": "acne"}}}, ACME)
    (warning,) = found.problems
    assert warning.warning
    assert "no GateTrustRoot is called 'acne' here; did you mean acme?" in f"{warning.message}; {warning.remedy}"
    spec = found.set.policies[0].signers["s"]
    assert isinstance(spec, KeylessSpec)
    assert isinstance(spec.trust_root, MissingRoot)


def test_a_trust_root_counts_wherever_it_stands() -> None:
    for namespace in ("", "payments"):
        found = read({"s": {"keyless": {**KEYLESS, "trustRoot": "acme"}}}, ACME, namespace=namespace)
        assert found.problems == ()
        spec = found.set.policies[0].signers["s"]
        assert isinstance(spec, KeylessSpec)
        assert spec.trust_root == GIVEN


def test_the_hash_is_of_the_trust_root_and_the_certificates() -> None:
    other: Json = {**ACME, "spec": {"json": {**ROOT, "ctlogs": []}}}
    one, two = (read({"s": {"keyless": {**KEYLESS, "trustRoot": "acme"}}}, root) for root in (ACME, other))
    assert one.set.policies[0].hash != two.set.policies[0].hash
    fields: Json = {"certificate": {**PKI, "roots": {"file": "ca"}, "timestamp": {"required": False}}}
    one, two = (read({"s": fields}, files={"ca": text.encode()}) for text in (CA, CA + INTERMEDIATE))
    assert (one.problems, two.problems) == ((), ())
    assert one.set.policies[0].hash != two.set.policies[0].hash


# github

SOURCE = "https://github.com/acme/api"
URI = f"https://github.com/{WORKFLOW}@refs/heads/main"
CLAIMS = FulcioClaims(
    build_signer_uri=URI,
    source_repository_uri=SOURCE,
    source_repository_ref="refs/heads/main",
    build_trigger="push",
    source_repository_id="123",
    source_repository_owner_id="9",
)
ACTIONS = Identity("https://token.actions.githubusercontent.com", (URI,), CLAIMS)


def by_workflow(fields: Json) -> KeylessSpec:
    found = signer("github", {**GITHUB, **fields})
    assert isinstance(found, KeylessSpec)
    return found


def claiming(**claims: str) -> Identity:
    return replace(ACTIONS, claims=replace(CLAIMS, **claims))


def at(ref: str, source: str | None = None) -> Identity:
    uri = f"https://github.com/{WORKFLOW}@{ref}"
    claims = replace(CLAIMS, build_signer_uri=uri, source_repository_ref=source or ref)
    return Identity(ACTIONS.issuer, (uri,), claims)


@pytest.mark.parametrize(
    ("fields", "identity"),
    [
        ({}, ACTIONS),
        ({}, at("refs/tags/v1.2.3")),
        ({}, claiming(build_trigger="schedule")),
        ({}, claiming(build_trigger="release")),
        ({}, claiming(build_trigger="workflow_dispatch")),
        ({"events": ["pull_request_target"]}, claiming(build_trigger="pull_request_target")),
        ({"repository": "acme/other"}, claiming(source_repository_uri="https://github.com/acme/other")),
        ({"sourceRefs": ["refs/heads/**"]}, claiming(source_repository_ref="refs/heads/feature/x")),
        ({"refs": ["**"]}, at("refs/heads/feature/x")),
        ({"refs": ["refs/heads/release-*"]}, at("refs/heads/release-7")),
        ({"repositoryId": 123, "ownerId": "9"}, ACTIONS),
        ({"repositoryId": "123"}, ACTIONS),
        ({"repositoryId": 123.0}, ACTIONS),
    ],
)
def test_a_workflow_that_is_meant(fields: Json, identity: Identity) -> None:
    assert by_workflow(fields).identity.mismatch(identity) == ""


@pytest.mark.parametrize(
    ("fields", "identity", "said"),
    [
        # a stranger's repository calls our public reusable workflow
        ({}, claiming(source_repository_uri="https://github.com/mallory/evil"), "source repository uri"),
        ({}, claiming(source_repository_uri="https://github.com/acme/api-evil"), "source repository uri"),
        ({}, claiming(source_repository_uri="https://github.com/acme/api/"), "source repository uri"),
        ({}, claiming(source_repository_uri=""), "source repository uri (none)"),
        ({}, claiming(source_repository_ref="refs/heads/dev"), "source repository ref refs/heads/dev"),
        ({}, claiming(source_repository_ref=""), "source repository ref (none)"),
        ({}, claiming(build_trigger="pull_request_target"), "build trigger pull_request_target"),
        ({}, claiming(build_trigger="pull_request"), "build trigger pull_request"),
        ({}, claiming(build_trigger="issue_comment"), "build trigger"),
        ({}, claiming(build_trigger=""), "build trigger (none)"),
        ({}, claiming(build_signer_uri=""), "build signer uri (none)"),
        ({}, claiming(build_signer_uri=URI.replace("release", "dev")), "build signer uri"),
        ({}, replace(ACTIONS, subjects=(URI.replace("release", "dev"),)), "dev.yml@refs/heads/main"),
        ({}, replace(ACTIONS, issuer="https://token.actions.githubusercontent.com/acme"), "issuer"),
        ({}, replace(ACTIONS, issuer="https://gitlab.com"), "issuer"),
        ({}, at("refs/heads/dev"), "release.yml@refs/heads/dev"),
        ({}, at("refs/heads/main/evil"), "refs/heads/main/evil"),
        ({}, at("refs/tags/v1/../../heads/dev"), "refs/tags/v1/../../heads/dev"),
        ({}, at("refs/tags/v1/x"), "refs/tags/v1/x"),
        ({"repositoryId": 124}, ACTIONS, "source repository id 123"),
        ({"repositoryId": 12}, ACTIONS, "source repository id 123"),
        ({"ownerId": 9}, claiming(source_repository_owner_id=""), "owner id (none)"),
        ({"repository": "acme/other"}, ACTIONS, "source repository uri"),
        ({"events": ["release"]}, ACTIONS, "build trigger push"),
    ],
)
def test_a_workflow_that_is_not(fields: Json, identity: Identity, said: str) -> None:
    assert said in by_workflow(fields).identity.mismatch(identity)


def test_what_is_said_of_another_branch_is_said_once() -> None:
    said = by_workflow({"sourceRefs": ["**"]}).identity.mismatch(at("refs/heads/dev"))
    uri = f"https://github.com/{WORKFLOW}@"
    assert said == f"signed by {uri}refs/heads/dev; needs {uri}refs/heads/main or {uri}refs/tags/v*"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"workflow": f"https://github.com/{WORKFLOW}@refs/heads/main"}, f"write {WORKFLOW}, and its refs"),
        ({"workflow": "acme/api/release.yml"}, "write OWNER/REPOSITORY/.github/workflows/FILE.yml"),
        ({"workflow": "acme/*/.github/workflows/release.yml"}, "is no workflow"),
        ({"workflow": "acme/api/.github/workflows/../x.yml"}, "is no workflow"),
        ({"workflow": f"{WORKFLOW}\n"}, "is no workflow"),
        ({"refs": []}, "the list is empty"),
        (
            {"refs": ["main"], "sourceRefs": ["**"]},
            "'main' fits no ref; write refs/heads/main for a branch, refs/tags/main for a tag",
        ),
        ({"sourceRefs": ["v*"]}, "'v*' fits no ref"),
        # patterns of refs that no full ref fits
        ({"refs": ["*"], "sourceRefs": ["**"]}, "'*' fits no ref; write ** for any ref, refs/heads/** for any branch"),
        ({"refs": ["refs/*"], "sourceRefs": ["**"]}, "'refs/*' fits no ref; write **"),
        ({"sourceRefs": ["*/*"]}, "'*/*' fits no ref"),
        ({"refs": ["refs/heads"], "sourceRefs": ["**"]}, "'refs/heads' fits no ref; write refs/heads/BRANCH"),
        ({"sourceRefs": ["main/**"]}, "'main/**' fits no ref; write refs/heads/main/**"),
        ({"events": []}, "the list is empty"),
        ({"events": ["tag"]}, "no workflow is started by 'tag'"),
        ({"events": ["pull_reqest"]}, "no workflow is started by 'pull_reqest'; did you mean pull_request?"),
        ({"events": ["Push"]}, "no workflow is started by 'Push'; did you mean push?"),
        ({"repository": "https://github.com/acme/api"}, "expected owner/name of a repository of github.com"),
        ({"repositoryId": "acme"}, "expected a number"),
        ({"repositoryId": 0}, "expected a number"),
        ({"repositoryId": True}, "expected a number"),
        ({"issuer": "x"}, "unknown field `issuer`"),
    ],
)
def test_github_that_cannot_be_used(fields: Json, said: str) -> None:
    assert said in problem({"s": {"github": {**GITHUB, **fields}}})


@pytest.mark.parametrize("field", ["workflow", "refs"])
def test_github_without_what_it_needs(field: str) -> None:
    assert f"no `{field}`" in problem({"s": {"github": {k: v for k, v in GITHUB.items() if k != field}}})


# certificate


def test_a_certificate_of_a_private_pki() -> None:
    found = signer("certificate", {**PKI, "intermediates": {"pem": INTERMEDIATE}})
    assert isinstance(found, CertificateSpec)
    assert (found.log, found.timestamp, found.sct) == (LogUse.IGNORE, True, False)
    assert found.authorities is not None
    assert found.authorities.root == SIGSTORE
    (authority,) = found.authorities.authorities
    assert (len(authority.chain), authority.window) == (2, ALWAYS)
    assert not found.identity.mismatch(Identity("", (PKI["subject"],)))
    assert not found.identity.mismatch(Identity("https://any.example", ("other", PKI["subject"])))


def test_a_hundred_intermediates() -> None:
    found = signer("certificate", {**PKI, "intermediates": {"pem": INTERMEDIATE * 100}})
    assert isinstance(found, CertificateSpec)
    assert found.authorities is not None
    assert [len(authority.chain) for authority in found.authorities.authorities] == [101]


@pytest.mark.parametrize(
    ("timestamp", "root", "required"),
    [
        ({}, SIGSTORE, True),
        ({"required": True}, SIGSTORE, True),
        ({"trustRoot": "acme"}, GIVEN, True),
        ({"required": False}, None, False),
        ({"required": False, "trustRoot": "acme"}, GIVEN, False),
    ],
)
def test_whose_timestamps_count(timestamp: Json, root: object, required: bool) -> None:  # noqa: FBT001 - of a table
    found = signer("certificate", {**PKI, "timestamp": timestamp}, ACME)
    assert isinstance(found, CertificateSpec)
    assert found.authorities is not None
    assert (found.authorities.root, found.timestamp) == (root, required)


def test_a_pki_in_a_secret_is_missing() -> None:
    for fields in ({**PKI, "roots": SECRET}, {**PKI, "intermediates": SECRET}):
        found = read({"s": {"certificate": fields}})
        assert [p.warning for p in found.problems] == [True]
        spec = found.set.policies[0].signers["s"]
        assert isinstance(spec, CertificateSpec)
        assert (spec.authorities, "Secret n" in spec.missing) == (None, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"subject": "s"}, "no `roots`"),
        ({"roots": {"pem": CA}}, "expected exactly one of subject, subjectRegex; found none"),
        ({**PKI, "roots": {}}, "expected exactly one of pem, file, secret; found none"),
        ({**PKI, "roots": {"pem": "x"}}, "not a PEM certificate"),
        ({**PKI, "roots": ALICE}, "not a PEM certificate"),
        ({**PKI, "intermediates": {"pem": "x"}}, "not a PEM certificate"),
        ({**PKI, "intermediates": {"pem": INTERMEDIATE * 101}}, "101 certificates; at most 100 are read"),
        ({**PKI, "roots": {"pem": pem(LEAF)}}, "is the certificate of no authority (basicConstraints)"),
        ({**PKI, "roots": {"pem": CA + pem(LEAF)}}, "is the certificate of no authority (basicConstraints)"),
        ({**PKI, "roots": {"pem": pem(EDWARDS)}}, "has a key that is neither ECDSA nor RSA; use an authority of"),
        ({**PKI, "issuer": "x"}, "unknown field `issuer`"),
    ],
)
def test_a_pki_that_cannot_be_used(fields: Json, said: str) -> None:
    assert said in problem({"s": {"certificate": fields}})


# all of them


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"key": ALICE}, {"key": {**ALICE, "transparencyLog": "ignore"}}),
        ({"keyless": KEYLESS}, {"keyless": KEYLESS}),
        ({"github": GITHUB}, {"github": {**GITHUB, "repository": "acme/api"}}),
        ({"certificate": PKI}, {"certificate": PKI}),
    ],
)
def test_one_principal_under_two_names(one: Json, two: Json) -> None:
    assert "signer b has the same" in problem({"a": one, "b": two})


ONE_REF: Json = {"workflow": WORKFLOW, "refs": ["refs/heads/main"]}
ITS_SUBJECT: Json = {"issuer": GITHUB_ISSUER, "subject": f"https://github.com/{WORKFLOW}@refs/heads/main"}
STAMPED: Json = {"timestamp": {"required": True}}
NAMED: dict[str, Json] = {
    "c": {"keyless": KEYLESS},
    "d": {"keyless": {**KEYLESS, **STAMPED, "transparencyLog": "none"}},
    "f": {"github": ONE_REF},
    "g": {"github": {**ONE_REF, "events": ["push"]}},
    "h": {"keyless": ITS_SUBJECT},
    "i": {"github": GITHUB},
    "j": {"github": {**GITHUB, **STAMPED}},
    "k": {"keyless": {"issuer": "i", "subjectRegex": "a.*"}},
    "m": {"keyless": {**KEYLESS, "trustRoot": "acme"}},
    "l": {"keyless": {"issuer": "i", "subjectRegex": "a.*", **STAMPED}},
}


def counted(by: Json | list[str]) -> list[tuple[Check, str]]:
    document = policy([{"signature": {"by": by}}, {"signature": {"by": sorted(NAMED)}}], signers=NAMED)
    return [(found.check, found.message) for found in parsed(json.dumps(document)).errors]


@pytest.mark.parametrize(
    ("by", "pair"),
    [
        ({"all": ["c", "d"]}, "c and d"),
        ({"atLeast": 3, "of": ["c", "f", "d"]}, "c and d"),
        ({"all": ["f", "g"]}, "f and g"),
        ({"all": ["g", "h"]}, "g and h"),
        ({"all": ["c", {"all": ["d", "f"]}]}, "c and d"),
        ([["i"], {"all": ["c", "d"]}], "c and d"),
    ],
)
def test_one_identity_under_two_names_is_not_counted_twice(by: Json | list[str], pair: str) -> None:
    assert counted(by) == [(Check.SAME_PRINCIPAL, f"signers {pair} are one identity, and it counts once")]


@pytest.mark.parametrize(
    "by",
    [
        ["c", "d"],
        {"atLeast": 1, "of": ["c", "d"]},
        {"all": [["c", "d"], "i"]},
        {"all": [["c", "f"], ["d", "i"]]},
        {"all": [["c", "f"], "d"]},
        {"atLeast": 2, "of": ["c", "f", "d"]},
        {"all": ["i", "j"]},  # one may sign from main, the other from a tag
        {"all": ["k", "l"]},
        {"atLeast": 2, "of": ["c", "m", "f"]},  # while one trust root replaces another
    ],
)
def test_where_nothing_is_counted_twice_a_signer_may_be_held_to_two_things(by: Json | list[str]) -> None:
    assert counted(by) == []


def test_different_principals_have_different_names() -> None:
    signers: Json = {
        "a": {"key": ALICE},
        "b": {"key": {"pem": bob().pem.decode()}},
        "c": {"keyless": KEYLESS},
        "d": {"keyless": {"issuer": KEYLESS["issuer"], "subjectRegex": KEYLESS["subject"]}},
        "e": {"keyless": {**KEYLESS, "trustRoot": "acme"}},
        "f": {"github": GITHUB},
        "g": {"github": {**GITHUB, "repository": "acme/other"}},
        "h": {"certificate": PKI},
        "i": {"certificate": {**PKI, "subject": "other@acme.example"}},
    }
    found = read(signers, ACME)
    assert found.problems == ()
    assert sorted(found.set.policies[0].signers) == list("abcdefghi")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("key", {"file": "k"}), ("certificate", {**PKI, "roots": {"file": "k"}})],
)
def test_a_namespaces_policy_reads_no_file(kind: str, fields: Json) -> None:
    assert "`file` is refused here; write it as `pem`" in problem({"s": {kind: fields}}, namespace="payments")


def test_a_signer_is_of_one_kind() -> None:
    assert "expected exactly one of key, keyless" in problem({"s": {"key": ALICE, "keyless": KEYLESS}})
    assert "expected exactly one of key, keyless" in problem({"s": {}})
