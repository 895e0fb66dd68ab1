"""`gate`: the commands, each imported when it runs."""

from __future__ import annotations

import importlib
from typing import Final

import click

from gate import __version__

_COMMANDS: Final = {
    "check": ("gate.cli.check", "Judge every image in manifests, before they are deployed."),
    "verify": ("gate.cli.verify", "Verify one image's signatures."),
    "resolve": ("gate.cli.resolve", "Print references with the digests their tags have now."),
    "policy": ("gate.cli.policy", "Work on policies."),
    "serve": ("gate.cli.serve", "Run the admission webhook."),
    "demo": ("gate.cli.demo", "Show everything on this machine, with its own registry."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gate")
def main() -> None:
    """Decide whether container images may run, and say why.

    \b
    Example:
      gate check deploy.yaml -p policies/baseline

    Exit codes: 0 pass, 1 denied, 2 usage, policy or source error, 3 could not evaluate.
    """
