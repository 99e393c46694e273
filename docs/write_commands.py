"""Writes `commands.md`, the reference of the command line, from the commands themselves.

python docs/write_commands.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from pocketflow_tracing.cli.commands import commands

PAGE = Path(__file__).parent / "commands.md"
_TOP = """\
# Commands

<!-- Written by docs/write_commands.py from the commands themselves. -->

Every command reads its settings from the environment and `.env`, as a traced program does. Exit status 0
is fine, 1 means that nothing was found or something failed, 2 that the command was called in a wrong way.
Colour is used on a terminal only, and never with `NO_COLOR` set. Commands with `--json` print the same for
programs.
"""


def commands_page() -> str:
    """The text of `commands.md`: each command with its arguments and options, by name."""
    context = click.Context(commands, info_name="pocketflow-tracing")
    parts = [_TOP]
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        if command is not None and not command.hidden:
            parts.append(_section(name, command))
    return "\n".join(parts)


def _section(name: str, command: click.Command) -> str:
    usage = " ".join(["pocketflow-tracing", name, *_pieces(name, command)])
    lines = [f"## {name}", "", "```text", usage, "```", "", inspect.cleandoc(command.help or ""), ""]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        lines += ["| option | |", "|---|---|"]
        lines += [
            f"| {_spelling(option)} | {(option.help or '').replace('|', chr(92) + '|')} |"
            for option in options
        ]
        lines.append("")
    return "\n".join(lines)


def _pieces(name: str, command: click.Command) -> list[str]:
    arguments = [
        argument.metavar or (argument.name or "").upper()
        for argument in command.params
        if isinstance(argument, click.Argument)
    ]
    has_options = any(isinstance(parameter, click.Option) for parameter in command.params)
    program = ["(SCRIPT | -m MODULE | -c CODE) [ARGUMENTS]…"] if name == "run" else []
    return [*(["[OPTIONS]"] if has_options else []), *arguments, *program]


def _spelling(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        value = " or ".join(f"`{choice}`" for choice in option.type.choices)
    else:
        value = _escaped(f"`{option.metavar or option.type.name.upper()}`")
    return f"{names} {value}"


def _escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
