"""A bug in a sink, the user's or one of ours, costs one line: program, store and other sinks have all."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from live_support import config, own_delivery
from live_support import traced as run_by_hand
from pocketflow import Flow, Node

from pocketflow_tracing import flush, tracing
from pocketflow_tracing.delivery import followed
from pocketflow_tracing.sinks.base import Sink
from pocketflow_tracing.sinks.console import ConsoleSink
from pocketflow_tracing.sinks.memory import MemorySink

from .harness import assert_same, execute
from .programs import every_kind


class Users(Sink):
    """Has every method, so it is told everything."""

    def span_open(self, span: Any) -> None:
        """Do nothing with what goes on."""

    def flush(self, timeout: float) -> bool:
        """Have nothing to send."""
        return True

    def close(self) -> None:
        """Hold nothing."""


class Keeping(Sink):
    """Keeps what it is told of."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ended = 0
        self.closed = False

    def span_ended(self, span: Any) -> None:
        """Keep one name."""
        self.names.append(span.name)

    def trace_ended(self, trace: Any) -> None:
        """Count."""
        self.ended += 1

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class Busy(Node):
    """Goes on while the worker looks what goes on."""

    def exec(self, prep_res: Any) -> Any:
        flush()


def program(shared: Any) -> Any:
    """Five runs, one of which is seen before it ends, and the last of which fails."""
    Flow(start=Busy()).run(shared)
    return every_kind(shared)


def console() -> Sink:
    """A console whose stream nobody reads."""
    return ConsoleSink(io.StringIO(), live=True)


TOLD = ["trace_started", "span_ended", "trace_ended"]
PLACES: list[tuple[Callable[[], Sink], str]] = [
    *((Users, method) for method in [*TOLD, "span_open", "flush"]),
    *((console, method) for method in [*TOLD, "span_open", "flush"]),
    *((MemorySink, method) for method in TOLD),
]


def plant(patch: pytest.MonkeyPatch, sink: Sink, method: str) -> list[str]:
    """Have a method of `sink` raise; gives the list to which each call of it adds."""
    called: list[str] = []

    def bug(*args: Any) -> Any:
        called.append(method)
        raise ZeroDivisionError("a bug of the sink's")

    patch.setattr(sink, method, bug)
    return called


@pytest.mark.parametrize(("make", "method"), PLACES, ids=lambda value: getattr(value, "__name__", value))
def test_a_sink_that_raises_costs_one_line_and_nothing_else(
    make: Callable[[], Sink], method: str, monkeypatch: pytest.MonkeyPatch, told: list[str], kept: Any
) -> None:
    """The sinks beside it are told all the same, and the store has every trace whole."""
    monkeypatch.setattr(followed, "LONG_NS", 0)
    untraced = execute(program, {"n": 1})
    broken, keeping = make(), Keeping()
    with monkeypatch.context() as patch:  # it goes on being called, at every flush
        called = plant(patch, broken, method)
        with tracing(), tracing(sinks=[broken, keeping]):
            traced = execute(program, {"n": 1})
        assert flush() == (method == "flush")
    stored = kept()
    assert_same(untraced, traced)
    assert called
    assert len(told) == 1
    assert all(trace.complete for trace in stored)
    assert sorted(keeping.names) == sorted(span.name for trace in stored for span in trace.spans)
    assert keeping.ended == len(stored) == 5
    told.clear()


@pytest.mark.parametrize("make", [Users, console])
def test_a_sink_that_cannot_be_closed_costs_one_line_and_nothing_else(
    make: Callable[[], Sink], monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """What is told at the end of the process is told by nobody who could be harmed; others are closed too."""
    broken, keeping = make(), Keeping()
    called = plant(monkeypatch, broken, "close")
    with own_delivery() as delivery:
        run_by_hand(delivery, config(None), broken, keeping)
    assert called == ["close"]
    assert keeping.closed
    assert len(told) == 1
    told.clear()
