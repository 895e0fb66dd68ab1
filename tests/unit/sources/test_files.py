from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.documents import MAX_TEXT
from gate.sources.files import read_sources
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from pathlib import Path

    from gate.sources.manifests import Found

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: IMAGE}]}\n"


def pod(image: str) -> str:
    return POD.replace("IMAGE", image)


def read(*sources: object, stdin: bytes = b"") -> Found:
    return read_sources([str(s) for s in sources], lambda: stdin, SettableClock().deadline(), lambda _: None)


def images(found: Found) -> list[str]:
    return [use.text for use in found.uses]


def test_a_folder(tmp_path: Path) -> None:
    for name, image in {
        "b.yaml": "b",
        "a.yml": "a",
        "deep/c.json": "c",
        "deep/D.YAML": "d",
        ".github/x.yaml": "hidden",
        "deep/.git/x.yaml": "hidden",
        "readme.md": "other",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pod(image))
    found = read(tmp_path)
    assert images(found) == ["a", "b", "d", "c"]
    assert (found.errors, found.skipped) == ([], 1)


def test_links_to_folders_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "x.yaml").write_text(pod("nginx"))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(folder)
    (tmp_path / "file.yaml").symlink_to(folder / "x.yaml")
    assert images(read(tmp_path)) == ["nginx", "nginx"]


def test_progress_names_each_file(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(pod("nginx"))
    told: list[str] = []
    read_sources([str(tmp_path), str(tmp_path / "x.yaml"), "-"], lambda: b"", SettableClock().deadline(), told.append)
    assert told == [str(tmp_path / "x.yaml")] * 2


def test_standard_input() -> None:
    found = read("-", stdin=pod("nginx").encode())
    assert images(found) == ["nginx"]
    assert found.uses[0].location.file == "-"
    assert images(read("-", stdin=b"\xef\xbb\xbf" + pod("nginx").encode())) == ["nginx"]


def test_what_cannot_be_read_leaves_the_rest(tmp_path: Path) -> None:
    good, latin = tmp_path / "good.yaml", tmp_path / "latin.yaml"
    good.write_text(pod("nginx"))
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    found = read(tmp_path / "gone.yaml", latin, good)
    assert images(found) == ["nginx"]
    assert [str(e) for e in found.errors] == [
        f"{tmp_path}/gone.yaml: cannot be read: No such file or directory; check the path",
        f"{latin}:2:1: not UTF-8; save it as UTF-8",
    ]


def test_no_regular_file() -> None:
    (error,) = read("/dev/zero").errors
    assert "is no regular file" in str(error)


def test_size_is_bounded() -> None:
    (error,) = read("-", stdin=b"#" * (MAX_TEXT + 1)).errors
    assert str(error) == f"-: has more than {MAX_TEXT} bytes; split it"


@pytest.mark.parametrize("name", ["Dockerfile", "dockerfile", "Containerfile", "Dockerfile.dev", "app.dockerfile"])
def test_a_dockerfile_is_never_skipped_quietly(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("FROM nginx:latest\n")
    (error,) = read(tmp_path / name).errors
    assert str(error).startswith(f"{tmp_path}/{name}: a Dockerfile is not supported yet by this version of imagegate")
    # in a folder it is noted
    found = read(tmp_path)
    assert (found.errors, found.later) == ([], {str(tmp_path / name): "a Dockerfile"})


def test_a_compose_file_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services: {web: {image: nginx}}\n")
    (error,) = read(path).errors
    assert "a compose file is not supported yet by this version of imagegate" in str(error)
    assert read(tmp_path).later == {str(path): "a compose file"}
