"""A random flow program as pure data: what it is made of, and how it prints.

A program is a list of classes, a list of units (instances of those classes: nodes, and flows wired from
units with lower numbers), and an entry that says how the units are run. Values, exceptions and forms of
phases are named by short strings, so that a program prints on a page and can be cut down piece by piece.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import Any


class Described:
    """Prints only the fields that differ from their defaults."""

    def __repr__(self) -> str:
        blank = type(self)()
        shown = (
            f"{entry.name}={getattr(self, entry.name)!r}"
            for entry in fields(self)  # type: ignore[arg-type]
            if getattr(self, entry.name) != getattr(blank, entry.name)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(repr=False)
class Act(Described):
    """One thing a phase does before it returns.

    `kind`: "put" a value into the store, "warn", "run" a unit by hand (`how` says in which way), "pause"
    for `count` turns of the event loop, "sleep" `count` seconds of the loop's own clock, "spawn" a
    background task that runs a unit, "wait" for or "signal" the batch's event, "abandon" a coroutine.
    """

    kind: str = ""
    unit: int = -1
    how: str = ""
    count: float = 0
    catch: bool = False
    value: str = ""


@dataclass(repr=False)
class Phase(Described):
    """One user-defined phase: how it is written, what it does, when it fails, what it returns.

    Calls are counted for each class, phase and item. `fails` holds the numbers of the calls that raise
    `error`; `only` limits them to some items of a batch. `results` holds a value for each call, the
    last one for all further calls.
    """

    form: str = "method"
    acts: list[Act] = field(default_factory=list)
    fails: list[int] = field(default_factory=list)
    only: list[int] = field(default_factory=list)
    error: str = "ValueError"
    results: list[str] = field(default_factory=lambda: ["none"])


@dataclass(repr=False)
class ClassSpec(Described):
    """A user's class on top of PocketFlow's `base`; `plain` means that class itself."""

    name: str = ""
    base: str = "Node"
    phases: dict[str, Phase] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    quirks: list[str] = field(default_factory=list)
    plain: bool = False


@dataclass(repr=False)
class UnitSpec(Described):
    """An instance: a node, or a flow with its first unit and its wires (source, action, target)."""

    cls: int = 0
    retries: int = 1
    wait: float = 0
    start: int | None = None
    wires: list[tuple[int, str, int]] = field(default_factory=list)
    decorated: bool = False


@dataclass(repr=False)
class Entry(Described):
    """How the units are run: one after the other, gathered, in threads, cancelled, timed out."""

    kind: str = "run"
    units: list[int] = field(default_factory=list)
    copied_context: bool = False
    return_exceptions: bool = False
    after: float = 0
    common_store: bool = False


@dataclass(repr=False)
class Program(Described):
    """The whole program, its store and the scope in which it is traced."""

    seed: int = 0
    classes: list[ClassSpec] = field(default_factory=list)
    units: list[UnitSpec] = field(default_factory=list)
    entry: Entry = field(default_factory=Entry)
    store: str = "dict"
    scope: str = "context"

    def describe(self) -> str:
        """The program on a page: a line for each class, phase and unit, and the entry."""
        lines = [f"program seed={self.seed} store={self.store} scope={self.scope}"]
        for spec in self.classes:
            head = "plain " if spec.plain else ""
            lines.append(
                f"  class {spec.name}({head}{spec.base}) {spec.overrides or ''} {spec.quirks or ''}".rstrip()
            )
            lines.extend(f"    {name}: {phase!r}" for name, phase in spec.phases.items())
        for number, unit in enumerate(self.units):
            lines.append(f"  unit {number}: {self.classes[unit.cls].name} {unit!r}")
        lines.append(f"  {self.entry!r}")
        return "\n".join(lines)

    def is_async(self, unit: int) -> bool:
        """Whether the unit is run with `run_async`."""
        return self.classes[self.units[unit].cls].base.startswith("Async")

    def is_flow(self, unit: int) -> bool:
        """Whether the unit is a flow."""
        return self.classes[self.units[unit].cls].base.endswith("Flow")


@dataclass(frozen=True)
class Abilities:
    """What the interpreter, the probe and PocketFlow let a program contain."""

    frameless_phases: bool = True
    """Phases whose call begins no Python frame: C-implemented ones, and functions that make a generator."""
    task_groups: bool = sys.version_info >= (3, 11)


def phases_of(base: str) -> tuple[str, ...]:
    """The names of the phases that PocketFlow calls for a class of this base."""
    names: tuple[str, ...]
    if base.endswith("Flow"):
        names = ("prep", "post")
    else:
        names = ("prep", "exec", "exec_fallback", "post")
    return tuple(f"{name}_async" for name in names) if base.startswith("Async") else names


def plain_name(phase: str) -> str:
    """The phase without its `_async`: `exec_fallback_async` is an `exec_fallback`."""
    return phase[: -len("_async")] if phase.endswith("_async") else phase


def copied(value: Any) -> Any:
    """A deep copy of a description (`copy.deepcopy` takes ten times as long)."""
    if isinstance(value, Described):
        return type(value)(**{f.name: copied(getattr(value, f.name)) for f in fields(value)})  # type: ignore[arg-type]
    if isinstance(value, list):
        return [copied(entry) for entry in value]
    if isinstance(value, dict):
        return {key: copied(entry) for key, entry in value.items()}
    return value
