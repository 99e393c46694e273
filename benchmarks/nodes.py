"""What a node costs, and what opening a scope and starting a run cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measuring import Rows, Times, median, own_time, timed, times, us
from pocketflow import Flow, Node
from programs import Clocked, Empty, Ticket, patched, ring, ticket_store

from pocketflow_tracing import TracingConfig, trace_flow, tracing

WARM_STEPS = 50
AT_ONCE = 20


@dataclass
class Way:
    """One way to run a flow: of which nodes, with which store, traced how."""

    node_class: type[Node]
    store: Callable[[], dict[str, Any]]
    config: TracingConfig | None = None
    dressed: Callable[[type[Node]], type[Node]] | None = None

    def measure(self, steps: int) -> Times:
        """What each step of a run of so many takes, after a short run that warms everything up."""
        if self.config is None:
            return self._measure(steps)
        with tracing(self.config):
            return self._measure(steps)

    def _measure(self, steps: int) -> Times:
        self._flow(WARM_STEPS).run(self.store())
        taken = timed(partial(self._flow(steps).run, self.store()))
        return Times(taken.own / steps, taken.all / steps)

    def _flow(self, steps: int) -> Flow:
        return ring(self.node_class, steps, dressed=self.dressed)


def node_rows(folder: Path, *, quick: bool) -> Rows:
    """What tracing adds to a node, beside closures round its methods."""
    log: Clocked = []
    structure = TracingConfig(store=folder / "nodes.db", trace_inputs=False, trace_outputs=False)
    values = TracingConfig(store=folder / "nodes.db")
    ways = {
        "empty": Way(Empty, dict),
        "wrapped": Way(Empty, dict, dressed=partial(patched, log=log)),
        "structure": Way(Empty, dict, structure),
        "values": Way(Empty, ticket_store, values),
        "ticket": Way(Ticket, ticket_store),
        "ticket values": Way(Ticket, ticket_store, values),
    }
    taken: dict[str, list[Times]] = {name: [] for name in ways}
    for _ in range(3 if quick else 15):
        for name, way in ways.items():
            taken[name].append(way.measure(200 if quick else 1000))
            log.clear()

    untraced = median(one.own for one in taken["empty"])
    rows = [("node of 3 empty phases, untraced", us(untraced))]
    rows += _added("closures round its methods", taken["wrapped"], taken["empty"], whole=False)
    rows += _added("traced without values", taken["structure"], taken["empty"])
    wrapped, traced = (_differences(taken[name], taken["empty"], "own") for name in ("wrapped", "structure"))
    rows.append(
        ("traced without values: added, over what the closures add", times(median(traced) / median(wrapped)))
    )
    rows.append(("traced without values: added, over the untraced node", times(median(traced) / untraced)))
    rows += _added("traced with values, ticket store", taken["values"], taken["empty"])
    rows.append(("node that changes the ticket, untraced", us(median(one.own for one in taken["ticket"]))))
    rows += _added("that node, traced with values", taken["ticket values"], taken["ticket"])
    return rows


def _added(label: str, taken: list[Times], base: list[Times], *, whole: bool = True) -> Rows:
    rows = [(f"{label}: added", us(median(_differences(taken, base, "own"))))]
    if whole:
        rows.append((f"{label}: added with the worker's part", us(median(_differences(taken, base, "all")))))
    return rows


def _differences(taken: list[Times], base: list[Times], clock: str) -> list[float]:
    """How much longer than the untraced run of the same round each one took."""
    pairs = zip(taken, base, strict=True)
    return [getattr(one, clock) - getattr(other, clock) for one, other in pairs]


def scope_rows(folder: Path, *, quick: bool) -> Rows:
    """What a scope costs, and a run of a flow that has no nodes."""
    config = TracingConfig(store=folder / "scopes.db")
    flow = Flow()
    decorated = trace_flow(config)(Flow())

    def scope() -> None:
        with tracing(config):
            pass

    taken: dict[str, list[float]] = {"scope": [], "untraced": [], "in a scope": [], "decorated": []}
    for _ in range(3 if quick else 25):
        taken["untraced"].append(_each(lambda: flow.run({})))
        taken["scope"].append(_each(scope))
        with tracing(config):
            taken["in a scope"].append(_each(lambda: flow.run({})))
        taken["decorated"].append(_each(lambda: decorated.run({})))
    middle = {name: median(seconds) for name, seconds in taken.items()}
    return [
        ("opening and closing a scope", us(middle["scope"])),
        ("a run of a flow without nodes, untraced", us(middle["untraced"])),
        ("that run in an open scope: added", us(middle["in a scope"] - middle["untraced"])),
        ("that run of a decorated flow, scope and all: added", us(middle["decorated"] - middle["untraced"])),
    ]


def _each(act: Callable[[], object]) -> float:
    """What one of many takes."""

    def acts() -> None:
        for _ in range(AT_ONCE):
            act()

    act()
    return own_time(acts) / AT_ONCE
