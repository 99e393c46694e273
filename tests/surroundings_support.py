"""What belongs to the program and not to us, and what of ours may be left after a run: nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pocketflow

OURS = "pocketflow-tracing"
"""The name of our tool id and of our one worker thread."""

HAS_MONITORING = sys.version_info >= (3, 12)
PROBES = ["monitoring", "profile"] if HAS_MONITORING else ["profile"]


@dataclass(frozen=True)
class Surroundings:
    """What belongs to the program."""

    environ: dict[str, str]
    handlers: dict[int, Any]
    profiler: Any
    thread_profiler: Any
    tracer: Any
    thread_tracer: Any
    recursion_limit: int
    switch_interval: float

    @classmethod
    def now(cls) -> Surroundings:
        """The surroundings as they are."""
        environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        return cls(
            environ=environ,
            handlers={number: signal.getsignal(number) for number in signal.valid_signals()},
            profiler=sys.getprofile(),
            thread_profiler=threading.getprofile(),
            tracer=sys.gettrace(),
            thread_tracer=threading.gettrace(),
            recursion_limit=sys.getrecursionlimit(),
            switch_interval=sys.getswitchinterval(),
        )


def remaining_threads(known: set[threading.Thread]) -> list[str]:
    """The names of threads that started since and do not end, one worker of ours apart."""
    for thread in set(threading.enumerate()) - known:
        if thread.name != OURS:
            thread.join(timeout=5)
    deadline = time.monotonic() + 5
    while len(_workers()) > 1 and time.monotonic() < deadline:
        for worker in _workers():
            worker.join(timeout=0.01)  # which of them is about to end cannot be told
    names = [thread.name for thread in threading.enumerate() if thread not in known]
    return [name for name in names if name != OURS] + [worker.name for worker in _workers()[1:]]


def _workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == OURS]


def left_registered() -> list[str]:
    """What we left in `sys.monitoring`: a tool id, or events and callbacks of a freed one."""
    if not HAS_MONITORING:
        return []
    left = []
    for tool in range(6):
        owner = sys.monitoring.get_tool(tool)
        if owner is None:
            left += left_in_free_tool(tool)
        elif owner == OURS:
            left.append(f"tool id {tool}")
    return left


def left_in_free_tool(tool: int) -> list[str]:
    """What is still set in a tool id that nobody uses: before 3.14, freeing leaves it there."""
    monitoring = sys.monitoring
    monitoring.use_tool_id(tool, "leak check")
    try:
        left = [f"events of tool {tool}"] if monitoring.get_events(tool) else []
        for code in framework_code():
            if monitoring.get_local_events(tool, code):
                left.append(f"events of tool {tool} in {code.co_qualname}")
        for event, name in single_events().items():
            if monitoring.register_callback(tool, event, None) is not None:
                left.append(f"callback of tool {tool} for {name}")
    finally:
        monitoring.free_tool_id(tool)
    return left


def clear_tool(tool: int) -> None:
    """Take every event and callback from a tool id, and free it."""
    monitoring = sys.monitoring
    for code in framework_code():
        monitoring.set_local_events(tool, code, 0)
    monitoring.set_events(tool, 0)
    for event in single_events():
        monitoring.register_callback(tool, event, None)
    monitoring.free_tool_id(tool)


def single_events() -> dict[int, str]:
    """The events that are one: NO_EVENTS, and BRANCH of 3.14, are not."""
    events = vars(sys.monitoring.events)
    numbers = {value: name for name, value in events.items() if isinstance(value, int)}
    return {value: name for value, name in numbers.items() if value > 0 and value & (value - 1) == 0}


def framework_code() -> Iterator[types.CodeType]:
    """Every code object of PocketFlow, those nested in others as well."""
    for owner in vars(pocketflow).values():
        if isinstance(owner, type) and owner.__module__ == pocketflow.__name__:
            for member in vars(owner).values():
                if isinstance(member, types.FunctionType):
                    yield from with_nested(member.__code__)


def with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """`code` and the code of what is defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from with_nested(constant)
