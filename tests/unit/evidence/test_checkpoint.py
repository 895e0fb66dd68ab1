from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from itertools import count

import pytest

from gate.errors import ParseError
from gate.evidence.checkpoint import Checkpoint
from gate.evidence.limits import MAX_CHECKPOINT, MAX_NOTE_SIGNATURES
from gate.trust.root import Log
from gate.trust.window import Window
from tests.fakes.fulcio import Keypair, KeyType, shared_key
from tests.fakes.transparency_log import NoteKey, b64

KEY = shared_key("P-256", "log")
LOG = Log("https://log.test", KEY.public, frozenset({KEY.id}), Window())
NOTE = NoteKey("log.test", KEY)
STRANGER = NoteKey("log.test", shared_key("P-256", "stranger"))
FORGED = NoteKey("log.test", shared_key("P-256", "stranger"), id=KEY.id)
WITNESS = NoteKey("witness.test", shared_key("Ed25519", "witness"), witness=True)
ROOT = hashlib.sha256(b"root").digest()
TEXT = f"log.test - 1\n7\n{b64(ROOT)}\n"


def note(*signers: NoteKey, text: str = TEXT) -> str:
    return f"{text}\n" + "".join(signer.line(text) for signer in signers)


SIGNED = note(NOTE)


def line(content: bytes, name: str = "log.test") -> str:
    return f"\N{EM DASH} {name} {b64(content)}\n"


def test_parts() -> None:
    signature = base64.b64decode(SIGNED.rsplit(" ", 1)[1])
    assert Checkpoint.parse(SIGNED) == Checkpoint(
        "log.test - 1", 7, ROOT, TEXT.encode(), (("log.test", KEY.id[:4], signature[4:]),)
    )


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA-2048", "Ed25519"])
def test_logs_with_every_key(kind: KeyType) -> None:
    key = shared_key(kind, "log")
    signer = NoteKey("log.test", key)
    log = Log("", key.public, frozenset({signer.key_id}), Window())
    found = Checkpoint.parse(note(signer))
    assert found.is_signed_by(log)
    assert not found.is_signed_by(LOG) or key == KEY
    assert not Checkpoint.parse(SIGNED).is_signed_by(log) or key == KEY


@pytest.mark.parametrize(
    ("signers", "signed"),
    [
        ((NOTE,), True),
        ((NOTE, WITNESS), True),
        ((WITNESS, NOTE), True),
        ((STRANGER, WITNESS, NOTE, WITNESS, STRANGER), True),
        ((NOTE, NOTE), True),
        ((WITNESS,), False),
        ((STRANGER,), False),
        ((STRANGER, WITNESS), False),
        # a line that names the key and is not by it: the note is not what the log signed
        ((FORGED,), False),
        ((FORGED, NOTE), False),
        ((NOTE, FORGED), False),
        # a name alone is nothing
        ((replace(NOTE, name="another.test"),), True),
        ((replace(NOTE, id=b"\0" * 32),), False),
        # a witness' signature is over other bytes, whoever makes it
        ((replace(WITNESS, id=KEY.id),), False),
    ],
    ids=count(),
)
def test_whose_signature_counts(signers: tuple[NoteKey, ...], signed: bool) -> None:  # noqa: FBT001
    found = Checkpoint.parse(note(*signers))
    assert len(found.signatures) == len(signers)
    assert found.is_signed_by(LOG) is signed


@pytest.mark.parametrize(
    ("url", "origin", "names", "own"),
    [
        ("https://log.test", "log.test", ["log.test"], True),
        ("https://log.test/", "log.test", ["log.test"], True),
        ("https://log.test/shard/1", "log.test/shard/1", ["log.test/shard/1"], True),
        ("https://log.test/shard/1", "log.test", ["log.test"], True),
        ("https://log.test:8443", "log.test:8443", ["log.test:8443"], True),
        ("https://log.test", "log.test", ["log.test", "log.test"], True),
        ("https://log.test", "log.test", ["log.test", "another.test"], False),
        ("https://log.test", "log.test", ["another.test"], False),
        ("https://log.test", "another.test", ["log.test"], False),
        ("https://log.test", "another.test", ["another.test"], False),
        ("https://log.test", "log.test - 1", ["log.test - 1"], False),
        ("https://log.test/shard/1", "log.test/shard/1", ["log.test"], False),
        ("https://log.test:8443", "log.test", ["log.test"], False),
        ("", "log.test", ["log.test"], False),
    ],
    ids=count(),
)
def test_whether_it_is_named_after_the_log(url: str, origin: str, names: list[str], own: bool) -> None:  # noqa: FBT001
    text = TEXT.replace("log.test - 1", origin)
    signers = [NoteKey(name.replace(" ", ""), KEY, id=KEY.id) for name in names]
    found = Checkpoint.parse(note(*signers, WITNESS, text=text))
    assert found.is_signed_by(LOG)
    assert found.is_named_after(replace(LOG, url=url)) is own


def test_any_id_of_the_log_is_its_key() -> None:
    hint = hashlib.sha256(b"another id").digest()
    known = replace(LOG, ids=frozenset({KEY.id, hint}))
    for signer in (NOTE, replace(NOTE, id=hint)):
        assert Checkpoint.parse(note(signer)).is_signed_by(known)
    assert not Checkpoint.parse(note(replace(NOTE, id=hint))).is_signed_by(LOG)
    assert not Checkpoint.parse(SIGNED).is_signed_by(replace(LOG, ids=frozenset()))
    # the key has to be the log's, too
    assert not Checkpoint.parse(SIGNED).is_signed_by(replace(LOG, key=Keypair.generate().public))


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("log.test", "log.tesT"),
        TEXT.replace("\n7\n", "\n8\n"),
        TEXT.replace(b64(ROOT), b64(hashlib.sha256(b"x").digest())),
        TEXT + "more\n",
        TEXT.replace("\n7\n", "\n7\n\n").replace("\n\n", "\n", 1) + " \n",
    ],
    ids=count(),
)
def test_every_line_is_signed(changed: str) -> None:
    assert not Checkpoint.parse(SIGNED.replace(TEXT, changed)).is_signed_by(LOG)
    assert Checkpoint.parse(note(NOTE, text=changed)).is_signed_by(LOG)


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "Timestamp: 1767323045000000000\n",
        TEXT + "one\ntwo\nthree\n",
        # an empty line in the text: the signatures begin behind the last one
        TEXT + "\nmore\n",
        TEXT + "\n\n\nmore\n",
        TEXT + f"\n{line(b'12345')}",
        TEXT.replace("log.test - 1", "\N{SNOWMAN}"),
        TEXT.replace("log.test - 1", "7"),
    ],
    ids=count(),
)
def test_further_lines_are_signed_and_say_nothing(text: str) -> None:
    found = Checkpoint.parse(note(NOTE, text=text))
    assert (found.size, found.root, found.text) == (7, ROOT, text.encode())
    assert found.origin == text.split("\n", 1)[0]
    assert len(found.signatures) == 1
    assert found.is_signed_by(LOG)


@pytest.mark.parametrize("size", ["0", "1", "10", "9223372036854775807", "9" * 19])
def test_sizes(size: str) -> None:
    assert Checkpoint.parse(SIGNED.replace("\n7\n", f"\n{size}\n")).size == int(size)


@pytest.mark.parametrize(
    "size",
    [
        "",
        "-1",
        "+7",
        "07",
        "00",
        "7 ",
        " 7",
        "7.0",
        "7e0",
        "0x7",
        "1_0",
        "\N{ARABIC-INDIC DIGIT SEVEN}",
        "\N{FULLWIDTH DIGIT SEVEN}",
        "9" * 20,
        "9" * 5000,
        "seven",
        "7\r",
    ],
)
def test_other_sizes(size: str) -> None:
    with pytest.raises(ParseError) as caught:
        Checkpoint.parse(SIGNED.replace("\n7\n", f"\n{size}\n"))
    assert "size" in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "root",
    [
        "",
        b64(b""),
        b64(ROOT[:-1]),
        b64(ROOT + b"\0"),
        b64(ROOT).rstrip("="),
        b64(ROOT) + "=",
        b64(ROOT) + " ",
        b64(ROOT) + "\r",
        ROOT.hex(),
        "*" + b64(ROOT)[1:],
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        # other last bits that decode to the same
        b64(b"\0" * 32).replace("A=", "B="),
    ],
    ids=count(),
)
def test_other_roots(root: str) -> None:
    with pytest.raises(ParseError, match="root"):
        Checkpoint.parse(SIGNED.replace(b64(ROOT), root))


@pytest.mark.parametrize(
    "envelope",
    [
        "",
        "\n",
        "\n\n",
        "\n\n\n",
        TEXT,
        TEXT + "\n",
        # a part is missing: origin, size, root, the empty line, the signatures
        SIGNED.removeprefix("log.test - 1"),
        SIGNED.removeprefix("log.test - 1\n"),
        SIGNED.replace("7\n", "", 1),
        SIGNED.replace(f"{b64(ROOT)}\n", ""),
        SIGNED.replace("\n\n", "\n"),
        SIGNED.partition("\n\n")[0] + "\n\n",
        SIGNED.partition("\n\n")[2],
        "\n\n" + SIGNED.partition("\n\n")[2],
        # another order
        f"7\nlog.test\n{b64(ROOT)}\n\n" + NOTE.line(TEXT),
        f"{b64(ROOT)}\nlog.test\n7\n\n" + NOTE.line(TEXT),
        "\n" + SIGNED,
        " \n" + SIGNED,
        # other line ends
        SIGNED.replace("\n", "\r\n"),
        SIGNED.replace("\n", "\r"),
        # what is behind the signatures
        SIGNED.removesuffix("\n"),
        SIGNED + "\n",
        SIGNED + "x",
        SIGNED + "x\n",
        SIGNED + "\nx\n",
        SIGNED + "\n\n",
        SIGNED + "\0\n",
        SIGNED + TEXT,
        # what is before them, or between
        f"{TEXT}\nx\n" + NOTE.line(TEXT),
        f"{TEXT}\n\n\n" + "x",
        SIGNED + "x\n" + NOTE.line(TEXT),
    ],
    ids=count(),
)
def test_no_signed_note(envelope: str) -> None:
    with pytest.raises(ParseError) as caught:
        Checkpoint.parse(envelope)
    assert "checkpoint" in caught.value.message
    assert len(caught.value.message) < 300


def test_it_is_split_at_the_last_empty_line() -> None:
    # what looks like a signed note inside another: only the outer one's signatures are any
    inner = note(NOTE)
    text = inner + "x\n"
    with pytest.raises(ParseError):
        Checkpoint.parse(text)
    found = Checkpoint.parse(note(STRANGER, text=text))
    assert found.text == text.encode()
    assert not found.is_signed_by(LOG)
    # an empty line puts all that is before it into the text, which the log has not signed so
    for envelope in (SIGNED + SIGNED, SIGNED + "\n" + NOTE.line(TEXT), f"{TEXT}\n\n{NOTE.line(TEXT)}"):
        found = Checkpoint.parse(envelope)
        assert found.text != TEXT.encode()
        assert len(found.signatures) == 1
        assert not found.is_signed_by(LOG)


@pytest.mark.parametrize(
    "bad",
    [
        "- log.test " + b64(b"12345") + "\n",
        "\N{EN DASH} log.test " + b64(b"12345") + "\n",
        "\N{EM DASH}log.test " + b64(b"12345") + "\n",
        "\N{EM DASH}  log.test " + b64(b"12345") + "\n",
        "\N{EM DASH} log.test  " + b64(b"12345") + "\n",
        "\N{EM DASH} log.test\t" + b64(b"12345") + "\n",
        "\N{EM DASH} " + b64(b"12345") + "\n",
        "\N{EM DASH} log.test\n",
        "\N{EM DASH} log.test \n",
        "\N{EM DASH} log.test " + b64(b"12345") + " \n",
        "\N{EM DASH} log.test " + b64(b"12345") + "\r\n",
        "\N{EM DASH} log.test " + b64(b"12345").rstrip("=") + "\n",
        "\N{EM DASH} log.test " + b64(b"12345") + "=\n",
        "\N{EM DASH} log.test " + b64(b"\xff" * 6).replace("/", "_") + "\n",
        "\N{EM DASH} log.test *\n",
        "\N{EM DASH} log test " + b64(b"12345") + "\n",
        "\N{EM DASH} log\N{NO-BREAK SPACE}test " + b64(b"12345") + "\n",
        "\N{EM DASH} log+test " + b64(b"12345") + "\n",
        # no key hash, or nothing behind it
        line(b"1"),
        line(b"123"),
        line(b"1234"),
        " " + line(b"12345"),
    ],
    ids=count(),
)
def test_lines_that_are_no_signatures(bad: str) -> None:
    for envelope in (f"{TEXT}\n{bad}", SIGNED + bad, f"{TEXT}\n{bad}{NOTE.line(TEXT)}"):
        with pytest.raises(ParseError, match="checkpoint"):
            Checkpoint.parse(envelope)


def test_caps() -> None:
    assert (MAX_CHECKPOINT, MAX_NOTE_SIGNATURES) == (64 * 1024, 100)
    most = f"{TEXT}\n{line(b'12345') * (MAX_NOTE_SIGNATURES - 1)}{NOTE.line(TEXT)}"
    assert Checkpoint.parse(most).is_signed_by(LOG)
    with pytest.raises(ParseError, match=f"101 signatures; at most {MAX_NOTE_SIGNATURES}"):
        Checkpoint.parse(most + line(b"12345"))
    padding = MAX_CHECKPOINT - len(SIGNED)
    long = f"{TEXT}{'x' * (padding - 1)}\n"
    signed = note(NOTE, text=long)
    # an ECDSA signature is not always of one length
    longest = signed if len(signed) <= MAX_CHECKPOINT else note(NOTE, text=TEXT + "x" * (padding - 20) + "\n")
    assert Checkpoint.parse(longest).is_signed_by(LOG)
    for size in (MAX_CHECKPOINT + 1, 10_000_000):
        with pytest.raises(ParseError, match=f"{size} characters; at most {MAX_CHECKPOINT}"):
            Checkpoint.parse(SIGNED.rjust(size, "x"))


def test_every_truncation() -> None:
    for length in range(len(SIGNED)):
        with pytest.raises(ParseError):
            Checkpoint.parse(SIGNED[:length])
