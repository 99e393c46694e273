"""What click does not know by itself: where a program's own arguments begin, and what an age is."""

from __future__ import annotations

import math
import re
from typing import Any

import click

from .program import Program

_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7}


class Age(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A length of time such as 30d, 12h, 45m or 2w, in days."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The days that `value` says."""
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", value.strip())
        days = float(match[1]) * _DAYS[match[2]] if match else math.inf
        if days > 36_500:
            self.fail(f"an age is a number with m, h, d or w, like 30d; it is {value!r}", param, ctx)
        return days


class RunCommand(click.Command):
    """A command whose own options end where the program begins, as those of Python do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the program and its arguments off; click reads what stands before."""
        own, program = self._divided(ctx, args)
        ctx.meta[__name__] = program
        return super().parse_args(ctx, own)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say where the program goes."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] (SCRIPT | -m MODULE | -c CODE) [ARGUMENTS]…")

    @staticmethod
    def program(ctx: click.Context) -> Program:
        """The program of the command line; raises a usage error where there is none."""
        program = ctx.meta[__name__]
        if program is None:
            raise click.UsageError("say what to run: a script, -m MODULE, or -c CODE", ctx)
        assert isinstance(program, Program)
        return program

    def _divided(self, ctx: click.Context, args: list[str]) -> tuple[list[str], Program | None]:
        with_value = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for name in parameter.opts
        }
        position = 0
        while position < len(args):
            program = Program.of(args[position:])
            if program is not None:
                return args[:position], program
            word = args[position]
            if word in ("-m", "-c"):
                raise click.UsageError(f"{word} needs {'a module' if word == '-m' else 'code'}", ctx)
            position += 2 if word in with_value else 1
        return args, None
