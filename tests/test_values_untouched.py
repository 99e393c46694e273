"""A capture leaves everything where it was: positions, items, and how long objects and classes live."""

from __future__ import annotations

import asyncio
import gc
import io
import queue
import weakref
from pathlib import Path
from typing import Any

from values_support import shown

from pocketflow_tracing.values import Limits, snapshot


def test_nothing_is_consumed() -> None:
    """Iterators, generators, queues and files give the program the same after as before."""
    numbers = (number for number in range(3))
    walk = iter([1, 2, 3])
    lines = map(str, [1, 2])
    waiting: queue.Queue[int] = queue.Queue()
    later: asyncio.Queue[int] = asyncio.Queue()
    for number in range(2):
        waiting.put(number)
        later.put_nowait(number)
    memory = io.BytesIO(b"abcdef")
    memory.seek(2)
    with open(__file__, encoding="utf-8") as file:
        first = file.readline()
        shown({"numbers": numbers, "walk": walk, "lines": lines, "zip": zip([1], [2], strict=True)})
        shown([waiting, later, memory, file, file.buffer, (numbers, {"walk": walk})])

        assert first + file.readline() == Path(__file__).read_text("utf-8")[: file.tell()]
    assert list(numbers) == [0, 1, 2]
    assert list(walk) == [1, 2, 3]
    assert list(lines) == ["1", "2"]
    assert [waiting.get_nowait() for _ in range(2)] == [later.get_nowait() for _ in range(2)] == [0, 1]
    assert (memory.tell(), memory.read()) == (2, b"cdef")


def test_objects_live_no_longer_for_having_been_captured() -> None:
    """A capture holds no reference to any object of the program's that can die with effects."""
    gone: list[str] = []

    class Resource:
        def __del__(self) -> None:
            gone.append("gone")

    store: dict[str, Any] = {"resource": Resource(), "nested": [[Resource()]]}
    taken = snapshot(store, Limits())
    store.clear()
    gc.collect()

    assert gone == ["gone", "gone"]
    assert taken.size > 0


def test_classes_live_no_longer_for_having_been_seen() -> None:
    """A class can go, and what is remembered of classes that are gone does not pile up."""
    from pocketflow_tracing.values import shapes

    def use(number: int) -> weakref.ref[type]:
        made = type(f"Passing{number}", (), {"__init__": lambda self: setattr(self, "a", 1)})
        shown(made())
        return weakref.ref(made)

    gc.collect()
    alive = sum(known[0]() is not None for known in shapes._readers.values())
    seen = [use(number) for number in range(3000)]
    gc.collect()

    assert [made() for made in seen if made() is not None] == []
    assert len(shapes._readers) <= 2 * max(1024, alive + 1000)
