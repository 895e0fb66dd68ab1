"""`gate`: the commands, each imported when it runs."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Final

import click

from gate import __version__
from gate.cli.common import Exit, one_line, say
from gate.cli.lazy import LazyGroup

_INTERRUPTED: Final = 130  # as shells say of SIGINT

_COMMANDS: Final = {
    "check": ("gate.cli.check", "Judge every image in manifests, before they are deployed."),
    "verify": ("gate.cli.verify", "Verify one image's signatures."),
    "verify-blob": ("gate.cli.verify_blob", "Verify a file against a Sigstore bundle."),
    "inspect": ("gate.cli.inspect", "Show what is known of an image, its signatures and attestations."),
    "resolve": ("gate.cli.resolve", "Print references with the digests their tags have now."),
    "doctor": ("gate.cli.doctor", "Look at a registry step by step, and say what to mend."),
    "policy": ("gate.cli.policy", "Work on policies."),
    "trust": ("gate.cli.trust", "Show and refresh the trusted root."),
    "serve": ("gate.cli.serve", "Run the admission webhook."),
    "demo": ("gate.cli.demo", "Show everything on this machine, with its own registry."),
}


class _Gate(LazyGroup):
    def main(self, args: Any = None, prog_name: Any = None, *_: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """As click's, but what is wrong with the words of a command is one line too (CLI.md, "errors")."""
        # What libraries think of other people's certificates is no diagnostic of ours, and shows source. They say it in
        # the name of whoever called them, other libraries too. At the end of the list: who asks for warnings (-W) has
        # them.
        warnings.filterwarnings("ignore", append=True)
        if args is None and sys.argv[1:2] == ["serve"]:
            from gate.allocator import begin_without_caches

            begin_without_caches()
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.ClickException as error:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "gate"
            said = one_line(error.format_message()).rstrip(".")
            say(f"{command}: {said}; see {command} --help")
            sys.exit(Exit.USAGE)
        except click.Abort:
            sys.exit(_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=_Gate, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="gate")
def main() -> None:
    """Decide whether container images may run, and say why.

    \b
    Example:
      gate check deploy.yaml -p policies/baseline

    Exit codes: 0 pass, 1 denied, 2 usage, policy or source error, 3 could not evaluate.
    """
