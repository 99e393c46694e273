"""The command that shows runs while they go on, in whatever process they do."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from ..errors import StoreError
from ..model import Status
from ..store import Store
from ..store.filters import TraceFilter
from ..store.following import Event, Follower, Happening, Run
from ..store.rows import COUNTS
from ..view import happenings
from ..view.index import Index
from ..view.lines import Block, Line, Lines, Segment
from ..view.output import is_live_terminal
from ..view.selecting import in_trouble
from ..view.terminal import Look, TraceTree, closer_look
from .commands import commands
from .ending import failing_clearly
from .filtering import filtered_by_who
from .opened import opened_store, tell

POLL_SECONDS = 0.2
MAX_LINES = 150
INTERRUPTED_STATUS = 128 + signal.SIGINT


@commands.command()
@filtered_by_who
@click.option(
    "--trees", is_flag=True, help="Show the tree of every run that ends, also of those that go well."
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for everything that happens.")
@failing_clearly
def tail(wanted: TraceFilter, trees: bool, as_json: bool) -> None:
    """Show runs while they go on, in any process.

    On a terminal, what runs now stands in place beneath what has ended; elsewhere everything that
    happens is a line. Ctrl-C ends it.
    """
    if as_json and trees:
        raise click.UsageError("--json prints everything that happens; it does not go with --trees")
    with opened_store() as store, _ending_by_signal():
        follower = Follower(store, wanted)
        if as_json:
            follow(follower, JsonLines())
        elif is_live_terminal(sys.stdout):
            with InPlace(Results(store, trees)) as screen:
                follow(follower, screen)
        else:
            follow(follower, Appended(Results(store, trees)))


def follow(follower: Follower, screen: Screen) -> None:
    """Show what happens, until Ctrl-C."""
    while True:
        for happening in follower.poll():
            screen.tell(happening)
        screen.draw(follower.runs)
        time.sleep(POLL_SECONDS)


class Screen(Protocol):
    """Where it is shown."""

    def tell(self, happening: Happening) -> None:
        """Show that something happened."""

    def draw(self, runs: list[Run]) -> None:
        """Show what goes on now."""


class Results:
    """What is shown of a run that ended: a line, and the tree of it, or of what failed in it."""

    def __init__(self, store: Store, trees: bool) -> None:
        self._store = store
        self._trees = trees

    def of(self, run: Run) -> list[Block]:
        """The line, and a tree where there is one to show."""
        line = Lines([Line(happenings.ended(run.trace, run.tally))])
        if not self._trees and run.trace.status is Status.OK:
            return [line]
        try:
            trace = self._store.load(run.trace.id)
        except StoreError:  # somebody deleted it just now
            return [line]
        only = None if self._trees else in_trouble(Index(trace)) or None
        look = Look(folded=True, max_lines=MAX_LINES, next_step=closer_look(trace))
        return [line, TraceTree(trace, look, only=only)]


class Appended:
    """Appends a line for everything that happens."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def tell(self, happening: Happening) -> None:
        """Append its line, and the result of a run that ended."""
        run, span = happening.run, happening.span
        if happening.event is Event.ENDED:
            for shown in self._results.of(run):
                tell(shown)
        elif happening.event is Event.STARTED and run.trace.status is Status.UNSET:
            tell(Lines([Line(happenings.started(run.trace))]))
        elif happening.event is Event.RUNNING and span is not None:
            tell(Lines([Line(happenings.running(run.trace, run.path(span)))]))
        elif happening.event is Event.RETRIED and span is not None:
            tell(Lines([Line(happenings.retried(run.trace, span))]))

    def draw(self, runs: list[Run]) -> None:
        """Nothing stands in place here."""


class JsonLines:
    """Prints an object for everything that happens."""

    def tell(self, happening: Happening) -> None:
        """Print its event, moment, trace and span."""
        run, span = happening.run, happening.span
        trace = run.trace.to_dict()
        for absent in ("spans", "graph", "input", "output"):
            del trace[absent]
        counts = {name: getattr(run.tally, name) for name in COUNTS}
        form = {
            "event": happening.event.value,
            "time_ns": time.time_ns(),
            "trace": {**trace, "duration_ns": run.trace.duration_ns, **counts},
            "span": None if span is None else span.to_dict(),
        }
        tell(json.dumps(form))

    def draw(self, runs: list[Run]) -> None:
        """Nothing stands in place here."""


class InPlace:
    """On a terminal: results above, and beneath them what goes on now, drawn again and again."""

    def __init__(self, results: Results) -> None:
        from rich.console import Console
        from rich.live import Live

        self._results = results
        self._console = Console(highlight=False, markup=False, force_jupyter=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> InPlace:
        self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def tell(self, happening: Happening) -> None:
        """Print the result of a run that ended above the rest."""
        if happening.event is Event.ENDED:
            for shown in self._results.of(happening.run):
                self._console.print(shown)

    def draw(self, runs: list[Run]) -> None:
        """Draw what goes on, or that nothing does."""
        now_ns = time.time_ns()
        lines: list[Line] = []
        for run in runs:
            paths = [run.path(span) for span in run.innermost()]
            lines += happenings.live(run.trace, run.tally, paths, run.last_retry, now_ns)
        waiting = [Line([Segment("waiting for runs; Ctrl-C ends", "dim")])]
        self._live.update(Lines(lines or waiting), refresh=True)


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """End with the status of the signal, and the terminal as it was, on Ctrl-C and on SIGTERM."""

    def terminated(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_STATUS)
    finally:
        signal.signal(signal.SIGTERM, before)
