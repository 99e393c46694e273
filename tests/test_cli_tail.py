"""`tail`: runs while they go on, on a terminal and elsewhere."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cli_support import DEADLINE, OURS, Command, on_terminal
from test_following import asking, ended
from view_support import MS, TRACE_ID, TraceBuilder, support_flow

from pocketflow_tracing.cli import tailing
from pocketflow_tracing.model import SpanKind, Status
from pocketflow_tracing.store import Store
from pocketflow_tracing.tally import Tally
from pocketflow_tracing.view.happenings import live


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has acts done between the looks of `tail`, one each; then comes Ctrl-C."""

    def prepare(*acts: Callable[[], object]) -> None:
        left = list(acts)

        def pause(seconds: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr(tailing.time, "sleep", pause)

    return prepare


def lines(output: str) -> list[str]:
    """The lines, without the times of day."""
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in output.splitlines()]


def test_elsewhere_than_on_a_terminal_everything_that_happens_is_a_line(
    store: Store, command: Command, acting: Callable[..., None]
):
    """Start, retry, what takes a while, and the end; Ctrl-C ends it with its own status."""
    trace, spans = asking()
    acting(
        lambda: store.begin(trace),
        lambda: store.write(spans),
        lambda: store.end(
            replace(trace, end_ns=21 * MS, status=Status.OK, spans=[ended(span) for span in spans[:2]])
        ),
    )

    shown = command("tail")

    assert (shown.exit_code, shown.stderr) == (130, "")
    assert lines(shown.stdout) == [
        "a1b2c3d4 … Support started",
        "a1b2c3d4 … Support  ↻ Ask.exec · attempt 1 of 2 · TimeoutError: too slow",
        "a1b2c3d4 … Support › Ask › exec · attempt 2 of 2",
        "a1b2c3d4 ✓ Support · ok · 20.0 ms · 1 node",
    ]


def test_of_a_run_that_failed_what_failed_is_shown(
    store: Store, command: Command, acting: Callable[..., None]
):
    """Of one that went well, only with --trees."""
    failed = support_flow()
    failed.spans[0].status = Status.ERROR
    well = TraceBuilder("Well")
    well.node(well.add(None, SpanKind.FLOW, "Well"), "Step")
    other = well.trace()
    other.id = other.trace_id = "b" * 32
    for span in other.spans:
        span.trace_id = other.id

    for options, steps in (([], 0), (["--trees"], 1)):
        store.delete_all()
        acting(lambda: store.end(failed.trace()), lambda: store.end(other))
        shown = command("tail", *options).stdout
        assert "a1b2c3d4 ✗ Support · error · 12.0 ms · 2 nodes · 1 retry · 2 errors\n✗ flow Support" in shown
        assert "closer look: pocketflow-tracing show a1b2c3d4\n" in shown
        assert shown.count("✓ Step") == steps


def test_as_json_each_event_is_an_object(store: Store, command: Command, acting: Callable[..., None]):
    """With its trace and its span, a line each."""
    trace, spans = asking()
    acting(lambda: store.begin(trace), lambda: store.write(spans))

    shown = command("tail", "--json")

    forms = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(form["event"], form["trace"]["id"]) for form in forms] == [
        ("started", TRACE_ID), ("retried", TRACE_ID), ("running", TRACE_ID),
    ]  # fmt: skip
    assert forms[1]["span"]["error"]["message"] == "too slow"
    assert "spans" not in forms[0]["trace"] and forms[0]["span"] is None


def test_filters_say_which_runs_are_followed(store: Store, command: Command, acting: Callable[..., None]):
    """Those of `list` that make sense of a run that goes on."""
    acting(lambda: store.begin(asking()[0]))
    assert command("tail", "--name", "Other").stdout == ""
    assert command("tail", "--status", "ok").exit_code == 2
    assert command("tail", "--json", "--trees").exit_code == 2


def test_on_a_terminal_what_runs_now_stands_in_place(store: Store, path: Path, tmp_path: Path):
    """It is drawn again and again beneath what has ended, and gone in the end."""
    trace, spans = asking()
    now = time.time_ns()
    trace.start_ns += now
    for span in spans:
        span.start_ns += now
    store.begin(trace)
    store.write(spans)

    with on_terminal([*OURS, "tail"], tmp_path, environment={"POCKETFLOW_TRACING_STORE": str(path)}) as (
        process,
        terminal,
    ):
        terminal.until("attempt 2 of 2")
        store.write([ended(spans[3])])
        store.end(replace(trace, end_ns=trace.start_ns + 20 * MS, status=Status.OK))
        terminal.until("waiting for runs")
        process.send_signal(signal.SIGINT)
        shown = terminal.until()
        assert process.wait(DEADLINE) == 130

    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown)
    assert re.search(r"… a1b2c3d4 Support · \d+", plain)
    assert re.search(r"   Ask › exec · attempt 2 of 2 · \d", plain)
    assert "↻ Ask.exec · attempt 1 of 2 · TimeoutError: too slow" in plain
    assert "a1b2c3d4 ✓ Support · ok · 20.0 ms" in plain
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is there again


def test_a_run_that_goes_on_tells_what_runs_in_it_now():
    """A few of the steps that run at the same time, how long they have, and the last retry."""
    trace, (flow, node, failed, again) = asking()
    others = [replace(again, span_id=f"{number:016x}", start_ns=9 * MS) for number in range(10, 15)]
    paths = [[flow, node, span] for span in others]

    shown = [line.plain() for line in live(trace, Tally(nodes=2, retries=1), paths, failed, 20 * MS)]

    assert shown == [
        "… a1b2c3d4 Support · 19.0 ms · 2 nodes · 1 retry",
        *["   Ask › exec · attempt 2 of 2 · 11.0 ms"] * 4,
        "   and 1 more at the same time",
        "   ↻ Ask.exec · attempt 1 of 2 · TimeoutError: too slow",
    ]
    assert [line.plain() for line in live(trace, Tally(), [[flow]], None, 20 * MS)] == [
        "… a1b2c3d4 Support · 19.0 ms"
    ]
