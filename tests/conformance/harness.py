"""Runs a program untraced and traced, holds the two against each other, and gives the tree."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import os
import subprocess
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pocketflow

import pocketflow_tracing
from pocketflow_tracing import SpanKind, Status, Trace
from pocketflow_tracing.testing import capture_traces, outline

Program = Callable[[Any], Any]
"""What is run, plain or async: it is given the shared store and returns the result."""

FLOWS_RETURN_ACTIONS = hasattr(pocketflow.BaseNode, "next")
"""Since PocketFlow 0.0.2 a flow returns the last action; the flows of 0.0.1 return None."""


def tree(text: str) -> str:
    """`text` as outlines are compared: without the indent of the test it stands in."""
    return textwrap.dedent(text).strip()


def shown(trace: Trace) -> str:
    """The outline of `trace`, as `tree` gives it."""
    return outline(trace).strip()


def arrow(action: str) -> str:
    """How the outline ends for a flow whose last node returned `action`."""
    return f" -> {action}" if FLOWS_RETURN_ACTIONS else ""


def start_of(flow: Any) -> Any:
    """The start node of a flow: PocketFlow 0.0.1 keeps it under another name."""
    return flow.start_node if FLOWS_RETURN_ACTIONS else flow.start


@dataclass
class Outcome:
    """All that a caller can see of a run."""

    result: Any
    error: BaseException | None
    shared: Any
    warned: list[str]


def execute(program: Program, shared: Any) -> Outcome:
    """Run `program` with `shared` and keep whatever comes of it."""
    result, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            given = program(shared)
            result = asyncio.run(given) if inspect.iscoroutine(given) else given
        except BaseException as raised:
            error = raised
    warned = [str(warning.message) for warning in caught if warning.category is UserWarning]
    return Outcome(result, error, shared, warned)


def run_flow(flow: Any, shared: Any) -> Any:
    """What running `flow` gives: async flows and nodes give a coroutine."""
    return flow.run_async(shared) if isinstance(flow, pocketflow.AsyncNode) else flow.run(shared)


def compare(program: Program, shared: Any = None, **settings: Any) -> list[Trace]:
    """Run `program` untraced, then traced; both must behave the same. Gives what was traced.

    `shared` is the store, or a function that makes one where a copy would not do. `settings` are
    those of `tracing()`.
    """
    make = shared if callable(shared) else lambda: copy.deepcopy({} if shared is None else shared)
    untraced = execute(program, make())
    with capture_traces(**settings) as traces:
        traced = execute(program, make())
    assert_same(untraced, traced)
    for trace in traces:
        assert_well_formed(trace)
    return list(traces)


def both(make: Callable[[], Any], shared: Any = None, run: Any = run_flow, **settings: Any) -> str:
    """The outline of the one run of `make()`, after the same run untraced behaved the same."""
    (trace,) = compare(lambda store: run(make(), store), shared, **settings)
    return shown(trace)


def outlines(traces: list[Trace]) -> list[str]:
    """The outlines of `traces` in a fixed order: runs at the same time end in any order."""
    return sorted(shown(trace) for trace in traces)


def assert_same(untraced: Outcome, traced: Outcome) -> None:
    """The caller cannot tell the two runs apart."""
    assert described(traced.error) == described(untraced.error)
    assert traced.result == untraced.result
    assert traced.shared == untraced.shared
    assert traced.warned == untraced.warned


def described(error: BaseException | None) -> Any:
    """What can be seen of an exception: type, text, frames, notes, and those chained to it."""
    if error is None:
        return None
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    notes = getattr(error, "__notes__", None)
    chained = described(error.__cause__), described(error.__context__), error.__suppress_context__
    return type(error).__name__, text_of(error), frames, notes, chained


def text_of(error: BaseException) -> str:
    """`str(error)`, also where that raises."""
    try:
        return str(error)
    except Exception:
        return "<unprintable>"


def assert_well_formed(trace: Trace, complete: bool = True) -> None:
    """What holds for every trace, whatever ran: ends, order, parents, counts, JSON."""
    assert trace.complete is complete
    assert trace.dropped_spans == 0
    assert trace.span_count == len(trace.spans)
    assert trace.root is not None and trace.status is trace.root.status
    started: dict[str, int] = {}
    for span in trace.spans:
        assert span.trace_id == trace.id
        assert span.end_ns is not None and span.end_ns >= span.start_ns
        assert span.status is not Status.UNSET
        assert (span.error is not None) == (span.status is Status.ERROR) or span.status is Status.CANCELLED
        assert (span.parent_id is None) == (span is trace.root)
        if span.parent_id is not None:
            assert started[span.parent_id] <= span.start_ns
        started[span.span_id] = span.start_ns
    assert len(started) == len(trace.spans)
    assert [span.start_ns for span in trace.spans] == sorted(started.values())
    form = json.loads(json.dumps(trace.to_dict()))
    assert Trace.from_dict(form).to_dict() == form


def spans_of(trace: Trace, *kinds: str) -> list[Any]:
    """The spans of these kinds, in start order."""
    wanted = {SpanKind(kind) for kind in kinds}
    return [span for span in trace.spans if span.kind in wanted]


def child_env() -> dict[str, str]:
    """The environment in which a child process finds the packages that this one uses."""
    found = [str(Path(package.__file__).parents[1]) for package in (pocketflow, pocketflow_tracing)]
    inherited = [path for path in [os.environ.get("PYTHONPATH")] if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found + inherited)}


def child(folder: Path, *arguments: str, status: int = 0) -> str:
    """What a Python process, started in `folder` with these arguments, wrote to stdout."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=child_env(), timeout=120, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout
