"""Lines and pieces of an answer, however they arrive."""

from __future__ import annotations

import pytest

from gate.registry.guard.head import Head, ProtocolError
from gate.registry.guard.reading import MAX_HEADERS, HeadTooLong, Reader


class Pieces:
    """A stream that gives what it was given, piece by piece, and then ends."""

    peer = "test"
    is_silent = True

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            return b""
        piece, self.pieces[0] = self.pieces[0][:size], self.pieces[0][size:]
        if not self.pieces[0]:
            del self.pieces[0]
        return piece

    def sendall(self, data: bytes) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


CONTENT = b"one\r\ntwo\n\nfour\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    reader = Reader(Pieces(*(CONTENT[i : i + size] for i in range(0, len(CONTENT), size))))
    assert [reader.line() for _ in range(5)] == [b"one\r\n", b"two\n", b"\n", b"four\r\n", b""]
    assert reader.is_empty


def test_a_line_that_is_cut_off_is_told_from_one_that_ends() -> None:
    reader = Reader(Pieces(b"on", b"e"))
    assert [reader.line(), reader.line()] == [b"one", b""]


def test_lines_and_pieces_follow_each_other() -> None:
    reader = Reader(Pieces(b"a\nbc", b"de\nf"))
    assert reader.line() == b"a\n"
    assert (reader.piece(1), reader.piece(9)) == (b"b", b"c")  # what is there
    empty = [reader.is_empty]
    assert reader.piece(1) == b"d"
    assert reader.line() == b"e\n"
    assert [*empty, reader.is_empty] == [True, False]
    assert (reader.piece(9), reader.piece(9)) == (b"f", b"")


@pytest.mark.parametrize("size", [1, 7, 16 * 1024])
def test_lines_have_a_measure_in_common(size: int) -> None:
    def reader(content: bytes) -> Reader:
        return Reader(Pieces(*(content[i : i + size] for i in range(0, len(content), size))))

    whole = b"x" * 99 + b"\n"
    exactly = reader(whole * (MAX_HEADERS // 100) + b"y" * (MAX_HEADERS % 100 - 1) + b"\n" + b"z\n")
    for _ in range(MAX_HEADERS // 100 + 1):
        exactly.line()
    with pytest.raises(HeadTooLong):
        exactly.line()
    with pytest.raises(HeadTooLong):
        reader(b"x" * (MAX_HEADERS + 2)).line()
    again = reader(b"x" * (MAX_HEADERS - 1) + b"\n" + b"y\n")
    again.line()
    again.begin_body()
    assert again.line() == b"y\n"


@pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t"])
def test_blanks_are_gone_through_once(blanks: bytes) -> None:
    """An expression that also skips them begins anew at each: ten seconds for one line, in all threads."""
    run = blanks * ((MAX_HEADERS - 100) // len(blanks))
    for _ in range(50):
        reader = Reader(Pieces(b"HTTP/1.1 200 OK\r\nX:" + run + b"\x01\n"))
        with pytest.raises(ProtocolError):
            Head.read(reader.line)
