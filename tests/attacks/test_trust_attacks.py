"""Whom a signature is by, and under what: what two reviews of the verification got past, each from end to end.

Every attack has its control: the same evidence without the one thing that is wrong counts.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from gate.evidence import cosign
from gate.evidence.certificate import find_path
from gate.evidence.facts import CertificateSigner, Format, Identity, TimeSource, VerifiedSignature, VerifiedTime
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.authority import Authority
from gate.trust.window import ALWAYS, Window
from tests.fakes.fulcio import AGES, AT, Fulcio, Issuer, Keypair, Profile, Signer, email, shared_key, uri
from tests.fakes.signing_authority import Signature, simple_signing, statement
from tests.fakes.timestamp_authority import TimestampAuthority
from tests.fakes.transparency_log import NoteKey, Place
from tests.unit.cli.bench import KEYLESS, WORLD, Bench, Json, builder, certificate, person
from tests.unit.policy.build import OTHER, UNWITNESSED, codes, decide, evidence, policies, policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptography import x509

    from gate.policy.decision import Decision

TLS: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
CODE: Final = (ExtendedKeyUsageOID.CODE_SIGNING,)
STAMPS: Final = (ExtendedKeyUsageOID.TIME_STAMPING,)
ANY: Final = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
RETIRED: Final = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC))
OURS: Json = {"timestamp": {"trustRoot": "ours"}}
STAMPED: Json = {"s": {"keyless": {**KEYLESS, "transparencyLog": "none", "timestamp": {"required": True}}}}
BUILD: Final = "build@acme.example"
Usages = tuple[ObjectIdentifier, ...]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def stamped_layer(bench: Bench, signer: Signer, *, chain: bool = True) -> None:
    """A signature by a certificate with a timestamp, in `.sig`."""
    message = Signature.of_message(signer, simple_signing(bench.digest))
    stamp = WORLD.tsa.stamp(message.content)
    bench.legacy(WORLD.legacy_signature(message, logged=False, timestamp=stamp, chain=chain))


def rooted(issuer: Issuer, **fields: Any) -> Json:
    """The signer of a private PKI by this root."""
    return certificate(Fulcio("", (issuer,)), **OURS, **fields)


# A sub-authority that was given to a web team certifies servers, and signs no images.


def company(usages: Usages) -> Fulcio:
    """A root, and below it one for these usages that issues."""
    root = Issuer.root("corp root")
    return Fulcio("https://corp.example", (root.intermediate("corp sub", usages=usages), root))


def by_given(bench: Bench, usages: Usages) -> Json:
    """The policy gives it as an intermediate."""
    authority = company(usages)
    stamped_layer(bench, builder(authority), chain=False)
    return rooted(authority.issuers[1], intermediates={"pem": pem(authority.issuers[0].certificate)})


def by_annotation(bench: Bench, usages: Usages) -> Json:
    """The signature brings it along."""
    authority = company(usages)
    stamped_layer(bench, builder(authority))
    return rooted(authority.issuers[1])


def as_root(bench: Bench, usages: Usages) -> Json:
    """The policy trusts it by itself."""
    authority = company(usages)
    stamped_layer(bench, builder(authority))
    return rooted(authority.issuers[0])


def as_own_root(bench: Bench, usages: Usages) -> Json:
    """The root itself says what it is for."""
    root = Issuer.root("corp root", usages=usages)
    stamped_layer(bench, builder(Fulcio("", (root.intermediate("corp sub"), root))))
    return rooted(root)


def of_fulcio(bench: Bench, usages: Usages) -> Json:
    """It stands in the trusted root."""
    authority = company(usages)
    bench.roots["ours"] = WORLD.trusted_root(fulcios=[authority])
    bench.attach(WORLD.bundle(signed(bench, WORLD.issue(profile=person(), fulcio=authority))))
    return {"keyless": KEYLESS}


def brought_to_fulcio(bench: Bench, usages: Usages) -> Json:
    """The bundle brings it along, to a root that stands in the trusted root."""
    authority = company(usages)
    bench.roots["ours"] = WORLD.trusted_root(fulcios=[Fulcio(authority.uri, authority.issuers[1:])])
    made = signed(bench, WORLD.issue(profile=person(), fulcio=authority))
    bench.attach(WORLD.bundle(made, version="0.1", intermediates=True))
    return {"keyless": KEYLESS}


def signed(bench: Bench, signer: Signer) -> Signature:
    return Signature.of_payload(signer, statement(bench.digest))


@pytest.mark.parametrize("form", [by_given, by_annotation, as_root, as_own_root, of_fulcio, brought_to_fulcio])
def test_a_sub_authority_for_tls_signs_no_images(bench: Bench, form: Callable[[Bench, Usages], Json]) -> None:
    ((code, said),) = bench.findings({"s": form(bench, TLS)})
    assert (code, "is not for codeSigning" in said) == ("CERTIFICATE_UNTRUSTED", True), said


@pytest.mark.parametrize("usages", [(), CODE, ANY, (*TLS, *CODE)])
@pytest.mark.parametrize("form", [by_given, by_annotation, as_root, as_own_root, of_fulcio, brought_to_fulcio])
def test_a_sub_authority_that_may(bench: Bench, form: Callable[[Bench, Usages], Json], usages: Usages) -> None:
    assert bench.findings({"s": form(bench, usages)}) == []


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "brought along"])
@pytest.mark.parametrize(
    ("usages", "counts"), [((), True), (STAMPS, True), (ANY, True), (TLS, False), (CODE, False), ((*TLS, *CODE), False)]
)
def test_a_sub_authority_for_tls_certifies_no_timestamps(
    bench: Bench,
    usages: Usages,
    counts: bool,  # noqa: FBT001 - of a table
    listed: bool,  # noqa: FBT001
) -> None:
    root = Issuer.root("tsa root")
    sub = root.intermediate("tsa sub", usages=usages)
    service = TimestampAuthority.below("tsa", (sub, root))
    known = TimestampAuthority(service.uri, (sub, root) if listed else (root,))
    bench.roots["ours"] = WORLD.trusted_root(tsas=[known])
    made = signed(bench, WORLD.issue(profile=person()))
    brought = (service.signer.certificate, sub.certificate)
    bench.attach(WORLD.bundle(made, entries=[], timestamps=[service.stamp(made.content, embedded=brought)]))
    found = bench.findings(STAMPED)
    assert [code for code, _ in found] == ([] if counts else ["TIMESTAMP_INVALID"])
    assert counts or "is not for timeStamping" in found[0][1]


# What was retired is retired, though its successor has the same root.


def generations() -> tuple[Fulcio, Fulcio]:
    """An authority that was retired, and its successor under the same root."""
    root = Issuer.root("fulcio.test root")
    first, second = root.intermediate("first"), root.intermediate("second")
    return Fulcio("https://first.test", (first, root)), Fulcio("https://second.test", (second, root))


def in_a_chain(bench: Bench, signer: Signer) -> None:
    bench.attach(WORLD.bundle(signed(bench, signer), version="0.1", intermediates=True))


def in_a_layer(bench: Bench, signer: Signer) -> None:
    bench.legacy(WORLD.legacy_signature(Signature.of_message(signer, simple_signing(bench.digest))))


@pytest.mark.parametrize("form", [in_a_chain, in_a_layer])
@pytest.mark.parametrize("turned", [False, True], ids=["first", "last"])
def test_a_retired_authority_does_not_return_through_its_successor(
    bench: Bench,
    form: Callable[[Bench, Signer], None],
    turned: bool,  # noqa: FBT001 - of a table
) -> None:
    first, second = generations()
    form(bench, WORLD.issue(profile=person(), fulcio=first))
    known = [second, first] if turned else [first, second]
    bench.roots["ours"] = WORLD.trusted_root(fulcios=known, windows={first.uri: RETIRED})
    ((code, said),) = bench.findings({"s": {"keyless": KEYLESS}})
    assert (code, "2025-06-01" in said) == ("CERTIFICATE_EXPIRED", True), said
    # while it was in use it counted, and one that nobody has listed is passed through
    for known in ([first, second], [second]):
        bench.roots["ours"] = WORLD.trusted_root(fulcios=known)
        assert bench.findings({"s": {"keyless": KEYLESS}}) == []


def test_a_successor_is_not_retired_with_its_forerunner(bench: Bench) -> None:
    first, second = generations()
    in_a_chain(bench, WORLD.issue(profile=person(), fulcio=second))
    bench.roots["ours"] = WORLD.trusted_root(fulcios=[first, second], windows={first.uri: RETIRED})
    assert bench.findings({"s": {"keyless": KEYLESS}}) == []
    # nor is who was put back
    bench.roots["ours"] = WORLD.trusted_root(
        fulcios=[second, Fulcio("https://again.test", second.issuers)], windows={second.uri: RETIRED}
    )
    assert bench.findings({"s": {"keyless": KEYLESS}}) == []


@pytest.mark.parametrize("leaf", [True, False], ids=["with its leaf", "without"])
def test_a_retired_timestamping_service_does_not_return_through_its_successor(
    bench: Bench,
    leaf: bool,  # noqa: FBT001 - of a table
) -> None:
    root = Issuer.root("tsa root")
    first = TimestampAuthority.below("first.test", (root.intermediate("first tsa"), root))
    second = TimestampAuthority.below("second.test", (root.intermediate("second tsa"), root))
    known = [first, second if leaf else TimestampAuthority(second.uri, second.issuers[1:])]
    made = signed(bench, WORLD.issue(profile=person()))
    brought = [issuer.certificate for issuer in first.issuers[:2]]
    bench.attach(WORLD.bundle(made, entries=[], timestamps=[first.stamp(made.content, embedded=brought)]))
    bench.roots["ours"] = WORLD.trusted_root(tsas=known, windows={first.uri: RETIRED})
    ((code, said),) = bench.findings(STAMPED)
    assert (code, "2025-06-01" in said) == ("TIMESTAMP_INVALID", True), said
    bench.roots["ours"] = WORLD.trusted_root(tsas=known)
    assert bench.findings(STAMPED) == []


# One signature is one principal's.


def company_profile(*names: x509.GeneralName, issuer: str | None = None) -> Profile:
    return Profile(names=names or (email(BUILD),), issuer=issuer, issuer_v1=issuer)


def one(found: list[tuple[str, str]]) -> str:
    """What is said of signers that are one principal, and too few so."""
    ((code, said),) = found
    assert code == "SIGNERS_TOO_FEW"
    assert "who are 1 principal in all" in said
    return said


def test_a_key_and_its_certificate_are_one_principal(bench: Bench) -> None:
    authority = Fulcio.create("pki.acme.example")
    key = shared_key("P-256", "certified")
    stamped_layer(bench, WORLD.issue(key, company_profile(), scts=(), fulcio=authority))
    signers: Json = {
        "release": {"key": {"pem": key.pem.decode(), "trustRoot": "ours"}},
        "pki": certificate(authority, **OURS),
    }
    for name in signers:
        assert bench.findings(signers, name) == []
    said = one(bench.findings(signers, {"all": ["release", "pki"]}))
    assert said.startswith("signed by pki, release, who are 1 principal in all; needs")
    # two signatures by it are no more
    bench.legacy(WORLD.legacy_signature(Signature.of_message(Signer(key), simple_signing(bench.digest)), logged=False))
    one(bench.findings(signers, {"all": ["release", "pki"]}))
    # another's key is somebody else
    signers["other"] = {"key": {"pem": shared_key("P-256", "other").pem.decode(), "trustRoot": "ours"}}
    message = Signature.of_message(Signer(shared_key("P-256", "other")), simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message, logged=False))
    assert bench.findings(signers, {"all": ["other", "pki"]}) == []


@pytest.mark.parametrize(
    "other",
    [
        company_profile(uri("spiffe://acme/build"), email(BUILD)),
        company_profile(email(BUILD), email("z@acme.example")),
        company_profile(issuer="https://x.example"),
    ],
    ids=["another name before", "another name behind", "an issuer extension"],
)
def test_two_certificates_of_one_subject_are_one_principal(bench: Bench, other: Profile) -> None:
    """Whoever has one name of a private PKI gets others on top of it."""
    authority = Fulcio.create("pki.acme.example")
    for profile in (company_profile(), other):
        stamped_layer(bench, WORLD.issue(profile=profile, scts=(), fulcio=authority))
    team = rooted(authority.issuers[-1], subjectRegex=r".*@acme\.example")
    del team["certificate"]["subject"]
    signers = {"build": certificate(authority, **OURS), "team": team}
    one(bench.findings(signers, {"all": ["build", "team"]}))
    stamped_layer(bench, builder(authority, "ops@acme.example"))
    assert bench.findings(signers, {"all": ["build", "team"]}) == []


def test_a_root_and_its_renewal_are_one_principals(bench: Bench) -> None:
    key = Keypair.generate("P-384")
    old = Issuer.root("corp root", key=key)
    new = Issuer.root("corp root", key=key, valid=(AGES[0], AGES[1].replace(year=2045)))
    stamped_layer(bench, builder(Fulcio("", (old,))))
    one(bench.findings({"x": rooted(old), "y": rooted(new)}, {"all": ["x", "y"]}))


def test_a_root_and_an_intermediate_that_is_trusted_by_itself_are_one_principals(bench: Bench) -> None:
    authority = Fulcio.create("pki.acme.example")
    below, root = authority.issuers
    stamped_layer(bench, builder(authority))
    signers = {"x": rooted(root), "y": rooted(below)}
    for name in signers:
        assert bench.findings(signers, name) == []
    one(bench.findings(signers, {"all": ["x", "y"]}))
    # nor do two signatures by that name make it two people
    stamped_layer(bench, builder(authority))
    one(bench.findings(signers, {"all": ["x", "y"]}))


def test_a_root_and_an_intermediate_below_it_certify_one_principal(bench: Bench) -> None:
    authority = Fulcio.create("pki.acme.example")
    stamped_layer(bench, builder(authority))
    stamped_layer(bench, builder(Fulcio("", authority.issuers[1:])))
    team = rooted(authority.issuers[-1], subjectRegex=r"build@acme\.example")
    del team["certificate"]["subject"]
    one(bench.findings({"x": rooted(authority.issuers[-1]), "y": team}, {"all": ["x", "y"]}))


@pytest.mark.parametrize("issuer", [None, "https://sso.acme.example"])
def test_one_name_under_two_private_roots_is_two_principals(bench: Bench, issuer: str | None) -> None:
    """What a private PKI's certificates say of an issuer says nothing of who that is."""
    first, second = Fulcio.create("pki.acme.example"), Fulcio.create("pki2.acme.example")
    signers = {"x": certificate(first, **OURS), "y": certificate(second, **OURS)}
    stamped_layer(bench, WORLD.issue(profile=company_profile(issuer=issuer), scts=(), fulcio=first))
    ((code, said),) = bench.findings(signers, {"all": ["x", "y"]})
    assert (code, said.startswith("signed by x; needs")) == ("SIGNERS_TOO_FEW", True)
    stamped_layer(bench, WORLD.issue(profile=company_profile(issuer=issuer), scts=(), fulcio=second))
    assert bench.findings(signers, {"all": ["x", "y"]}) == []


# A key's window asks when, and who knows that may be away.


def test_a_time_that_cannot_be_read_is_not_now(bench: Bench) -> None:
    """A signature that a log has dated before the key's time would count as made now."""
    signed = {"_type": "root", "version": 1, "expires": "2030-01-01T00:00:00Z", "keys": {}, "roles": {}}
    metadata = {"signed": signed, "signatures": [{"keyid": "k", "sig": "s"}]}
    bench.specs["away"] = {"tuf": {"url": "https://tuf.acme.example", "root": {"json": metadata}}}
    key = Signer(shared_key())
    message = Signature.of_message(key, simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message))
    pem: Json = {"pem": key.key.pem.decode()}
    windows = ({"validFrom": "2026-06-01"}, {"validUntil": "2027-01-01"}, {"validUntil": "2026-01-01"})
    for dated, root, log in itertools.product(windows, ("gone", "away"), ("optional", "required", "ignore")):
        fields = {**pem, **dated, "trustRoot": root, "transparencyLog": log}
        found = bench.findings({"s": {"key": fields}})
        assert {code for code, _ in found} == {"TRUST_ROOT_UNAVAILABLE"}, (fields, found)
    # where it can be had, the log's time is what the window is asked about
    ((code, _),) = bench.findings({"s": {"key": {**pem, "trustRoot": "ours", "validFrom": "2026-06-01"}}})
    assert code == "KEY_MISMATCH"


# Many who sign are no way to have nobody counted.


def somebody(number: int) -> VerifiedSignature:
    identity = Identity(KEYLESS["issuer"], (f"user{number:03}@acme.example",))
    window = Window(AT, AT.replace(year=2027))
    signer = CertificateSigner(
        identity, PUBLIC_GOOD, private=False, key=f"k{number}", issuers=("r",), window=window, ct_logs=frozenset({"c"})
    )
    witness = replace(
        UNWITNESSED, logs=frozenset({"log"}), no_log=None, times=(VerifiedTime(AT, TimeSource.LOG, "log"),)
    )
    return VerifiedSignature(Format.BUNDLE, OTHER, signer, witness, {}, None)


def test_two_hundred_identities_and_five_signers_are_answered() -> None:
    """A search over who is whom ended in "too few", or not at all; whoever may push signatures chose which."""
    team: Json = {"issuer": KEYLESS["issuer"], "subjectRegex": r"user\d+@acme\.example"}
    names = [f"b{i}" for i in range(4)]
    patterns = [
        r"user\d+@acme\.example",
        r"user\d{3}@acme\.example",
        r"user[0-9]+@acme\.example",
        r"[a-z0-9]+@acme\.example",
    ]
    signers: Json = {
        **{name: {"keyless": {**team, "subjectRegex": text}} for name, text in zip(names, patterns, strict=True)},
        "lead": {"keyless": {"issuer": KEYLESS["issuer"], "subject": "user000@acme.example"}},
    }
    found = policies(policy([{"signature": {"by": {"all": [*names, "lead"]}}}], signers=signers))

    def decided(*people: int) -> Decision:
        return decide(found, facts=evidence(map(somebody, people)), now=AT)

    assert codes(decided(*range(200))) == []
    assert codes(decided(*range(5))) == []
    assert codes(decided(*range(4))) == [("SIGNERS_TOO_FEW", "deny")]
    # the lead is not among them
    assert codes(decided(*range(1, 201))) == [("IDENTITY_MISMATCH", "deny")]


# Rekor v2: nothing but the tree speaks for an entry.


def in_rekor2(
    bench: Bench, changes: dict[str, int] | None = None, *, place: Place | None = None
) -> list[tuple[str, str]]:
    made = signed(bench, WORLD.issue(profile=person()))
    entry = replace(WORLD.entry(made, log=WORLD.rekor2, place=place), **(changes or {}))  # type: ignore[arg-type]
    bench.attach(WORLD.bundle(made, entries=[entry], timestamps=[WORLD.tsa.stamp(made.content)]))
    return bench.findings({"s": {"keyless": {**KEYLESS, "timestamp": {"required": True}}}})


def test_an_entry_of_rekor_2(bench: Bench) -> None:
    assert in_rekor2(bench) == []


def signs_as(name: str) -> tuple[NoteKey, ...]:
    return (NoteKey(name, WORLD.rekor2.key, id=WORLD.rekor2.id),)


@pytest.mark.parametrize(
    "place",
    [
        Place(origin="other.test"),
        Place(origin="other.test", signers=signs_as("other.test")),
        Place(signers=signs_as("other.test")),
        Place(origin=f"{WORLD.rekor2.name}/x", signers=signs_as(f"{WORLD.rekor2.name}/x")),
        Place(origin=f"{WORLD.rekor2.name}.evil.test", signers=signs_as(f"{WORLD.rekor2.name}.evil.test")),
        Place(origin=WORLD.rekor2.url, signers=signs_as(WORLD.rekor2.url)),
        Place(after=signs_as("other.test")),
    ],
    ids=["origin", "origin and name", "name", "path", "longer host", "URL", "a second name"],
)
def test_a_checkpoint_of_another_log_of_the_same_key(bench: Bench, place: Place) -> None:
    ((code, said),) = in_rekor2(bench, place=place)
    assert (code, "the checkpoint is of" in said) == ("LOG_ENTRY_INVALID", True), said


@pytest.mark.parametrize("changes", [{"index": 4}, {"index": 0}, {"integrated_time": int(AT.timestamp())}])
def test_an_index_or_a_time_that_nothing_vouches_for(bench: Bench, changes: dict[str, int]) -> None:
    ((code, said),) = in_rekor2(bench, changes)
    assert (code, "an index or a time that nothing vouches for" in said) == ("LOG_ENTRY_INVALID", True), said


# One way to write each bundle.

DIGITS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
MATERIAL: Final = ("verificationMaterial",)
ENTRY: Final = (*MATERIAL, "tlogEntries", 0)
PROOF: Final = (*ENTRY, "inclusionProof")
STAMPS_AT: Final = (*MATERIAL, "timestampVerificationData")
Where = tuple[str | int, ...]


def stored(bench: Bench, *, chain: bool = False) -> Json:
    """A bundle with all that there is in one."""
    made = signed(bench, WORLD.issue(profile=person()))
    version = "0.1" if chain else "0.3"
    bundle = WORLD.bundle(made, version=version, timestamps=[WORLD.tsa.stamp(made.content)], intermediates=chain)  # type: ignore[arg-type]
    found: Json = json.loads(json.dumps(bundle))
    return found


def at(value: Any, path: Where) -> Any:
    for step in path:
        value = value[step]
    return value


def refused(bench: Bench, bundle: Json, why: str) -> None:
    bench.attach(bundle)
    ((code, said),) = bench.findings({"s": {"keyless": KEYLESS}})
    assert (code, why in said) == ("SIGNATURE_INVALID", True), said


@pytest.mark.parametrize("chain", [False, True], ids=["certificate", "chain"])
def test_what_is_changed_below_counts_as_it_is(bench: Bench, chain: bool) -> None:  # noqa: FBT001 - of a table
    bench.attach(stored(bench, chain=chain))
    assert bench.findings({"s": {"keyless": {**KEYLESS, "timestamp": {"required": True}}}}) == []


def test_a_log_entry_twice(bench: Bench) -> None:
    bundle = stored(bench)
    entries = at(bundle, (*MATERIAL, "tlogEntries"))
    entries.append(copy.deepcopy(entries[0]))
    refused(bench, bundle, "the bundle has one log entry twice")


@pytest.mark.parametrize(
    ("path", "chain"),
    [
        ((), False),
        (MATERIAL, False),
        ((*MATERIAL, "certificate"), False),
        ((*MATERIAL, "x509CertificateChain"), True),
        ((*MATERIAL, "x509CertificateChain", "certificates", 0), True),
        ((*MATERIAL, "x509CertificateChain", "certificates", 1), True),
        (STAMPS_AT, False),
        ((*STAMPS_AT, "rfc3161Timestamps", 0), False),
        (ENTRY, False),
        ((*ENTRY, "logId"), False),
        ((*ENTRY, "kindVersion"), False),
        ((*ENTRY, "inclusionPromise"), False),
        (PROOF, False),
        ((*PROOF, "checkpoint"), False),
        (("dsseEnvelope",), False),
        (("dsseEnvelope", "signatures", 0), False),
    ],
    ids=lambda value: "/".join(map(str, value)) or "top" if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("value", [None, 1])
def test_an_unknown_field(bench: Bench, path: Where, chain: bool, value: object) -> None:  # noqa: FBT001 - of a table
    """What one reader takes for a part and another for nothing: two readers would see two bundles."""
    bundle = stored(bench, chain=chain)
    at(bundle, path)["more"] = value
    refused(bench, bundle, "unknown field 'more'")


def test_an_unknown_field_beside_a_hint(bench: Bench) -> None:
    key = Signer(shared_key())
    bundle = json.loads(json.dumps(WORLD.bundle(signed(bench, key))))
    at(bundle, (*MATERIAL, "publicKey"))["more"] = 1
    bench.attach(bundle)
    ((code, said),) = bench.findings({"s": {"key": {"pem": key.key.pem.decode(), "trustRoot": "ours"}}})
    assert (code, "unknown field 'more'" in said) == ("SIGNATURE_INVALID", True)


def loose(text: str) -> str:
    """The same bytes in base64 with bits behind their end; of what fills its last digit a line break instead."""
    digits = text.rstrip("=")
    if digits == text:
        return f"{text[:4]}\n{text[4:]}"
    changed = f"{digits[:-1]}{DIGITS[DIGITS.index(digits[-1]) + 1]}{text[len(digits) :]}"
    assert base64.b64decode(changed) == base64.b64decode(text)
    return changed


def encoded() -> Iterator[Where]:
    yield (*MATERIAL, "certificate", "rawBytes")
    yield (*STAMPS_AT, "rfc3161Timestamps", 0, "signedTimestamp")
    yield from ((*ENTRY, *rest) for rest in (("logId", "keyId"), ("canonicalizedBody",)))
    yield (*ENTRY, "inclusionPromise", "signedEntryTimestamp")
    yield from ((*PROOF, *rest) for rest in (("rootHash",), ("hashes", 0)))
    yield ("dsseEnvelope", "payload")
    yield ("dsseEnvelope", "signatures", 0, "sig")


@pytest.mark.parametrize("path", list(encoded()), ids=lambda path: "/".join(map(str, path)))
def test_base64_of_one_value_has_one_text(bench: Bench, path: Where) -> None:
    bundle = stored(bench)
    at(bundle, path[:-1])[path[-1]] = loose(at(bundle, path))
    refused(bench, bundle, "not base64")


def annotated(bench: Bench, change: Callable[[Json], None]) -> list[tuple[str, str]]:
    """A layer whose log entry is changed, and what becomes of it."""
    layer = WORLD.legacy_signature(
        Signature.of_message(WORLD.issue(profile=person()), simple_signing(bench.digest)),
    )
    entry = json.loads(layer.annotations[cosign.LOG_BUNDLE])
    change(entry["Payload"])
    bench.legacy(replace(layer, annotations={**layer.annotations, cosign.LOG_BUNDLE: json.dumps(entry)}))
    return bench.findings({"s": {"keyless": KEYLESS}})


def test_the_log_entry_of_a_layer(bench: Bench) -> None:
    assert annotated(bench, lambda _: None) == []


@pytest.mark.parametrize(
    ("field", "change", "why"),
    [
        ("logID", str.upper, "not hexadecimal"),
        ("logID", lambda text: f"{text[:2]} {text[2:]}", "not hexadecimal"),
        ("logID", lambda text: f" {text}", "not hexadecimal"),
        ("logIndex", str, "logIndex is a text"),
        ("integratedTime", str, "integratedTime is a text"),
        ("body", loose, "not base64"),
    ],
)
def test_the_log_entry_of_a_layer_has_one_text(
    bench: Bench, field: str, change: Callable[[Any], Any], why: str
) -> None:
    def changed(payload: Json) -> None:
        payload[field] = change(payload[field])

    ((code, said),) = annotated(bench, changed)
    assert (code, why in said) == ("LOG_ENTRY_INVALID", True), said


# Not an attack, and refused all the same until now.


def test_openssl_s_own_authorities_say_less_and_may_issue(bench: Bench) -> None:
    """No key usage, and basic constraints that are not critical, as `openssl req -x509` writes them."""
    root = Issuer.root("corp root", bare=True)
    authority = Fulcio("", (root.intermediate("corp sub", bare=True), root))
    stamped_layer(bench, builder(authority))
    assert bench.findings({"s": rooted(root)}) == []


# Without a verified time, too.


@pytest.mark.parametrize("turned", [False, True])
def test_without_any_time_a_retired_authority_does_not_return_through_its_successor(
    turned: bool,  # noqa: FBT001 - of a table
) -> None:
    first, second = generations()
    known = [
        Authority.of(fulcio.uri, [i.certificate.public_bytes(Encoding.DER) for i in fulcio.issuers], window)
        for fulcio, window in ((first, RETIRED), (second, ALWAYS))
    ]
    lasting = Profile(starts=datetime(2025, 5, 1, tzinfo=UTC), lifetime=timedelta(days=2000))
    leaf, *brought = WORLD.issue(profile=lasting, fulcio=first).chain
    path = find_path(leaf, brought, list(reversed(known)) if turned else known, [])
    # whoever looks whether it is valid now sees that it ended with the authority that issued it
    assert path.window.end == RETIRED.end


def test_one_key_that_is_certified_twice_signs_by_the_certificate_that_lets_it() -> None:
    root, key = Issuer.root("corp root"), shared_key("P-384", "twice")
    by_usage = [
        root.intermediate("sub", usages=usages, key=key)
        for usages in ((ExtendedKeyUsageOID.SERVER_AUTH,), (ExtendedKeyUsageOID.CODE_SIGNING,))
    ]
    anchor = Authority.of("corp", [root.certificate.public_bytes(Encoding.DER)], ALWAYS)
    for issuers in (by_usage, by_usage[::-1]):
        leaf = WORLD.issue(fulcio=Fulcio("https://corp", (issuers[0], root))).leaf
        assert leaf is not None
        brought = [issuer.certificate for issuer in issuers]
        assert find_path(leaf, brought, [anchor], []).certificates[1] == by_usage[1].certificate
