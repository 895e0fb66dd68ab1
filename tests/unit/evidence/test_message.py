from __future__ import annotations

import hashlib

import pytest

from gate.evidence.message import MAX_KEPT, Message
from gate.trust.key import Hash

CONTENT = bytes(range(256)) * 10
KNOWN = {h: hashlib.new(h, CONTENT).digest() for h in Hash}


def read(size: int, keep: int = MAX_KEPT) -> Message:
    return Message.read((CONTENT[i : i + size] for i in range(0, len(CONTENT), size)), keep)


@pytest.mark.parametrize("size", [1, 7, 256, len(CONTENT), 10**6])
def test_read_in_chunks(size: int) -> None:
    message = read(size)
    assert (message.content, message.digests, message.was_read) == (CONTENT, KNOWN, True)


@pytest.mark.parametrize(
    ("keep", "kept"), [(len(CONTENT), True), (len(CONTENT) + 1, True), (len(CONTENT) - 1, False), (0, False)]
)
def test_one_that_is_too_large_is_hashed_and_not_kept(keep: int, kept: bool) -> None:  # noqa: FBT001
    message = read(100, keep)
    assert message.content == (CONTENT if kept else None)
    assert (message.digests, message.was_read) == (KNOWN, True)
    assert {h: message.digest(h) for h in Hash} == KNOWN
    assert "MiB" in message.lacking


def test_nothing_at_all_is_a_message_too() -> None:
    message = Message.read([])
    assert (message.content, message.sha256) == (b"", hashlib.sha256().digest())
    assert Message.read([], keep=0).content == b""


def test_one_that_is_at_hand_is_hashed_when_asked() -> None:
    message = Message.of(CONTENT)
    assert message.digests == {Hash.SHA256: KNOWN[Hash.SHA256]}
    assert {h: message.digest(h) for h in Hash} == KNOWN
    assert message.was_read


def test_one_of_which_there_is_a_digest() -> None:
    message = Message(KNOWN[Hash.SHA256])
    assert (message.digest("sha256"), message.digest("sha384"), message.digest("sha512")) == (
        message.sha256,
        None,
        None,
    )
    assert (message.was_read, message.lacking) == (False, "the file, not its digest")


@pytest.mark.parametrize("algorithm", ["", "sha1", "SHA256", "sha-256", "sha3_256", "SHA2_256", "md5"])
def test_other_functions_are_none_of_ours(algorithm: str) -> None:
    assert Message.of(CONTENT).digest(algorithm) is None


def test_content_is_not_shown() -> None:
    assert "content" not in repr(Message.of(b"secret"))
