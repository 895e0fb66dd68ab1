"""`gate demo`: everything on this machine."""

from __future__ import annotations

import sys

import click

from gate.cli.common import Exit, reports_errors, say
from gate.demo.run import run


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave it running and print what to try next.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@reports_errors
def command(*, keep: bool) -> None:
    """Show the gate at work: a registry with signed and other images, the real webhook, Pods that ask it.

    Everything is on loopback and is gone afterwards.

    \b
    Example:
      gate demo --keep
    """
    sys.exit(Exit.PASS if run(say, click.echo, keep=keep) else Exit.DENIED)
