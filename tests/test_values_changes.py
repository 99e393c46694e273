"""What a step changed in the store, told briefly and honestly."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

import pytest
from values_support import lines_run

from pocketflow_tracing.values import ChangeSet, Difference, Limits, Policy, compare, render, snapshot


def _changes(before: Any, after: Any, limits: Limits | None = None) -> Any:
    limits = limits or Limits()
    found = compare(snapshot(before, limits), snapshot(after, limits))
    return None if found is None else render(found, Policy(), "changes").value


def test_entries_added_changed_and_removed_are_told_apart() -> None:
    """Each with what it is now, what it was, or both."""
    assert _changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4}) == {
        "added": {"d": 4},
        "changed": {"b": [2, 5]},
        "removed": {"c": 3},
    }


def test_a_container_that_changed_inside_is_told_one_level_deeper() -> None:
    """An item appended, an entry updated: the item and the entry, not the whole container."""
    before = {"steps": ["classify"], "ticket": {"id": 7, "open": True, "log": [1]}}
    after = copy.deepcopy(before)
    after["steps"].append("route")  # type: ignore[attr-defined]
    after["ticket"].update(open=False, team="billing")  # type: ignore[attr-defined]
    after["ticket"]["log"].append(2)  # type: ignore[index]

    assert _changes(before, after) == {
        "added": {},
        "changed": {
            "steps": {"added": {"1": "route"}, "changed": {}, "removed": {}},
            "ticket": {
                "added": {"team": "billing"},
                "changed": {"open": [True, False], "log": [[1], [1, 2]]},
                "removed": {},
            },
        },
        "removed": {},
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, True), (0, False), (1, "1"), ([], {}), ((), []), ("", None), ({"a": None}, {}), ([1, 2], [2, 1])],
)
def test_what_looks_equal_and_is_not_is_a_change(before: Any, after: Any) -> None:
    """True is not 1, and nothing is not an empty text."""
    assert _changes({"value": before}, {"value": after}) is not None


def test_equal_stores_leave_no_change() -> None:
    """Also when they are made anew, in another order, or hold what is unequal to itself."""
    assert _changes({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) is None
    assert _changes({"a": 1, "b": 2}, {"b": 2, "a": 1}) is None
    assert _changes({"a": float("nan")}, {"a": float("nan")}) is None


def test_a_change_in_place_between_two_captures_is_seen() -> None:
    """The store is one object all along; what the first capture held does not move."""
    store: dict[str, Any] = {"items": [{"n": 1}], "same": ["x"]}
    limits = Limits()
    before = snapshot(store, limits)
    store["items"][0]["n"] = 2
    after = snapshot(store, limits, before)

    assert after.root["same"] is before.root["same"]
    assert render(compare(before, after), Policy(), "").value["changed"] == {
        "items": {"added": {}, "changed": {"0": [{"n": 1}, {"n": 2}]}, "removed": {}}
    }


def test_nothing_changed_gives_the_same_capture_back() -> None:
    """An unchanged store costs one look, and no memory."""
    store = {"a": [1, {"b": (1, "x")}], "c": True, "d": None, "e": 0.5}
    before = snapshot(store, Limits())

    assert snapshot(store, Limits(), before) is before
    assert snapshot(copy.deepcopy(store), Limits(), before) is before
    assert compare(before, before) is None


def test_changes_are_short() -> None:
    """Long values are cut, many entries counted."""
    after = {"text": "x" * 5000, **{f"key {number}": list(range(1000)) for number in range(300)}}

    changes = _changes({}, after)

    assert len(changes["added"]) == 51
    assert changes["added"]["…"] == "+251 more"
    assert len(str(changes)) < 50_000


def test_what_the_budget_did_not_see_is_marked() -> None:
    """Where entries were left out there may be more changes, and the set says so."""
    many = {f"key {number}": number for number in range(5000)}
    changed = {**many, "key 0": "changed"}

    assert _changes(many, changed) == {
        "added": {},
        "changed": {"key 0": [0, "changed"]},
        "removed": {},
        "partial": True,
    }
    assert _changes(many, {**many, "key 4999": "unseen"}) is None


def test_a_long_list_that_grew_beyond_sight_changed_its_length() -> None:
    """The items are not seen, their number is."""
    changes = _changes({"items": list(range(100_000))}, {"items": list(range(100_001))})

    assert changes["changed"]["items"]["changed"] == {"length": [100_000, 100_001]}
    assert changes["partial"] is True


def test_a_long_text_is_compared_as_far_as_it_is_kept() -> None:
    """The same text cut twice is no change, wherever the cut fell; a longer one is."""
    text = "word " * 100_000

    assert _changes({"a": text, "b": 1}, {"a": text, "b": 1, "c": "y" * 3000})["changed"] == {}
    assert "a" in _changes({"a": text}, {"a": text + "!"})["changed"]


def test_a_store_that_is_no_dict_is_compared_too() -> None:
    """A list by its items, an object by its fields, anything else as one value."""

    class Store:
        def __init__(self, count: int) -> None:
            self.count = count

    assert _changes([1], [1, 2]) == {"added": {"1": 2}, "changed": {}, "removed": {}}
    assert _changes(Store(1), Store(2)) == {"added": {}, "changed": {"count": [1, 2]}, "removed": {}}
    assert _changes(1, 2) == {"added": {}, "changed": {"(value)": [1, 2]}, "removed": {}}
    assert _changes({"a": 1}, None)["changed"] == {"(value)": [{"a": 1}, None]}


def test_changes_that_may_be_anothers_say_so() -> None:
    """The recorder marks what happened while another step on the same store was open."""
    changes = compare(snapshot({}, Limits()), snapshot({"a": 1}, Limits()))
    assert isinstance(changes, ChangeSet)
    changes.concurrent = True

    assert render(changes, Policy(), "").value["concurrent"] is True


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ({"m": {42: "al"}}, {"m": {42: "al", 43: "bo"}}, {"m": {"added": {"43": "bo"}}}),
        ({7: 1, "a": 1}, {7: 1, "a": 1, "x": 2}, {"added": {"x": 2}}),
        ({"a": 1}, {"a": 1, 7: 2}, {"added": {"7": 2}}),
        ({None: 2, (1, 2): 3}, {None: 5, (1, 2): 3}, {"changed": {"None": [2, 5]}}),
        ({"s": {"b", "c", "d"}}, {"s": {"d", "c", "b", "a"}}, {"s": {"added": {"a": "a"}}}),
        ({"s": {1, 2}}, {"s": {2, 1}}, None),
    ],
)
def test_mappings_are_compared_by_key_and_sets_by_member(before: Any, after: Any, shown: Any) -> None:
    """Whatever the keys are, and in whatever order a set lists its members."""
    changes = compare(snapshot(before, Limits()), snapshot(after, Limits()))
    if shown is None:
        assert changes is None
        return
    value = render(changes, Policy(), "changes").value
    for key, expected in shown.items():
        found = value[key] if key in ("added", "changed") else value["changed"][key]
        found = {part: found[part] for part in expected} if key not in ("added", "changed") else found
        assert found == expected


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ({1: "a", "1": "b"}, {1: "c", "1": "b"}, {"changed": {"1 (int)": ["a", "c"]}}),
        ({None: 1, "None": 2}, {None: 1, "None": 3}, {"changed": {"None": [2, 3]}}),
        ({True: 1, "True": 2}, {"True": 2}, {"removed": {"True (bool)": 1}}),
        ({1: "a"}, {"1": "a"}, {"added": {"1": "a"}, "removed": {"1 (int)": "a"}}),
        ({10**5000: 1}, {10**5000: 2}, {"changed": {"<int of 16,610 bits>": [1, 2]}}),
    ],
)
def test_keys_that_look_alike_are_told_apart(before: Any, after: Any, shown: Any) -> None:
    """A text keeps its name, what looks the same is told by its type; a number may be too long to write."""
    assert _changes(before, after) == {"added": {}, "changed": {}, "removed": {}, **shown}


def test_members_of_a_set_that_look_alike_are_told_apart() -> None:
    """The text that went is the one that is told."""
    found = _changes({"s": {1, "1"}}, {"s": {1}})

    assert found["changed"] == {"s": {"added": {}, "changed": {}, "removed": {"1": "1"}}}


def test_a_comparison_that_fails_costs_the_changes_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There may have been some: that is said, and what it failed with is told."""

    def fails(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr("pocketflow_tracing.values.changes.compare", fails)
    monkeypatch.setattr("pocketflow_tracing.errors._told", set())

    found = Difference(snapshot({}, Limits()), snapshot({"a": 1}, Limits())).changes()

    assert found is not None
    assert (bool(found), found.partial) == (False, True)
    assert "internal failure in values.changes: ValueError" in caplog.text


EQUAL_BUT_OTHERS = [
    (1, 1.0),
    (0.0, -0.0),
    (deque([1]), deque([1.0])),
    ({1}, {1.0}),
    ({0: 1}, {0: 1.0}),
    ((1, [0.0]), (1, [-0.0])),
    (True, 1),
]


@pytest.mark.parametrize(("before", "after"), EQUAL_BUT_OTHERS, ids=repr)
def test_equal_values_of_other_looks_are_a_change(before: Any, after: Any) -> None:
    """Python finds 1 and 1.0 equal; in a trace they are not the same."""
    limits = Limits()
    first = snapshot({"it": before, "that": [before]}, limits)
    second = snapshot({"it": after, "that": [after]}, limits, first)

    assert repr(second.root) == repr(snapshot({"it": after, "that": [after]}, limits).root)
    changes = compare(first, second)
    assert changes is not None
    assert changes.changed.keys() == {"it", "that"}


def test_a_store_that_grew_beyond_any_bound_is_not_gone_through() -> None:
    """A million new keys are told by their number, as in a first capture."""
    limits = Limits()
    store: dict[str, Any] = {"a": 1}
    first = snapshot(store, limits)
    store.update((f"k{number}", number) for number in range(200_000))

    assert lines_run(lambda: snapshot(store, limits, first)) < 100_000
