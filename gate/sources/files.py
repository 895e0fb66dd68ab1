"""SOURCE arguments into texts: files, folders and standard input."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.documents import MAX_TEXT
from gate.errors import Place, SourceError
from gate.sources.manifests import Found, read_manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_LATER_NAMES: Final = ("dockerfile", "containerfile")


def read_sources(sources: list[str], stdin: Callable[[], bytes], progress: Callable[[str], None]) -> Found:
    """Read every SOURCE; what cannot be read is an error in the result, and the rest is read.

    Args:
        sources: files, folders, `-`.
        stdin: reads standard input.
        progress: is told each file's name.
    """
    found = Found()
    for source in sources:
        named = Path(source)
        if source == "-":
            _read_text(stdin(), "-", found)
        elif named.is_dir():
            for path in _walk(named, found):
                progress(str(path))
                _read_file(path, found)
        else:
            progress(source)
            _read_named(named, found)
    return found


def _walk(folder: Path, found: Found) -> Iterator[Path]:
    """The manifests below a folder in a stable order; hidden folders and links to folders are left out."""
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(current, name)
            if path.suffix.lower() in SUFFIXES:
                yield path
            elif _is_dockerfile(name):
                found.later[str(path)] = "a Dockerfile"
            else:
                found.skipped += 1


def _read_named(path: Path, found: Found) -> None:
    """A file that was named is not skipped quietly when it is of a kind that is not read yet."""
    if _is_dockerfile(path.name):
        found.errors.append(_unsupported(str(path), "a Dockerfile"))
        return
    _read_file(path, found)
    what = found.later.pop(str(path), None)
    if what is not None:
        found.errors.append(_unsupported(str(path), what))


def _unsupported(file: str, what: str) -> SourceError:
    return SourceError(
        f"{what} is not supported yet by this version of imagegate",
        place=Place(file),
        remedy="give Kubernetes manifests",
    )


def _is_dockerfile(name: str) -> bool:
    lower = name.lower()
    return (
        lower in _LATER_NAMES
        or lower.startswith(tuple(f"{n}." for n in _LATER_NAMES))
        or lower.endswith(tuple(f".{n}" for n in _LATER_NAMES))
    )


def _read_file(path: Path, found: Found) -> None:
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) and not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
                raise SourceError("is no regular file", place=Place(str(path)))
            content = file.read(MAX_TEXT + 1)
    except SourceError as error:
        found.errors.append(error)
    except OSError as error:
        found.errors.append(
            SourceError(f"cannot be read: {error.strerror}", place=Place(str(path)), remedy="check the path")
        )
    else:
        _read_text(content, str(path), found)


def _read_text(content: bytes, file: str, found: Found) -> None:
    if len(content) > MAX_TEXT:
        found.errors.append(SourceError(f"has more than {MAX_TEXT} bytes", place=Place(file), remedy="split it"))
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found.errors.append(SourceError("not UTF-8", place=Place(file, line, 1), remedy="save it as UTF-8"))
        return
    read_manifests(text, file, found)
