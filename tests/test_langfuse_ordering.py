"""How the spans of a trace are exported: siblings in order, parents around children, steps, paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pocketflow_tracing.store.ordering import APART_NS, MAX_SHIFT_NS, Export, Timing, exports

MS = 1_000_000


def ordered(*timings: Timing) -> dict[str, Export]:
    """The export of each span by its id."""
    return {export.span_id: export for export in exports(timings)}


def timing(
    span_id: str, parent_id: str | None, start_ns: int, end_ns: int, kind: str = "span", name: str = ""
) -> Timing:
    return Timing(span_id, parent_id, kind, name or span_id, start_ns, end_ns)


def test_siblings_within_a_millisecond_are_a_whole_one_apart() -> None:
    """Prep, exec and post of a fast node start in different milliseconds, and last as long as they did."""
    found = ordered(
        timing("node", None, 0, 300_000),
        timing("prep", "node", 10_000, 50_000),
        timing("exec", "node", 60_000, 90_000),
        timing("post", "node", 100_000, 200_000),
    )
    assert [found[name].start_ns for name in ("prep", "exec", "post")] == [
        10_000,
        10_000 + MS,
        10_000 + 2 * MS,
    ]
    assert [found[name].end_ns - found[name].start_ns for name in ("prep", "exec", "post")] == [
        40_000,
        30_000,
        100_000,
    ]
    assert (found["node"].start_ns, found["node"].end_ns) == (0, found["post"].end_ns)


def test_what_is_apart_already_stays_as_it_is() -> None:
    """Nothing is shifted that a server cutting to milliseconds keeps in order."""
    found = ordered(
        timing("flow", None, 0, 9 * MS), timing("a", "flow", MS, 2 * MS), timing("b", "flow", 3 * MS, 8 * MS)
    )
    assert {name: (export.start_ns, export.end_ns) for name, export in found.items()} == {
        "flow": (0, 9 * MS),
        "a": (MS, 2 * MS),
        "b": (3 * MS, 8 * MS),
    }


def test_a_child_that_outlives_its_parent_does_not_stretch_it() -> None:
    """Only the shift is covered: a task left behind for seconds is not the parent's time."""
    found = ordered(timing("parent", None, 0, MS), timing("task", "parent", 100, 9_000 * MS))
    assert found["parent"].end_ns == MS


def test_steps_count_nodes_and_are_shared_by_what_runs_at_a_time() -> None:
    """A, then two branches side by side, then B; a node run inside of another comes after it."""
    found = ordered(
        timing("flow", None, 0, 100, "flow"),
        timing("A", "flow", 1, 10, "node"),
        timing("A.exec", "A", 2, 9, "exec"),
        timing("inner", "A.exec", 3, 8, "node"),
        timing("left", "flow", 11, 30, "node"),
        timing("right", "flow", 12, 20, "node"),
        timing("right2", "flow", 21, 29, "node"),
        timing("B", "flow", 31, 40, "node"),
    )
    assert {name: export.step for name, export in found.items()} == {
        "flow": None, "A": 1, "A.exec": None, "inner": 2, "left": 3, "right": 3, "right2": 4, "B": 5,
    }  # fmt: skip


def test_paths_name_the_flows_around_a_span() -> None:
    """A phase in a nested flow stands beneath both flows; an iteration is no flow of its own."""
    found = ordered(
        timing("outer", None, 0, 100, "flow", "Outer"),
        timing("inner", "outer", 1, 90, "flow", "Inner"),
        timing("item", "inner", 2, 80, "iteration", "Inner[0]"),
        timing("node", "item", 3, 70, "node"),
    )
    assert [found[name].flow_path for name in ("outer", "inner", "item", "node")] == [
        "",
        "Outer",
        "Outer/Inner",
        "Outer/Inner",
    ]


@st.composite
def traces(draw: st.DrawFn) -> list[Timing]:
    """Spans in start order, each within the time of its parent."""
    made = [timing("0", None, 0, draw(st.integers(1, 30 * MS)))]
    for number in range(1, draw(st.integers(1, 30))):
        parent = made[draw(st.integers(0, number - 1))]
        start = draw(st.integers(parent.start_ns, parent.end_ns))
        made.append(timing(str(number), parent.span_id, start, draw(st.integers(start, parent.end_ns))))
    # A child that starts with its parent comes after it.
    return sorted(made, key=lambda made: (made.start_ns, int(made.span_id)))


@given(traces())
def test_times_stay_near_the_truth_and_in_order(made: list[Timing]) -> None:
    """Within 5 ms in all; no sibling before its elder; a millisecond apart unless the limit forbids it."""
    found = ordered(*made)
    assert sorted(export.position for export in found.values()) == list(range(len(made)))
    elder: dict[str | None, int] = {}
    for true in made:
        export = found[true.span_id]
        assert 0 <= export.start_ns - true.start_ns <= MAX_SHIFT_NS
        assert 0 <= export.end_ns - true.end_ns <= MAX_SHIFT_NS
        assert export.start_ns <= export.end_ns
        if true.parent_id is not None:
            parent = found[true.parent_id]
            assert parent.start_ns <= export.start_ns
            assert export.end_ns <= parent.end_ns
            before = elder.get(true.parent_id)
            if before is not None:
                assert before <= export.start_ns
                if export.start_ns - true.start_ns < MAX_SHIFT_NS:
                    assert export.start_ns - before >= APART_NS
            elder[true.parent_id] = export.start_ns
