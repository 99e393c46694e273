"""The commands: run a program traced, and those that read what it left."""

from __future__ import annotations

import click

from .. import __version__
from .ending import failing_clearly
from .options import RunCommand


class Commands(click.Group):
    """All commands; what reads the store is loaded when one of those commands is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name != "run":
            self._load()
        return super().get_command(ctx, cmd_name)

    @staticmethod
    def _load() -> None:
        # ruff: noqa: F401  (they add their commands to this group)
        from . import (
            comparing,
            dashboard,
            doctor,
            exporting,
            pushing,
            showing,
            statistics,
            stored,
            tailing,
            viewing,
        )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="pocketflow-tracing")
def commands() -> None:
    """See what a PocketFlow run really did."""


@commands.command(cls=RunCommand)
@click.option("-q", "--quiet", is_flag=True, help="Print no trees and no summary; only keep the traces.")
@click.option("--session", "session_id", metavar="ID", help="The session that the traces belong to.")
@click.option("--user", "user_id", metavar="ID", help="The user that the traces belong to.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="A tag for the traces; may be repeated.")
@click.pass_context
@failing_clearly
def run(
    context: click.Context, quiet: bool, session_id: str | None, user_id: str | None, tags: tuple[str, ...]
) -> None:
    """Run a program, unchanged, and trace every flow in it.

    The program runs as plain Python runs it: arguments, exit status and output are its own. The tree
    of each flow goes to stderr as the flow ends, and the traces to the local store. With stdout
    redirected, what goes on meanwhile is told on the terminal.
    """
    from .runner import run

    keywords = {"session_id": session_id, "user_id": user_id, "tags": list(tags)}
    given = {name: value for name, value in keywords.items() if value}
    run(RunCommand.program(context), quiet=quiet, keywords=given)
