"""What an exception followed, and what was noted on it, as a real run leaves it in the trace."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pocketflow import Flow, Node

from pocketflow_tracing.model import ErrorInfo

from .harness import compare, spans_of

pytestmark = pytest.mark.usefixtures("probe")


class Chain(Node):
    """Fails in the way it is told to."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def exec(self, prep_res: Any) -> Any:
        try:
            try:
                raise KeyError("first")
            except KeyError as first:
                raise OSError(2, "No such file", "second") from first
        except OSError as second:
            if self.way == "from":
                raise ValueError("third") from second
            if self.way == "from another":
                raise ValueError("third") from LookupError("elsewhere")
            if self.way == "from nothing":
                raise ValueError("third") from None
            raise ValueError("third")  # noqa: B904


def errors(node: Node) -> list[ErrorInfo]:
    """The errors of a run that fails, as the spans have them, the outermost first."""
    (trace,) = compare(lambda shared: Flow(start=node).run(shared))
    found = [span.error for span in spans_of(trace, "flow", "node", "exec")]
    assert len(found) == 3
    return found


_BEFORE = ["FileNotFoundError: [Errno 2] No such file: 'second'", "KeyError: 'first'"]
CAUSES = {
    "from": _BEFORE,
    "implicitly": _BEFORE,
    "from another": ["LookupError: elsewhere"],
    "from nothing": [],
}


@pytest.mark.parametrize("way", CAUSES)
def test_the_causes_of_an_error_are_told(way: str) -> None:
    """Named after `from`, or what was being handled; the span that raised it keeps them, once."""
    flow, node, failed = errors(Chain(way))

    assert failed.causes == CAUSES[way]
    assert failed.message == "third"
    assert flow.causes == node.causes == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions take notes from 3.11 on")
def test_the_notes_on_an_error_are_told_where_they_were_made() -> None:
    """A note that is added further out is not told of further in."""

    class Noting(Node):
        def exec(self, prep_res: Any) -> Any:
            error: Any = ValueError("no")
            error.add_note("while counting")
            raise error

    class Outer(Flow):
        def _orch(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super()._orch(*args, **kwargs)
            except ValueError as error:
                noted: Any = error
                noted.add_note("in the flow")
                raise

    (trace,) = compare(lambda shared: Outer(start=Noting()).run(shared))
    (failed,), (flow,) = spans_of(trace, "exec"), spans_of(trace, "flow")

    assert failed.error.notes == ["while counting"]
    assert flow.error.notes == ["while counting", "in the flow"]
