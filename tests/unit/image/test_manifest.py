from __future__ import annotations

import json

import pytest

from gate.errors import ParseError
from gate.image.digest import Digest
from gate.image.manifest import (
    ACCEPTED,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_ENTRIES,
    MAX_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    parse_manifest,
)

CONFIG = Digest.of(b"config")
LAYER = Digest.of(b"layer")
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def descriptor(digest: object = str(LAYER), size: object = 7, **more: object) -> dict[str, object]:
    return {"mediaType": LAYER_TYPE, "digest": digest, "size": size, **more}


def document(**changes: object) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "config": {"mediaType": CONFIG_TYPE, "digest": str(CONFIG), "size": 6},
        "layers": [descriptor()],
        **changes,
    }


def manifest(**changes: object) -> bytes:
    return json.dumps(document(**changes)).encode()


def index(**changes: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": [descriptor()], **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({k: v for k, v in document().items() if k != name}).encode()


def parsed_manifest(content: bytes, content_type: str = "") -> Manifest:
    found = parse_manifest(content, content_type)
    assert isinstance(found, Manifest)
    return found


def parsed_index(content: bytes, content_type: str = "") -> Index:
    found = parse_manifest(content, content_type)
    assert isinstance(found, Index)
    return found


def test_all_four_types_are_asked_for() -> None:
    assert set(ACCEPTED) == INDEX_TYPES | MANIFEST_TYPES
    assert len(ACCEPTED) == 4


def test_manifest() -> None:
    found = parsed_manifest(
        manifest(
            mediaType=OCI_MANIFEST,
            artifactType="application/x",
            subject=descriptor(str(CONFIG)),
            annotations={"a": "b"},
            layers=[descriptor(annotations={"k": "v"}, artifactType="application/y")],
        )
    )
    assert found.media_type == OCI_MANIFEST
    assert found.config == Descriptor(CONFIG_TYPE, CONFIG, 6)
    assert found.layers == (Descriptor(LAYER_TYPE, LAYER, 7, {"k": "v"}, "application/y"),)
    assert found.subject == Descriptor(LAYER_TYPE, CONFIG, 7)
    assert (found.artifact_type, found.annotations) == ("application/x", {"a": "b"})


def test_index() -> None:
    amd64 = {"os": "linux", "architecture": "amd64", "os.version": "x", "features": ["y"]}
    unknown = {"os": "unknown", "architecture": "unknown"}
    found = parsed_index(
        index(
            manifests=[
                descriptor(platform=amd64),
                descriptor(platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
                descriptor(platform=unknown),
                descriptor(platform=None),
            ]
        )
    )
    assert found.media_type == OCI_INDEX
    platforms = [entry.platform for entry in found.manifests]
    assert platforms == [
        Platform("linux", "amd64"),
        Platform("linux", "arm", "v7"),
        Platform("unknown", "unknown"),
        None,
    ]
    assert [str(p) for p in platforms if p] == ["linux/amd64", "linux/arm/v7", "unknown/unknown"]
    assert [p.runnable for p in platforms if p] == [True, True, False]


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("", None, OCI_MANIFEST),
        ("", OCI_MANIFEST, OCI_MANIFEST),
        ("", DOCKER_MANIFEST, DOCKER_MANIFEST),
        (OCI_MANIFEST, None, OCI_MANIFEST),
        (DOCKER_MANIFEST, None, DOCKER_MANIFEST),
        (DOCKER_MANIFEST, DOCKER_MANIFEST, DOCKER_MANIFEST),
        (f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST, OCI_MANIFEST),
        (f" {OCI_MANIFEST.upper()} ;x", OCI_MANIFEST, OCI_MANIFEST),
        ("application/json", OCI_MANIFEST, OCI_MANIFEST),
        ("text/plain", None, OCI_MANIFEST),
    ],
)
def test_type_of_a_manifest(outer: str, inner: str | None, expected: str) -> None:
    assert parsed_manifest(manifest(mediaType=inner), outer).media_type == expected


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("", None, OCI_INDEX),
        ("", DOCKER_LIST, DOCKER_LIST),
        (DOCKER_LIST, None, DOCKER_LIST),
        (OCI_INDEX, OCI_INDEX, OCI_INDEX),
        ("application/octet-stream", OCI_INDEX, OCI_INDEX),
    ],
)
def test_type_of_an_index(outer: str, inner: str | None, expected: str) -> None:
    assert parsed_index(index(mediaType=inner), outer).media_type == expected


@pytest.mark.parametrize(
    ("content", "outer"),
    [
        (manifest(mediaType=OCI_MANIFEST), DOCKER_MANIFEST),
        (manifest(mediaType=DOCKER_MANIFEST), OCI_MANIFEST),
        (manifest(mediaType=OCI_MANIFEST), OCI_INDEX),
        (manifest(), OCI_INDEX),
        (manifest(), DOCKER_LIST),
        (manifest(mediaType=OCI_INDEX), OCI_INDEX),
        (manifest(mediaType=OCI_INDEX), OCI_MANIFEST),
        (manifest(mediaType=OCI_INDEX), ""),
        (manifest(mediaType="text/plain"), ""),
        (manifest(mediaType=""), ""),
        (manifest(mediaType=OCI_MANIFEST.upper()), ""),
        (manifest(mediaType=ARTIFACT), ""),
        (index(mediaType=OCI_INDEX), OCI_MANIFEST),
        (index(mediaType=OCI_INDEX), DOCKER_LIST),
        (index(), OCI_MANIFEST),
        (index(mediaType=OCI_MANIFEST), OCI_MANIFEST),
        (index(mediaType=OCI_MANIFEST), ""),
    ],
)
def test_one_type_outside_and_another_inside(content: bytes, outer: str) -> None:
    with pytest.raises(ParseError, match="calls"):
        parse_manifest(content, outer)


@pytest.mark.parametrize(
    "content",
    [
        manifest(manifests=[descriptor()]),
        manifest(manifests=[]),
        index(layers=[descriptor()]),
        index(layers=[]),
        index(config=descriptor()),
        manifest(manifests=[descriptor()], mediaType=OCI_INDEX),
        manifest(manifests=[descriptor()], mediaType=OCI_MANIFEST),
    ],
)
@pytest.mark.parametrize("outer", ["", OCI_MANIFEST, OCI_INDEX])
def test_both_index_and_manifest(content: bytes, outer: str) -> None:
    with pytest.raises(ParseError, match="both an index and an image"):
        parse_manifest(content, outer)


@pytest.mark.parametrize(
    ("content", "outer"),
    [
        (manifest(), SCHEMA1),
        (manifest(), SCHEMA1_SIGNED),
        (manifest(), f"{SCHEMA1_SIGNED.upper()}; charset=utf-8"),
        (b"", SCHEMA1),
        (b'{"schemaVersion":1,"name":"a","fsLayers":[{"blobSum":"x"}],"history":[]}', ""),
        (manifest(schemaVersion=1), ""),
        (manifest(fsLayers=[]), ""),
        (manifest(schemaVersion=0), ""),
        (manifest(schemaVersion=3), OCI_MANIFEST),
        (manifest(schemaVersion=-2), ""),
        (index(schemaVersion=1), ""),
        (manifest(mediaType=SCHEMA1), ""),
    ],
)
def test_schema_1(content: bytes, outer: str) -> None:
    with pytest.raises(ParseError):
        parse_manifest(content, outer)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"2",
        b'""',
        b"not json",
        b"<html>429</html>",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + manifest(),
        manifest() + b"x",
        manifest() + manifest(),
        manifest().replace(b'"size": 7', b'"size": NaN'),
        manifest().replace(b'"size": 7', b'"size": 07'),
        manifest().replace(b"gzip", b"\xff"),
        without("schemaVersion"),
        without("config"),
        without("layers"),
        manifest(config=None),
        manifest(layers=None),
        index(manifests=None),
        manifest(schemaVersion="2"),
        manifest(schemaVersion=2.5),
        manifest(schemaVersion=True),
        manifest(schemaVersion=None),
        manifest(config=[]),
        manifest(config={}),
        manifest(layers={}),
        manifest(layers=[None]),
        manifest(layers=[[]]),
        manifest(mediaType=2),
        manifest(annotations=[]),
        manifest(annotations={"a": 1}),
        manifest(annotations={"a": {"b": "c"}}),
        manifest(artifactType=1),
        manifest(subject="sha256:x"),
        manifest(subject={}),
        index(manifests=[{}]),
        index(manifests=[descriptor(platform="linux/amd64")]),
        index(manifests=[descriptor(platform={"os": 1})]),
    ],
)
def test_not_a_manifest(content: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse_manifest(content)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (manifest(Layers=[]), "Layers"),
        (index(MANIFESTS=[]), "MANIFESTS"),
        (manifest(layerX=[]).replace(b"X", rb"\u017f"), "layers"),
        (manifest(config=descriptor(Digest=str(CONFIG))), "Digest"),
        (manifest(layers=[descriptor(), descriptor(Size=8)]), "Size"),
        (manifest(subject=descriptor(MediaType="a/b")), "MediaType"),
        (manifest(config=descriptor(artifacttype="a/b")), "artifacttype"),
        (index(manifests=[descriptor(), descriptor(DIGEST=str(CONFIG))]), "DIGEST"),
        (index(manifests=[descriptor(Xize=8)]).replace(b"X", rb"\u017f"), "size"),
        (index(manifests=[descriptor(Platform={})]), "Platform"),
        (index(manifests=[descriptor(platform={"os": "linux", "OS": "windows"})]), "OS"),
        (index(subject=descriptor(Annotations={})), "Annotations"),
    ],
)
def test_what_differs_only_by_case_is_refused_wherever_it_is_read(content: bytes, name: str) -> None:
    """Go takes `Digest` for `digest`, and of several the last."""
    with pytest.raises(ParseError, match=f"(?i)^not a manifest: the field '.*' is spelled '{name}'$"):
        parse_manifest(content)


def test_names_that_nobody_reads_may_be_in_any_case() -> None:
    annotations = {"Digest": "a", "digest": "b"}
    found = parsed_manifest(manifest(layers=[descriptor(URLs=[], urls=[], annotations=annotations)]))
    assert found.layers[0].annotations == annotations


@pytest.mark.parametrize("size", [-1, "7", None, 7.5, True, [], -(2**63)])
def test_bad_sizes(size: object) -> None:
    with pytest.raises(ParseError):
        parse_manifest(manifest(layers=[descriptor(size=size)]))


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:../../x",
        "sha256:" + "../" * 21 + "x",
        "../../etc/passwd",
        str(LAYER).upper(),
        str(LAYER)[:-1],
        str(LAYER) + "/..",
        str(LAYER) + "\n",
        "md5:" + "0" * 32,
        "sha256:" + "g" * 64,
        None,
        7,
        ["sha256"],
    ],
)
@pytest.mark.parametrize("place", ["config", "layers", "subject", "manifests"])
def test_bad_descriptor_digests(digest: object, place: str) -> None:
    bad = descriptor(digest)
    content = {
        "config": manifest(config=bad),
        "layers": manifest(layers=[descriptor(), bad]),
        "subject": manifest(subject=bad),
        "manifests": index(manifests=[descriptor(), bad]),
    }[place]
    with pytest.raises(ParseError):
        parse_manifest(content)


@pytest.mark.parametrize(
    "media_type",
    ["", "x", "/", "a/", "/b", "a/b/c", "a b/c", "a/b\n", "a/b;c", f"a/{'b' * 128}", "\u00e4/b", "a/\r\nX: 1", None, 1],
)
def test_bad_media_types(media_type: object) -> None:
    with pytest.raises(ParseError):
        parse_manifest(manifest(layers=[{**descriptor(), "mediaType": media_type}]))


@pytest.mark.parametrize("media_type", ["a/b", f"a/{'b' * 127}", "application/vnd.a-b.c_d+json", "x!#$&^/y"])
def test_media_types(media_type: str) -> None:
    found = parsed_manifest(manifest(layers=[{**descriptor(), "mediaType": media_type}]))
    assert found.layers[0].media_type == media_type


@pytest.mark.parametrize("count", [0, 1, MAX_ENTRIES])
def test_entries_up_to_the_cap(count: int) -> None:
    assert MAX_ENTRIES == 1000
    assert len(parsed_manifest(manifest(layers=[descriptor()] * count)).layers) == count
    assert len(parsed_index(index(manifests=[descriptor()] * count)).manifests) == count


def test_one_entry_too_many() -> None:
    for content in (
        manifest(layers=[descriptor()] * (MAX_ENTRIES + 1)),
        index(manifests=[descriptor()] * (MAX_ENTRIES + 1)),
    ):
        with pytest.raises(ParseError, match="lists 1001 entries; at most 1000"):
            parse_manifest(content)


def test_size_cap() -> None:
    content = manifest()
    padded = content + b" " * (MAX_MANIFEST - len(content))
    assert parsed_manifest(padded).config.digest == CONFIG
    with pytest.raises(ParseError, match=str(MAX_MANIFEST + 1)):
        parse_manifest(padded + b" ")


def test_every_truncation_is_refused() -> None:
    for content in (manifest(mediaType=OCI_MANIFEST), index()):
        for length in range(len(content)):
            with pytest.raises(ParseError):
                parse_manifest(content[:length])


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")], ids=["lists", "objects", "both"]
)
@pytest.mark.parametrize("place", [b'"layers": ', b'"annotations": ', b'"unknown": '])
def test_deep_nesting_is_refused(opening: bytes, closing: bytes, place: bytes) -> None:
    nested = place + opening * 100_000 + b"0" + closing * 100_000
    with pytest.raises(ParseError):
        parse_manifest(b'{"schemaVersion": 2, ' + nested + b"}")


def test_urls_and_embedded_data_are_not_kept() -> None:
    found = parsed_manifest(manifest(layers=[descriptor(urls=["https://evil.example/layer"], data="bGF5ZXI=")]))
    assert found.layers == (Descriptor(LAYER_TYPE, LAYER, 7),)
    assert "evil.example" not in repr(found)


def test_unknown_fields_are_ignored() -> None:
    assert parsed_manifest(manifest(history=[], extra={"a": [1]})) == parsed_manifest(manifest())


def test_values_can_be_hashed() -> None:
    found = parsed_manifest(manifest(annotations={"a": "b"}))
    assert len({found, parsed_manifest(manifest(annotations={"a": "b"}))}) == 1
