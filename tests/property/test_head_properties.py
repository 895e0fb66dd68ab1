"""Whatever a server sends: the guard refuses it, or reads it as http.client and urllib3 do."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.registry.guard.support import agree

pytestmark = pytest.mark.property

_NAMES = st.sampled_from(
    [
        *("Content-Length", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection"),
        *(
            "Content-Encoding",
            "X",
            "x",
            "From",
            "From x",
            "",
            "X ",
            " X",
            "X\r",
            "X\n",
            "X\0",
            "X\xe9",
            "Content-Length:",
        ),
    ]
)
_VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                " ",
                "7",
                "7 ",
                "\t7",
                "+7",
                "-7",
                "0",
                "-0",
                "07",
                "0_7",
                "7, 7",
                "7,8",
                "x",
                "\xa07",
                "\xb2",
                "1e1",
            ),
            *("chunked", "Chunked", "chunked ", "gzip, chunked", "identity", "gzip", "close", "keep-alive", "a\rb"),
            *(
                "a\r\n b",
                "a\nb",
                "a\x0bb",
                "a\x1cb",
                "a\x85b",
                "a\0b",
                "7\r\nContent-Length: 8",
                "7\rContent-Length: 8",
            ),
        ]
    ),
    st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=8),
)
_FIELDS = st.builds(
    "{}{}{}{}".format,
    _NAMES,
    st.sampled_from([":", ": ", " :", ":\t ", "", "::"]),
    _VALUES,
    st.sampled_from(["\r\n", "\n"]),
)
_LINES = st.one_of(
    _FIELDS,
    _FIELDS,
    _FIELDS,
    st.sampled_from([" folded\r\n", "\tfolded\r\n", "\r", "\r\r\n", "no header\r\n", "HTTP/1.1 200 OK\r\n"]),
    st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=6),
)
_STATUS = st.one_of(
    st.sampled_from(["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 404\n"]),
    st.builds(
        "{}{}{}{}{}{}".format,
        st.sampled_from(
            ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/0.9", "HTTP/2.0", "HTTP/1.x", "http/1.1", "\r\nHTTP/1.1"]
        ),
        st.sampled_from([" ", "  ", "\t", "\xa0", "\x1c"]),
        st.sampled_from(["200", "204", "304", "100", "101", "103", "99", "+200", "2_00", "1000", "20\xb2", ""]),
        st.sampled_from([" ", "", "  ", "\x85"]),
        st.sampled_from(["OK", "", "O\rK", "\0"]),
        st.sampled_from(["\r\n", "\n", "\r", ""]),
    ),
)
_CHUNKS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["7", "07", "0x7", "-1", "+7", "0", "8", "7;x", "", "x"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from(["content", "conten", "content\r\n", "content\n\n"]),
    st.sampled_from(["0\r\n\r\n", "0\r\nX: y\r\n\r\n", "0\r\n", "\r\n", "", "0\n\n"]),
)
_BODIES = st.one_of(st.sampled_from(["content", "content and more", "conten", ""]), _CHUNKS)


def _whole(interim: list[str], status: str, lines: list[str], end: str, body: str, cut: int) -> bytes:
    content = "".join([*interim, status, *lines, end, body]).encode("latin-1")
    return content[: len(content) - cut]


_ANSWERS = st.builds(
    _whole,
    st.lists(
        st.sampled_from(["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 X\r\nX: y\r\n\r\n", "HTTP/1.1 103 X\r\n\r\n"]),
        max_size=2,
    ),
    _STATUS,
    st.lists(_LINES, max_size=5),
    st.sampled_from(["\r\n", "\r\n", "\n", "\r", ""]),
    _BODIES,
    st.one_of(st.just(0), st.integers(0, 12)),
)


@given(_ANSWERS, st.sampled_from(["GET", "HEAD"]))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent", "GET")
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=2000)
def test_an_answer_is_refused_or_read_as_http_client_reads_it(content: bytes, method: str) -> None:
    agree(content, method)


@given(st.binary(max_size=60), st.sampled_from(["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX: "]))
@settings(deadline=None, max_examples=1000)
def test_arbitrary_bytes_are_refused_or_read_as_http_client_reads_them(content: bytes, before: str) -> None:
    agree(before.encode() + content)
    agree(before.encode() + content + b"\r\n\r\ncontent")
