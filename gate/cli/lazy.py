"""Groups of commands that are imported when they run: `gate --help` waits for none of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 80  # characters of a line of help


class LazyGroup(click.Group):
    """A group whose commands stand in modules of their own, each as `command`, beside those that are at hand."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **more: Any) -> None:
        """As click's; `lazy` has, by name, the module and the line of help."""
        super().__init__(*args, **more)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Those at hand, then the others, each in the order they were given."""
        return list(dict.fromkeys((*self.commands, *self._lazy)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        command = importlib.import_module(self._lazy[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands; nothing is imported for it."""
        rows = [(name, command.get_short_help_str(_LONGEST)) for name, command in self.commands.items()]
        rows += [(name, text) for name, (_, text) in self._lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
