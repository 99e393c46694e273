"""A random program from a seed."""

from __future__ import annotations

import random

from .overrides import FLOW_OVERRIDES, NODE_OVERRIDES
from .programs import Abilities, Act, ClassSpec, Entry, Phase, Program, UnitSpec, phases_of, plain_name
from .values import CATCHABLE, UNCATCHABLE

FORMS = ("inherited", "super", "lambda", "static", "classmethod", "partialmethod", "decorated", "masked",
         "callable", "instance", "partial", "mock")  # fmt: skip
SYNC_FORMS = (*FORMS, "recursive")
ASYNC_FORMS = (*FORMS, "coroutine", "task")
C_FORMS = ("builtin", "failing_builtin", "type", "partial_builtin")
VALUES = ("none", "int:3", "zero", "str:text", "dict:2", "awkward:1", "cycle:1", "huge", "nan", "bytes:2",
          "lambda", "exception", "surrogate", "unhashable", "type", "iterator:3")  # fmt: skip
QUIRKS = ("equal", "unhashable", "empty", "sized", "copies itself", "answers", "unprintable", "slots")
HOWS = ("call", "call", "call", "thread", "context_thread", "pool", "context_pool")
ASYNC_HOWS = ("await", "await", "task", "gather", "timeout", "to_thread", "executor", *HOWS)


class Generator:
    """Makes one program; all its choices come from one seeded sequence."""

    def __init__(self, seed: int, abilities: Abilities) -> None:
        self.random = random.Random(seed)
        self.abilities = abilities
        self.program = Program(seed=seed)
        self.troubled = self.chance(0.5)
        """Half of the programs have planned failures beyond retries."""

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def generate(self) -> Program:
        """The whole program."""
        pick = self.random.choice
        program = self.program
        program.store = pick(("dict", "dict", "dict", "counting", "object"))
        for _ in range(pick((0, 1, 1, 2))):
            self.flow(depth=1, wants_async=self.chance(0.5))
        wants_async = self.chance(0.55)
        tops = [self.flow(depth=0, wants_async=wants_async)]
        if self.chance(0.3):
            tops.append(self.flow(depth=0, wants_async=self.chance(0.5)))
        if self.chance(0.1):
            tops = [self.node(wants_async)]
        self.entry(tops)
        return program

    # ---- the entry ----------------------------------------------------------------------------------

    def entry(self, tops: list[int]) -> None:
        pick = self.random.choice
        entry = Entry(kind="run", units=list(tops))
        if self.chance(0.25):
            entry.units.append(pick(tops))
        if self.chance(0.5) and any(self.program.is_async(unit) for unit in tops):
            entry.kind = pick(
                ("gather", "gather", "cancel", "timeout", *["group"] * self.abilities.task_groups)
            )
            if self.chance(0.4):
                entry.units.append(pick(entry.units))
            entry.return_exceptions = self.chance(0.5)
            entry.common_store = self.chance(0.25)
            entry.after = self.random.randint(0, 12) if entry.kind == "cancel" else pick((0.05, 0.4, 1.5))
        elif self.chance(0.2):
            entry.kind = "threads"
            entry.copied_context = self.chance(0.5)
            entry.units.append(pick(tops))
            self.without_races(entry.units)
        self.program.entry = entry
        self.program.scope = "process" if self.chance(0.4) else "context"

    def without_races(self, shared: list[int]) -> None:
        """PocketFlow counts attempts on the node: threads that share one would count each other's."""
        program = self.program
        phases = [phase for made in program.classes for phase in made.phases.values()]
        by_hand = {
            act.unit for phase in phases for act in phase.acts if act.kind in ("run", "spawn", "abandon")
        }
        for number, unit in enumerate(program.units):
            if number in shared or number in by_hand or "copies itself" in program.classes[unit.cls].quirks:
                unit.retries = min(unit.retries, 1)

    # ---- flows --------------------------------------------------------------------------------------

    def flow(self, depth: int, wants_async: bool) -> int:
        """A new flow with its members; gives its number."""
        pick = self.random.choice
        bases = ["Flow", "Flow", "BatchFlow"]
        if wants_async:
            bases = ["AsyncFlow", "AsyncFlow", "AsyncBatchFlow", "AsyncParallelBatchFlow"]
        base = pick(bases)
        members: list[int] = []
        for _ in range(self.random.randint(1, 4 if depth == 0 else 2)):
            members.append(self.member(depth, wants_async, members))
        unit = UnitSpec(cls=self.flow_class(base), start=members[0])
        self.wire(unit, members)
        self.program.units.append(unit)
        return len(self.program.units) - 1

    def member(self, depth: int, wants_async: bool, others: list[int]) -> int:
        """A node or a nested flow; a unit is a member of one flow only, and only once."""
        program = self.program
        if depth == 0 and self.chance(0.25):
            taken = {target for unit in program.units for _, _, target in unit.wires} | set(others)
            taken |= {unit.start for unit in program.units if unit.start is not None}
            free = [number for number, unit in enumerate(program.units) if unit.start is not None]
            free = [
                number for number in free if number not in taken and wants_async >= program.is_async(number)
            ]
            fresh = self.chance(0.5) or not free
            return self.flow(1, wants_async and self.chance(0.6)) if fresh else self.random.choice(free)
        return self.node((wants_async and self.chance(0.7)) or self.chance(0.02))

    def flow_class(self, base: str) -> int:
        spec = ClassSpec(name=f"{base}{len(self.program.classes)}", base=base, plain=self.chance(0.25))
        if "Batch" in base:
            spec.plain = False
        if spec.plain:
            spec.name = base
        else:
            prep, post = phases_of(base)
            if "Batch" in base:
                values = ("params:1", "params:2", "params:3", "params:3", "params_iterator:2", "none")
                spec.phases[prep] = self.phase(base, prep, [self.random.choice(values)])
            elif self.chance(0.3):
                spec.phases[prep] = self.phase(base, prep, [self.random.choice(VALUES)])
            if self.chance(0.35):
                spec.phases[post] = self.phase(base, post, self.actions(loop=False))
            self.dress(spec, FLOW_OVERRIDES, ("equal", "unhashable", "unprintable", "copies itself", "slots"))
        self.program.classes.append(spec)
        return len(self.program.classes) - 1

    def wire(self, flow: UnitSpec, members: list[int]) -> None:
        """Forward by default, on by branches, and back by "again", which a post returns only so often."""
        for place, member in enumerate(members):
            later = members[place + 1 :]
            if later and self.chance(0.85):
                flow.wires.append((member, "default", later[0]))
            if later and self.chance(0.4):
                flow.wires.append((member, "a", self.random.choice(later)))
            flow.wires.append((member, "again", self.random.choice(members[: place + 1])))
            self.random.shuffle(flow.wires)

    # ---- nodes --------------------------------------------------------------------------------------

    def node(self, wants_async: bool) -> int:
        """A new node, mostly of a new class; gives its number."""
        program = self.program
        known = [
            number
            for number, spec in enumerate(program.classes)
            if not spec.base.endswith("Flow") and spec.base.startswith("Async") == wants_async
        ]
        cls = self.random.choice(known) if known and self.chance(0.2) else self.node_class(wants_async)
        wait = self.random.choice((0, 0, 0, 0, 0.0005))
        retries = self.random.choice((0, 1, 1, 1, 2, 2, 3, 3))
        program.units.append(UnitSpec(cls=cls, retries=retries, wait=wait))
        return len(program.units) - 1

    def node_class(self, wants_async: bool) -> int:
        bases = ["Node", "Node", "Node", "BatchNode", "BaseNode"]
        if wants_async:
            bases = ["AsyncNode", "AsyncNode", "AsyncBatchNode", "AsyncParallelBatchNode"]
        base = self.random.choice(bases)
        spec = ClassSpec(name=f"N{len(self.program.classes)}", base=base)
        for name in phases_of(base):
            kind = plain_name(name)
            if "Batch" in base and kind == "prep":
                values = (
                    "items:2",
                    "items:3",
                    "items:4",
                    "tuple_items:2",
                    "iterator:3",
                    "awkward_items:2",
                    "none",
                    "items:0",
                )
                spec.phases[name] = self.phase(base, name, [self.random.choice(values)])
            elif self.chance({"prep": 0.5, "exec": 0.9, "exec_fallback": 0.4, "post": 0.6}[kind]):
                results = self.actions(loop=True) if kind == "post" else [self.random.choice(VALUES)]
                if kind == "post" and "exec" in spec.phases and spec.phases["exec"].form == "generator":
                    results = ["consume"]
                spec.phases[name] = self.phase(base, name, results)
        self.dress(spec, NODE_OVERRIDES, QUIRKS)
        self.program.classes.append(spec)
        return len(self.program.classes) - 1

    def dress(self, spec: ClassSpec, overrides: tuple[str, ...], quirks: tuple[str, ...]) -> None:
        """Gives some classes overrides and quirks."""
        if self.chance(0.15):
            quirk = self.random.choice(quirks)
            spec.quirks.append(quirk)
        if not self.chance(0.15):
            return
        override = self.random.choice(overrides)
        whole = override in ("run whole", "exec loop", "exec pool")
        if whole and ("Batch" in spec.base or "exec_fallback" in "".join(spec.phases)):
            return
        spec.overrides.append(override)
        if override in (
            "exec loop",
            "exec pool",
        ):  # seen by the phases' own code: only plain functions have it
            for name, phase in spec.phases.items():
                if plain_name(name) == "exec":
                    phase.form = "method"

    def actions(self, loop: bool) -> list[str]:
        """What a post returns: a loop goes on a bounded number of times."""
        pick = self.random.choice
        last = pick(
            (
                "none",
                "none",
                "str:default",
                "str:a",
                "str:a",
                "str:unknown",
                "zero",
                "int:3",
                "dict:1",
                "awkward:3",
            )
        )
        if last == "awkward:3" and not self.chance(0.2):
            last = "str:"
        return ["str:again"] * pick((0, 0, 0, 1, 2)) * loop + [last]

    # ---- phases -------------------------------------------------------------------------------------

    def phase(self, base: str, name: str, results: list[str]) -> Phase:
        kind = plain_name(name)
        is_async = name != kind
        phase = Phase(results=results, form=self.form(kind, is_async, base))
        self.failures(phase, kind)
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            phase.acts.append(self.act(is_async))
        if is_async and kind == "exec" and base == "AsyncParallelBatchNode" and self.chance(0.4):
            phase.acts[:0] = [Act("signal", count=1), Act("wait")]  # first, lest a failure leave all waiting
        return phase

    def form(self, kind: str, is_async: bool, base: str) -> str:
        if self.chance(0.6):
            return "method"
        if is_async:
            return self.random.choice(ASYNC_FORMS)
        if kind == "exec" and self.abilities.frameless_phases and self.chance(0.25):
            return self.random.choice((*C_FORMS, "generator", "generator"))
        return self.random.choice(SYNC_FORMS)

    def failures(self, phase: Phase, kind: str) -> None:
        """Plans failures: mostly of exec, so that there is something to retry."""
        likely = {"exec": 0.4, "exec_fallback": 0.2, "prep": 0.06, "post": 0.06}[kind]
        if not self.troubled and kind != "exec":
            likely = 0
        if not self.chance(likely):
            return
        phase.fails = self.random.choice(([1], [1, 2], [2], [1, 2, 3], [1, 3]))
        if self.chance(0.3):
            phase.only = [self.random.randint(0, 2)]
        pick = self.random.random()
        if pick < 0.4:
            phase.error = self.random.choice(CATCHABLE)
        elif pick < 0.55 and self.troubled:
            phase.error = self.random.choice(UNCATCHABLE)

    def act(self, is_async: bool) -> Act:
        random = self.random
        if is_async and self.chance(0.5):
            kind = random.choice(("pause", "pause", "pause", "sleep", "expire", "spawn"))
            if kind == "pause":
                return Act("pause", count=random.randint(0, 3), unit=random.choice((-1, 0, 1, 2)))
            if kind != "spawn":
                return Act(kind, count=random.choice((0.1, 0.3, 1)), catch=self.chance(0.7))
            units = self.inner_units(None)
            return (
                Act("spawn", unit=random.choice(units), count=random.randint(0, 6))
                if units
                else Act("warn", value="s")
            )
        units = self.inner_units(None)
        if self.chance(0.4) and units:
            how = random.choice(ASYNC_HOWS if is_async else HOWS)
            coroutines = self.inner_units(True)
            if self.chance(0.08) and coroutines:
                started = random.randint(0, 1) * (not self.leaves_tasks())
                return Act("abandon", unit=random.choice(coroutines), count=started, catch=True)
            return Act("run", unit=random.choice(units), how=how, catch=self.chance(0.7))
        if self.chance(0.15):
            return Act("warn", value=str(random.randint(0, 9)))
        return Act("put", count=random.randint(0, 3), value=random.choice(VALUES))

    def leaves_tasks(self) -> bool:
        """Whether a coroutine closed halfway may leave tasks that only then begin a part of its flow."""
        return any("Parallel" in spec.base or "exec pool" in spec.overrides for spec in self.program.classes)

    def inner_units(self, is_async: bool | None) -> list[int]:
        """The units made so far: a phase made now may run them by hand without running itself."""
        program = self.program
        owners = len(program.units)
        flows = [number for number in range(owners) if program.is_flow(number) or self.chance(0.2)]
        return [number for number in flows if is_async is None or program.is_async(number) == is_async]


def generate(seed: int, abilities: Abilities | None = None) -> Program:
    """The program of a seed."""
    return Generator(seed, abilities or Abilities()).generate()
