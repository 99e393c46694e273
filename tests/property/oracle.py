"""What truly ran, as a tree: the truth that traces are compared with.

A watched run is not traced. The generated classes carry the oracle's wrappers round their phases and
overrides, and PocketFlow's own methods are replaced for as long as it lasts. Each wrapper notes when it
is entered and how it is left. That changes what is called, so a watched run is only trusted when its
program behaved as in the plain runs: the same results, and the same log line by line.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pocketflow

from .overrides import start_of
from .programs import plain_name
from .values import seen

PHASES = ("prep", "exec", "exec_fallback", "post")
KINDS = {"prep": "prep", "exec": "exec", "exec_fallback": "fallback", "post": "post"}
PHASE_KINDS = tuple(KINDS.values())
STEPS = ("_run", "_run_async")
ORCHESTRATIONS = ("_orch", "_orch_async")
CANCELLED = (asyncio.CancelledError, GeneratorExit)


_numbers = itertools.count()


class Record:
    """Something that ran: a flow, node, iteration or phase, or (not printed) the attempts at one item."""

    def __init__(self, kind: str, subject: Any, parent: Record | None, inside: bool) -> None:
        self.number = next(_numbers)
        self.kind = kind
        self.subject = subject
        self.parent = parent
        self.inside = inside
        """Whether this ran in the context of the scope, not in a thread that lost it."""
        self.children: list[Record] = []
        self.open = True
        self.status = "ok"
        self.name = ""
        self.visit = 1
        self.action: Any = None
        self.item: int | None = None
        self.attempt: int | None = None
        self.recovered = False
        self.given: Any = None
        """What of its arguments a trace must show, taken as it began."""
        self.gave: Any = None
        """What of its result a trace must show, taken as it ended."""
        self.keys: dict[int, str] = {}
        self.seen: Counter[str] = Counter()

    @property
    def is_step(self) -> bool:
        return self.kind in ("flow", "node")

    def above(self, *kinds: str) -> Record | None:
        """The nearest record of these kinds, this one included."""
        record: Record | None = self
        while record is not None and record.kind not in kinds:
            record = record.parent
        return record

    def fail(self, error: BaseException) -> None:
        """Notes with what this was left."""
        self.status = "cancelled" if isinstance(error, CANCELLED) else f"error {type(error).__name__}"

    def line(self) -> str:
        """This record as a line of an outline."""
        parts = [self.kind, self.name, self.status]
        if self.is_step and self.action is not None:
            parts.append(f"-> {self.action if isinstance(self.action, str) else type(self.action).__name__}")
        if self.visit > 1:
            parts.append(f"visit={self.visit}")
        if self.item is not None:
            parts.append(f"item={self.item}")
        if self.attempt is not None:
            parts.append(f"attempt={self.attempt}")
        if self.recovered:
            parts.append("recovered")
        return " ".join(part for part in parts if part) + values_of(self.kind, self.given, self.gave)

    def parts(self) -> Iterator[Record]:
        """What is printed directly beneath this record."""
        for child in self.children:
            if child.kind == "attempts":
                yield from child.parts()
            else:
                yield child

    def lines(self, depth: int = 0) -> Iterator[str]:
        """This record and what ran beneath it, in the order in which it began."""
        yield "  " * depth + self.line()
        for child in sorted(self.parts(), key=lambda part: part.number):
            yield from child.lines(depth + 1)


class Oracle:
    """Watches one run of a program."""

    def __init__(self) -> None:
        self.roots: list[Record] = []
        self.warned: list[str] = []
        self.current: contextvars.ContextVar[Record | None] = contextvars.ContextVar("current", default=None)
        self.inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside", default=False)
        self.steps: dict[int, list[Record]] = {}

    # ---- reading ------------------------------------------------------------------------------------

    def outlines(self, scope: str) -> list[str]:
        """The outlines of the traces that a scope of this kind should see, sorted."""
        seen = [root for root in self.roots if root.inside or scope == "process"]
        return sorted("\n".join(root.lines()) for root in seen)

    # ---- watching -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Replaces PocketFlow's methods for the block."""
        replaced: list[tuple[type, str, Any]] = []
        token = self.inside.set(True)
        try:
            for cls in vars(pocketflow).values():
                if isinstance(cls, type) and issubclass(cls, pocketflow.BaseNode):
                    for name in (*STEPS, *ORCHESTRATIONS, "_exec"):
                        if name in vars(cls) and not (name == "_exec" and "Batch" in cls.__name__):
                            replaced.append((cls, name, vars(cls)[name]))
                            setattr(cls, name, self.method(name, vars(cls)[name]))
            yield
        finally:
            self.inside.reset(token)
            for cls, name, function in replaced:
                setattr(cls, name, function)

    def watched(self, name: str, attribute: Any) -> Any:
        """What to put in the place of a class's or an instance's attribute."""
        if plain_name(name) in PHASES:
            return WatchedPhase(self, name, attribute)
        return self.method(name, attribute) if name in (*STEPS, *ORCHESTRATIONS) else attribute

    def method(self, name: str, function: Any) -> Any:
        """A machinery method that opens its record when it is entered from outside."""
        if inspect.iscoroutinefunction(function):

            async def asynchronous(node: Any, *args: Any) -> Any:
                with self.opened(name, node, args) as record:
                    return self.leave(record, await function(node, *args))

            asynchronous.__qualname__ = function.__qualname__  # as "… was never awaited" names it
            return asynchronous

        def synchronous(node: Any, *args: Any) -> Any:
            with self.opened(name, node, args) as record:
                return self.leave(record, function(node, *args))

        return synchronous

    def leave(self, record: Record | None, result: Any) -> Any:
        if record is not None and record.is_step:
            record.action = result
        elif record is not None and record.kind in PHASE_KINDS:
            record.gave = seen(result)
        return result

    @contextlib.contextmanager
    def opened(self, name: str, subject: Any, args: tuple[Any, ...]) -> Iterator[Record | None]:
        """Opens the record for a call of `name` on `subject`: None where it goes on with an open one."""
        record = self.record_for(name, subject)
        if record is None:
            yield None
            return
        record.given = given_of(record.kind, args)
        token = self.current.set(record)
        try:
            yield record
        except BaseException as error:
            record.fail(error)
            raise
        finally:
            self.close(record)
            with contextlib.suppress(ValueError):  # closed by the collector in a foreign context
                self.current.reset(token)

    def record_for(self, name: str, subject: Any) -> Record | None:
        """A new record, unless this call belongs to the one that is open (a call of super, say)."""
        parent = self.parent_of(subject if plain_name(name) in PHASES else None)
        if name in STEPS:
            return None if is_same(parent, subject, "flow", "node") else self.new_step(parent, subject)
        if name in ORCHESTRATIONS:
            if not isinstance(subject, pocketflow.BatchFlow) or is_same(parent, subject, "iteration"):
                return None
            return self.new_iteration(parent, subject)
        if name == "_exec":
            return None if is_same(parent, subject, "attempts") else self.new_attempts(parent, subject)
        kind = KINDS[plain_name(name)]
        if parent is not None and parent.kind == kind:
            return None  # super().exec() or self.exec() from within exec
        return self.new_phase(parent, kind)

    def parent_of(self, subject: Any) -> Record | None:
        """The nearest open record; where the context was lost, the open step of that very object."""
        record = self.current.get()
        while record is not None and not record.open:
            record = record.parent
        if record is None and subject is not None and self.steps.get(id(subject)):
            return self.steps[id(subject)][-1]
        return record

    # ---- records ------------------------------------------------------------------------------------

    def new(self, kind: str, subject: Any, parent: Record | None) -> Record:
        inside = self.inside.get() or (parent is not None and parent.inside)
        record = Record(kind, subject, parent, inside)
        (self.roots if parent is None else parent.children).append(record)
        return record

    def new_step(self, parent: Record | None, subject: Any) -> Record:
        record = self.new("flow" if isinstance(subject, pocketflow.Flow) else "node", subject, parent)
        record.name = type(subject).__name__
        if parent is not None and parent is self.current.get() and parent.kind in ("flow", "iteration"):
            flow = parent.above("flow")
            assert flow is not None
            if not flow.keys:
                flow.keys = keys_of(flow.subject)
            key = flow.keys[vars(subject)["unit"]]
            parent.seen[key] += 1
            record.visit = parent.seen[key]
            record.name = key if record.kind == "node" else record.name
        self.steps.setdefault(id(subject), []).append(record)
        return record

    def new_iteration(self, parent: Record | None, subject: Any) -> Record:
        record = self.new("iteration", subject, parent)
        assert parent is not None
        record.item = sum(child.kind == "iteration" for child in parent.children) - 1
        return record

    def new_attempts(self, parent: Record | None, subject: Any) -> Record:
        record = self.new("attempts", subject, parent)
        assert parent is not None
        if isinstance(subject, pocketflow.BatchNode):
            record.item = sum(child.kind == "attempts" for child in parent.children) - 1
        return record

    def new_phase(self, parent: Record | None, kind: str) -> Record:
        record = self.new(kind, None, parent)
        if kind in ("exec", "fallback") and parent is not None and parent.kind == "attempts":
            record.item = parent.item
        return record

    def close(self, record: Record) -> None:
        record.open = False
        if record.is_step:
            self.steps[id(record.subject)].remove(record)
        if record.kind == "attempts":
            number_attempts(record)


def given_of(kind: str, args: tuple[Any, ...]) -> Any:
    """What a trace must show of the arguments of a phase, or of the params of an iteration."""
    if kind in PHASE_KINDS:
        return [seen(arg) for arg in (args[:1] if kind == "fallback" else args)]
    return seen(args[1]) if kind == "iteration" else None


def values_of(kind: str, given: Any, gave: Any) -> str:
    """The values of a record or span, as they stand behind its line."""
    if kind == "prep" and gave == []:
        gave = None  # a batch flow makes an empty list of None before all probes but one see it
    if kind in PHASE_KINDS:
        return f"  {', '.join(map(repr, given))} => {gave!r}"
    return f"  {given!r}" if kind == "iteration" else ""


def is_same(record: Record | None, subject: Any, *kinds: str) -> bool:
    """Whether `record` is of one of these kinds and of this very object."""
    return record is not None and record.kind in kinds and record.subject is subject


def keys_of(flow: Any) -> dict[int, str]:
    """The keys of a flow's units: class names, numbered from the second on, nearest to the start first."""
    waiting = [start_of(flow)]
    keys: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for node in waiting:
        fields = vars(node)
        if fields["unit"] not in keys:
            name = type(node).__name__
            counts[name] += 1
            keys[fields["unit"]] = name if counts[name] == 1 else f"{name}#{counts[name]}"
            waiting.extend(fields["successors"].values())
    return keys


def number_attempts(attempts: Record) -> None:
    """Numbers the attempts at an item and marks those that were made good."""
    execs = [child for child in attempts.children if child.kind == "exec"]
    fallbacks = [child for child in attempts.children if child.kind == "fallback"]
    for index, record in enumerate(execs):
        retried = index < len(execs) - 1
        caught = not retried and any(child.status == "ok" for child in fallbacks)
        record.recovered = record.status != "ok" and (retried or caught)
        if len(execs) > 1 or record.recovered:
            record.attempt = index + 1


class WatchedPhase:
    """A phase's attribute that opens a record round each call, whatever stands behind it."""

    def __init__(self, oracle: Oracle, name: str, attribute: Any) -> None:
        self.oracle = oracle
        self.name = name
        self.attribute = attribute

    def __get__(self, node: Any, owner: Any = None) -> Callable[..., Any]:
        attribute = self.attribute
        if hasattr(type(attribute), "__get__"):
            attribute = attribute.__get__(node, owner)
        return self.around(attribute, node)

    def __call__(self, *args: Any) -> Any:
        """As an attribute of an instance."""
        return self.around(self.attribute, None)(*args)

    def around(self, call: Callable[..., Any], node: Any) -> Callable[..., Any]:
        if self.name.endswith("_async"):

            async def asynchronous(*args: Any) -> Any:
                with self.oracle.opened(self.name, node, args) as record:
                    return self.oracle.leave(record, await call(*args))

            return asynchronous

        def synchronous(*args: Any) -> Any:
            with self.oracle.opened(self.name, node, args) as record:
                return self.oracle.leave(record, call(*args))

        return synchronous
