"""The vectors of distribution/reference and go-containerregistry, and where our normalisation is stricter."""

from __future__ import annotations

import pytest

from gate.errors import ParseError
from gate.image.digest import Digest
from gate.image.reference import Reference, Repository, canonical_registry

HEX = "be178c0543eb17f5f3043021c9e5fcf30285e557a4fc309cce97ff9ca6182912"
D = f"sha256:{HEX}"
D512 = f"sha512:{HEX * 2}"
ID = "da304e823d8ca2b9d863a3c897baeb852ba21ea9a9f1414736394ae7fcaf9821"
LONGEST_TAG = "t" * 128
LONGEST_PATH = "a/" * 127 + "a"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("ubuntu", "library/ubuntu"),
        ("library/ubuntu", "library/ubuntu"),
        ("docker.io/ubuntu", "library/ubuntu"),
        ("docker.io/library/ubuntu", "library/ubuntu"),
        ("index.docker.io/ubuntu", "library/ubuntu"),
        ("index.docker.io/library/ubuntu", "library/ubuntu"),
        ("a", "library/a"),
        ("0", "library/0"),
        ("fooo/bar", "fooo/bar"),
        ("docker.io/fooo/bar", "fooo/bar"),
        ("index.docker.io/fooo/bar", "fooo/bar"),
        ("nonlibrary/ubuntu", "nonlibrary/ubuntu"),
        ("other/library", "other/library"),
        ("store/foo/bar", "store/foo/bar"),
        ("library/foo/bar", "library/foo/bar"),
        ("docker---rules/docker", "docker---rules/docker"),
        ("dock__er/docker", "dock__er/docker"),
        ("d/docker", "d/docker"),
        ("jess/t", "jess/t"),
        ("test_com/foo", "test_com/foo"),
        # no slash: never a host
        ("localhost", "library/localhost"),
        ("test.com", "library/test.com"),
        ("192.168.1.1", "library/192.168.1.1"),
        ("foo_bar.com", "library/foo_bar.com"),
        # another library's option sets the default registry; here it is always docker.io
        ("crossplane/x", "crossplane/x"),
        # nearly an image ID
        (ID[:-1], f"library/{ID[:-1]}"),
        (f"docker.io/{ID}", f"library/{ID}"),
        ("g" * 64, f"library/{'g' * 64}"),
        (LONGEST_PATH, LONGEST_PATH),
        ("a" * 247, f"library/{'a' * 247}"),
        (f"x/{'a' * 253}", f"x/{'a' * 253}"),
    ],
)
def test_docker_hub_without_tag(text: str, path: str) -> None:
    found = Reference.parse(text)
    assert found == Reference("docker.io", path)
    assert (found.tag, found.digest, found.effective_tag) == (None, None, "latest")
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "path", "tag", "digest"),
    [
        ("test.com:5000", "library/test.com", "5000", None),
        ("192.168.0.1:80", "library/192.168.0.1", "80", None),
        ("foo_bar.com:8080", "library/foo_bar.com", "8080", None),
        (f"localhost:8080@{D}", "library/localhost", "8080", D),
        ("192.168.1.1:tag", "library/192.168.1.1", "tag", None),
        ("foo/foo_bar.com:8080", "foo/foo_bar.com", "8080", None),
        (f"localhost@{D}", "library/localhost", None, D),
        ("lowercase:Uppercase", "library/lowercase", "Uppercase", None),
        ("x:TAG5", "library/x", "TAG5", None),
        ("x:w1th-alpha_num3ric.PLUScaps", "library/x", "w1th-alpha_num3ric.PLUScaps", None),
        ("x:with.period.in.tag", "library/x", "with.period.in.tag", None),
        (f"x:{LONGEST_TAG}", "library/x", LONGEST_TAG, None),
        (f"{LONGEST_PATH}:tag", LONGEST_PATH, "tag", None),
        (f"{LONGEST_PATH}:tag-puts-this-over-max", LONGEST_PATH, "tag-puts-this-over-max", None),
        (f"ubuntu@{D512}", "library/ubuntu", None, D512),
        (f"busybox:latest@{D}", "library/busybox", "latest", D),
        # a repository that happens to be called sha256
        (D, "library/sha256", HEX, None),
    ],
)
def test_docker_hub_with_tag_or_digest(text: str, path: str, tag: str | None, digest: str | None) -> None:
    assert Reference.parse(text) == Reference("docker.io", path, tag, Digest.parse(digest) if digest else None)


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest"),
    [
        ("localhost/fooo", "localhost", "fooo", None, None),
        ("localhost/fooo/bar", "localhost", "fooo/bar", None, None),
        ("test:5000/repo", "test:5000", "repo", None, None),
        ("test:5000/repo:tag", "test:5000", "repo", "tag", None),
        (f"test:5000/repo@{D}", "test:5000", "repo", None, D),
        (f"test:5000/repo:tag@{D}", "test:5000", "repo", "tag", D),
        ("127.0.0.1:5000/debian", "127.0.0.1:5000", "debian", None, None),
        ("192.168.0.1:8/x", "192.168.0.1:8", "x", None, None),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050", None),
        ("192.168.1.1/repo", "192.168.1.1", "repo", None, None),
        ("domain.with.port:9001/image:latest", "domain.with.port:9001", "image", "latest", None),
        (f"localhost:8080/name@{D}", "localhost:8080", "name", None, D),
        ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", None, None),
        (f"[2001:db8::1]:5000/repo:tag@{D}", "[2001:db8::1]:5000", "repo", "tag", D),
        ("[2001:db8::]:5000/r", "[2001:db8::]:5000", "r", None, None),
        ("[::1]:5000/r", "[::1]:5000", "r", None, None),
        ("[fc00:1:2:3:4:5:6:7]:5000/library/x", "[fc00:1:2:3:4:5:6:7]:5000", "library/x", None, None),
        ("Asdf.com/foo/bar", "asdf.com", "foo/bar", None, None),
        (
            "b.gcr.io/test.example.com/my-app:test.example.com",
            "b.gcr.io",
            "test.example.com/my-app",
            "test.example.com",
            None,
        ),
        (f"xn--7o8h.com/i:xn--7o8h.com@{D}", "xn--7o8h.com", "i", "xn--7o8h.com", D),
        (f"xn--7o8h.com/i:xn--7o8h.com@{D512}", "xn--7o8h.com", "i", "xn--7o8h.com", D512),
        ("sub-dom1.foo.com/bar/baz/quux:t", "sub-dom1.foo.com", "bar/baz/quux", "t", None),
        ("example.com/some_separator__underscore/x", "example.com", "some_separator__underscore/x", None, None),
        (
            "registry.io/foo/project--id.module--name.ver---sion--name",
            "registry.io",
            "foo/project--id.module--name.ver---sion--name",
            None,
            None,
        ),
        ("example.com/a", "example.com", "a", None, None),
        ("0101.com/x", "0101.com", "x", None, None),
        ("aa/aa/bb/bb/bb", "docker.io", "aa/aa/bb/bb/bb", None, None),
        (f"example.text:8443/foo/bar:latest@{D}", "example.text:8443", "foo/bar", "latest", D),
    ],
)
def test_with_a_host(text: str, registry: str, path: str, tag: str | None, digest: str | None) -> None:
    found = Reference.parse(text)
    assert found == Reference(registry, path, tag, Digest.parse(digest) if digest else None)
    assert found.name == Repository(registry, path)


@pytest.mark.parametrize(
    "text",
    [
        # IPv6 that is none, or where none may stand
        "[fc00::1]",
        "[fc00::1]:5000",
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[2001:db8::1]:tag",
        "fc00::1:5000/x",
        "[fe80::1%eth0]:5000/x",
        "[fe80::1%@z]/x",
        "[2001:db8:3:4::192.0.2.33]:5000/x",
        "[fd00::3]75050",
        "[fd00::3]75050/x",
        "[fd00::3]::75050",
        "[fd00::3]::75050/x",
        "[fd00123123123]:75050/x",
        "[::1::2]/x",
        "[]/x",
        # a host by its capitals alone: runtimes disagree
        "LOCALDOMAIN/x",
        "Foo/bar",
        "FOO/bar",
        "DOCKER/docker",
        "Docker/docker",
        "LOCALHOST/x",
        # upper case in the path
        "Uppercase:tag",
        "docker/Docker",
        "docker.io/docker/Docker",
        "test:5000/Uppercase/x",
        "Foo/FarB",
        # hosts
        "bad_hostname.com:8080/x",
        "do__cker:8080/x",
        "foo.com:http/bar",
        f"localhost:http/n@{D}",
        "-ab.com/x",
        "ab-.com/x",
        "ab.-com/x",
        "ab.com-/x",
        "docker./x",
        ".docker/x",
        "do..cker/x",
        "x.io./a",
        "x.io:/a",
        # paths
        "",
        ":justtag",
        f"@{D}",
        "a//a",
        "docker///docker",
        "docker/",
        "foo.com/",
        "a/a/",
        "____/____",
        "_docker/_docker",
        "docker_/x",
        "docker_/docker_",
        "-docker",
        "docker-/x",
        "foo/bar-",
        "foo/-bar",
        "dock..er/x",
        "dock_.er/x",
        "dock-.er/x",
        "example.com/__underscore/x",
        "example.com/.dots/x",
        "example.com/..dots/x",
        "example.com/nodouble..dots/x",
        "x.io/a/../b",
        "x.io/../a",
        "x.io/./a",
        "x.io/a/",
        "a^a",
        "aa/asdf$$^/aa",
        "https://github.com/a/b",
        "white space",
        "gcr?com",
        "b@char/image",
        # tags
        "x:c@n'tuse",
        "x:invalid~tag",
        "x:-foo",
        "x:.foo",
        "a:-x",
        "library/ubuntu:",
        "x:a:b",
        f"x:{'t' * 129}",
        # an image ID
        ID,
        # too long
        f"a/{LONGEST_PATH}",
        f"a/{LONGEST_PATH}:tag",
        "a" * 248,
        "a" * 5000,
        # digests
        f"repo@sha256:{'f' * 34}",
        "repo@sha256:badbadbadbad",
        f"repo@sha256:{HEX.upper()}",
        f"repo@sha256:{':' * 64}",
        f"repo@sha256:{'sh' * 32}",
        "registry.com:8080/myapp@bad",
        "registry.com:8080/myapp@2bad",
        "@bad",
        "@2bad",
        "x@",
        f"x@{D}@{D}",
        f"{D}@{D}@{D}",
        f"repo:@{D}",
        "x@unknown:abc123",
        f"x@invaliddigest:{HEX}",
        f"x@SHA256:{HEX}",
        f"x@sha512:{HEX}",
        f"x@sha256:{HEX}0",
        f"x@md5:{HEX[:32]}",
        f"x@{HEX}",
        f"x@ {D}",
        f"x@{D} ",
        # what $, \w and \d of a Unicode pattern would let through
        "ubuntu\n",
        "ubuntu:tag\n",
        f"ubuntu@{D}\n",
        "repo:t\N{LATIN SMALL LETTER A WITH DIAERESIS}g",
        "repo:\N{ARABIC-INDIC DIGIT ONE}",
        "host.io:\N{ARABIC-INDIC DIGIT ONE}/x",
        "\N{LATIN SMALL LETTER LONG S}/x",
        "h\N{LATIN SMALL LETTER O WITH DIAERESIS}st.io/x",
        "\N{KELVIN SIGN}8s.io/x",
        "ubuntu\0",
        " ubuntu",
        "\N{ZERO WIDTH SPACE}ubuntu",
        "\N{FULLWIDTH LATIN SMALL LETTER A}",
        "\ud800",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Reference.parse(text)
    assert caught.value.message
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Foo/bar", "write foo/…"),
        ("docker/Docker", "write docker/docker"),
        ("https://github.com/a/b", "scheme"),
        (ID, "docker.io/"),
        ("x:-foo", "128"),
        ("x@sha256:bad", "64"),
    ],
)
def test_refusal_names_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ParseError) as caught:
        Reference.parse(text)
    assert remedy in f"{caught.value.message}; {caught.value.remedy}"


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("GHCR.io/acme/api", "ghcr.io/acme/api"),
        ("ghcr.io:443/acme/api", "ghcr.io/acme/api"),
        ("ghcr.io:0443/acme/api", "ghcr.io/acme/api"),
        ("GHCR.IO:00443/acme/api", "ghcr.io/acme/api"),
        ("ghcr.io:05000/acme/api", "ghcr.io:5000/acme/api"),
        ("ghcr.io:80/acme/api", "ghcr.io:80/acme/api"),
        ("LocalHost:5000/x", "localhost:5000/x"),
        ("localhost:443/x", "localhost/x"),
        ("nginx", "docker.io/library/nginx"),
        ("index.docker.io/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io/library/nginx", "docker.io/library/nginx"),
        ("Index.Docker.IO:443/library/nginx", "docker.io/library/nginx"),
        ("DOCKER.IO/nginx", "docker.io/library/nginx"),
        ("docker.io:443/nginx", "docker.io/library/nginx"),
        ("docker.io:5000/nginx", "docker.io:5000/nginx"),
        ("index.docker.io:80/nginx", "index.docker.io:80/nginx"),
        ("evil-docker.io/nginx", "evil-docker.io/nginx"),
        ("docker.io.evil.example/nginx", "docker.io.evil.example/nginx"),
        ("[2001:DB8:0:0:0:0:0:1]:443/x", "[2001:db8::1]/x"),
        ("[0:0:0:0:0:0:0:1]:5000/x", "[::1]:5000/x"),
        ("[2001:0db8:85a3:0000:0000:8a2e:0370:7334]/x", "[2001:db8:85a3::8a2e:370:7334]/x"),
    ],
)
def test_spellings_that_would_bypass_a_pattern(spelling: str, canonical: str) -> None:
    found = Reference.parse(spelling)
    assert str(found) == str(found.name) == canonical
    assert found == Reference.parse(canonical)
    assert hash(found) == hash(Reference.parse(canonical))


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("ghcr.io", "ghcr.io"),
        ("GHCR.io:443", "ghcr.io"),
        ("host:05000", "host:5000"),
        ("host:80", "host:80"),
        ("index.docker.io", "docker.io"),
        ("[::1]:443", "[::1]"),
    ],
)
def test_canonical_registry(host: str, canonical: str) -> None:
    assert canonical_registry(host) == canonical


@pytest.mark.parametrize("host", ["", "a/b", "https://a", "a:b", "a b", "[::1", "::1", "[1.2.3.4]", "a\n", "a_b"])
def test_not_a_registry(host: str) -> None:
    with pytest.raises(ParseError):
        canonical_registry(host)


@pytest.mark.parametrize(
    ("text", "tag", "effective"),
    [
        ("nginx", None, "latest"),
        ("nginx:1.27", "1.27", "1.27"),
        ("nginx:latest", "latest", "latest"),
        (f"nginx@{D}", None, None),
        (f"nginx:1.27@{D}", "1.27", "1.27"),
    ],
)
def test_the_tag_stays_as_written(text: str, tag: str | None, effective: str | None) -> None:
    found = Reference.parse(text)
    assert (found.tag, found.effective_tag) == (tag, effective)


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("Nginx.example/a", f"Nginx.example/a@{D}"),
        ("nginx:1.27", f"nginx:1.27@{D}"),
        (f"nginx@{D}", f"nginx@{D}"),
        (f"nginx:1@{D512}", f"nginx:1@{D512}"),
    ],
)
def test_pinned_keeps_what_was_written(text: str, pinned: str) -> None:
    digest = Digest.parse(D)
    found = Reference.parse(text)
    assert found.pinned(digest) == pinned
    again = Reference.parse(found.pinned(digest))
    assert again.digest == (found.digest or digest)
    assert (again.name, again.tag) == (found.name, found.tag)


def test_the_text_takes_no_part_in_equality() -> None:
    written = Reference.parse("index.docker.io/nginx:1")
    assert written == Reference.parse("nginx:1")
    assert written.text == "index.docker.io/nginx:1"
    assert len({written, Reference.parse("nginx:1"), Reference.parse("nginx:2"), Reference.parse(f"nginx:1@{D}")}) == 3
