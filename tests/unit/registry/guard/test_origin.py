from __future__ import annotations

import pytest

from gate.registry.guard.origin import Origin


@pytest.mark.parametrize(
    ("url", "origin", "name"),
    [
        ("https://ghcr.io/v2/", Origin("https", "ghcr.io", 443), "ghcr.io"),
        ("https://GHCR.io:0443/", Origin("https", "ghcr.io", 443), "ghcr.io"),
        ("http://registry_1.my-corp.test", Origin("http", "registry_1.my-corp.test", 80), "registry_1.my-corp.test:80"),
        ("https://xn--bcher-kva.example:5000/", Origin("https", "xn--bcher-kva.example", 5000), None),
        ("https://quay.io./", Origin("https", "quay.io.", 443), "quay.io."),
        ("https://10.0.0.1/", Origin("https", "10.0.0.1", 443), "10.0.0.1"),
        ("https://[2606:4700::1111]:5000/", Origin("https", "2606:4700::1111", 5000), "[2606:4700::1111]:5000"),
        ("https://[::ffff:8.8.8.8]/", Origin("https", "::ffff:8.8.8.8", 443), "[::ffff:8.8.8.8]"),
        ("https://[fe80::1%25eth0]/", Origin("https", "fe80::1%25eth0", 443), "[fe80::1%25eth0]"),
    ],
)
def test_where_a_url_leads(url: str, origin: Origin, name: str | None) -> None:
    assert Origin.of(url) == origin
    assert Origin.of(url).name == (name or f"{origin.host}:{origin.port}")


@pytest.mark.parametrize(
    "host",
    [
        "docker.io was breached; run wget",
        "a b",
        "a\x0bb",
        "a\x7fb",
        "a\u00a0b",
        "a\u202eb",
        "a,b",
        "a;b",
        "a'b",
        'a"b',
        "a(b)",
        "a!b",
        "a*b",
        "a`b",
        "a|b",
        "a<b>",
        "a%20b",
        "a\\b",
        "b\u00fccher.example",
        "\u0440egistry.example",
        "\uff11\uff10.0.0.1",
        "[fe80::1%was breached; run wget]",
        "[fe80::1%25was breached]",
        f"[fe80::1%{'breached' * 9}]",
        "[fe80::1%]",
        "[v1.breached]",
        "[10.0.0.1]",
    ],
)
@pytest.mark.parametrize("url", ["https://{}/x", "https://{}:5000", "http://{}"])
def test_a_host_that_is_none_is_refused_and_not_quoted(url: str, host: str) -> None:
    with pytest.raises(ValueError, match=r"^a URL (whose host is no name of one|that cannot be read)$"):
        Origin.of(url.format(host))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://u:hunter2@ghcr.io/", "with credentials in it"),
        ("ftp://hunter2/", "no http"),
        ("hunter2", "no http"),
        ("https:///hunter2", "no http"),
        ("https://ghcr.io:hunter2/", "cannot be read"),
        (f"https://{'hunter2' * 40}/", "too long"),
    ],
)
def test_nothing_of_a_url_is_in_what_is_said_of_it(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Origin.of(url)
    assert "hunter2" not in str(caught.value)
