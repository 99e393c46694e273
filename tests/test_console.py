"""The tree of each run on stderr as it ends."""

from __future__ import annotations

import io
import os
import pty
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from view_support import MS, TRACE_ID, TraceBuilder, long_loop, stacktrace, support_flow

from pocketflow_tracing.model import ErrorInfo, Span, SpanKind, Status, Trace
from pocketflow_tracing.sinks import console as module
from pocketflow_tracing.sinks.console import ConsoleSink, write


def tell(sink: ConsoleSink, trace: Trace) -> None:
    """Tell a sink of a whole run as the worker does: children before their parents, header last."""
    header = replace(trace, spans=[])
    sink.trace_started(replace(header, end_ns=None, status=Status.UNSET))
    beneath: dict[str | None, list[Span]] = {}
    for span in trace.spans:
        beneath.setdefault(span.parent_id, []).append(span)

    def told(span: Span) -> None:
        for child in beneath.get(span.span_id, []):
            told(child)
        sink.span_ended(span)

    for root in beneath.get(None, []):
        told(root)
    sink.trace_ended(header)


def printed(trace: Trace) -> str:
    """What a sink prints of a run to a stream that is no terminal."""
    stream = io.StringIO()
    tell(ConsoleSink(stream), trace)
    return stream.getvalue()


def test_a_run_is_printed_as_a_tree_from_a_fresh_line():
    """The tree of the console is the folded tree, with the command that shows more."""
    shown = printed(support_flow().trace())

    assert shown.startswith("\n✓ flow Support")
    assert "├─ ✓ Classify → route_ticket · 2 attempts" in shown
    assert '+classification {"category": "billing"}  ~steps [30 items] → [31 items]' in shown
    assert shown.endswith("\ncloser look: pocketflow-tracing show a1b2c3d4\n")


def test_runs_at_the_same_time_do_not_mix():
    """Spans belong to the tree of their own trace."""
    stream = io.StringIO()
    sink = ConsoleSink(stream)
    names = {"1" * 32: "First", "2" * 32: "Second"}
    for trace_id, name in names.items():
        sink.trace_started(Trace(trace_id, trace_id, name, 0))
    for trace_id, name in names.items():
        sink.span_ended(Span(trace_id, "1" * 16, None, name, SpanKind.NODE, 0, 1, Status.OK))
    for trace_id, name in reversed(names.items()):
        sink.trace_ended(Trace(trace_id, trace_id, name, 0, 1, Status.OK, span_count=1))

    trees = stream.getvalue().split("\n\n")
    assert ["First" in tree for tree in trees] == [False, True]
    assert ["Second" in tree for tree in trees] == [True, False]


def test_a_run_without_a_store_names_no_command_that_could_not_work():
    """Nobody is sent to a trace that was not kept."""
    stream = io.StringIO()
    tell(ConsoleSink(stream, kept=lambda: False), support_flow().trace())

    assert "pocketflow-tracing" not in stream.getvalue()


def test_an_endless_run_takes_bounded_memory_and_a_bounded_screen():
    """Of 40,000 spans the first, the last and their parents stay; all of them are counted."""
    trace = long_loop(10_000).trace()
    stream = io.StringIO()
    sink = ConsoleSink(stream)
    sink.trace_started(trace)
    for span in trace.spans[1:]:
        sink.span_ended(span)
    kept = sink._runs[TRACE_ID].spans()
    sink.span_ended(trace.spans[0])
    sink.trace_ended(replace(trace, spans=[]))

    assert len(kept) <= 2 * module.MAX_FIRST + module.MAX_LAST
    lines = stream.getvalue().splitlines()
    assert len(lines) < module.MAX_LINES
    assert lines[1].startswith("✓ flow Loop")
    assert "Step · visit 10000" in stream.getvalue()
    assert lines[-2] == "ok · 12.0 ms · 10,000 nodes"
    assert "more steps not shown here" in lines[-3]


def test_what_failed_in_the_middle_of_an_endless_run_is_told():
    """Retries are counted where the rounds are folded, and what a fallback caught has a line."""
    trace = long_loop(10_000).trace()
    first, again, caught = trace.spans[4 * 5_000 + 3], trace.spans[4 * 6_000 + 3], trace.spans[4 * 7_000 + 3]
    first.status, first.attributes = Status.ERROR, {"attempt": 1, "recovered": True}
    again.attributes = {"attempt": 2}
    caught.kind = SpanKind.FALLBACK
    by_end = [
        span
        for node in range(1, 40_001, 4)
        for span in (*trace.spans[node + 1 : node + 4], trace.spans[node])
    ]
    stream = io.StringIO()
    sink = ConsoleSink(stream)
    sink.trace_started(trace)
    for span in [*by_end, trace.spans[0]]:
        sink.span_ended(span)
    sink.trace_ended(replace(trace, spans=[]))

    lines = [line.split("  ")[0] for line in stream.getvalue().splitlines()]
    assert lines[4:10] == [
        "├─ ✓ Step · visit 3", "├─ … Step ×6,997, at least 1 retried",
        "├─ ✓ Step · visit 7001", "│", "├─ … Step ×2,998", "└─ ✓ Step · visit 10000",
    ]  # fmt: skip


def test_what_is_kept_of_a_huge_run_is_connected():
    """A parent that ends late is kept when its child was, so no branch hangs in the air."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Batch")
    for item in range(50):
        iteration = build.add(flow, SpanKind.ITERATION, "iteration", item=item)
        for _ in range(40):
            build.node(iteration, "Step")
    stream = io.StringIO()
    tell(ConsoleSink(stream), build.trace())

    assert [line for line in stream.getvalue().splitlines() if line.startswith("✓")] == [
        next(line for line in stream.getvalue().splitlines() if line.startswith("✓ flow Batch"))
    ]


def test_a_span_keeps_its_values_for_the_other_sinks():
    """The console keeps a small copy; what it was given is not touched."""
    build = support_flow()
    span = build.spans[1]
    span.input = {"shared": "x" * 1_000}
    before = span.to_dict()
    tell(ConsoleSink(io.StringIO()), build.trace())

    assert span.to_dict() == before


def test_a_parallel_node_that_ends_first_still_stands_after_the_one_that_started_first():
    """The tree is in start order, spans arrive in end order."""
    build = TraceBuilder()
    flow = build.add(None, SpanKind.FLOW, "Support")
    build.node(flow, "Slow").end_ns = 50 * MS
    build.node(flow, "Fast")
    stream = io.StringIO()
    sink = ConsoleSink(stream)
    sink.trace_started(build.trace())
    for number in (2, 1, 0):
        sink.span_ended(build.spans[number])
    sink.trace_ended(replace(build.trace(), spans=[]))

    shown = stream.getvalue()
    assert 0 < shown.index("Support") < shown.index("Slow") < shown.index("Fast")


def test_more_runs_at_once_than_fit_still_show_their_end():
    """The oldest of too many open runs loses its steps, not its line."""
    stream = io.StringIO()
    sink = ConsoleSink(stream)
    for number in range(module.MAX_RUNS + 1):
        sink.trace_started(Trace(f"{number:032x}", "", "Run", 0))
    sink.trace_ended(Trace(f"{0:032x}", "", "Run", 0, MS, Status.OK, span_count=3))

    assert stream.getvalue().splitlines()[1:3] == ["✓ Run  1.00 ms", "… 3 more steps not shown here"]
    assert len(sink._runs) == module.MAX_RUNS
    sink.close()
    assert sink._runs == {}


def test_a_tree_is_one_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Other writers cannot come in between."""
    written: list[int] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(len(data)) or real(fd, data))
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        tell(ConsoleSink(stream), support_flow().trace())

    assert written == [(tmp_path / "stderr").stat().st_size]


def test_what_the_program_has_half_written_stays_whole(tmp_path: Path):
    """The program's own buffered text is neither flushed nor split by ours."""
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        stream.write("half")
        tell(ConsoleSink(stream), support_flow().trace())
        stream.write(" and half\n")

    assert (tmp_path / "stderr").read_text(encoding="utf-8").splitlines()[-1] == "half and half"


def test_a_redirected_stderr_keeps_only_what_the_program_writes(monkeypatch: pytest.MonkeyPatch):
    """The stream is that of the sink's making, not of the moment."""
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    sink = ConsoleSink()
    monkeypatch.setattr(sys, "stderr", second)
    tell(sink, support_flow().trace())

    assert "Support" in first.getvalue()
    assert second.getvalue() == ""


def test_a_missing_closed_or_broken_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """There is nobody left to tell, and the run is not to blame."""
    monkeypatch.setattr(sys, "stderr", None)
    tell(ConsoleSink(), support_flow().trace())

    closed = (tmp_path / "closed").open("w")
    closed.close()
    tell(ConsoleSink(closed), support_flow().trace())

    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as broken:
        tell(ConsoleSink(broken), support_flow().trace())


def test_a_reader_that_reads_nothing_of_a_nonblocking_stderr_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    """A full pipe that may not block loses the rest of the text after a short wait."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(writer, "w", encoding="utf-8") as stream, open(reader, "rb"):
        write(stream, "x" * 1_000_000)


def test_a_terminal_gets_colours_and_a_pipe_gets_none(monkeypatch: pytest.MonkeyPatch):
    """A real terminal is told from a file by asking it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    main, side = pty.openpty()
    try:
        with open(side, "w", encoding="utf-8") as stream:
            tell(ConsoleSink(stream), support_flow().trace())
            shown = os.read(main, 65_536).decode()
    finally:
        os.close(main)

    assert "\x1b[32m✓\x1b[0m" in shown
    assert "\x1b[" not in printed(support_flow().trace())


def test_a_stream_without_unicode_gets_stand_ins(tmp_path: Path):
    """With a stderr in ASCII the tree is drawn in ASCII."""
    with (tmp_path / "stderr").open("w", encoding="ascii") as stream:
        tell(ConsoleSink(stream), support_flow().trace())

    assert "|- * Classify -> route_ticket - 2 attempts" in (tmp_path / "stderr").read_text("ascii")


def test_the_tree_of_a_failed_run_waits_for_a_traceback_to_pass(monkeypatch: pytest.MonkeyPatch):
    """While the main thread is out of its program, such a tree is held; at the end it is printed."""
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "Support", status=Status.ERROR, error=ErrorInfo("ValueError", "bad"))
    stream = io.StringIO()
    sink = ConsoleSink(stream)
    monkeypatch.setattr(module, "is_in_program", lambda: False)

    tell(sink, build.trace())
    held = stream.getvalue()
    sink.close()

    assert held == ""
    assert "ValueError: bad" in stream.getvalue()


def test_the_tree_of_a_failed_run_is_printed_at_once_where_the_program_goes_on():
    """Here the main thread is inside of pytest, which is a program like any other."""
    build = TraceBuilder()
    build.add(None, SpanKind.FLOW, "Support", status=Status.ERROR, error=ErrorInfo("ValueError", "bad"))

    assert "ValueError: bad" in printed(build.trace())


def test_a_long_stack_trace_still_names_its_innermost_place():
    """What is cut from a kept stack trace is its beginning."""
    build = TraceBuilder()
    deep = ErrorInfo("TimeoutError", "slow", "frames\n" * 10_000 + stacktrace(line=77))
    build.add(None, SpanKind.NODE, "Ask", status=Status.ERROR, error=deep)

    assert "TimeoutError: slow  (app.py:77 in exec)" in printed(build.trace())
