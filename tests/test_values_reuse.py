"""What did not change is neither captured nor written out again, and the cost of a capture is bounded."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from values_support import Held, held, json_values, lines_run, straight_values

from pocketflow_tracing.values import Limits, Policy, compare, render, rendering, snapshot
from pocketflow_tracing.values.nodes import ENTRY_COST

LIMITS = Limits()


@dataclasses.dataclass
class Record:
    number: int
    tags: list[str]


def _small() -> dict[str, Any]:
    return {"a": 1, "text": "x", "items": [1, {"b": True}], "pair": (1, 2), "record": Record(1, ["x"])}


def _too_big() -> dict[str, Any]:
    """A store of every kind of entry that is cut."""
    return {
        "attempts": 1,
        "text": "y" * 200_000,
        "numbers": list(range(50_000)),
        "rows": [{"id": number, "tags": ["a", {"b": [number]}]} for number in range(5_000)],
        "table": {f"k{number}": {f"c{column}": column for column in range(9)} for number in range(5_000)},
        "short": ["kept", "whole"],
    }


def _many() -> dict[str, Any]:
    """More entries that are too big than are cut one by one."""
    return {f"k{number}": {f"a{inner}": [{"b": 1}] * 20 for inner in range(20)} for number in range(300)}


@pytest.mark.parametrize("value", [None, "text", 7, 0.5, True, [1, [2]], (1, {"a": 2}), Record(1, ["a"])])
def test_a_value_that_did_not_change_keeps_its_capture(value: Any) -> None:
    """Whatever it is, the earlier capture comes back."""
    first = snapshot(value, LIMITS)

    assert snapshot(value, LIMITS, first) is first


@pytest.mark.parametrize("make", [dict, _small, _too_big, _many])
def test_a_store_that_did_not_change_keeps_its_capture(make: Any) -> None:
    """Also where the budget shows only a part of it."""
    store = make()
    first = snapshot(store, LIMITS)

    assert snapshot(store, LIMITS, first) is first


@pytest.mark.parametrize("make", [_small, _too_big, _many])
def test_one_entry_that_changes_leaves_the_others_as_they_were(make: Any) -> None:
    """The nodes of all others are taken over, and only the one is told as a change."""
    store = make()
    first = snapshot(store, LIMITS)
    changed = next(iter(store))
    store[changed] = "other"

    second = snapshot(store, LIMITS, first)

    assert [key for key in store if second.root[key] is not first.root[key]] == [changed]
    changes = compare(first, second)
    assert changes is not None
    assert list(changes.changed) == [changed]


@settings(max_examples=200, deadline=None)
@given(held(straight_values), held(straight_values))
def test_taking_over_gives_what_a_fresh_capture_gives(before: Held, after: Held) -> None:
    """A capture made from an earlier one says the same as one made from nothing."""
    store = {"a": before.value, "b": 1, "c": [before.value]}
    limits = Limits(max_bytes=500)
    first = snapshot(store, limits)
    store.update(a=after.value, b=2, new=after.value)

    again, fresh = snapshot(store, limits, first), snapshot(store, limits)

    if first.whole and fresh.whole:
        assert repr(again.root) == repr(fresh.root)
        # An int of a class of its own that becomes a plain one is charged as before.
        assert 0 <= again.size - fresh.size <= 2 * ENTRY_COST
    assert again.root.keys() == fresh.root.keys()


def test_a_store_that_shrinks_is_whole_again() -> None:
    """What was cut for others that are gone now has its room back."""
    store = _too_big()
    first = snapshot(store, LIMITS)
    for key in ("text", "numbers", "table"):
        del store[key]
    store["rows"] = store["rows"][:50]

    second = snapshot(store, LIMITS, first)

    assert not first.whole
    assert second.whole
    assert render(second, Policy(), "").value == store


@pytest.mark.parametrize("wrap", [lambda value: Counter(value), lambda value: {7: value}])
def test_entries_that_moved_are_shown_where_they_are(wrap: Any) -> None:
    """Also in mappings that are no plain dicts with texts for keys; that they moved is no change."""
    store = {"found": wrap({"a": 1, "b": 2})}
    first = snapshot(store, LIMITS)
    store["found"] = wrap({"b": 2, "a": 1})

    second = snapshot(store, LIMITS, first)

    assert render(second, Policy(), "").text == render(snapshot(store, LIMITS), Policy(), "").text
    assert compare(first, second) is None


def test_a_capture_of_other_limits_is_not_taken_over() -> None:
    """A smaller budget holds, whatever was captured before."""
    store = _too_big()
    first = snapshot(store, LIMITS)

    assert len(render(snapshot(store, Limits(max_bytes=1000), first), Policy(), "").text) <= 1000


@pytest.mark.parametrize("times", [1, 3, 10, 30])
@pytest.mark.parametrize("make", [_too_big, _many])
def test_the_cost_does_not_depend_on_the_size_of_the_store(make: Any, times: int) -> None:
    """There is a bound on the steps of a first capture, of one without and of one with a change."""
    store = {
        f"{key}-{number}" if number else key: value * times if type(value) in (list, str) else value
        for key, value in make().items()
        for number in range(times if make is _many else 1)
    }
    changed = {**store, next(iter(store)): 0}
    first = snapshot(store, LIMITS)

    assert lines_run(lambda: snapshot(store, LIMITS)) < 250_000
    assert lines_run(lambda: snapshot(store, LIMITS, first)) < 30_000
    assert lines_run(lambda: snapshot(changed, LIMITS, first)) < 70_000


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_the_text_is_the_value_as_json(value: Any) -> None:
    """What is stored as text and what sinks are given say the same."""
    found = render(snapshot(value, Limits(max_bytes=200)), Policy(), "input")
    named = render(
        {"shared": snapshot({"a": value}, LIMITS), "prep_res": snapshot(value, LIMITS)}, Policy(), ""
    )

    assert json.loads(found.text) == found.value
    assert json.loads(named.text) == named.value


def test_entries_written_for_themselves_look_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values, text, and the paths of what is masked or left out."""
    store = {
        "first": 1,
        "messages": [{"password": "hunter22", "text": "key sk-proj-" + "aB3" * 9}] * 40,
        "between": None,
        "sk-proj-" + "cD4" * 9: {"rows": [list(range(99))] * 40},
        "big": "x" * 90_000,
        "last": ["a"],
    }
    in_parts = render(snapshot(store, LIMITS), Policy(), "input")
    monkeypatch.setattr(rendering, "_BIG", 10**9)
    in_one = render(snapshot(store, LIMITS), Policy(), "input")

    assert in_parts.value == in_one.value
    assert in_parts.text == in_one.text
    assert sorted(in_parts.redacted) == sorted(in_one.redacted)
    assert sorted(in_parts.truncated) == sorted(in_one.truncated)


def test_an_entry_that_did_not_change_is_written_once() -> None:
    """Two captures of a store show the same JSON object for what they share."""
    store = {"records": [{"number": number} for number in range(100)], "attempts": 1}
    policy = Policy()
    first = snapshot(store, LIMITS)
    store["attempts"] = 2
    second = snapshot(store, LIMITS, first)

    shown = [render(taken, policy, "input").value for taken in (first, second)]

    assert shown[0]["records"] is shown[1]["records"]
    assert [value["attempts"] for value in shown] == [1, 2]


def test_a_copy_with_equal_content_is_taken_over_too() -> None:
    """Programs that make their lists anew do not pay for it twice."""
    store = _small()
    first = snapshot(store, LIMITS)

    assert snapshot(copy.deepcopy(store), LIMITS, first) is first
