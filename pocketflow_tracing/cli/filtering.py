"""The options by which a command is told which traces are meant."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from ..errors import TracingError
from ..model import Status
from ..store import Store
from ..store.filters import MAX_TEXT, TraceFilter
from .options import Age

P = ParamSpec("P")
R = TypeVar("R")

DAY_NS = 24 * 3600 * 1_000_000_000
_STATUSES = {"running" if status is Status.UNSET else status.value: status for status in Status}


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A moment, in nanoseconds since the epoch: an age such as 2h, or a date with or without a time."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The moment that `value` says, in local time unless it says otherwise."""
        if isinstance(value, int):
            return value
        days = Age.days(value)
        if days is not None:
            return time.time_ns() - int(days * DAY_NS)
        try:
            return int(datetime.fromisoformat(value.strip()).timestamp()) * 1_000_000_000
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"a moment is an age like 2h, or a date like 2026-11-27 or 2026-11-27T13:30; it is {value!r}",
                param,
                ctx,
            )


class SearchText(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A text that is neither empty nor too long to be looked for."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        text = str(value)
        if not 0 < len(text) <= MAX_TEXT:
            self.fail(f"a text to look for has 1 to {MAX_TEXT:,} characters", param, ctx)
        return text


_WHO = (
    click.option("--name", metavar="FLOW", help="Only of this flow; `*` and `?` stand for anything."),
    click.option("--session", metavar="ID", help="Only of this session."),
    click.option("--user", metavar="ID", help="Only of this user."),
    click.option("--tag", metavar="TAG", help="Only those with this tag."),
    click.option("--project", metavar="NAME", help="Only of this project: the folder that they ran in."),
)
_WHAT = (
    click.option(
        "--status", "statuses", type=click.Choice(list(_STATUSES)), multiple=True,
        help="Only those that ended so, or run; may be repeated.",
    ),
    click.option("--since", "since_ns", metavar="WHEN", type=Moment(),
                 help="Only those that began since: an age like 2h or 7d, or a date with or without a time."),
    click.option("--until", "until_ns", metavar="WHEN", type=Moment(), help="Only those that began before."),
    click.option("--text", metavar="TEXT", type=SearchText(),
                 help="Only those with this text in a name, a value, an error or the metadata."),
)  # fmt: skip


def filtered(command: Callable[Concatenate[TraceFilter, P], R]) -> Callable[P, R]:
    """Give `command` all filter options; it gets the filter as its first argument."""
    return _with_filter(command, (*_WHO, *_WHAT))


def filtered_by_who(command: Callable[Concatenate[TraceFilter, P], R]) -> Callable[P, R]:
    """Like `filtered`, without the options that mean nothing while a run goes on."""
    return _with_filter(command, _WHO)


def _with_filter(
    command: Callable[Concatenate[TraceFilter, P], R], options: tuple[Callable[[Any], Any], ...]
) -> Callable[P, R]:
    names = ("name", "session", "user", "tag", "project", "since_ns", "until_ns", "text")

    @functools.wraps(command)
    def told(*args: P.args, **keywords: P.kwargs) -> R:
        given = {name: keywords.pop(name) for name in names if name in keywords}
        statuses = tuple(_STATUSES[status] for status in keywords.pop("statuses", ()))  # type: ignore[attr-defined]
        return command(TraceFilter(statuses=statuses, **given), *args, **keywords)  # type: ignore[arg-type]

    decorated: Any = told
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


class NothingMatches(TracingError):
    """No trace in the store is one of those that were asked for; `quiet` where the output says so."""

    def __init__(self, store: Store, quiet: bool = False) -> None:
        super().__init__(f"no trace in {store.path} is like that; all of them: pocketflow-tracing list")
        self.quiet = quiet
