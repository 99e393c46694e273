"""Random flow programs behave the same traced and untraced, and leave exactly the tree that ran."""

from __future__ import annotations

import sys

import pytest

from pocketflow_tracing.testing import capture_traces, outline

from .compare import compare, plain, watched
from .generate import generate
from .programs import Abilities, ClassSpec, Entry, Phase, Program, UnitSpec
from .shrinking import pruned, shrink

REGRESSIONS: list[int] = [2, 7, 67, 82, 374, 471, 475, 477, 3211]
"""Seeds of programs that once failed; they run in addition to the range that is asked for."""


def abilities(probe: str) -> Abilities:
    """What programs may contain here: `sys.setprofile` does not tell of phases without a frame."""
    return Abilities(frameless_phases=probe == "monitoring")


def fault_of(program: Program) -> str:
    """What goes wrong when this program is traced; "" where nothing does."""
    return compare(program, capture_traces, lambda trace: outline(trace).rstrip("\n"))


def test_a_random_program_runs_the_same_and_leaves_the_tree_that_ran(program_seed: int, probe: str) -> None:
    """Results, exceptions, stores, warnings and logs stay; the tree and its values are those of the log."""
    program = generate(program_seed, abilities(probe))

    fault = fault_of(program)

    if fault:
        pytest.fail(report(program_seed, probe, program, fault), pytrace=False)


def report(seed: int, probe: str, program: Program, fault: str) -> str:
    """All that is needed to see what failed and to run it again."""
    small = pruned(shrink(program, lambda smaller: bool(fault_of(smaller))))
    return f"""seed {seed} fails with the {probe} probe on Python {sys.version.split()[0]}:
{fault}

{program.describe()}

Cut down, it fails like this:
{fault_of(small)}

{small.describe()}

Run it again: pytest tests/property --seed {seed} --programs 1 -k {probe}"""


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_a_program_is_the_same_each_time(seed: int) -> None:
    """A seed stands for one program, and a program has one behaviour, so a failure can be run again."""
    program = generate(seed)

    assert generate(seed).describe() == program.describe()
    assert plain(program).differences(plain(program)) == ""


def test_the_oracle_sees_a_run_as_a_tree() -> None:
    """The truth has the words of an outline."""
    program = Program(
        classes=[
            ClassSpec(
                name="Each",
                base="BatchNode",
                phases={
                    "prep": Phase(results=["items:2"]),
                    "exec": Phase(fails=[1], only=[1]),
                    "post": Phase(results=["str:again", "none"]),
                },
            ),
            ClassSpec(name="Whole", base="BatchFlow", phases={"prep": Phase(results=["params:1"])}),
            ClassSpec(name="Last", base="Node", phases={"exec": Phase(error="Base", fails=[1])}),
            ClassSpec(name="Flow", base="Flow", plain=True),
        ],
        units=[
            UnitSpec(cls=0, retries=2),
            UnitSpec(cls=1, start=0, wires=[(0, "again", 0)]),
            UnitSpec(cls=2, retries=2),
            UnitSpec(cls=3, start=1, wires=[(1, "default", 2)]),
        ],
        entry=Entry(units=[3]),
    )

    _, outlines = watched(program)

    assert outlines == [
        """\
flow Flow error Base
  flow Whole ok
    prep ok  {'trail': []} => [{'p': 0}]
    iteration ok item=0  {'p': 0}
      node Each ok -> again
        prep ok  {'trail': ['Whole.prep']} => [0, 1]
        exec ok item=0  0 => None
        exec error ValueError item=1 attempt=1 recovered  1 => None
        exec ok item=1 attempt=2  1 => None
        post ok  {'trail': ['Whole.prep', 'Each.prep']}, [0, 1], [None, None] => 'again'
      node Each ok visit=2
        prep ok  {'trail': ['Whole.prep', 'Each.prep', 'Each.post']} => [0, 1]
        exec ok item=0  0 => None
        exec ok item=1  1 => None
        post ok  {'trail': ['Whole.prep', 'Each.prep', 'Each.post', 'Each.prep']}, [0, 1], [None, None] => None
  node Last error Base
    exec error Base  None => None"""  # noqa: E501
    ]
