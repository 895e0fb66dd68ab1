"""One thing at a time that is wrong, or only unusual, in what a `Plan` makes: the knobs of the fake Sigstore world."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.differential.plans import IMAGE, WORLD, Plan
from tests.fakes.fulcio import (
    AGES,
    AT,
    LIFETIME,
    CtLog,
    Fulcio,
    Issuer,
    KeyType,
    Profile,
    Sct,
    email,
    shared_key,
    uri,
    user_name,
)
from tests.fakes.signing_authority import Signature, statement
from tests.fakes.timestamp_authority import TimestampAuthority
from tests.fakes.transparency_log import (
    DSSE_1,
    DSSE_2,
    HASHEDREKORD_1,
    HASHEDREKORD_2,
    INTOTO_1,
    INTOTO_2,
    Entry,
    Kind,
    NoteKey,
    Place,
    TransparencyLog,
    b64,
)

Knob = Callable[[Plan], Plan]
Step = str | int

SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)
PAST: Final = (AGES[0], AT - SECOND)
FUTURE: Final = (AT + SECOND, AGES[1])
FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)
BEFORE: Final = datetime(2025, 1, 1, tzinfo=UTC)
SAME_NAME: Final = Fulcio.create()
"""Another authority of the name of the world's."""

STRANGER: Final = CtLog("https://stranger.test")
WITNESSES: Final = tuple(NoteKey(f"witness{i}.test", shared_key("Ed25519", f"w{i}"), witness=True) for i in range(2))


# How knobs are made.


def plan(**changes: Any) -> Knob:
    return lambda old: replace(old, **changes)


def editing(*edits: Callable[[Any], None]) -> Knob:
    return lambda old: replace(old, edits=(*old.edits, *edits))


def rooting(*edits: Callable[[Any], None]) -> Knob:
    return lambda old: replace(old, root_edits=(*old.root_edits, *edits))


def writing(change: Callable[[bytes], bytes]) -> Knob:
    return lambda old: replace(old, texts=(*old.texts, change))


def profile(**changes: Any) -> Knob:
    return plan(profile=Profile(**changes))


def scts(*stamps: Sct) -> Knob:
    return plan(scts=stamps)


def placed(**how: Any) -> Knob:
    return plan(place=Place(**how))


def about(change: Callable[[Signature], Signature]) -> Knob:
    return plan(about=change)


def entry(change: Callable[[Entry], Entry]) -> Knob:
    return plan(entries=lambda right: [change(right)])


def proof(change: Callable[[Any], dict[str, Any]]) -> Knob:
    """Other parts of the inclusion proof."""
    return entry(
        lambda right: replace(right, proof=replace(right.proof, **change(right.proof))) if right.proof else right
    )


def stamps(*makers: Callable[[bytes], bytes]) -> Knob:
    return plan(stamps=lambda content: [make(content) for make in makers])


def at(value: Any, path: tuple[Step, ...]) -> Any:
    """What is at a path; None where there is nothing."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def put(value: object, *path: Step) -> Callable[[Any], None]:
    """An edit that puts `value` where something is, or could be, in an object that is there."""

    def edit(document: Any) -> None:
        holder = at(document, path[:-1])
        if holder is not None:
            holder[path[-1]] = value

    return edit


def drop(*path: Step) -> Callable[[Any], None]:
    """An edit that takes something away if it is there."""

    def edit(document: Any) -> None:
        if at(document, path) is not None:
            del at(document, path[:-1])[path[-1]]

    return edit


def change(how: Callable[[Any], Any], *path: Step) -> Callable[[Any], None]:
    """An edit of what is at a path."""

    def edit(document: Any) -> None:
        old = at(document, path)
        if old is not None:
            at(document, path[:-1])[path[-1]] = how(old)

    return edit


def window(section: str, start: datetime | None, end: datetime | None) -> Knob:
    """When all of a section of the trusted root count."""
    valid = {k: f"{v:%Y-%m-%dT%H:%M:%SZ}" for k, v in (("start", start), ("end", end)) if v is not None}

    def edit(root: Any) -> None:
        for instance in root[section]:
            (instance["publicKey"] if "logs" in section else instance)["validFor"] = dict(valid)

    return rooting(edit)


def section(**what: Any) -> Knob:
    """Other instances in the trusted root (arguments of `SigningAuthority.root`)."""

    def edit(root: Any) -> None:
        made = WORLD.root(**what)
        names = {
            "fulcios": "certificateAuthorities",
            "ct_logs": "ctlogs",
            "logs": "tlogs",
            "tsas": "timestampAuthorities",
        }
        for argument in what:
            root[names[argument]] = made[names[argument]]

    return rooting(edit)


def both(*knobs: Knob) -> Knob:
    def turned(old: Plan) -> Plan:
        for knob in knobs:
            old = knob(old)
        return old

    return turned


def flip(text: str) -> str:
    """Base64 of the same bytes but for one bit, in the middle."""
    content = bytearray(base64.b64decode(f"{text}=="))
    if content:
        content[len(content) // 2] ^= 1
    return b64(bytes(content))


def alone(fulcio: Fulcio) -> Knob:
    """Issued by an authority that alone is trusted."""
    return both(plan(fulcio=fulcio), section(fulcios=[fulcio]))


def by(make: Callable[[], TimestampAuthority], **how: Any) -> Knob:
    """Stamped by an authority that alone is trusted."""
    tsa = cache(make)

    def turned(old: Plan) -> Plan:
        return both(stamps(lambda content: tsa().stamp(content, **how)), section(tsas=[tsa()]))(old)

    return turned


def other_leaf(signature: Signature) -> Signature:
    return replace(signature, signer=WORLD.issue(signature.signer.key))


def resigned(signature: Signature) -> Signature:
    return replace(signature, content=signature.signer.key.sign(signature.message))


def other_content(signature: Signature) -> Signature:
    if signature.payload is None:
        return replace(signature, message=b"other bytes")
    other = Signature.of_payload(signature.signer, b"{}")
    return replace(other, content=signature.content)


def rebodied(how: Callable[[dict[str, Any]], bytes]) -> Knob:
    """A body that the log took although it is unusual: proof and promise are over it."""

    def turned(old: Plan) -> Plan:
        def entries(right: Entry) -> list[Entry]:
            leaf = how(json.loads(right.body))
            made = old.log.enter((right.kind, right.version), leaf, AT + old.logged, old.place)  # type: ignore[arg-type]
            return [made]

        return replace(old, entries=entries)

    return turned


def _repadded(value: dict[str, Any]) -> bytes:
    """The PEM of its certificate without its last newline."""
    spec = value["spec"]
    holders = [(spec.get("signature", {}).get("publicKey"), "content")]
    holders += [(signature, "verifier") for signature in spec.get("signatures", ())]
    for holder, name in holders:
        if holder and name in holder:
            holder[name] = b64(base64.b64decode(holder[name]).rstrip(b"\n"))
    return rfc8785.dumps(value)


def _spaced(value: dict[str, Any]) -> bytes:
    return rfc8785.dumps(value).replace(b'"spec":', b' "spec" : ')


def _twice(value: dict[str, Any]) -> bytes:
    return rfc8785.dumps(value).replace(b'{"apiVersion"', b'{"apiVersion":"9.9.9","apiVersion"', 1)


def of_kind(kind: Kind) -> Knob:
    """As an entry of another kind, where there is such a thing."""

    def turned(old: Plan) -> Plan:
        rekor = 2 if kind in {HASHEDREKORD_2, DSSE_2} else 1
        fits = rekor == old.log.version and not (old.message and kind[0] != "hashedrekord")
        return replace(old, kind=kind) if fits else old

    return turned


def signature(how: Callable[[str], str]) -> Knob:
    """Another signature in the bundle."""
    return editing(change(how, "messageSignature", "signature"), change(how, "dsseEnvelope", "signatures", 0, "sig"))


def stranger_chain(bundle: Any) -> None:
    """Somebody else's root behind the leaf."""
    chain = at(bundle, ("verificationMaterial", "x509CertificateChain", "certificates"))
    if chain is not None:
        root = WORLD.fulcio.issuers[-1].certificate.public_bytes(Encoding.DER)
        chain.append({"rawBytes": b64(root)})


def _behind(text: str) -> str:
    """The same bytes; what a decoder leaves out is not zero."""
    digits = text.rstrip("=")
    if digits == text:
        return text
    return f"{digits[:-1]}{DIGITS[DIGITS.index(digits[-1]) + 1]}{text[len(digits) :]}"


MATERIAL: Final = "verificationMaterial"
DIGITS: Final = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}+/"
ENTRY: Final = (MATERIAL, "tlogEntries", 0)
PROOF: Final = (*ENTRY, "inclusionProof")
DIGEST: Final = ("messageSignature", "messageDigest")
USAGES: Final = ExtendedKeyUsageOID


def _note(how: Callable[[str], str]) -> Knob:
    return editing(change(how, *PROOF, "checkpoint", "envelope"))


def _line(number: int, text: str | None) -> Knob:
    """Another line in the checkpoint's text, or none."""

    def how(note: str) -> str:
        lines = note.split("\n")
        return "\n".join((*lines[:number], *(() if text is None else (text,)), *lines[number + 1 :]))

    return _note(how)


def _other_tree(old: Plan) -> Plan:
    """A genuine checkpoint of the same log, of a larger tree."""

    def entries(right: Entry) -> list[Entry]:
        assert right.proof
        other = old.log.prove(right.body, replace(old.place, size=old.place.size + 1))
        return [replace(right, proof=replace(right.proof, checkpoint=other.checkpoint))]

    return replace(old, entries=entries)


def _log_note(key: NoteKey, *, first: bool) -> Knob:
    return placed(before=(key,)) if first else placed(after=(key,))


def _forged_line(old: Plan, *, first: bool) -> Plan:
    """A second signature line that names the log's key and is not by it."""
    forged = NoteKey(old.log.name, shared_key("P-256", "forged"), id=old.log.id)
    return _log_note(forged, first=first)(old)


def _forged_only(old: Plan) -> Plan:
    forged = NoteKey(old.log.name, shared_key("P-256", "forged"), id=old.log.id)
    return placed(signers=(forged,))(old)


def _promised_by_another(right: Entry) -> Entry:
    promise = WORLD.rekor.promise(right.body, right.index, right.integrated_time, key=shared_key("P-256", "forged"))
    return replace(right, promise=promise if right.promise else b"")


def _two_logs(old: Plan) -> Plan:
    """A second entry, of the other log."""
    return _two_entries(old, WORLD.rekor2 if old.log.version == 1 else WORLD.rekor)


def _two_entries(old: Plan, other: TransparencyLog) -> Plan:
    made: list[Signature] = []

    def noted(signature: Signature) -> Signature:
        made.append(signature)
        return signature

    return replace(
        old, about=noted, entries=lambda right: [right, WORLD.entry(made[-1], log=other, place=Place(index=5))]
    )


def _late(old: Plan) -> Plan:
    return replace(old, logged=HOUR)


def _stamped_twice(content: bytes) -> list[bytes]:
    stamp = WORLD.tsa.stamp(content)
    return [stamp, stamp]


def _tail(identifier: bytes) -> bytes:
    """Another log id with the same first four bytes: those that a checkpoint line has."""
    return identifier[:4] + bytes(b ^ 1 for b in identifier[4:])


def _for_usages(name: str, *usages: ObjectIdentifier, bare: bool = False) -> Fulcio:
    """An authority whose issuing certificate is for these usages; or says nothing of any, and its constraints aside."""
    root = Issuer.root(f"{name} root", bare=bare)
    return Fulcio(f"https://{name}", (root.intermediate(name, usages=usages, bare=bare), root))


def _with_successor(old: Plan) -> Plan:
    """The root of the authority is its successor's too, and the bundle brings the retired intermediate along."""
    retired, root = WORLD.fulcio.issuers
    successor = Fulcio("https://successor.test", (root.intermediate("successor.test"), root))
    known = section(fulcios=[successor, Fulcio("https://retired.test", (retired, root))])
    over = rooting(put({"end": f"{AT - SECOND:%Y-%m-%dT%H:%M:%SZ}"}, "certificateAuthorities", 1, "validFor"))
    return both(known, over, plan(intermediates=old.version in {"0.1", "0.2"}))(old)


def _key_kind(kind: KeyType) -> Knob:
    return plan(key=kind)


STAMP: Final = WORLD.tsa.stamp
OTHER_TSA: Final = TimestampAuthority.create("tsa2.test")
OTHER_LOG: Final = TransparencyLog.rekor("https://rekor-b.test", shared_key("P-256", "log b"))
NEW_CLAIMS: Final = {number: f"claim {number}" for number in range(9, 23)}

CERTIFICATES: Final[dict[str, Knob]] = {
    "leaf for servers": profile(usages=(USAGES.SERVER_AUTH,)),
    "leaf for code and servers": profile(usages=(USAGES.CODE_SIGNING, USAGES.SERVER_AUTH)),
    "leaf for any usage": profile(usages=(USAGES.ANY_EXTENDED_KEY_USAGE,)),
    "leaf without extended usage": profile(usages=None),
    "leaf not for digital signatures": profile(signs=False),
    "leaf without key usage": profile(signs=None),
    "leaf without names": profile(names=()),
    "leaf of somebody else": profile(names=(uri("https://github.com/mallory/x"),)),
    "leaf by another issuer": profile(issuer="https://mallory.test"),
    "leaf with the first issuer extension only": profile(issuer=None, issuer_v1=Plan().issuer),
    "leaf with the second issuer extension only": profile(issuer_v1=None),
    "leaf with an old issuer beside the right one": profile(issuer_v1="https://old.test"),
    "leaf without an issuer": profile(issuer=None, issuer_v1=None),
    "leaf with all claims": profile(claims=NEW_CLAIMS),
    "leaf of an e-mail address": both(profile(names=(email("alice@acme.test"),)), plan(subject="alice@acme.test")),
    "leaf of a user name": both(profile(names=(user_name("al!acme.test"),)), plan(subject="al!acme.test")),
    "leaf with two names": profile(names=(email("alice@acme.test"), uri(Plan().subject))),
    "leaf with 33 names": profile(
        names=tuple(uri(Plan().subject if i == 7 else f"https://a.test/{i}") for i in range(33))
    ),
    "leaf with an unknown critical extension": profile(
        more=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b""), True),)
    ),
    "leaf with an unknown extension": profile(
        more=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b""), False),)
    ),
    "leaf that may issue": profile(more=((x509.BasicConstraints(ca=True, path_length=None), True),)),
    "leaf from a second later": profile(starts=AT + SECOND),
    "leaf until a second before": profile(starts=AT - LIFETIME - SECOND),
    "leaf until this very second": profile(starts=AT - LIFETIME),
    "leaf for a year": profile(lifetime=timedelta(days=365)),
    "another subject is asked for": plan(subject="https://github.com/acme/other"),
    "another issuer is asked for": plan(issuer="https://accounts.google.com"),
    "a prefix of the subject is asked for": plan(subject=Plan().subject[:-1]),
    **{f"leaf with a {kind} key": _key_kind(kind) for kind in ("P-384", "P-521", "RSA-2048", "Ed25519")},
    **{f"leaf with a {kind} key": _key_kind(kind) for kind in ("P-384/SHA-256", "P-521/SHA-256")},
}

AUTHORITIES: Final[dict[str, Knob]] = {
    "unknown authority": plan(fulcio=Fulcio.create("stranger.test")),
    "unknown authority of the same name": plan(fulcio=SAME_NAME),
    "namesake authority trusted too": both(plan(), section(fulcios=[SAME_NAME, WORLD.fulcio])),
    "issued by the namesake, trusted too": both(plan(fulcio=SAME_NAME), section(fulcios=[WORLD.fulcio, SAME_NAME])),
    "issued by a root directly": alone(Fulcio.create("direct.test", intermediate=False)),
    "issued by a P-256 authority": alone(Fulcio.create("p256.test", kind="P-256")),
    "issued by an authority for code": alone(_for_usages("code.test", USAGES.CODE_SIGNING)),
    "issued by an authority for any usage": alone(_for_usages("any.test", USAGES.ANY_EXTENDED_KEY_USAGE)),
    "issued by an authority for servers": alone(_for_usages("servers.test", USAGES.SERVER_AUTH)),
    "issued by an authority without key usage": alone(_for_usages("bare.test", bare=True)),
    "issued by an authority whose window is over, with a successor": _with_successor,
    "issued by an RSA authority": alone(Fulcio.create("rsa.test", kind="RSA-2048")),
    "intermediate expired": alone(Fulcio.create("expired.test", intermediate_valid=PAST)),
    "intermediate not valid yet": alone(Fulcio.create("young.test", intermediate_valid=FUTURE)),
    "root expired": alone(Fulcio.create("expired-root.test", root_valid=PAST)),
    "root not valid yet": alone(Fulcio.create("young-root.test", root_valid=FUTURE)),
    "authority window over a second before": window("certificateAuthorities", BEFORE, AT - SECOND),
    "authority window over this very second": window("certificateAuthorities", BEFORE, AT),
    "authority window from this very second": window("certificateAuthorities", AT, None),
    "authority window from a second later": window("certificateAuthorities", AT + SECOND, None),
    "authority window in the far future": window("certificateAuthorities", FAR, None),
    "authority window that ends before it starts": window("certificateAuthorities", AT, BEFORE),
    "authority window absent": rooting(drop("certificateAuthorities", 0, "validFor")),
    "intermediates in the bundle": plan(intermediates=True),
    "root in the bundle": editing(stranger_chain),
    "intermediate in the bundle only": both(
        plan(fulcio=SAME_NAME, intermediates=True),
        section(fulcios=[Fulcio(SAME_NAME.uri, SAME_NAME.issuers[-1:])]),
    ),
    "intermediate nowhere": both(
        plan(fulcio=SAME_NAME), section(fulcios=[Fulcio(SAME_NAME.uri, SAME_NAME.issuers[-1:])])
    ),
    "intermediate as the only certificate of an authority": section(
        fulcios=[Fulcio(WORLD.fulcio.uri, WORLD.fulcio.issuers[:1])]
    ),
    "chain of the authority backwards": rooting(
        change(lambda chain: chain[::-1], "certificateAuthorities", 0, "certChain", "certificates")
    ),
    "no authorities": rooting(put([], "certificateAuthorities")),
    "authority without certificates": rooting(put([], "certificateAuthorities", 0, "certChain", "certificates")),
    "authority whose certificate is none": rooting(
        put(b64(b"0"), "certificateAuthorities", 0, "certChain", "certificates", 0, "rawBytes")
    ),
}

CT: Final[dict[str, Knob]] = {
    "no certificate timestamp": scts(),
    "certificate timestamp by an unknown log": scts(Sct(log=STRANGER)),
    "certificate timestamp by another key": scts(Sct(log=WORLD.ct_log, key=shared_key())),
    "certificate timestamp over another certificate": scts(Sct(log=WORLD.ct_log, precertificate=b"another")),
    "certificate timestamp with another issuer": scts(Sct(log=WORLD.ct_log, issuer=shared_key("P-384"))),
    "certificate timestamp with extensions": scts(Sct(log=WORLD.ct_log, extensions=b"\0\0\5\0\0\0\0\7")),
    "certificate timestamp of another hour": scts(Sct(log=WORLD.ct_log, at=AT - HOUR)),
    "certificate timestamp with milliseconds": scts(Sct(log=WORLD.ct_log, at=AT + timedelta(milliseconds=123))),
    "certificate timestamp by the log under another id": scts(Sct(log=WORLD.ct_log, log_id=STRANGER.id)),
    "two certificate timestamps": scts(Sct(log=WORLD.ct_log), Sct(log=WORLD.ct_log, at=AT + SECOND)),
    "a good and a strange certificate timestamp": scts(Sct(log=WORLD.ct_log), Sct(log=STRANGER)),
    "two strange certificate timestamps": scts(Sct(log=STRANGER), Sct(log=STRANGER)),
    "CT log window over a second before": window("ctlogs", BEFORE, AT - SECOND),
    "CT log window over this very second": window("ctlogs", BEFORE, AT),
    "CT log window from this very second": window("ctlogs", AT, None),
    "CT log window from a second later": window("ctlogs", AT + SECOND, None),
    "CT log window in the far future": window("ctlogs", FAR, None),
    "CT log window without a start": window("ctlogs", None, FAR),
    "no CT logs": rooting(put([], "ctlogs")),
    "other CT logs": section(ct_logs=[STRANGER]),
    "more CT logs": section(ct_logs=[STRANGER, WORLD.ct_log]),
}

ENTRIES: Final[dict[str, Knob]] = {
    "no entry": plan(entries=lambda _: []),
    "entry twice": plan(entries=lambda right: [right, right]),
    "two entries of one log": lambda old: _two_entries(old, old.log),
    "entries of two logs": _two_logs,
    "entry of an unknown log": plan(log=TransparencyLog.rekor("https://stranger.test")),
    "entry under another log's id": entry(lambda right: replace(right, log_id=OTHER_LOG.id)),
    "entry under an id with the same beginning": entry(lambda right: replace(right, log_id=_tail(right.log_id))),
    "entry of another log that is trusted": both(
        plan(log=OTHER_LOG), section(logs=[WORLD.rekor, OTHER_LOG, WORLD.rekor2])
    ),
    "entry about another signature of the same": about(resigned),
    "entry about another certificate of the same key": about(other_leaf),
    "entry about another content": about(other_content),
    "entry that is called another kind": entry(lambda right: replace(right, kind="intoto")),
    "entry that is called another version": entry(lambda right: replace(right, version="9.9.9")),
    "entry without a kind": editing(drop(*ENTRY, "kindVersion")),
    "entry with another body": entry(lambda right: replace(right, body=right.body + b" ")),
    "entry without a body": editing(drop(*ENTRY, "canonicalizedBody")),
    "entry without a log id": editing(drop(*ENTRY, "logId")),
    "entry with another index": entry(lambda right: replace(right, index=right.index + 1)),
    "entry with a negative index": entry(lambda right: replace(right, index=-1)),
    "entry with another time": entry(lambda right: replace(right, integrated_time=right.integrated_time + 1)),
    "entry without a time": entry(lambda right: replace(right, integrated_time=0)),
    "entry an hour later": _late,
    "entry a second before the certificate": plan(logged=-SECOND),
    "entry in the certificate's last second": plan(logged=LIFETIME),
    "entry without a promise": placed(promise=False),
    "entry with a promise by another key": entry(_promised_by_another),
    "entry with an empty promise": editing(put({}, *ENTRY, "inclusionPromise")),
    "entry whose body has spaces": rebodied(_spaced),
    "entry whose body has a key twice": rebodied(_twice),
    "entry whose PEM lacks its last newline": rebodied(_repadded),
    "intoto 0.0.1 entry": of_kind(INTOTO_1),
    "intoto 0.0.2 entry": of_kind(INTOTO_2),
    "hashedrekord 0.0.1 entry": of_kind(HASHEDREKORD_1),
    "dsse 0.0.1 entry": of_kind(DSSE_1),
    "dsse 0.0.2 entry": of_kind(DSSE_2),
    "log window over a second before": window("tlogs", BEFORE, AT - SECOND),
    "log window over this very second": window("tlogs", BEFORE, AT),
    "log window from this very second": window("tlogs", AT, None),
    "log window from a second later": window("tlogs", AT + SECOND, None),
    "log window in the far future": window("tlogs", FAR, None),
    "log window without a start": window("tlogs", None, FAR),
    "no logs": rooting(put([], "tlogs")),
    "other logs": section(logs=[OTHER_LOG]),
}

PROOFS: Final[dict[str, Knob]] = {
    "no proof": placed(proof=False),
    "proof without a checkpoint": placed(checkpoint=False),
    "proof with another hash": proof(lambda p: {"hashes": (bytes(32), *p.hashes[1:])}),
    "proof with a hash less": proof(lambda p: {"hashes": p.hashes[:-1]}),
    "proof with a hash more": proof(lambda p: {"hashes": (*p.hashes, bytes(32))}),
    "proof with its hashes turned round": proof(lambda p: {"hashes": p.hashes[::-1]}),
    "proof with a short hash": proof(lambda p: {"hashes": tuple(h[:-1] for h in p.hashes)}),
    "proof with another root": proof(lambda p: {"root": bytes(32)}),
    "proof with another index": proof(lambda p: {"index": p.index + 1}),
    "proof with a size that changes nothing": proof(lambda p: {"size": p.size + 1}),
    "proof with a size that is too small": proof(lambda p: {"size": p.index}),
    "proof in the first shard's place": proof(lambda p: {"index": p.index + 1_000_000}),
    "proof with a checkpoint of another tree": _other_tree,
    "alone in the tree": placed(index=0, size=1),
    "first in the tree": placed(index=0, size=2),
    "last in the tree": placed(index=6, size=7),
    "in a large tree": placed(index=64, size=100),
    "checkpoint by another key": _forged_only,
    "checkpoint by witnesses alone": placed(signers=WITNESSES),
    "checkpoint with witnesses behind": placed(after=WITNESSES),
    "checkpoint with witnesses before": placed(before=WITNESSES),
    "checkpoint with a wrong line of the log behind": lambda old: _forged_line(old, first=False),
    "checkpoint with a wrong line of the log before": lambda old: _forged_line(old, first=True),
    "checkpoint by nobody": placed(signers=()),
    "checkpoint of another origin": placed(origin="stranger.test"),
    "checkpoint with more lines": placed(lines=("Timestamp: 1767323045000000000",)),
    "checkpoint without its origin": _line(0, None),
    "checkpoint without its size": _line(1, None),
    "checkpoint without its root": _line(2, None),
    "checkpoint with another size": _line(1, "8"),
    "checkpoint with another root": _line(2, b64(bytes(32))),
    "checkpoint without its last newline": _note(lambda note: note[:-1]),
    "checkpoint without its empty line": _note(lambda note: note.replace("\n\n", "\n")),
    "checkpoint with a line that is no signature": _note(lambda note: f"{note}nonsense\n"),
    "checkpoint whose signer has another name": _note(lambda note: note.replace("\u2014 ", "\u2014 x", 1)),
    "checkpoint with another key hint": _note(
        lambda note: f"{note[: note.rfind(' ') + 1]}AAAA{note[note.rfind(' ') + 5 :]}"
    ),
    "checkpoint with carriage returns": _note(lambda note: note.replace("\n", "\r\n")),
}

TIMESTAMPS: Final[dict[str, Knob]] = {
    "no timestamp": stamps(),
    "timestamp over something else": stamps(lambda _: STAMP(b"another")),
    "timestamp by another key": stamps(lambda content: STAMP(content, key=shared_key())),
    "timestamp that was refused": stamps(lambda content: STAMP(content, status="rejection")),
    "timestamp by somebody named": stamps(lambda content: STAMP(content, named=WORLD.fulcio.issuers[0].certificate)),
    "timestamp by an unknown authority": stamps(OTHER_TSA.stamp),
    "timestamp with nothing embedded": stamps(lambda content: STAMP(content, embedded=())),
    "timestamp with a stranger's certificate": stamps(
        lambda content: STAMP(content, embedded=[OTHER_TSA.signer.certificate])
    ),
    "timestamp with SHA-512": stamps(lambda content: STAMP(content, hash_name="sha512")),
    "timestamp with SHA-1": stamps(lambda content: STAMP(content, hash_name="sha1")),
    "timestamp an hour later": stamps(lambda content: STAMP(content, AT + HOUR)),
    "timestamp a second before the certificate": stamps(lambda content: STAMP(content, AT - SECOND)),
    "timestamp in the certificate's last second": stamps(lambda content: STAMP(content, AT + LIFETIME)),
    "timestamp that is none": stamps(lambda _: b"nonsense"),
    "timestamp that is empty": editing(put({"rfc3161Timestamps": [{}]}, MATERIAL, "timestampVerificationData")),
    "timestamps empty": editing(put({"rfc3161Timestamps": []}, MATERIAL, "timestampVerificationData")),
    "timestamp twice": plan(stamps=_stamped_twice),
    "two timestamps": stamps(STAMP, lambda content: STAMP(content, AT + SECOND)),
    "a good and a late timestamp": stamps(STAMP, lambda content: STAMP(content, AT + HOUR)),
    "a good and a strange timestamp": stamps(STAMP, OTHER_TSA.stamp),
    "a good timestamp and one that is none": stamps(STAMP, lambda _: b"nonsense"),
    "eight timestamps": stamps(*([STAMP] * 8)),
    "33 timestamps": plan(stamps=lambda content: [STAMP(content)] * 33),
    "timestamper without a usage": by(lambda: TimestampAuthority.create("a.test", usages=())),
    "timestamper with a usage that is not critical": by(lambda: TimestampAuthority.create("b.test", critical=False)),
    "timestamper with two usages": by(
        lambda: TimestampAuthority.create("c.test", usages=(USAGES.TIME_STAMPING, USAGES.CODE_SIGNING))
    ),
    "timestamper for code": by(lambda: TimestampAuthority.create("d.test", usages=(USAGES.CODE_SIGNING,))),
    "timestamper that has expired": by(lambda: TimestampAuthority.create("e.test", signer_valid=PAST)),
    "timestamper that is not valid yet": by(lambda: TimestampAuthority.create("f.test", signer_valid=FUTURE)),
    "timestamper whose root has expired": by(lambda: TimestampAuthority.create("g.test", root_valid=PAST)),
    "timestamper with an intermediate": by(lambda: TimestampAuthority.create("h.test", intermediate=True)),
    "timestamper with an RSA key": by(lambda: TimestampAuthority.create("i.test", kind="RSA-2048")),
    "timestamper with a P-384 key": by(lambda: TimestampAuthority.create("j.test", kind="P-384")),
    "timestamper window over a second before": window("timestampAuthorities", BEFORE, AT - SECOND),
    "timestamper window over this very second": window("timestampAuthorities", BEFORE, AT),
    "timestamper window from this very second": window("timestampAuthorities", AT, None),
    "timestamper window from a second later": window("timestampAuthorities", AT + SECOND, None),
    "timestamper window in the far future": window("timestampAuthorities", FAR, None),
    "no timestampers": rooting(put([], "timestampAuthorities")),
    "other timestampers": section(tsas=[OTHER_TSA]),
    "more timestampers": section(tsas=[OTHER_TSA, WORLD.tsa]),
    "timestamper without certificates": rooting(put([], "timestampAuthorities", 0, "certChain", "certificates")),
    "timestamper with its own certificate only": rooting(
        change(lambda chain: chain[:1], "timestampAuthorities", 0, "certChain", "certificates")
    ),
    "timestamper with its root only": rooting(
        change(lambda chain: chain[-1:], "timestampAuthorities", 0, "certChain", "certificates")
    ),
}

CONTENTS: Final[dict[str, Knob]] = {
    "signature with a bit changed": signature(flip),
    "signature empty": signature(lambda _: ""),
    "signature absent": editing(drop("messageSignature", "signature"), drop("dsseEnvelope", "signatures", 0, "sig")),
    "signature by another key": signature(lambda _: b64(shared_key("P-256", "forged").sign(b""))),
    "signature in base64 for URLs": signature(lambda text: text.replace("+", "-").replace("/", "_")),
    "signature in base64 with a line break": signature(lambda text: f"{text[:20]}\n{text[20:]}"),
    "signature in base64 without padding": signature(lambda text: text.rstrip("=")),
    "envelope with two signatures": editing(change(lambda found: found * 2, "dsseEnvelope", "signatures")),
    "envelope without signatures": editing(put([], "dsseEnvelope", "signatures")),
    "envelope with a key id": editing(put("a key", "dsseEnvelope", "signatures", 0, "keyid")),
    "an unknown field in the envelope": editing(put(1, "dsseEnvelope", "more")),
    "an unknown field in the signature": editing(put(1, "dsseEnvelope", "signatures", 0, "more")),
    "signature in base64 with bits behind its end": signature(_behind),
    "envelope without a key id": editing(drop("dsseEnvelope", "signatures", 0, "keyid")),
    "envelope with another payload": editing(put(b64(b"{}"), "dsseEnvelope", "payload")),
    "envelope of another type": editing(put("application/json", "dsseEnvelope", "payloadType")),
    "envelope of another type that is signed": plan(payload_type="application/json"),
    "statement v0.1": plan(payload=statement(IMAGE, statement_type="https://in-toto.io/Statement/v0.1")),
    "message digest of something else": editing(put(b64(bytes(32)), *DIGEST, "digest")),
    "message digest absent": editing(drop(*DIGEST)),
    "message digest empty": editing(put({}, *DIGEST)),
    "message digest by another name": editing(put("SHA2_512", *DIGEST, "algorithm")),
    "message digest without a name": editing(drop(*DIGEST, "algorithm")),
    "another artifact": plan(artifact=b"other bytes"),
    "both contents": editing(
        put({"signature": b64(b"x")}, "messageSignature"),
    ),
    "no content": editing(drop("messageSignature"), drop("dsseEnvelope")),
}


def _other_form(bundle: Any) -> None:
    """A single certificate in v0.1 and v0.2, a chain in v0.3."""
    material = bundle[MATERIAL]
    if "certificate" in material:
        material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    else:
        material["certificate"] = material.pop("x509CertificateChain")["certificates"][0]


def _checkpoint_ids(root: Any) -> None:
    for log in root["tlogs"]:
        log["checkpointKeyId"] = log["logId"]


def _under_other_ids(root: Any) -> None:
    for log in root["tlogs"]:
        log["logId"] = {"keyId": b64(bytes(32))}


def _with_odd_log(root: Any, details: str) -> None:
    key = shared_key("RSA-2048")
    known: Any = WORLD.root()
    odd = {**(root["tlogs"] or known["tlogs"])[0], "baseUrl": "https://odd.test", "logId": {"keyId": b64(key.id)}}
    odd["publicKey"] = {**odd["publicKey"], "rawBytes": b64(key.spki), "keyDetails": details}
    root["tlogs"].append(odd)


FORMS: Final[dict[str, Knob]] = {
    "right": plan(),
    "another media type": editing(put("application/vnd.dev.sigstore.bundle+json;version=0.4", "mediaType")),
    "no media type": editing(drop("mediaType")),
    "no material": editing(drop(MATERIAL)),
    "an unknown field": editing(put(1, "more")),
    "an unknown field in the material": editing(put(1, MATERIAL, "more")),
    "an unknown field that is null": editing(put(None, "more")),
    "an unknown field in the entry": editing(put(1, *ENTRY, "more")),
    "a key instead of a certificate": editing(
        drop(MATERIAL, "certificate"),
        drop(MATERIAL, "x509CertificateChain"),
        put({"hint": "x"}, MATERIAL, "publicKey"),
    ),
    "a key beside a certificate": editing(put({"hint": "x"}, MATERIAL, "publicKey")),
    "no certificate": editing(drop(MATERIAL, "certificate"), drop(MATERIAL, "x509CertificateChain")),
    "an empty chain": editing(
        drop(MATERIAL, "certificate"), put({"certificates": []}, MATERIAL, "x509CertificateChain")
    ),
    "a certificate that is none": editing(
        put({"rawBytes": b64(b"0")}, MATERIAL, "certificate"),
    ),
    "the form of another version": editing(_other_form),
    "numbers as numbers": editing(change(int, *ENTRY, "logIndex"), change(int, *PROOF, "logIndex")),
    "zeros left out": both(placed(index=0, size=1), editing(drop(*PROOF, "logIndex"), drop(*PROOF, "hashes"))),
    "nulls": editing(put(None, MATERIAL, "publicKey")),
    "a key twice": writing(lambda text: text.replace(b'{"mediaType"', b'{"mediaType":"x","mediaType"', 1)),
    "a key in another case": writing(lambda text: text.replace(b'{"mediaType"', b'{"MediaType":"x","mediaType"', 1)),
    "not JSON": writing(lambda text: text[:-1]),
    "spaces around": writing(lambda text: b" " + text + b"\n"),
    "trusted root v0.2": rooting(put("application/vnd.dev.sigstore.trustedroot.v0.2+json", "mediaType")),
    "trusted root of another type": rooting(put("application/json", "mediaType")),
    "trusted root with an unknown field": rooting(put(1, "more")),
    "checkpoint key ids": rooting(_checkpoint_ids),
    "a log with a key of an unknown kind": rooting(lambda root: _with_odd_log(root, "PKIX_RSA_PSS_4096_SHA256")),
    "a log with a key that is none": rooting(put(b64(b"0"), "tlogs", 0, "publicKey", "rawBytes")),
    "logs with checkpoint key ids only": rooting(_checkpoint_ids, drop("tlogs", 0, "logId"), drop("tlogs", 1, "logId")),
    "logs without ids": rooting(drop("tlogs", 0, "logId"), drop("tlogs", 1, "logId")),
    "logs under other ids": rooting(_under_other_ids),
}


# Pairs that make a difference although each by itself makes none.
PAIRS: Final[dict[str, Knob]] = {
    "two certificate timestamps of another log, which alone is trusted": both(
        CT["two strange certificate timestamps"], CT["other CT logs"]
    ),
    "two certificate timestamps of another log, which is trusted too": both(
        CT["two strange certificate timestamps"], CT["more CT logs"]
    ),
    "entry without a promise, checkpoint of another origin": placed(promise=False, origin="stranger.test"),
}


KNOBS: Final[dict[str, Knob]] = {
    **FORMS,
    **CERTIFICATES,
    **AUTHORITIES,
    **CT,
    **ENTRIES,
    **PROOFS,
    **TIMESTAMPS,
    **CONTENTS,
    **PAIRS,
}
