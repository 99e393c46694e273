"""The short way that ordinary nodes take leaves what the recorder's own way leaves, to the last value."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pocketflow
import pytest
from pocketflow import Flow, Node

from pocketflow_tracing import Trace, recorder
from pocketflow_tracing.anatomy import Anatomy
from pocketflow_tracing.engine import engine
from pocketflow_tracing.testing import capture_traces

from .build import as_it_is
from .compare import observe
from .generate import generate

_OF_ONE_RUN = ("id", "trace_id", "start_ns", "end_ns", "stacktrace")
_IDS = ("span_id", "parent_id", "raised_in")


@pytest.fixture(autouse=True)
def every_probe(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only monitoring takes a short way; and the classes of other tests, some too odd for it, are unknown."""
    if probe == "profile":
        pytest.skip("sys.setprofile is told of everything in one way")

    def refresh(known: Any) -> Any:
        return [] if known._modules else known._adopt(pocketflow)

    monkeypatch.setattr(Anatomy, "refresh", refresh)


def both_ways(run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold what `run` leaves on the short way against what the recorder leaves without it."""
    found = []
    for take in (recorder.ordinary, lambda piece, told: None):
        monkeypatch.setattr(recorder, "ordinary", take)
        monkeypatch.setattr(engine, "_anatomy", None)
        for _ in range(2):  # the second time every class is known
            with capture_traces() as traces:
                run()
        found.append([told_apart_by_nothing(trace) for trace in traces])
    assert found[0] == found[1]


def told_apart_by_nothing(trace: Trace) -> Any:
    """All of a trace but what no two runs have in common; ids are numbered by first appearance."""
    numbers: dict[str, int] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: numbers.setdefault(part, len(numbers)) if key in _IDS else plain(part)
                for key, part in value.items()
                if key not in _OF_ONE_RUN
            }
        return [plain(part) for part in value] if isinstance(value, list) else value

    return plain(trace.to_dict())


@pytest.mark.parametrize("name", ["support_tickets", "school_report", "research_agent"])
def test_an_example_is_the_same_either_way(
    name: str, example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans, values, changes, attributes, graph and warnings."""
    both_ways(example(name).main, monkeypatch)


@pytest.mark.parametrize("seed", [seed for seed in range(100) if generate(seed).entry.kind == "run"])
def test_a_random_program_is_the_same_either_way(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its nodes override, raise and run by hand."""
    program = generate(seed)

    both_ways(lambda: observe(program, as_it_is, nullcontext()), monkeypatch)


def test_a_plain_node_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its class is known, the recorder is told nothing of its phases."""
    told: list[str] = []
    called = recorder.Recorder.called

    def note(self: Any, piece: Any, call: Any, *rest: Any) -> None:
        told.append(call.name)
        called(self, piece, call, *rest)

    monkeypatch.setattr(recorder.Recorder, "called", note)
    monkeypatch.setattr(engine, "_anatomy", None)
    flow = Flow(start=_Plain())
    with capture_traces():
        flow.run({})
        told.clear()
        flow.run({})

    assert told == ["_run", "prep", "_orch", "post"]  # those of the flow, which no flow runs


class _Plain(Node):
    def prep(self, shared: Any) -> Any:
        return [1]

    def exec(self, prep_res: Any) -> Any:
        return [*prep_res, 2]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["found"] = exec_res
