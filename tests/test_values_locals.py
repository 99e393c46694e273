"""What an error leaves behind: where it was raised, what it followed, what the variables were then."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pocketflow import Flow, Node
from values_support import Liar, called

from pocketflow_tracing import TracingConfig, flush, tracing
from pocketflow_tracing.model import ErrorInfo, Trace
from pocketflow_tracing.sinks.memory import MemorySink

LOCALS = TracingConfig(store=None, capture_locals=True)


class Divide(Node):  # type: ignore[misc]
    """Fails one call deep, in a function with variables of its own."""

    def exec(self, prep_res: Any) -> Any:
        api_key, text, odd = "q7Zt/x9=Lm&42wPv", "x" * 100_000, Liar()
        return {"got": _divided(3, 0, [api_key]), "text": text, "odd": odd}


def _divided(upper: int, lower: int, sent: list[str]) -> float:
    password = "hunter2"
    note = f"sent {sent[0]} with {password!r}"
    return upper / (lower * len(note))


def _run(node: Node, config: TracingConfig = LOCALS, shared: Any = None) -> Trace:
    sink = MemorySink()
    with tracing(config, sinks=[sink]), pytest.raises(Exception):  # noqa: B017
        Flow(start=node).run({} if shared is None else shared)
    flush()
    [trace] = sink.traces
    return trace


def _error(trace: Trace) -> ErrorInfo:
    """The one error that was raised, as the span that keeps its stack trace has it."""
    [error] = [span.error for span in trace.spans if span.error is not None and span.error.stacktrace]
    return error


def test_the_variables_of_the_frame_that_failed_are_kept() -> None:
    """Those of the innermost function, masked by their names, once in the trace."""
    trace = _run(Divide())

    assert _error(trace).locals == {
        "upper": 3,
        "lower": 0,
        "sent": ["q7Zt/x9=Lm&42wPv"],
        "password": "[redacted]",
        "note": "sent q7Zt/x9=Lm&42wPv with 'hunter2'",
    }
    assert [span.error is not None and span.error.locals is not None for span in trace.spans].count(True) == 1
    assert Trace.from_dict(trace.to_dict()) == trace


def test_variables_are_bounded_masked_and_run_no_code() -> None:
    """A long text is cut, a secret hidden, an object that lies is not asked."""

    class Hold(Node):  # type: ignore[misc]
        def exec(self, prep_res: Any) -> Any:
            api_key, text, odd = "q7Zt/x9=Lm&42wPv", "x" * 1_000_000, Liar()
            again = f"used {api_key}"
            raise ValueError(len(text) + len(again) + bool(odd is None))

    called.clear()
    found = _error(_run(Hold())).locals

    assert called == []
    assert found["api_key"] == "[redacted]"
    assert found["again"] == "used [redacted]"
    assert found["odd"] == {"kept": 1}
    assert len(json.dumps(found)) < 20_000


def test_the_frame_is_the_programs_own() -> None:
    """Where a library raises, what it was called with says more than its own variables."""

    class Parse(Node):  # type: ignore[misc]
        def exec(self, prep_res: Any) -> Any:
            broken = "{"
            return json.loads(broken)

    assert _error(_run(Parse())).locals["broken"] == "{"


@pytest.mark.parametrize(
    "switched", [{"capture_locals": False}, {"trace_inputs": False}, {"trace_outputs": False}]
)
def test_no_variables_are_kept_where_values_are_not(switched: dict[str, bool]) -> None:
    """They are asked for, and hold inputs and outputs alike."""
    config = TracingConfig(**{"store": None, "capture_locals": True, **switched})  # type: ignore[arg-type]

    assert _error(_run(Divide(), config)).locals is None


def test_frames_of_pocketflow_are_folded() -> None:
    """A stack trace shows the program's lines, and says how many it leaves out."""

    class Call(Node):  # type: ignore[misc]
        def exec(self, prep_res: Any) -> Any:
            return Flow(start=Divide()).run({})

    shown = _error(_run(Call())).stacktrace

    assert "pocketflow/__init__.py" not in shown
    assert "1 frame of PocketFlow" in shown
    assert shown.endswith("return upper / (lower * len(note))\nZeroDivisionError: division by zero")


def test_a_frame_of_pocketflow_that_raises_itself_is_shown() -> None:
    """What it objects to is at the end of the stack trace."""

    class Wrong(Node):  # type: ignore[misc]
        def prep(self, shared: Any) -> Any:
            return 7

    wrong = Wrong()
    wrong.exec = None  # type: ignore[method-assign, assignment]

    assert "pocketflow" in _error(_run(wrong)).stacktrace


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no exception groups before")
def test_the_members_of_a_group_are_told() -> None:
    """Each with its message and where it was raised, nested ones set in, very many counted."""

    def failed(error: Exception) -> Exception:
        try:
            raise error
        except Exception as raised:
            return raised

    class Gather(Node):  # type: ignore[misc]
        def exec(self, prep_res: Any) -> Any:
            group: Any = ExceptionGroup  # type: ignore[name-defined]  # noqa: F821
            inner = group("inner", [OSError("disk")])
            raise group("all failed", [failed(ValueError("one")), inner, *[KeyError(n) for n in range(30)]])

    lines = _error(_run(Gather())).stacktrace.splitlines()
    start = lines.index("ExceptionGroup: all failed (32 sub-exceptions)")

    assert lines[start + 1].startswith("  - ValueError: one  (test_values_locals.py:")
    assert lines[start + 2 : start + 4] == [
        "  - ExceptionGroup: inner (1 sub-exception)",
        "    - OSError: disk",
    ]
    assert lines[-1] == "  … +12 more"


def test_code_that_was_never_a_function_fails_as_well(tmp_path: Path) -> None:
    """The names of a module are its variables; those between underscores are Python's."""
    module = ModuleType("script")
    code = compile("count = 3\ncount / 0", str(tmp_path / "script.py"), "exec")

    class Run(Node):  # type: ignore[misc]
        def exec(self, prep_res: Any) -> Any:
            exec(code, module.__dict__)

    assert _error(_run(Run())).locals == {"count": 3}
