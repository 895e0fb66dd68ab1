"""Answers' heads, beside http.client's and urllib3's reading of the same bytes: where the two differ, ours refuses."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gate.registry.guard.head import MAX_LINES, Head, ProtocolError
from gate.registry.guard.origin import Origin
from gate.registry.guard.reading import MAX_HEADERS
from tests.unit.registry.guard.support import Read, agree, guarded, read, theirs

if TYPE_CHECKING:
    from collections.abc import Mapping

OK = b"HTTP/1.1 200 OK\r\n"
SEVEN = b"Content-Length: 7\r\n\r\ncontent"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

GOOD = [
    OK + SEVEN,
    OK.replace(b"\r\n", b"\n") + SEVEN.replace(b"\r\n", b"\n"),
    b"HTTP/1.1 200\r\n" + SEVEN,
    b"HTTP/1.1 200 \r\n" + SEVEN,
    b"HTTP/1.1 200 All \xe9\x80\xff\tgood\r\n" + SEVEN,
    b"HTTP/1.0 200 OK\r\n" + SEVEN,
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + SEVEN,
    b"HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\n" + SEVEN,
    b"HTTP/1.9 200 OK\r\n" + SEVEN,
    b"HTTP/1.1 299 X\r\n" + SEVEN,
    b"HTTP/1.1 404 X\r\n" + SEVEN,
    b"HTTP/1.1 999 X\r\n" + SEVEN,
    OK + b"\r\ncontent",
    OK + b"Content-Length: 0\r\n\r\n",
    OK + b"Content-Length:7\r\n\r\ncontent",
    OK + b"Content-Length: \t 7 \t\r\n\r\ncontent",
    OK + b"Content-Length: 007\r\n\r\ncontent",
    OK + b"Content-Length: 7\r\n" + SEVEN,
    OK + b"Content-Length: 7\r\n" + SEVEN + b" and more",
    OK + b"content-length: 7\r\nCONTENT-TYPE: a/b\r\n\r\ncontent and more",
    OK + b"Connection: close\r\n" + SEVEN,
    OK + b"Connection: keep-alive\r\nConnection: Close\r\n" + SEVEN,
    OK + b"X: \r\nY:\r\nZ: \t\r\n" + SEVEN,
    OK + b"X: a\r\nx: b\r\nX: c, d\r\n" + SEVEN,
    OK + b"Set-Cookie: a\r\nSet-Cookie: b\r\n" + SEVEN,
    OK + b'X: \xe9\x80\xa0\xff\tb : c; d="e\\"" \r\n' + SEVEN,
    OK + b"!#$%&'*+.^_`|~09az: x\r\n" + SEVEN,
    OK + b"From: x\r\n" + SEVEN,
    OK + b"Content-Type: multipart/mixed; boundary=x\r\n" + SEVEN,
    OK + b"Content-Type: message/rfc822\r\n" + SEVEN,
    OK + b"Content-Encoding: gzip\r\n" + SEVEN,
    OK + b"X: y\r\n" * (MAX_LINES - 2) + SEVEN,
    OK + b"X: " + b"y" * (MAX_HEADERS - 100) + b"\r\n" + SEVEN,
    OK + CHUNKED + b"7\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"3;x=y\r\ncon\r\n4\r\ntent\r\n0\r\nTrailer: x\r\n\r\n",
    OK + b"Transfer-Encoding: Chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n",
    OK + b"Content-Length: 3\r\n" + CHUNKED + b"7\r\ncontent\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: identity\r\n" + SEVEN,
    OK + b"Transfer-Encoding:\r\n" + SEVEN,
    b"HTTP/1.1 204 X\r\n\r\n",
    b"HTTP/1.1 204 X\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 204 X\r\n" + CHUNKED + b"0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + SEVEN,
    b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 3 + OK + SEVEN,
    b"HTTP/1.1 101 X\r\n" + SEVEN,
]


@pytest.mark.parametrize("content", GOOD, ids=lambda content: repr(content[:70]))
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_what_is_as_it_should_be_is_read_as_http_client_does(content: bytes, method: str) -> None:
    assert agree(content, method)


BAD = [
    # status lines
    b"",
    b"\r\n",
    b"\r\n" + OK + SEVEN,
    b" " + OK + SEVEN,
    b"HTTP/1.1  200 OK\r\n" + SEVEN,
    b"HTTP/1.1\t200\tOK\r\n" + SEVEN,
    b"HTTP/1.1 200OK\r\n" + SEVEN,
    b"HTTP/1.1 +200 OK\r\n" + SEVEN,
    b"HTTP/1.1 2_00 OK\r\n" + SEVEN,
    b"HTTP/1.1 0200 OK\r\n" + SEVEN,
    b"HTTP/1.1 20 OK\r\n" + SEVEN,
    b"HTTP/1.1 099 OK\r\n" + SEVEN,
    b"HTTP/1.1 1000 OK\r\n" + SEVEN,
    b"HTTP/1.1 \xb2\xb3\xb9 OK\r\n" + SEVEN,
    b"HTTP/1.1 200\xa0OK\r\n" + SEVEN,
    b"HTTP/1.1 200 OK\rX: y\r\n" + SEVEN,
    b"HTTP/1.1 200 OK\r\r\n" + SEVEN,
    b"HTTP/1.1 200 O\0K\r\n" + SEVEN,
    b"HTTP/1.1 200 \x1b[2J\r\n" + SEVEN,
    b"http/1.1 200 OK\r\n" + SEVEN,
    b"HTTP/1 200 OK\r\n" + SEVEN,
    b"HTTP/1.x 200 OK\r\n" + SEVEN,
    b"HTTP/1.11 200 OK\r\n" + SEVEN,
    b"HTTP/0.9 200 OK\r\n" + SEVEN,
    b"HTTP/2.0 200 OK\r\n" + SEVEN,
    b"HTTP/11 200 OK\r\n" + SEVEN,
    # what is no header
    OK + b"no header\r\n" + SEVEN,
    OK + b": no name\r\n" + SEVEN,
    OK + b":\r\n" + SEVEN,
    OK + b"X : y\r\n" + SEVEN,
    OK + b"X\t: y\r\n" + SEVEN,
    OK + b"Content-Length : 7\r\n\r\ncontent",
    OK + b"a b: c\r\n" + SEVEN,
    OK + b"a(b): c\r\n" + SEVEN,
    OK + b"X\xe9: c\r\n" + SEVEN,
    OK + b"\xef\xbb\xbfX: c\r\n" + SEVEN,
    OK + b"X\0: c\r\n" + SEVEN,
    OK + b"From me\r\n" + SEVEN,
    OK + b"From me: x\r\n" + SEVEN,
    OK + OK + SEVEN,
    # obsolete folding
    OK + b" folded: x\r\n" + SEVEN,
    OK + b"X: a\r\n b\r\n" + SEVEN,
    OK + b"X: a\r\n\tb\r\n" + SEVEN,
    OK + b"Content-Length:\r\n 7\r\n\r\ncontent",
    OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n",
    OK + b"X: a\r\n \r\n" + SEVEN,
    # ends of lines within lines
    OK + b"X: a\rContent-Length: 7\r\n\r\ncontent",
    OK + b"X: a\r\r\n" + SEVEN,
    OK + b"X: a\rb\r\n" + SEVEN,
    OK + b"X: a\r\n\rY: b\r\n" + SEVEN,
    OK + b"\rX: a\r\n" + SEVEN,
    OK + b"X: a\n\rY: b\r\n" + SEVEN,
    OK + b"X: y\r\n\r\r\ncontent",
    # control characters
    *(OK + b"X: a" + bytes([code]) + b"b\r\n" + SEVEN for code in (*range(9), *range(11, 13), *range(14, 32), 127)),
    # lengths
    *(
        OK + b"Content-Length: " + told + b"\r\n\r\ncontent"
        for told in (
            *(b"", b"x", b"-1", b"-99", b"1e3", b"0x7", b"7;", b"7 7", b"10x", b"1 0"),
            b"+7",
            b"0_7",
            b"-0",
            b"\xa07",
            b"\xb2",
            b"7, 7",
            b"7, 8",
            b"7,",
            b",7",
            b"7, x",
            b"7, -7",
            b"7, 07",
        )
    ),
    OK + b"Content-Length: " + b"0" * 30 + b"7\r\n\r\ncontent",
    OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\ncontent",
    OK + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\ncontent",
    OK + b"Content-Length: 8\r\n" + SEVEN,
    OK + b"Content-Length: x\r\n" + SEVEN,
    OK + b"Content-Length: 7\r\nContent-Length:\r\n\r\ncontent",
    OK + b"Content-Length: 8\r\n\r\ncontent",
    OK + b"Content-Length: 99999999999999999999\r\n\r\ncontent",
    # transfer codings
    *(
        OK + b"Transfer-Encoding: " + coding + b"\r\n\r\n7\r\ncontent\r\n0\r\n\r\n"
        for coding in (b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"xchunked")
    ),
    OK + b"Transfer-Encoding: identity\r\n" + CHUNKED + b"7\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED[:-2] + CHUNKED + b"7\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"7\r\nconten",
    OK + CHUNKED + b"7\r\ncontent\r\n",
    OK + CHUNKED + b"x\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"\r\n",
    OK + CHUNKED + b"-1\r\ncontent",
    OK + CHUNKED + b"-5\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"0x7\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"-0\r\n\r\n",
    OK + CHUNKED + b" 7\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"7_0\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"7\rx\r\ncontent\r\n0\r\n\r\n",
    OK + CHUNKED + b"7\r\ncontentXX\r\n0\r\n\r\n",
    OK + CHUNKED + b"7\r\ncontent0\r\n\r\n",
    OK + CHUNKED + b"7\r\ncontent\r\n0",
    OK + CHUNKED + b"7\r\ncontent\r\n0\r\n",
    OK + CHUNKED + b"7\r\ncontent\r\n0\r\nX: y",
    OK + CHUNKED + b"f" * 16 + b"\r\ncontent",
    OK + CHUNKED + b"0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    OK + CHUNKED + b"7\r\ncontent\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    # too much
    OK + b"X: y\r\n" * (MAX_LINES - 1) + SEVEN,
    OK + b"X: " + b"y" * MAX_HEADERS + b"\r\n" + SEVEN,
    OK + b"y" * (2 * MAX_HEADERS),
    b"y" * (2 * MAX_HEADERS),
    b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + OK + SEVEN,
    b"HTTP/1.1 100 Continue\r\nno header\r\n\r\n" + OK + SEVEN,
    b"HTTP/1.1 100 Continue\r\n\r\n",
]


@pytest.mark.parametrize("content", BAD, ids=lambda content: repr(content[:70]))
def test_what_is_not_is_refused(content: bytes) -> None:
    assert not agree(content)


@pytest.mark.parametrize("status", [b"200", b"204", b"304"])
@pytest.mark.parametrize("told", [b"7, 8", b"7\r\nContent-Length: 8", b"+7", b"7\r\nContent-Length: x"])
def test_a_length_is_judged_where_there_is_no_body_either(status: bytes, told: bytes) -> None:
    content = b"HTTP/1.1 " + status + b" X\r\nContent-Length: " + told + b"\r\n\r\n"
    assert not agree(content, "HEAD")
    assert not agree(content, "GET")


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 102 X\r\n\r\nHTTP/1.1 100 Y\r\n\r\n"]
)
def test_what_says_that_it_goes_on_is_not_the_answer(interim: bytes) -> None:
    """http.client takes it for the answer (RFC 9110, 15.2)."""
    found = read(interim + OK + SEVEN, ours=True)
    assert found == Read(200, {"content-length": "7"}, b"content", kept=True)


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    found = read(OK + b"Transfer-Encoding: \t chunked \t\r\n\r\n7\r\ncontent\r\n0\r\n\r\n", ours=True)
    assert found == Read(200, {"transfer-encoding": "chunked"}, b"content", kept=True)


@pytest.mark.parametrize("content", [OK + b"X: y\r\n" + SEVEN, b"HTTP/1.1 100 Continue\r\n\r\n" + OK + SEVEN])
def test_a_head_that_is_cut_off_is_none(content: bytes) -> None:
    """http.client takes the end of the connection for the end of the headers."""
    for cut in range(content.index(b"content")):
        assert isinstance(read(content[:cut], ours=True), str), content[:cut]


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (OK + SEVEN, True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + SEVEN, True),
        (OK + CHUNKED + b"0\r\n\r\n", True),
        (b"HTTP/1.1 204 X\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\n" + SEVEN, False),
        (OK + b"\r\ncontent", False),
        (OK + b"Connection: x, CLOSE\r\n" + SEVEN, False),
        (OK + b"Connection: keep-alive\r\nConnection: close\r\n" + SEVEN, False),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + SEVEN, True),
        (OK + SEVEN + b"x", False),
        (OK + CHUNKED + b"0\r\n\r\nHTTP/1.1 200 OK\r\n", False),
        (OK + b"Content-Length: 7\r\n" + SEVEN, True),
        (b"HTTP/1.1 101 Switching\r\n\r\n", False),
        (OK + b"Content-Length: 7\r\n" + CHUNKED + b"0\r\n\r\n", False),
    ],
)
def test_a_connection_is_kept_only_where_both_ends_know_what_comes_next(content: bytes, *, kept: bool) -> None:
    found = read(content, ours=True)
    assert isinstance(found, Read)
    assert found.kept is kept


@pytest.mark.parametrize("framing", [b"Content-Length: 7\r\n\r\n", CHUNKED, b"Content-Length: 0\r\n\r\n"])
def test_an_answer_to_head_leaves_its_connection_free(framing: bytes) -> None:
    end, peer = socket.socketpair()
    connection = guarded(end)
    with closing(connection), closing(peer):
        for _ in range(2):
            peer.sendall(OK + framing)
            answer = connection.ask("HEAD", "/", {})  # of which nothing is read
            assert answer.head.status == 200
            assert connection.release()


def test_nothing_is_asked_while_an_answer_is_unread() -> None:
    end, peer = socket.socketpair()
    connection = guarded(end)
    with closing(connection), closing(peer):
        peer.sendall(OK + SEVEN)
        answer = connection.ask("GET", "/", {})
        for expected in (b"con", b"tent"):
            with pytest.raises(ProtocolError):
                connection.ask("GET", "/", {})
            assert answer.read(len(expected)) == expected
        peer.sendall(OK + SEVEN)
        assert connection.ask("GET", "/", {}).head.status == 200


def test_nothing_is_asked_behind_an_answer_that_was_dropped() -> None:
    end, peer = socket.socketpair()
    connection = guarded(end)
    with closing(connection), closing(peer):
        peer.sendall(OK + CHUNKED + b"7\r\ncontent\r\n")
        answer = connection.ask("GET", "/", {})
        assert answer.read(3) == b"con"
        answer.drop()
        assert not connection.release()
        with pytest.raises(ProtocolError):
            connection.ask("GET", "/", {})


def test_nothing_is_asked_behind_a_head_that_was_refused() -> None:
    end, peer = socket.socketpair()
    connection = guarded(end)
    with closing(connection), closing(peer):
        peer.sendall(b"HTTP/9\r\n\r\n")
        with pytest.raises(ProtocolError):
            connection.ask("GET", "/", {})
        assert not connection.release()


def test_values_have_no_part_in_what_is_said_of_a_head() -> None:
    lines = io.BytesIO(OK + b"X: y\r\nhunter2 hunter2: z\r\n\r\n")
    with pytest.raises(ProtocolError) as caught:
        Head.read(lines.readline)
    assert "hunter2" not in str(caught.value)


# requests

ASKED: list[tuple[str, str, bytes | None, dict[str, str], str]] = [
    ("GET", "/v2/", None, {}, "http://registry.test"),
    ("GET", "/v2/", None, {}, "http://registry.test:5000"),
    ("GET", "/v2/", None, {}, "http://registry.test."),
    ("GET", "/v2/", None, {}, "http://[::1]"),
    ("GET", "/v2/", None, {}, "http://[::1]:5000"),
    ("GET", "/v2/", None, {}, "http://[fe80::1%25eth0]:5000"),
    ("HEAD", "/v2/a/manifests/v1?x=y&z=%20", None, {"Accept": "a/b, c/d", "X": "\xe9\t"}, "http://registry.test:443"),
    ("POST", "/token", b"a=b&c=d", {"Content-Type": "application/x-www-form-urlencoded"}, "http://registry.test"),
    ("POST", "/token", b"", {}, "http://registry.test"),
    ("POST", "/token", None, {}, "http://registry.test"),
    ("PUT", "/token", None, {}, "http://registry.test"),
    ("GET", "/token", b"x", {}, "http://registry.test"),
    ("DELETE", "/token", None, {}, "http://registry.test"),
]


@pytest.mark.parametrize(("method", "target", "body", "own", "url"), ASKED)
def test_a_request_is_sent_as_urllib3_sends_it(
    method: str, target: str, body: bytes | None, own: Mapping[str, str], url: str
) -> None:
    headers = {"User-Agent": "imagegate/1", "Accept-Encoding": "identity", **own}
    origin = Origin.of(url)
    end, peer = socket.socketpair()
    with closing(guarded(end, origin.authority)) as connection, closing(peer):
        peer.sendall(OK + SEVEN)
        connection.ask(method, target, headers, body)
        connection.close()
        ours = _received(peer)
    end, peer = socket.socketpair()
    with closing(theirs(end, origin.host, origin.port)) as reference, closing(peer):
        reference.request(method, target, body=body, headers=headers)
        reference.close()
        assert ours == _received(peer)
    assert ours


def _received(peer: socket.socket) -> bytes:
    return b"".join(iter(lambda: peer.recv(65536), b""))


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "/a b", {}),
        ("GET", "/a\r\nX: y", {}),
        ("GET", "/\0", {}),
        ("GET", "/\xe9", {}),
        ("GET", "", {}),
        ("GET\r\nX:", "/", {}),
        ("G T", "/", {}),
        ("", "/", {}),
        ("GET", "/", {"X": "a\r\nY: b"}),
        ("GET", "/", {"X": "a\r\n b"}),
        ("GET", "/", {"X": "a\nY: b"}),
        ("GET", "/", {"X": "a\rY: b"}),
        ("GET", "/", {"X": "a\r\n\r\nGET / HTTP/1.1"}),
        ("GET", "/", {"X": "a\0"}),
        ("GET", "/", {"X": "\u20ac"}),
        ("GET", "/", {"X\r\nY": "b"}),
        ("GET", "/", {"X: a\r\nY": "b"}),
        ("GET", "/", {"X Y": "b"}),
        ("GET", "/", {"": "b"}),
        ("GET", "/", {"\xe9": "b"}),
    ],
)
def test_a_request_that_would_be_malformed_is_not_sent(method: str, url: str, headers: Mapping[str, str]) -> None:
    end, peer = socket.socketpair()
    with closing(guarded(end)) as connection, closing(peer):
        with pytest.raises(ValueError, match=r"malformed|codec"):
            connection.ask(method, url, headers)
        end.close()
        assert peer.recv(1) == b""


def test_a_request_is_one_piece() -> None:
    """Head and body in one call to the system, and in one packet where there is room."""
    end, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(guarded(end)) as connection, closing(peer):
        peer.sendall(OK + SEVEN)
        connection.ask("POST", "/", {"X": "y"}, b"x=y")
        assert peer.recv(65536).endswith(b"\r\n\r\nx=y")


def test_lines_that_come_byte_by_byte_are_the_same_lines() -> None:
    end, peer = socket.socketpair()
    connection = guarded(end)

    def drip() -> None:
        for byte in OK + b"X: y\r\n" + SEVEN:
            peer.sendall(bytes([byte]))

    with closing(connection), closing(peer):
        dripping = threading.Thread(target=drip)
        dripping.start()
        response = connection.ask("GET", "/", {})
        assert response.head == Head(200, 11, {"x": "y", "content-length": "7"})
        assert b"".join(iter(lambda: response.read(3), b"")) == b"content"
        dripping.join()
