"""Runs a program plain, watched and traced, and says where the three differ."""

from __future__ import annotations

import contextlib
import difflib
import gc
import pprint
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pocketflow

from pocketflow_tracing import TracingConfig

from .build import Watch, as_it_is, build
from .entries import enter
from .oracle import Oracle, values_of
from .programs import Program
from .running import Running
from .values import digest, seen, start_run, touched

Capture = Callable[..., AbstractContextManager[Any]]
"""`capture_traces`, or what stands in for it: takes `scope` and `config`, gives a list of traces."""

WHOLE = TracingConfig(max_value_bytes=2**20, max_trace_bytes=2**30, max_queue_bytes=2**30)
"""Nothing that a program has is too much to be kept."""


@dataclass
class Behaviour:
    """All that can be seen of a run from outside."""

    results: list[Any] = field(default_factory=list)
    frames: list[list[str]] = field(default_factory=list)
    logs: dict[str, list[Any]] = field(default_factory=dict)
    stores: dict[str, Any] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)
    touched: dict[str, int] = field(default_factory=dict)

    def differences(self, other: Behaviour, frames: bool = True) -> str:
        """A diff for each part in which `other` differs; "" where there is none."""
        found = []
        for name in vars(self):
            one, two = getattr(self, name), getattr(other, name)
            if one != two and (frames or name != "frames"):
                lines = difflib.unified_diff(show(one), show(two), "untraced", name, lineterm="", n=2)
                found.append(f"{name} differ:\n" + "\n".join(lines))
        return "\n".join(found)


def show(value: Any) -> list[str]:
    return pprint.pformat(value, width=110).splitlines()


def observe(program: Program, watch: Watch, around: AbstractContextManager[Any]) -> Behaviour:
    """The behaviour of a fresh build of the program, run inside `around`."""
    running = build(program, watch)
    before = fingerprint(running)
    start_run()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with around:
            outcomes = enter(running)
    found = Behaviour(
        results=[result for result, _ in outcomes],
        # An exception raised in two threads gathers the frames of both, in whatever order.
        frames=[] if program.entry.kind == "threads" else [frames for _, frames in outcomes],
        logs=running.logs,
        warned=sorted(f"{entry.category.__name__}: {entry.message}" for entry in warned),
        touched=dict(touched),
    )
    found.stores = {lane: digest(stores, consume=True) for lane, stores in running.stores.items()}
    assert fingerprint(running) == before, "a class or an instance was changed"
    return found


def fingerprint(running: Running) -> list[Any]:
    """The identity of all that PocketFlow's and the program's classes and instances hold."""
    classes = {cls for cls in vars(pocketflow).values() if isinstance(cls, type)}
    classes.update(base for unit in running.units for base in type(unit).__mro__)
    ignored = ("params", "cur_retry", "__slotnames__")  # the last one is the cache of `copy.copy`
    members = sorted(
        (cls.__qualname__, name, id(value))
        for cls in classes
        for name, value in vars(cls).items()
        if name not in ignored
    )
    fields = [
        [(name, id(value)) for name, value in vars(unit).items() if name not in ignored]
        for unit in running.units
    ]
    return [members, fields, sys.gettrace()]


def plain(program: Program) -> Behaviour:
    """The behaviour without any watching."""
    return observe(program, as_it_is, contextlib.nullcontext())


def watched(program: Program) -> tuple[Behaviour, list[str]]:
    """The behaviour under the oracle, and the outlines that it expects of the traces."""
    oracle = Oracle()
    found = observe(program, oracle.watched, oracle.watching())
    return found, oracle.outlines(program.scope)


def compare(program: Program, capture: Capture, outline: Callable[[Any], str]) -> str:
    """What is wrong with tracing this program; "" where nothing is."""
    untraced = plain(program)
    truth, expected = watched(program)
    doubt = untraced.differences(truth, frames=False)
    if doubt:
        return f"the oracle changes the program, so its word does not count:\n{doubt}"
    traces: list[Any] = []
    traced = observe(program, as_it_is, keeping(traces, capture(scope=program.scope, config=WHOLE)))
    wrong = untraced.differences(traced)
    outlines = sorted(with_values(trace, outline(trace)) for trace in traces)
    if outlines != expected:
        lines = difflib.unified_diff(
            joined(expected), joined(outlines), "what ran", "the trees", lineterm="", n=30
        )
        wrong += "\nthe trees differ from what ran:\n" + "\n".join(lines)
    return wrong + "".join(f"\n{fault}" for trace in traces for fault in faults(trace))


def with_values(trace: Any, outline: str) -> str:
    """The outline of a trace, with what each phase was given and gave, as the oracle prints it."""
    children: dict[Any, list[Any]] = {}
    for span in trace.spans:
        children.setdefault(span.parent_id, []).append(span)

    def walked(parent: Any) -> Iterator[Any]:
        for span in children.get(parent, ()):
            yield span
            yield from walked(span.span_id)

    spans = zip(outline.splitlines(), walked(None), strict=True)
    return "\n".join(line + values_of_span(span) for line, span in spans)


def values_of_span(span: Any) -> str:
    given = span.attributes.get("params", {}) if span.kind == "iteration" else (span.input or {}).values()
    given = seen(given) if span.kind == "iteration" else [seen(value) for value in given]
    return values_of(span.kind.value, given, seen(span.output))


def joined(outlines: list[str]) -> list[str]:
    return "\n\n".join(outlines).splitlines()


@contextlib.contextmanager
def keeping(traces: list[Any], scope: AbstractContextManager[Any]) -> Iterator[None]:
    """Opens the scope; fills `traces` with what it caught."""
    with scope as caught:
        yield
        gc.collect(0)
    traces.extend(caught)


def faults(trace: Any) -> Iterator[str]:
    """What is wrong with a trace in itself, whatever ran."""
    if not trace.complete or trace.dropped_spans:
        yield f"trace {trace.name} is not complete"
    known: dict[str, Any] = {}
    for span in trace.spans:
        parent = known.get(span.parent_id)
        if span.end_ns is None or span.end_ns < span.start_ns:
            yield f"{span.kind.value} {span.name} never ended, or before its start"
        if known and parent is None:
            yield f"{span.kind.value} {span.name} has no parent that started before it"
        if parent is not None and span.start_ns < parent.start_ns:
            yield f"{span.kind.value} {span.name} started before its parent"
        if span.span_id in known:
            yield f"two spans have the id {span.span_id}"
        known[span.span_id] = span
