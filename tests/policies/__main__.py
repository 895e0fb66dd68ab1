"""Writes the evidence of every ready policy, or below another folder than `policies`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.policies.folders import FOLDERS
from tests.policies.signing import Makers


def write(policies: Path) -> None:
    """Keys beside the policies, trusted roots and layouts in `testdata`; the policies and tests are there already."""
    makers = Makers()
    for name, make in FOLDERS.items():
        make(policies / name, makers)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "policies"))
