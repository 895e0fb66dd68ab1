"""SOURCE arguments into texts: files, folders and standard input."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.documents import MAX_TEXT
from gate.errors import EvidenceUnavailable, Place, SourceError
from gate.kubernetes.workload import BUILT_IN
from gate.local import is_folder, read_descriptor
from gate.sources.manifests import Found, read_manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline
    from gate.kubernetes.workload import Kinds

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_LATER_NAMES: Final = ("dockerfile", "containerfile")
_LOOKS_LIKE_IMAGE: Final = re.compile(r"[\w.-]+(?::\d+)?(?:/[\w.-]+)*(?::[\w.-]+|@sha256:[0-9a-f]+)", re.ASCII)


def read_sources(
    sources: list[str],
    stdin: Callable[[], bytes],
    deadline: Deadline,
    progress: Callable[[str], None],
    kinds: Kinds = BUILT_IN,
) -> Found:
    """Read every SOURCE; what cannot be read is an error in the result, and the rest is read.

    Args:
        sources: files, folders, `-`.
        stdin: reads standard input; raises SourceError.
        deadline: for pipes, which may never end.
        progress: is told each file's name.
        kinds: whose objects run images.
    """
    found = Found(kinds=kinds)
    for source in sources:
        named = Path(source)
        if source == "-":
            try:
                _read_text(stdin(), "-", found)
            except SourceError as error:
                found.errors.append(error)
        elif is_folder(named):
            for path in _walk(named, found):
                progress(str(path))
                _read_file(path, found, deadline)
        else:
            progress(source)
            _read_named(named, found, deadline)
    return found


def _walk(folder: Path, found: Found) -> Iterator[Path]:
    """The manifests below a folder in a stable order; hidden folders and links to folders are left out."""

    def unreadable(error: OSError) -> None:
        place = Place(str(error.filename or folder)[-500:])
        found.errors.append(SourceError(f"cannot be read: {error.strerror}", place=place, remedy="check the folder"))

    for current, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(current, name)
            if path.suffix.lower() in SUFFIXES:
                yield path
            elif _is_dockerfile(name):
                found.later[str(path)] = "a Dockerfile"
            else:
                found.skipped += 1


def _read_named(path: Path, found: Found, deadline: Deadline) -> None:
    """A file that was named is not skipped quietly when it is of a kind that is not read yet."""
    if _is_dockerfile(path.name):
        found.errors.append(_unsupported(str(path), "a Dockerfile"))
        return
    _read_file(path, found, deadline)
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


def _read_file(path: Path, found: Found, deadline: Deadline) -> None:
    try:
        # To open a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        found.errors.append(SourceError(f"cannot be read: {why}", place=Place(str(path)), remedy=_hint(str(path))))
        return
    try:
        _read_descriptor(descriptor, str(path), found, deadline)
    finally:
        os.close(descriptor)


def _hint(source: str) -> str:
    """What a SOURCE that is no file may have been meant to be."""
    if source.startswith("oci:") or _LOOKS_LIKE_IMAGE.fullmatch(source):
        return f"for an image write image:{source}"
    return "check the path"


def _read_descriptor(descriptor: int, name: str, found: Found, deadline: Deadline) -> None:
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise SourceError("is no regular file", place=Place(name), remedy="name files or folders")
        content = read_all(descriptor, name, deadline)
    except SourceError as error:
        found.errors.append(error)
    except OSError as error:
        found.errors.append(
            SourceError(f"cannot be read: {error.strerror}", place=Place(name), remedy="check the path")
        )
    else:
        _read_text(content, name, found)


def read_all(descriptor: int, name: str, deadline: Deadline) -> bytes:
    """To the end, or one byte over what is read; a pipe gets until the deadline.

    Raises:
        SourceError: the deadline passed first.
        OSError: it cannot be read.
    """
    content = bytearray()
    try:
        for chunk in read_descriptor(descriptor, name, deadline):
            content += chunk
            if len(content) > MAX_TEXT:
                break
    except EvidenceUnavailable as error:
        raise SourceError(
            "nothing came before the time allowed ran out", place=Place(name), remedy="see --timeout"
        ) from error
    return bytes(content)


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
