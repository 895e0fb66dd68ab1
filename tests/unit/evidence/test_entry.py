from __future__ import annotations

import base64
import json
import string
from itertools import count

import pytest

from gate.errors import ParseError
from gate.evidence.entry import InclusionProof, LogEntry
from gate.evidence.limits import MAX_BODY, MAX_PROOF
from gate.image.digest import Digest
from tests.fakes.signing_authority import Signature, shared_world, statement
from tests.fakes.transparency_log import Json, b64

WORLD = shared_world()
MADE = Signature.of_payload(WORLD.issue(), statement(Digest.of(b"image")))
REKOR, REKOR2 = WORLD.entry(MADE), WORLD.entry(MADE, log=WORLD.rekor2)
HASH = b64(b"h" * 32)
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
PROOF: Json = {
    "logIndex": "3",
    "treeSize": "7",
    "rootHash": HASH,
    "hashes": [HASH, b64(b"i" * 32)],
    "checkpoint": {"envelope": "a note"},
}
ENTRY: Json = {
    "logIndex": "5",
    "logId": {"keyId": "aWQ="},
    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
    "integratedTime": "1767323045",
    "inclusionPromise": {"signedEntryTimestamp": "c2V0"},
    "inclusionProof": PROOF,
    "canonicalizedBody": "e30=",
}
PAYLOAD: Json = {"body": "e30=", "integratedTime": 1767323045, "logIndex": 5, "logID": "6964"}
READ_PROOF = InclusionProof(3, 7, b"h" * 32, (b"h" * 32, b"i" * 32), "a note")
READ = LogEntry(b"id", 5, 1767323045, "dsse", "0.0.1", b"{}", b"set", READ_PROOF)
MOST = 2**63 - 1


def noncanonical(content: bytes) -> str:
    """Base64 with bits behind its end, which decodes to `content` all the same."""
    text = b64(content)
    digits = text.rstrip("=")
    assert digits != text
    last = ALPHABET[ALPHABET.index(digits[-1]) + 1]
    changed = f"{digits[:-1]}{last}{text[len(digits) :]}"
    assert base64.b64decode(changed) == content
    return changed


def changed(value: Json, changes: Json) -> Json:
    return {k: v for k, v in {**value, **changes}.items() if v is not ...}


def entry(**changes: object) -> LogEntry:
    return LogEntry.of_bundle(changed(ENTRY, changes))


def proof(**changes: object) -> InclusionProof:
    found = entry(inclusionProof=changed(PROOF, changes)).proof
    assert found is not None
    return found


def annotation(**changes: object) -> LogEntry:
    return LogEntry.of_annotation(json.dumps({"SignedEntryTimestamp": "c2V0", "Payload": changed(PAYLOAD, changes)}))


class TestOfABundle:
    def test_what_is_written(self) -> None:
        assert entry() == READ
        for made in (REKOR, REKOR2):
            found = LogEntry.of_bundle(made.json())
            assert (found.log_id, found.index, found.integrated_time) == (made.log_id, made.index, made.integrated_time)
            assert (found.kind, found.version) == (made.kind, made.version)
            assert (found.body, found.promise) == (made.body, made.promise)
            assert made.proof
            assert found.proof == InclusionProof(
                made.proof.index, made.proof.size, made.proof.root, made.proof.hashes, made.proof.checkpoint
            )

    @pytest.mark.parametrize("absent", [..., None])
    @pytest.mark.parametrize(
        ("name", "field", "value"),
        [
            ("logIndex", "index", 0),
            ("integratedTime", "integrated_time", 0),
            ("inclusionPromise", "promise", b""),
            ("inclusionProof", "proof", None),
        ],
    )
    def test_writers_leave_out_zeros(self, name: str, field: str, value: object, absent: object) -> None:
        found = entry(**{name: absent})
        assert getattr(found, field) == value
        assert found == LogEntry(**{**{f: getattr(READ, f) for f in LogEntry.__slots__}, field: value})

    @pytest.mark.parametrize("promise", [{}, {"signedEntryTimestamp": ""}, {"signedEntryTimestamp": None}])
    def test_an_empty_promise_is_none(self, promise: object) -> None:
        assert entry(inclusionPromise=promise).promise == b""

    @pytest.mark.parametrize(
        ("value", "number"),
        [("0", 0), (0, 0), ("-0", 0), ("1", 1), (1, 1), (str(MOST), MOST), (MOST, MOST)],
    )
    @pytest.mark.parametrize(("name", "field"), [("logIndex", "index"), ("integratedTime", "integrated_time")])
    def test_numbers(self, name: str, field: str, value: object, number: int) -> None:
        assert getattr(entry(**{name: value}), field) == number

    @pytest.mark.parametrize(
        "value",
        [
            *("-1", -1, str(-MOST), MOST + 1, str(MOST + 1), "9" * 30, 10**30, "01", "+1", " 1", "1 ", "1\n", "1_0"),
            *("1.0", 1.0, 1.5, "1e3", "0x1", "", "one", "\N{ARABIC-INDIC DIGIT SEVEN}", True, False, [], [1], {}),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("name", ["logIndex", "integratedTime"])
    def test_other_numbers(self, name: str, value: object) -> None:
        with pytest.raises(ParseError, match=rf"{name}|negative"):
            entry(**{name: value})

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"logId": ...}, "no log id"),
            ({"logId": None}, "no log id"),
            ({"logId": {}}, "no log id"),
            ({"logId": {"keyId": ""}}, "no log id"),
            ({"logId": {"keyId": None}}, "no log id"),
            ({"logId": {"keyId": "*"}}, "keyId is not base64"),
            ({"logId": {"keyId": 7}}, "keyId is not a text"),
            ({"logId": "aWQ="}, "logId is not an object"),
            ({"logId": ["aWQ="]}, "logId is not an object"),
            ({"logId": {"keyId": "aWQ=", "KeyId": "aWQ="}}, "logId has the unknown field 'KeyId'"),
            ({"canonicalizedBody": ...}, "no body"),
            ({"canonicalizedBody": ""}, "no body"),
            ({"canonicalizedBody": None}, "no body"),
            ({"canonicalizedBody": "{}"}, "canonicalizedBody is not base64"),
            ({"canonicalizedBody": {}}, "canonicalizedBody is not a text"),
            ({"canonicalizedBody": b64(b"x" * (MAX_BODY + 1))}, f"{MAX_BODY + 1} bytes; at most {MAX_BODY}"),
            ({"kindVersion": ...}, "no kindVersion"),
            ({"kindVersion": None}, "no kindVersion"),
            ({"kindVersion": {}}, "no kindVersion"),
            ({"kindVersion": {"kind": "dsse"}}, "no kindVersion"),
            ({"kindVersion": {"version": "0.0.1"}}, "no kindVersion"),
            ({"kindVersion": {"kind": "", "version": "0.0.1"}}, "no kindVersion"),
            ({"kindVersion": {"kind": "dsse", "version": ""}}, "no kindVersion"),
            ({"kindVersion": {"kind": 1, "version": "0.0.1"}}, "kind is not a text"),
            ({"kindVersion": {"kind": "dsse", "version": 1}}, "version is not a text"),
            ({"kindVersion": "dsse"}, "kindVersion is not an object"),
            ({"inclusionPromise": "c2V0"}, "inclusionPromise is not an object"),
            ({"inclusionPromise": {"signedEntryTimestamp": "*"}}, "signedEntryTimestamp is not base64"),
            ({"inclusionPromise": {"signedEntryTimestamp": 1}}, "signedEntryTimestamp is not a text"),
            ({"inclusionProof": []}, "inclusion proof is not an object"),
            ({"inclusionProof": "x"}, "inclusion proof is not an object"),
            ({"LogIndex": "5"}, "the log entry has the unknown field 'LogIndex'"),
            ({"IntegratedTime": "5"}, "the log entry has the unknown field 'IntegratedTime'"),
            ({"InclusionProof": None}, "the log entry has the unknown field 'InclusionProof'"),
            ({"CanonicalizedBody": "e30="}, "the log entry has the unknown field 'CanonicalizedBody'"),
            ({"more": 1}, "the log entry has the unknown field 'more'"),
            ({"more": None}, "the log entry has the unknown field 'more'"),
            (
                {"kindVersion": {"kind": "dsse", "version": "0.0.1", "more": 1}},
                "kindVersion has the unknown field 'more'",
            ),
            ({"inclusionPromise": {"more": 1}}, "inclusionPromise has the unknown field 'more'"),
            ({"logId": {"keyId": noncanonical(b"id")}}, "keyId is not base64: there are bits behind its end"),
            ({"canonicalizedBody": noncanonical(b"{}")}, "not base64: there are bits behind its end"),
        ],
        ids=count(),
    )
    def test_refused(self, changes: Json, why: str) -> None:
        with pytest.raises(ParseError) as caught:
            entry(**changes)
        assert why in caught.value.message
        assert len(caught.value.message) < 300

    @pytest.mark.parametrize("raw", [None, [], "entry", 1, True, {}])
    def test_no_entry(self, raw: object) -> None:
        with pytest.raises(ParseError, match="log entry"):
            LogEntry.of_bundle(raw)

    def test_the_largest_body(self) -> None:
        assert len(entry(canonicalizedBody=b64(b"x" * MAX_BODY)).body) == MAX_BODY

    def test_the_body_is_not_shown(self) -> None:
        assert "secret" not in repr(entry(canonicalizedBody=b64(b"secret")))


class TestProof:
    @pytest.mark.parametrize("absent", [..., None])
    def test_writers_leave_out_zeros(self, absent: object) -> None:
        assert proof(logIndex=absent).index == 0
        assert proof(treeSize=absent).size == 0
        assert proof(hashes=absent).hashes == ()
        assert proof(checkpoint=absent).checkpoint == ""
        assert proof(checkpoint={"envelope": ""}).checkpoint == ""
        assert proof(checkpoint={}).checkpoint == ""

    def test_the_longest(self) -> None:
        assert MAX_PROOF == 64
        assert len(proof(hashes=[HASH] * MAX_PROOF).hashes) == MAX_PROOF

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"rootHash": ...}, "no SHA-256"),
            ({"rootHash": ""}, "no SHA-256"),
            ({"rootHash": b64(b"h" * 31)}, "no SHA-256"),
            ({"rootHash": b64(b"h" * 33)}, "no SHA-256"),
            ({"rootHash": b64(b"h" * 64)}, "no SHA-256"),
            ({"rootHash": (b"h" * 32).hex()}, "no SHA-256"),
            ({"rootHash": "*"}, "rootHash is not base64"),
            ({"rootHash": 1}, "rootHash is not a text"),
            ({"hashes": [HASH, ""]}, "no SHA-256"),
            ({"hashes": [b64(b"h" * 31)]}, "no SHA-256"),
            ({"hashes": [b64(b"h" * 64)]}, "no SHA-256"),
            ({"hashes": ["*"]}, "hash of the inclusion proof is not base64"),
            ({"hashes": [None]}, "hash of the inclusion proof is not a text"),
            ({"hashes": [[HASH]]}, "hash of the inclusion proof is not a text"),
            ({"hashes": [1]}, "hash of the inclusion proof is not a text"),
            ({"hashes": HASH}, "hashes is not a list"),
            ({"hashes": {}}, "hashes is not a list"),
            ({"hashes": [HASH] * (MAX_PROOF + 1)}, f"65 entries; at most {MAX_PROOF}"),
            ({"checkpoint": "a note"}, "checkpoint is not an object"),
            ({"checkpoint": []}, "checkpoint is not an object"),
            ({"checkpoint": {"envelope": 1}}, "checkpoint is not a text"),
            ({"checkpoint": {"envelope": []}}, "checkpoint is not a text"),
            ({"logIndex": "1.0"}, "logIndex is not a whole number"),
            ({"logIndex": True}, "logIndex is not a whole number"),
            ({"logIndex": MOST + 1}, "logIndex is not a whole number"),
            ({"treeSize": []}, "treeSize is not a whole number"),
            ({"treeSize": "x"}, "treeSize is not a whole number"),
            ({"TreeSize": "7"}, "proof has the unknown field 'TreeSize'"),
            ({"RootHash": HASH}, "proof has the unknown field 'RootHash'"),
            ({"Hashes": []}, "proof has the unknown field 'Hashes'"),
            ({"Checkpoint": {}}, "proof has the unknown field 'Checkpoint'"),
            ({"more": None}, "proof has the unknown field 'more'"),
            ({"checkpoint": {"envelope": "", "Envelope": ""}}, "checkpoint has the unknown field 'Envelope'"),
            ({"rootHash": noncanonical(b"h" * 32)}, "rootHash is not base64: there are bits behind its end"),
            ({"hashes": [noncanonical(b"h" * 32)]}, "not base64: there are bits behind its end"),
        ],
        ids=count(),
    )
    def test_refused(self, changes: Json, why: str) -> None:
        with pytest.raises(ParseError) as caught:
            proof(**changes)
        assert why in caught.value.message
        assert len(caught.value.message) < 300


class TestOfAnAnnotation:
    def test_what_cosign_writes(self) -> None:
        assert annotation() == LogEntry(b"id", 5, 1767323045, "", "", b"{}", b"set", None)
        found = LogEntry.of_annotation(REKOR.annotation())
        assert (found.log_id, found.index, found.integrated_time) == (REKOR.log_id, REKOR.index, REKOR.integrated_time)
        assert (found.kind, found.version, found.proof) == ("", "", None)
        assert (found.body, found.promise) == (REKOR.body, REKOR.promise)

    @pytest.mark.parametrize("absent", [..., None])
    def test_writers_leave_out_zeros(self, absent: object) -> None:
        assert annotation(logIndex=absent).index == 0
        assert annotation(integratedTime=absent).integrated_time == 0
        found = LogEntry.of_annotation(json.dumps({"Payload": PAYLOAD}))
        assert found.promise == b""

    def test_an_inclusion_proof_beside_it_is_not_read(self) -> None:
        value = {"SignedEntryTimestamp": "c2V0", "Payload": {**PAYLOAD, "inclusionProof": PROOF}, "inclusionProof": 7}
        assert LogEntry.of_annotation(json.dumps(value)).proof is None

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"logID": ...}, "not hexadecimal"),
            ({"logID": ""}, "not hexadecimal"),
            ({"logID": None}, "not hexadecimal"),
            ({"logID": "6A"}, "not hexadecimal"),
            ({"logID": "69 64"}, "not hexadecimal"),
            ({"logID": " 6964"}, "not hexadecimal"),
            ({"logID": "6964\n"}, "not hexadecimal"),
            ({"logID": "xyz"}, "not hexadecimal"),
            ({"logID": "aWQ="}, "not hexadecimal"),
            ({"logID": "6"}, "not hexadecimal"),
            ({"logID": 6964}, "logID is not a text"),
            ({"LogID": "6964"}, "only by case"),
            ({"body": ...}, "no body"),
            ({"body": ""}, "no body"),
            ({"body": "{}"}, "body is not base64"),
            ({"body": {}}, "body is not a text"),
            ({"Body": "e30="}, "only by case"),
            ({"body": b64(b"x" * (MAX_BODY + 1))}, f"at most {MAX_BODY}"),
            ({"logIndex": -1}, "negative"),
            ({"logIndex": "five"}, "logIndex is a text"),
            ({"logIndex": "5"}, "logIndex is a text"),
            ({"integratedTime": "1767323045"}, "integratedTime is a text"),
            ({"logIndex": 1.5}, "logIndex is not a whole number"),
            ({"logIndex": True}, "logIndex is not a whole number"),
            ({"logIndex": MOST + 1}, "logIndex is not a whole number"),
            ({"integratedTime": -1}, "negative"),
            ({"integratedTime": []}, "integratedTime is not a whole number"),
            ({"integratedTime": 10**30}, "integratedTime is not a whole number"),
        ],
        ids=count(),
    )
    def test_refused(self, changes: Json, why: str) -> None:
        with pytest.raises(ParseError) as caught:
            annotation(**changes)
        assert why in caught.value.message
        assert len(caught.value.message) < 300

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "{}",
            "[]",
            "null",
            "not json",
            "{",
            '{"Payload": null}',
            '{"Payload": []}',
            '{"Payload": "x"}',
            '{"Payload": {}, "payload": {}}',
            '{"Payload": {}, "Payload": {}}',
            json.dumps({"SignedEntryTimestamp": "*", "Payload": PAYLOAD}),
            json.dumps({"SignedEntryTimestamp": 7, "Payload": PAYLOAD}),
            json.dumps({"SignedEntryTimestamp": "c2V0", "signedEntryTimestamp": "c2V0", "Payload": PAYLOAD}),
            json.dumps({"SignedEntryTimestamp": "c2V0", "Payload": PAYLOAD}) + "x",
            json.dumps({"SignedEntryTimestamp": "c2V0", "Payload": PAYLOAD}) * 2,
            "[" * 100_000,
            '{"Payload": ' * 200 + "{}" + "}" * 200,
            REKOR.annotation()[:-1],
        ],
        ids=count(),
    )
    def test_no_annotation(self, text: str) -> None:
        with pytest.raises(ParseError) as caught:
            LogEntry.of_annotation(text)
        assert len(caught.value.message) < 300
