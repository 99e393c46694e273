"""What the functions of the package take, and how they refuse anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pocketflow_tracing import TracingError, current_trace, flush, span, trace_flow, tracing
from pocketflow_tracing.sinks.memory import MemorySink


class Unprintable:
    """An object whose text cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def pieces() -> Iterator[int]:
    """A generator function, which has no single end."""
    yield 1


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (
        lambda: tracing(tags="nightly"),  # type: ignore[arg-type]
        "tags must be a list of texts, like ['nightly']; it is 'nightly'",
    ),
    "number": (lambda: tracing(tags=3), "tags must be a list of texts, like ['nightly']; it is 3"),
    "mixed": (
        lambda: tracing(tags=["a", Unprintable()]),
        "tags must be a list of texts, like ['nightly']; one is Unprintable",
    ),
    "name": (lambda: trace_flow(flow_name=5), "flow_name must be text; it is 5"),
    "session": (lambda: current_trace().update(session_id=b"a"), "session_id must be text; it is bytes"),
    "metadata": (lambda: tracing(metadata=["a"]), "metadata must be a dict; it is list"),
    "key": (
        lambda: tracing(metadata={"a": 1, 2: 2}),
        "metadata must be a dict with texts as keys; one is 2",
    ),
    "config": (lambda: trace_flow(config={}), "config must be a TracingConfig; it is dict"),
    "sink": (
        lambda: tracing(sinks=MemorySink()),
        "sinks must be a list of instances of Sink, like [MySink()]; it is MemorySink",
    ),
    "sink class": (
        lambda: tracing(sinks=[MemorySink]),
        "sinks must be a list of instances of Sink, like [MySink()]; one is the class MemorySink",
    ),
    "span": (lambda: span(3), "the name of a span must be text; it is 3"),
    "timeout": (lambda: flush("1"), "timeout must be a number of seconds, like 5; it is '1'"),
    "flow": (
        lambda: trace_flow(3),
        "trace_flow takes a flow class, a flow instance, a function or a coroutine function; "
        "it was given int",
    ),
    "class": (
        lambda: trace_flow(Unprintable),
        "trace_flow takes classes with a `run` method, such as Flow; Unprintable has none",
    ),
    "generator": (
        lambda: trace_flow(pieces),
        "trace_flow cannot trace the generator function pieces: it has no single end; "
        "use `with tracing():` or `with span(...)` inside it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_at_the_call(case: str):
    """The error is a TypeError as well as a TracingError, and names what was given and what is wanted."""
    call, message = REFUSED[case]

    with pytest.raises(TracingError) as refused:
        call()

    assert isinstance(refused.value, TypeError)
    assert str(refused.value) == message


def test_a_value_that_is_none_of_several_is_refused_at_the_call():
    """The error is a ValueError as well as a TracingError."""
    with pytest.raises(TracingError, match="scope must be 'context' or 'process'; it is 'thread'") as refused:
        tracing(scope="thread")

    assert isinstance(refused.value, ValueError)


def test_tags_may_come_from_anything_that_gives_texts():
    """A generator is read once, and each of its texts is a tag."""
    sink = MemorySink()
    with tracing(tags=(tag for tag in ("a", "b")), sinks=[sink]), span("work"):
        pass
    flush()

    assert [trace.tags for trace in sink.traces] == [["a", "b"]]
