"""A smaller program that still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .programs import Act, Entry, Phase, Program, copied, phases_of

ROUNDS = 400
"""How many smaller programs are tried at most."""


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program found that still fails in some way."""
    tried = 0
    again = True
    while again:
        again = False
        for smaller in candidates(program):
            tried += 1
            if tried > ROUNDS:
                return program
            if fails(smaller):
                program, again = smaller, True
                break
    return program


def candidates(program: Program) -> Iterator[Program]:
    """Programs that have one thing less, the largest cuts first."""
    for index in range(len(program.entry.units)):
        if len(program.entry.units) > 1:
            smaller = copied(program)
            del smaller.entry.units[index]
            yield smaller
    for entry in simpler_entries(program.entry):
        smaller = copied(program)
        smaller.entry = entry
        yield smaller
    for number, unit in enumerate(program.units):
        for index in range(len(unit.wires)):
            smaller = copied(program)
            del smaller.units[number].wires[index]
            yield smaller
    yield from without_parts_of_classes(program)
    if program.store != "dict":
        smaller = copied(program)
        smaller.store = "dict"
        yield smaller


def simpler_entries(entry: Entry) -> Iterator[Entry]:
    if entry.kind != "run":
        yield Entry(kind="run", units=list(entry.units))
    if entry.common_store or entry.return_exceptions or entry.copied_context:
        yield Entry(kind=entry.kind, units=list(entry.units), after=entry.after)


def without_parts_of_classes(program: Program) -> Iterator[Program]:
    for number, spec in enumerate(program.classes):
        for part in ("overrides", "quirks"):
            if getattr(spec, part):
                smaller = copied(program)
                getattr(smaller.classes[number], part).clear()
                yield smaller
        for name in spec.phases:
            smaller = copied(program)
            del smaller.classes[number].phases[name]
            yield smaller
        for name, phase in spec.phases.items():
            for simpler in simpler_phases(phase):
                smaller = copied(program)
                smaller.classes[number].phases[name] = simpler
                yield smaller


def simpler_phases(phase: Phase) -> Iterator[Phase]:
    for index in range(len(phase.acts)):
        simpler: Phase = copied(phase)
        del simpler.acts[index]
        yield simpler
    blanks: dict[str, Any] = {"form": "method", "fails": [], "only": [], "error": "ValueError"}
    blanks["results"] = phase.results[-1:]
    for name, value in blanks.items():
        simpler = copied(phase)
        setattr(simpler, name, value)
        if simpler != phase:
            yield simpler


def pruned(program: Program) -> Program:
    """The same program without the units and classes that nothing leads to, numbered anew."""
    needed: set[int] = set()
    waiting = list(program.entry.units)
    while waiting:
        number = waiting.pop()
        if number in needed:
            continue
        needed.add(number)
        unit = program.units[number]
        waiting += [] if unit.start is None else [unit.start]
        for other in program.units:
            waiting += [target for source, _, target in other.wires if source == number]
        for phase in program.classes[unit.cls].phases.values():
            waiting += [act.unit for act in phase.acts if leads_to_unit(act)]
    return renumbered(program, sorted(needed))


def leads_to_unit(act: Act) -> bool:
    return act.kind in ("run", "spawn", "abandon")


def renumbered(program: Program, needed: list[int]) -> Program:
    result: Program = copied(program)
    kept = sorted({program.units[number].cls for number in needed})
    places = {number: place for place, number in enumerate(needed)}
    result.classes = [result.classes[number] for number in kept]
    result.units = [result.units[number] for number in needed]
    result.entry.units = [places[number] for number in result.entry.units]
    for unit in result.units:
        unit.cls = kept.index(unit.cls)
        unit.start = None if unit.start is None else places[unit.start]
        unit.wires = [
            (places[source], action, places[target])
            for source, action, target in unit.wires
            if source in places and target in places
        ]
    for spec in result.classes:
        for name, phase in spec.phases.items():
            assert name in phases_of(spec.base)
            for act in phase.acts:
                act.unit = places[act.unit] if leads_to_unit(act) else act.unit
    return result
