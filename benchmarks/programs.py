"""The flows that are measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

from pocketflow import Flow, Node

RING = 10

Clocked = list[tuple[str, int, int]]


class Empty(Node):
    """Three phases that do nothing: all that is left is PocketFlow, and whoever watches it."""

    def prep(self, shared: Any) -> Any:
        pass

    def exec(self, prep_res: Any) -> Any:
        pass

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        pass


class Ticket(Node):
    """Reads one key of the store, and changes three."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["message"]

    def exec(self, prep_res: str) -> dict[str, str]:
        return {"category": "billing", "priority": "high" if "twice" in prep_res else "normal"}

    def post(self, shared: dict[str, Any], prep_res: str, exec_res: dict[str, str]) -> Any:
        shared.update(exec_res)
        shared["attempts"] += 1


def ticket_store() -> dict[str, Any]:
    """A store such as a support flow has."""
    return {
        "ticket_id": "T-1001",
        "customer": "Ada Lovelace",
        "message": "I was charged twice this month",
        "classification": "billing",
        "priority": "high",
        "category": "payment",
        "team": "billing",
        "attempts": 0,
        "steps": ["classify", "route"],
        "resolution": {"status": "open", "eta": "2h"},
    }


def patched(node_class: type[Node], log: Clocked) -> type[Node]:
    """`node_class` as people trace by hand: closures round its methods that clock them."""
    clock = time.perf_counter_ns

    def wrapped(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Node, *arguments: Any) -> Any:
            start = clock()
            try:
                return method(self, *arguments)
            finally:
                log.append((name, start, clock()))

        return call

    methods = {name: wrapped(name, getattr(node_class, name)) for name in ("prep", "exec", "post")}
    return type(node_class.__name__, (node_class,), methods)


def ring(
    node_class: type[Node],
    steps: int,
    *,
    dressed: Callable[[type[Node]], type[Node]] | None = None,
    each_turn: Callable[[], object] | None = None,
) -> Flow:
    """A flow of so many steps, over ten nodes in a ring; it can be run once.

    `dressed` makes the classes that run of those given; `each_turn` is called once in ten steps,
    from within a post.
    """
    turns: Iterator[str] = chain(repeat("again", steps // RING - 1), ["done"])

    plain = node_class.post

    def post(self: Node, shared: Any, prep_res: Any, exec_res: Any) -> str:
        plain(self, shared, prep_res, exec_res)
        if each_turn is not None:
            each_turn()
        return next(turns)

    turn_class = type("Turn", (node_class,), {"post": post})
    if dressed is not None:
        node_class, turn_class = dressed(node_class), dressed(turn_class)
    first = node = node_class()
    for _ in range(RING - 2):
        node = node >> node_class()
    last = node >> turn_class()
    last - "again" >> first
    last - "done" >> node_class()
    return Flow(start=first)
