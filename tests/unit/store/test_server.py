"""The URLs of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.store.server import Server
from tests.fakes.loopback import certificate_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "expected", "shown"),
    [
        ("valkey://cache", Server("valkey", "cache"), "valkey://cache:6379/0"),
        ("VALKEY://cache/", Server("valkey", "cache"), "valkey://cache:6379/0"),
        ("redis://10.0.0.1:7000/3", Server("redis", "10.0.0.1", 7000, database=3), "redis://10.0.0.1:7000/3"),
        ("redis://[::1]:7000", Server("redis", "::1", 7000), "redis://[::1]:7000/0"),
        ("valkey://:s3cret@c", Server("valkey", "c", password="s3cret"), "valkey://c:6379/0"),
        ("valkey://me:s%40%2F@c", Server("valkey", "c", user="me", password="s@/"), "valkey://c:6379/0"),
        ("rediss://c", Server("rediss", "c"), "rediss://c:6379/0"),
        ("unix:///run/v.sock", Server("unix", path="/run/v.sock"), "unix:///run/v.sock?db=0"),
        (
            "unix://me:s3cret@/run/v.sock?db=2",
            Server("unix", path="/run/v.sock", database=2, user="me", password="s3cret"),
            "unix:///run/v.sock?db=2",
        ),
    ],
)
def test_what_can_be_used(url: str, expected: Server, shown: str) -> None:
    server = Server.parse(url)
    assert server == expected
    assert server.shown == shown
    assert "s3cret" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "http://s3cret@cache",
        "valkey:s3cret",
        "valkey://",
        "valkey://:s3cret@",
        "valkey://s3cret@cache",
        "valkey://me:s3cret@cache:port",
        "valkey://me:s3cret@cache:70000",
        "valkey://me:s3cret@cache/x",
        "valkey://me:s3cret@cache/-1",
        "valkey://me:s3cret@cache/0/1",
        "valkey://me:s3cret@cache#s3cret",
        "valkey://me:s3cret@[cache",
        "valkey://me:s3cret@cache?socket_timeout=100",
        "valkeys://me:s3cret@cache?ssl_cert_reqs=none",
        "valkeys://me:s3cret@cache?ca",
        "valkey://me:s3cret@cache?ca=/s3cret.pem",
        "unix://",
        "unix://me:s3cret@host/run/v.sock",
        "unix:///run/v.sock?password=s3cret",
    ],
)
def test_what_cannot_be_used_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Server.parse(url)
    error = caught.value
    assert "s3cret" not in str(error)
    assert "valkey://" in error.remedy
    assert (error.__cause__, error.__context__) == (None, None)


def test_files_are_read(tmp_path: Path) -> None:
    chain, key = certificate_for(tmp_path, ["cache"])
    server = Server.parse(f"valkeys://cache?ca={chain}&cert={chain}&key={key}")
    assert (server.ca, server.cert, server.key) == (str(chain), str(chain), str(key))


@pytest.mark.parametrize("option", ["ca", "cert"])
def test_files_that_are_not_there_or_no_files(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Server.parse(f"valkeys://me:s3cret@cache?{option}={tmp_path}/none.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="can't be used") as caught:
        Server.parse(f"valkeys://me:s3cret@cache?{option}={tmp_path}/bad.pem")
    assert "s3cret" not in str(caught.value)
