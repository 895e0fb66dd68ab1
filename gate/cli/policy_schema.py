"""`gate policy schema`: the one schema of policy documents, for editors, and for clusters."""

from __future__ import annotations

import json

import click
import yaml

from gate.cli.common import deliver, reports_errors
from gate.errors import UsageError
from gate.policy.reading.schema.kinds import KINDS
from gate.policy.reading.schema.published import published, published_of
from gate.policy.reading.schema.structural import RESOURCES, definition


@click.command("schema")
@click.option("--kind", type=click.Choice(KINDS), help="Of documents of this kind only.")
@click.option("--crds", is_flag=True, help="CustomResourceDefinitions (YAML) for a cluster instead.")
@click.option("--output-file", metavar="F", help="Write it to a file instead.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@reports_errors
def command(kind: str | None, output_file: str | None, *, crds: bool) -> None:
    """Print the JSON Schema (draft-07) of policy documents, of all kinds at once.

    An editor with yaml-language-server completes and checks a policy that begins with the line
    `# yaml-language-server: $schema=` and the path or URL of the schema. What --crds prints is for
    `kubectl apply --server-side -f -`.

    \b
    Example:
      gate policy schema
      gate policy schema --kind GateConfig
      gate policy schema --crds
    """
    if crds and kind:
        raise UsageError("--crds and --kind together", remedy="give one of them: custom resources come all at once")
    deliver(as_crds(*RESOURCES) if crds else as_json(kind), output_file)


def as_json(kind: str | None = None) -> str:
    """The schema as a text: of one kind, or of all."""
    found = published() if kind is None else published_of(kind)
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def as_crds(*kinds: str) -> str:
    """CustomResourceDefinitions as a YAML stream."""
    found = [definition(kind) for kind in kinds]
    return yaml.dump_all(found, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """YAML without aliases: what is the same object here stands twice there."""

    def ignore_aliases(self, data: object) -> bool:
        return True
