"""The reference of the command line is what the commands say of themselves."""

from __future__ import annotations

import runpy
from pathlib import Path

import click

from pocketflow_tracing.cli.commands import commands

DOCS = Path(__file__).parent.parent / "docs"


def test_the_reference_of_the_commands_is_up_to_date():
    """docs/commands.md is what docs/write_commands.py writes."""
    written = runpy.run_path(str(DOCS / "write_commands.py"))

    assert (DOCS / "commands.md").read_text(encoding="utf-8") == written["commands_page"]()


def test_every_command_and_option_is_explained():
    """Help says what each is for."""
    context = click.Context(commands)
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None and command.help
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (name, parameter.name)
