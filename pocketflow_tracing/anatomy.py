"""Which PocketFlow code means which step, and what a node is, without running any of its code.

"Machinery" is the code that drives phases: PocketFlow's `_run`, `_exec`, `_orch` and their kin, and
the overrides of them in user classes. Phases (`prep`, `exec`, `post`, `exec_fallback`) are what it
calls. Attributes are read statically: no property, `__getattr__` or `__eq__` of a node ever runs.
"""

from __future__ import annotations

import importlib
import sys
import weakref
from collections.abc import Container, Iterable, Mapping
from copyreg import dispatch_table
from enum import Enum
from functools import partial
from types import CodeType, FunctionType, GetSetDescriptorType, ModuleType
from typing import Any, Final

from .bytecode import Calls, handler_lines, landings
from .model import SpanKind
from .reading import (
    COROUTINE,
    GENERATOR,
    class_name,
    fields_of,
    functions_in,
    lineage,
    nested_codes,
    on_class,
    runs_code,
)


class Role(Enum):
    """What a piece of machinery, or a call in it, does."""

    ENTRY = "run"
    RUN = "_run"
    ORCH = "_orch"
    EXEC = "_exec"
    NEXT = "get_next_node"
    PHASE = "phase"
    WARN = "warn"
    IMPORT = "import"


ROLES: Final[dict[str, Role]] = {
    "run": Role.ENTRY,
    "run_async": Role.ENTRY,
    "_run": Role.RUN,
    "_run_async": Role.RUN,
    "_orch": Role.ORCH,
    "_orch_async": Role.ORCH,
    "_exec": Role.EXEC,
    "get_next_node": Role.NEXT,
}
PHASES: Final[dict[str, SpanKind]] = {
    "prep": SpanKind.PREP,
    "prep_async": SpanKind.PREP,
    "exec": SpanKind.EXEC,
    "exec_async": SpanKind.EXEC,
    "exec_fallback": SpanKind.FALLBACK,
    "exec_fallback_async": SpanKind.FALLBACK,
    "post": SpanKind.POST,
    "post_async": SpanKind.POST,
}
_PREPS: Final = ("prep", "prep_async")
_COPYING: Final = (
    "__copy__", "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__new__", "__del__",
    "__getattr__", "__getnewargs__", "__getnewargs_ex__", "__bool__", "__len__",
)  # fmt: skip
_CALLED: Final[dict[str, Role]] = {
    **{name: role for name, role in ROLES.items() if role is not Role.ENTRY},
    **dict.fromkeys(PHASES, Role.PHASE),
    "warn": Role.WARN,
}


class Call:
    """One call in a piece of machinery that means something to us."""

    __slots__ = ("awaited", "kind", "name", "receiver", "result", "role")

    def __init__(self, name: str, receiver: str | None, result: str | None, awaited: bool) -> None:
        self.name = name
        self.role = _CALLED[name]
        self.kind = PHASES.get(name)
        self.receiver = receiver
        self.result = result
        self.awaited = awaited


class Machinery:
    """A watched code object and what there is to know about it."""

    __slots__ = (
        "arguments", "bytecode", "calls", "code", "entry", "exec_local", "first_phase", "is_batch",
        "is_generator", "is_lazy", "is_suspendable", "kind", "landings", "name", "own", "owner_name",
        "passes_on", "prep_local", "quiet_lines", "role", "starts_early",
    )  # fmt: skip

    def __init__(
        self, code: CodeType, name: str, role: Role, *, own: bool, is_batch: bool = False, outer: str = ""
    ) -> None:
        self.code = code
        self.name = name
        self.role = role
        self.own = own
        """Whether it is PocketFlow's own: then calls that mean nothing to us are never looked at again."""
        self.is_batch = is_batch
        """Whether it hands items to another `_exec` one by one."""
        self.passes_on = own and role is Role.RUN
        """Whether it hands what a phase returns straight to the next one: nothing comes between."""
        self.kind = PHASES.get(name)
        self.entry = Call(name, None, None, False) if role is Role.PHASE else None
        """What a call of it would be, where it is a phase and its call is not seen."""
        self.is_lazy = own and role in (Role.RUN, Role.EXEC) and not is_batch and not outer
        """Whether its frames matter only once they call a phase, if they do."""
        self.starts_early = False  # though it is lazy, for some nodes
        self.is_generator = bool(code.co_flags & GENERATOR)
        self.is_suspendable = self.is_generator or bool(code.co_flags & COROUTINE)
        names = code.co_varnames[: code.co_argcount]
        if outer:  # a comprehension, lambda or function inside a piece whose node is named `outer`
            names = (outer,) if outer in code.co_freevars else ()
        self.owner_name = names[0] if names else ""
        """The local variable that holds the node, "" where there is none."""
        self.arguments = names[1:]
        """The local variables that hold what it was called with: `shared`, or `prep_res`, or the items."""
        self.bytecode = Calls(code)
        self.calls: dict[int, Call] = {}
        if role is not Role.PHASE:
            for offset, site in self.bytecode.by_offset.items():
                if site.name in _CALLED:
                    self.calls[offset] = Call(*site)
        firsts = [offset for offset, call in self.calls.items() if call.kind is not None]
        self.first_phase = min(firsts, default=len(code.co_code))
        """The offset of the first call of a phase."""
        self.quiet_lines = _quiet_lines(code, role) if own else frozenset()
        """The lines at which no phase can have ended."""
        self.landings = landings(code)
        by_kind = {call.kind or call.role: call.result for call in self.calls.values() if call.result}
        self.prep_local = by_kind.get(SpanKind.PREP)
        self.exec_local = by_kind.get(Role.EXEC) or by_kind.get(Role.ORCH)

    def call_at(self, last_instruction: int) -> Call | None:
        """The call a frame is in, or awaits the result of, given its `f_lasti`."""
        offset = self.bytecode.at(last_instruction)
        return None if offset is None else self.calls.get(offset)

    def results(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """What prep and exec returned, read from the locals of a frame that calls post."""
        return (
            values.get(self.prep_local) if self.prep_local else None,
            values.get(self.exec_local) if self.exec_local else None,
        )


def _quiet_lines(code: CodeType, role: Role) -> frozenset[int]:
    lines = {line for _, _, line in code.co_lines() if line is not None}
    if role is Role.EXEC:
        return frozenset(lines - handler_lines(code))
    return frozenset({code.co_firstlineno, min(lines - {code.co_firstlineno}, default=0)})


def _hands_on(code: CodeType, name: str) -> bool:
    """Whether `code` only makes the coroutine in which the method that it overrides runs later."""
    is_plain = name.endswith("_async") and not code.co_flags & (COROUTINE | GENERATOR)
    return is_plain and any(site.name == name for site in Calls(code).by_offset.values())


class PhaseType:
    """One phase of a class of nodes."""

    __slots__ = ("_alive", "function", "shows", "title")

    def __init__(self, title: str, name: str, attribute: object, empty: Container[int]) -> None:
        self.title = title
        """What its spans are called, such as `Classify.exec`."""
        self.function = 0
        """The `id` of the function that it is, 0 where it is something else than a plain function."""
        self.shows = False
        """Whether a call of that function leaves a span."""
        if type(attribute) is FunctionType:
            code = attribute.__code__
            self.function = id(attribute)
            is_awaited = name.endswith("_async")
            self.shows = id(code) not in empty and (is_awaited or not code.co_flags & COROUTINE)
            self._alive = weakref.ref(attribute, self._gone)

    def _gone(self, _: object) -> None:
        self.function = 0  # another function may get the same id


class NodeType:
    """What the recorder needs to know of a node's class, found out once."""

    __slots__ = (
        "is_plain", "kind", "lineage", "may_be_ordinary", "name", "phases", "runs_code", "starts_early",
        "starts_plainly",
    )  # fmt: skip

    def __init__(
        self, cls: type, kind: SpanKind, empty_phases: Container[int], bases: Iterable[type]
    ) -> None:
        self.name, self.lineage = class_name(cls), lineage(cls)
        self.kind = kind
        self.is_plain = any(
            True for name in ("_run", "_run_async") for _ in functions_in(on_class(cls, name), name)
        )
        """Whether its runs can be watched: by a function of that name, however it is wrapped."""
        self.runs_code = runs_code(cls, ("_exec", "cur_retry", "max_retries", *PHASES))
        """Whether code of the program's may run between two phases, in properties and the like."""
        has_fields = type.__getattribute__(cls, "__dictoffset__") != 0 and not _hides_fields(cls)
        self.starts_early = runs_code(cls, _PREPS)
        """Whether reading its prep may run code of the program's."""
        self.may_be_ordinary = has_fields and not self.starts_early
        """Whether no code of the program's stands before its prep, or before the fields of its instances."""
        self.starts_plainly = not self.runs_code and _copies_plainly(cls, bases)
        """Whether a flow runs no code of the program's between the node before and this one."""
        self.phases = {
            name: PhaseType(
                f"{self.name}.{name.removesuffix('_async')}", name, on_class(cls, name), empty_phases
            )
            for name in PHASES
        }


def _copies_plainly(cls: type, bases: Iterable[type]) -> bool:
    """Whether `copy.copy` of an instance, and setting its params, runs no code of the program's."""
    setters = [on_class(base, "set_params") for base in bases]
    if not any(on_class(cls, "set_params") is setter for setter in setters) or type(cls) is not type:
        return False
    if cls in dispatch_table or runs_code(cls, ("params", "successors", "_run", "_run_async")):
        return False
    return all(on_class(cls, name) is on_class(object, name) for name in _COPYING)


def _hides_fields(cls: type) -> bool:
    """Whether a property or the like stands in the place of the dictionary of its instances."""
    return (kind := type(on_class(cls, "__dict__"))) is not GetSetDescriptorType and kind is not type(None)


class Anatomy:
    """Everything known about PocketFlow as this process has imported it, and the classes built on it.

    Until it is imported, the only code to watch is the interpreter's own that ends an import.
    """

    def __init__(self) -> None:
        self.machinery: dict[int, Machinery] = {}
        """Every known piece of machinery by `id(code)`; hashing a code object costs more than a call."""
        self.empty_phases: set[int] = set()
        """`id(code)` of the phases that PocketFlow defines and that do nothing worth a span."""
        self._modules: list[ModuleType] = []
        self._bases: list[type] = []
        self._flows: list[type] = []
        self._classes: dict[int, weakref.ref[type]] = {}
        self.types: dict[int, NodeType] = {}
        """By `id` of the class: every class of nodes that has been seen to run."""
        self._alive: dict[int, weakref.ref[type]] = {}
        self._add(importlib._bootstrap._load_unlocked.__code__, "import", Role.IMPORT, own=True)  # type: ignore[attr-defined]

    def refresh(self) -> list[Machinery]:
        """What has become known since the last time: PocketFlow itself, classes defined on it."""
        module = sys.modules.get("pocketflow")
        found: list[Machinery] = []
        if module is not None and module not in self._modules and "Flow" in vars(module):
            found += self._adopt(module)
        waiting: list[type] = list(self._bases)
        while waiting:
            subclasses: list[type] = type.__subclasses__(waiting.pop())
            for cls in subclasses:
                waiting.append(cls)
                if id(cls) not in self._classes:
                    found += self.learn(cls)
        return found

    def _adopt(self, module: ModuleType) -> list[Machinery]:
        found: list[Machinery] = []
        self._modules.append(module)
        base, flow = module.BaseNode, module.Flow
        self._bases.append(base)
        self._flows.append(flow)
        for cls in [
            value for value in vars(module).values() if isinstance(value, type) and base in value.__mro__
        ]:
            self._remember(cls)
            hands_out_items = "Batch" in cls.__name__ and flow not in cls.__mro__
            for name, attribute in vars(cls).items():
                if type(attribute) is not FunctionType:
                    continue
                if name in PHASES:
                    self.empty_phases.add(id(attribute.__code__))
                elif name in ROLES:
                    is_batch = ROLES[name] is Role.EXEC and hands_out_items
                    found += self._add(attribute.__code__, name, ROLES[name], own=True, is_batch=is_batch)
        return found

    def type_of(self, cls: type) -> NodeType:
        """What there is to know of a class of nodes, kept in `types` from now on."""
        known = self.types.get(id(cls))
        if known is None:
            known = self.types[id(cls)] = NodeType(cls, self.kind_of(cls), self.empty_phases, self._bases)
            self._alive[id(cls)] = weakref.ref(cls, partial(self._gone, id(cls)))
        return known

    def _gone(self, key: int, _: object) -> None:
        # Another class may get the same id.
        self.types.pop(key, None)
        self._alive.pop(key, None)

    def kind_of(self, cls: type) -> SpanKind:
        """Flow or node: by the class's bases, or, where these are not PocketFlow's, by its `_orch`."""
        bases = type.__getattribute__(cls, "__mro__")
        # By identity: a metaclass may have an `__eq__`.
        is_flow = any(base is flow for base in bases for flow in self._flows)
        return SpanKind.FLOW if is_flow or on_class(cls, "_orch") is not None else SpanKind.NODE

    def is_plain(self, node: object) -> bool:
        """Whether running `node` is sure to run code that is watched already."""
        known = self.types.get(id(type(node)))
        if known is None or not known.is_plain:
            return False
        fields = fields_of(node)
        return "_run" not in fields and "_run_async" not in fields

    def _remember(self, cls: type) -> None:
        # Weakly: programs make classes inside functions, and they must be free to go.
        classes, key = self._classes, id(cls)
        classes[key] = weakref.ref(cls, lambda _: classes.pop(key, None))

    def learn(self, cls: type) -> list[Machinery]:
        """The machinery that `cls` and its bases bring and that was not known before."""
        if id(cls) in self._classes:
            return []
        found: list[Machinery] = []
        for base in type.__getattribute__(cls, "__mro__"):
            if id(base) in self._classes or base is object:
                continue
            self._remember(base)
            own = type.__getattribute__(base, "__dict__")
            for name, role in ROLES.items():
                if role is Role.ENTRY or name not in own:
                    continue
                for function in functions_in(own[name], name):
                    if not _hands_on(function.__code__, name):
                        found += self._add(function.__code__, name, role)
        if any(piece.role in (Role.EXEC, Role.RUN, Role.ORCH) for piece in found) or self._overrides(cls):
            found += self._phases_of(cls)
        if runs_code(cls, _PREPS):
            found += self._watch_starts()
        return found

    def _watch_starts(self) -> list[Machinery]:
        """PocketFlow's own runs, whose start matters from now on: code may run before they call prep."""
        lazy = [piece for piece in self.machinery.values() if piece.is_lazy and not piece.starts_early]
        found = [piece for piece in lazy if piece.role is Role.RUN]
        for piece in found:
            piece.starts_early = True
        return found

    def starts_early(self, owner: object) -> bool:
        """Whether code of the program's may run in a run of `owner` before it calls prep."""
        known = self.types.get(id(type(owner)))
        return known is None or known.starts_early

    def _overrides(self, cls: type) -> bool:
        """Whether some driver of `cls` is not PocketFlow's, so that phases may run in ways of its own."""
        for name in ("_exec", "_run", "_run_async", "_orch", "_orch_async"):
            driver = on_class(cls, name)
            if driver is None:
                continue
            pieces = [self.machinery.get(id(f.__code__)) for f in functions_in(driver, name)]
            if not pieces or any(piece is None or not piece.own for piece in pieces):
                return True
        return False

    def _phases_of(self, cls: type) -> list[Machinery]:
        found: list[Machinery] = []
        for name in PHASES:
            for function in functions_in(on_class(cls, name), name):
                code = function.__code__
                # The code of a generator runs later, in its consumer: the phase is the call that makes it.
                if id(code) not in self.empty_phases and not code.co_flags & GENERATOR:
                    found += self._add(code, name, Role.PHASE)
        return found

    def _add(
        self, code: CodeType, name: str, role: Role, *, own: bool = False, is_batch: bool = False
    ) -> list[Machinery]:
        if id(code) in self.machinery:
            return []
        found = [Machinery(code, name, role, own=own, is_batch=is_batch)]
        if role is not Role.PHASE:
            outer = found[0].owner_name or "self"
            found += [Machinery(inner, name, role, own=own, outer=outer) for inner in nested_codes(code)]
        for piece in found:
            self.machinery[id(piece.code)] = piece
        return found
