"""The files that a trusted root is kept in: for their owner only, whole or not there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from gate.local import read_local


def make_folder(folder: Path) -> None:
    """Have a folder there; what was there and is none is set aside."""
    if folder.exists() and not folder.is_dir():
        set_aside(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def set_aside(*paths: Path) -> None:
    """Rename what is there to `….broken`, in the place of what was set aside before."""
    for path in paths:
        there = path.with_name(f"{path.name}.broken")
        if path.exists() or path.is_symlink():
            if there.is_dir() and not there.is_symlink():
                shutil.rmtree(there)
            there.unlink(missing_ok=True)
            path.replace(there)


def read_file(path: Path, limit: int) -> bytes | None:
    """A regular file of at most `limit` bytes; None where there is none."""
    try:
        content = read_local(path, limit)
    except OSError:
        return None
    return content if len(content) <= limit else None


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file, for its owner only: readers see the old content or the new one.

    Raises:
        OSError: it could not be written.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
