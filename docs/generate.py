"""What is in this repository and comes from the schema of policy documents. `make generate` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from docs.reference import reference
from gate.cli.policy_schema import as_crds, as_json
from gate.policy.reading.schema.kinds import KINDS
from gate.policy.reading.schema.structural import RESOURCES, definition

ROOT: Final = Path(__file__).parents[1]
_DEFINITIONS: Final = "helm/crds"
_NOTE: Final = "# Written by `make generate`.\n"


def generated() -> dict[str, str]:
    """Each file's text by its path from the top of the repository."""
    examples = {kind: (ROOT / "docs" / "examples" / f"{kind}.yaml").read_text(encoding="utf-8") for kind in KINDS}
    return {
        "docs/schema/imagegate.dev_v1.json": as_json(),
        "docs/policy-reference.md": reference(examples),
        **{f"{_DEFINITIONS}/{definition(kind)['metadata']['name']}.yaml": _NOTE + as_crds(kind) for kind in RESOURCES},
    }


def outdated() -> list[str]:
    """Files that are not what the schema says, that are missing, or that nothing writes any more."""
    wanted = generated()
    there = {str(path.relative_to(ROOT)) for path in (ROOT / _DEFINITIONS).glob("*")}
    different = {
        name for name, text in wanted.items() if not (ROOT / name).is_file() or (ROOT / name).read_text("utf-8") != text
    }
    return sorted(different | (there - wanted.keys()))


def main() -> None:
    """Write all of them, and remove what nothing writes any more."""
    wanted = generated()
    for name in outdated():
        if name in wanted:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(wanted[name], encoding="utf-8")
        else:
            (ROOT / name).unlink()


if __name__ == "__main__":
    main()
