"""What click does not know by itself: where a program's own arguments begin, and what an age is."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import click

from .program import Program

_DAYS = {"s": 1 / 86_400, "m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7}


class Age(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A length of time such as 30d, 12h, 45m, 90s or 2w, in days."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The days that `value` says."""
        if isinstance(value, (int, float)):
            return float(value)
        days = self.days(value)
        if days is None:
            self.fail(f"an age is a number with s, m, h, d or w, like 30d; it is {value!r}", param, ctx)
        return days

    @staticmethod
    def days(text: str) -> float | None:
        """The days that `text` says; None where it is no age."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
        days = float(match[1]) * _DAYS[match[2]] if match else math.inf
        return days if days <= 36_500 else None


_UNITS_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}


class Slow(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """What is slow: a number of steps, or how long a step has to take, such as 500ms or 2s."""

    name = "slow"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SlowLimit:
        """The number or the duration that `value` says."""
        text = str(value).strip()
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m)", text)
        if match:
            return SlowLimit(None, int(float(match[1]) * _UNITS_NS[match[2]]))
        if not text.isdecimal() or not 0 < int(text) < 1_000_000:
            self.fail(
                f"it takes a number of steps, like 5, or a duration, like 500ms; it is {value!r} "
                "(an id goes before it)",
                param,
                ctx,
            )
        return SlowLimit(int(text), None)


class SlowLimit(NamedTuple):
    """So many of the slowest steps, or all that took so long; one of the two is None."""

    number: int | None
    least_ns: int | None


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
