"""Any value at all: captured without running its code, without an error, within its budget."""

from __future__ import annotations

import collections
import copy
import datetime
import gc
import signal
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from values_support import (
    Held,
    Liar,
    any_values,
    called,
    fingerprint,
    held,
    hostile,
    hostile_object,
    json_bytes,
    json_values,
    lines_run,
    rendered,
    shown,
    straight_values,
)

from pocketflow_tracing.values import Limits, Policy, Rendered, compare, render, snapshot

OPEN = Policy(redact=False)


@settings(max_examples=300, deadline=None)
@given(held(any_values), st.sampled_from([64, 200, 1000, 65536]), st.integers(1, 25))
def test_any_value_becomes_valid_json_within_its_budget(holder: Held, max_bytes: int, max_depth: int) -> None:
    """However hostile the value: its JSON is valid, that and the work have bounds, and it stays as it was."""
    value, limits, policy = holder.value, Limits(max_depth, max_bytes), Policy()
    before = fingerprint(value)
    results: list[Rendered] = []
    called.clear()
    lines = lines_run(lambda: results.append(render(snapshot(value, limits), policy, "input")))
    [result] = results

    assert called == []
    assert fingerprint(value) == before
    assert json_bytes(result.value) <= max_bytes
    assert result.value is not None or value is None
    assert lines <= 20_000 + 300 * len(before) + 4 * max_bytes  # a fifth of it, mostly; cycles know no end


@settings(max_examples=100, deadline=None)
@given(held(st.dictionaries(st.text(max_size=6), straight_values, max_size=6)))
def test_capturing_again_takes_over_what_did_not_change(holder: Held) -> None:
    """A second capture shows the same as a fresh one, and differs in nothing from the first.

    Where a value holds itself and is cut, the two may be cut in different places.
    """
    store, limits = holder.value, Limits(max_bytes=4096)
    called.clear()
    first = snapshot(store, limits)
    second = snapshot(store, limits, first)

    assert called == []
    assert render(second, OPEN, "").value == render(snapshot(store, limits), OPEN, "").value
    changes = compare(first, second)
    assert changes is None or changes.partial


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_json_comes_through_as_it_is(value: Any) -> None:
    """What is JSON already is shown exactly, surrogates and infinite numbers apart."""
    assert shown(value, policy=OPEN) == value


@settings(max_examples=150, deadline=None)
@given(json_values, json_values)
def test_changes_are_told_exactly_when_there_are_some(before: Any, after: Any) -> None:
    """Two stores compare as equal when, and only when, they are."""
    store = {"same": 1, "value": copy.deepcopy(before)}
    first = snapshot(store, Limits())
    store["value"] = after
    second = snapshot(store, Limits(), first)

    changed = compare(first, second) is not None
    assert changed == (not _equal(before, after))


def _equal(before: Any, after: Any) -> bool:
    """Equal as JSON is: True is not 1, and dicts have no order."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_equal(before[key], after[key]) for key in before)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_equal, before, after))
    return bool(before == after)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: hostile(list, [1, 2]), [1, 2]),
        (lambda: hostile(tuple, (1, 2)), [1, 2]),
        (lambda: hostile(dict, {"a": 1}), {"a": 1}),
        (lambda: hostile(set, {1}), [1]),
        (lambda: hostile(frozenset, {1}), [1]),
        (lambda: hostile(str, "text"), "text"),
        (lambda: hostile(int, 7), 7),
        (lambda: hostile(float, 0.5), 0.5),
        (lambda: hostile(bytes, b"abc"), "<bytes of 3 bytes: abc>"),
        (lambda: hostile(bytearray, b"abc"), "<bytearray of 3 bytes: abc>"),
        (lambda: hostile(collections.deque, [1]), [1]),
        (lambda: hostile(collections.OrderedDict, {"a": 1}), {"a": 1}),
        (lambda: hostile(complex, 1j), "1j"),
        (lambda: hostile_object({"a": 1}), {"a": 1}),
        (lambda: hostile_object({"a": 1}, meta=True), {"a": 1}),
        (Liar, {"kept": 1}),
    ],
)
def test_no_method_of_a_users_type_is_called(make: Any, expected: Any) -> None:
    """Subclasses are read through the base type, objects through their fields."""
    value = make()
    called.clear()
    assert shown(value) == expected
    assert shown([value]) == [expected]
    assert called == []


def test_keys_are_neither_hashed_nor_compared() -> None:
    """A dict whose keys collide and have been deleted is read without asking the keys."""

    class Key:
        def __init__(self, name: str) -> None:
            self.name = name

        def __hash__(self) -> int:
            called.append("__hash__")
            return 1

        def __eq__(self, other: object) -> bool:
            called.append("__eq__")
            return self is other

    store = {Key(str(number)): number for number in range(12)}
    for key in list(store)[::2]:
        del store[key]
    mixed = {"plain": 1, **store}
    called.clear()

    assert len(shown(store)) == 6
    assert shown(mixed)["plain"] == 1
    assert called == []


def test_a_subclass_of_str_as_a_key_is_not_asked_either() -> None:
    """Its text is the key; its `__eq__` and `__hash__` are not run."""
    key = hostile(str, "name")
    store = {"other": 1}
    type(key).__hash__ = str.__hash__
    store[key] = 2
    type(key).__hash__ = None  # type: ignore[assignment]
    called.clear()

    assert shown(store) == {"other": 1, "name": 2}
    assert called == []


def test_cycles_are_marked() -> None:
    """A value inside itself is named, and does not fill the budget."""
    looped: dict[str, Any] = {"a": 1}
    looped["self"] = looped
    items: list[Any] = [1]
    items.append({"items": items})

    assert shown(looped) == {"a": 1, "self": "<cycle>"}
    assert shown(items) == [1, {"items": "<cycle>"}]


@pytest.mark.parametrize("make", [lambda deep: [deep], lambda deep: {"a": deep}, lambda deep: (deep,)])
def test_a_depth_of_100_000_is_cut_where_it_should_be(make: Any) -> None:
    """What is nested too deep ends in a note, quickly and without recursion."""
    deep: Any = 1
    for _ in range(100_000):
        deep = make(deep)

    result = rendered(deep)

    assert json_bytes(result.value) < 400
    assert len(result.truncated) == 1
    while type(deep) is not int:  # take it apart in a loop: dealing with it at once would recurse
        deep = deep["a"] if type(deep) is dict else deep[0]


def test_sharing_does_not_multiply_the_cost() -> None:
    """A list that holds itself twice over at every level stays within the budget."""
    shared: Any = ["leaf"]
    for _ in range(60):
        shared = [shared, shared]

    assert json_bytes(shown(shared)) <= 65536


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ("a\ud800b", "a\\ud800b"),
        (10**600, 10**600),
        (-(10**5000), "<int of 16,610 bits>"),
        ({10**5000: 1}, {"<int of 16,610 bits>": 1}),
        ({"\udfff": 1}, {"\\udfff": 1}),
        ("\x00", "\x00"),
    ],
    ids=range(9),
)
def test_what_json_has_no_word_for_gets_one(value: Any, expected: Any) -> None:
    """NaN, infinities, lone surrogates and integers beyond Python's limit of digits."""
    assert shown(value) == expected
    json_bytes(expected)


def test_the_limit_of_digits_is_respected_however_low() -> None:
    """A program may forbid long conversions; what is shown never needs one."""
    before = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else None
    if before is None:
        pytest.skip("this interpreter has no such limit")
    sys.set_int_max_str_digits(640)
    try:
        json_bytes(shown([10**700, {10**900: 10**616}]))
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    "change",
    [
        lambda store, number: store["dict"].__setitem__(number % 997, number),
        lambda store, number: store["dict"].pop(number % 499, None),
        lambda store, number: store["list"].append(number),
        lambda store, number: store["list"].clear(),
        lambda store, number: store["set"].add(number % 1013),
        lambda store, number: store["deque"].rotate(1) or store["deque"].append(number),
        lambda store, number: store.__setitem__(f"key {number % 101}", number),
        lambda store, number: store.pop(f"key {number % 53}", None),
    ],
)
def test_containers_changed_by_another_thread_meanwhile_do_no_harm(change: Any) -> None:
    """Whatever another thread does to a container, capturing it raises nothing and gives JSON."""
    store: dict[str, Any] = {
        "dict": {},
        "list": list(range(100)),
        "set": set(),
        "deque": collections.deque(range(50), maxlen=500),
    }
    stop = threading.Event()

    def meddle() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            change(store, number)
            if len(store["list"]) > 3000:
                store["list"].clear()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    other = threading.Thread(target=meddle)
    other.start()
    try:
        previous, limits = None, Limits(max_bytes=4096)
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            previous = snapshot(store, limits, previous)
            assert "<not captured>" not in str(previous.root)[:20]
            assert json_bytes(render(previous, OPEN, "").value) <= limits.max_bytes
    finally:
        stop.set()
        other.join()
        sys.setswitchinterval(interval)


def test_near_the_recursion_limit_a_value_is_not_captured_rather_than_raised() -> None:
    """The program's own recursion may leave us no room; it never sees our RecursionError."""
    store = {"a": [{"b": [{"c": [1, {"d": (1, 2)}]}]}]}

    def recurse(left: int) -> int:
        snapshot(store, Limits())
        return 0 if left == 0 else 1 + recurse(left - 1)

    deepest = 0
    with pytest.raises(RecursionError):
        while True:
            deepest += 50
            recurse(deepest)
    assert shown(store) == {"a": [{"b": [{"c": [1, {"d": [1, 2]}]}]}]}


def test_what_a_signal_handler_raises_reaches_the_program() -> None:
    """A handler may run in the midst of a capture; its exception is the program's, whatever its type."""

    class Alarm(RuntimeError):
        pass

    rung: list[int] = []

    def ring(number: int, frame: Any) -> None:
        rung.append(number)
        raise Alarm

    class Store:
        def __init__(self) -> None:
            self.items = [collections.deque(range(20)), {1, 2}, datetime.datetime(2026, 1, 2), Liar()] * 10

    value = {"a": [{"b": Store()} for _ in range(5)]}
    before = signal.signal(signal.SIGALRM, ring)
    caught = 0
    gc.disable()  # hypothesis watches it from a callback, in which an exception is lost
    try:
        for number in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00005 + number % 50 / 50_000)
                while True:
                    snapshot(value, Limits(serializers={Store: lambda store: store.items}))
            except Alarm:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()

    assert caught == len(rung) == 300
