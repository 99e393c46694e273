"""Texts and values made fit for one line of a terminal."""

from __future__ import annotations

import doctest
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketflow_tracing.view import brief, text
from pocketflow_tracing.view.lines import fitted


@given(st.text())
def test_visible_text_is_one_harmless_line(written: str):
    """Whatever a text holds, what is shown of it has nothing a terminal acts on."""
    shown = text.visible(written)

    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert not set(shown) & set("\x1b\x9b\u202e\u2066\u200e\x7f\x08")
    assert written.isprintable() <= (shown == written)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON_VALUES, st.integers(4, 60))
def test_a_brief_value_is_short_and_says_what_it_leaves_out(value: object, limit: int):
    """A value that fits is its own JSON; any other is described within about the limit."""
    shown = brief.brief(value, limit)
    whole = text.visible(json.dumps(value, ensure_ascii=False))

    assert len(shown) <= 10 * (limit + 12)  # a character takes ten at most when escaped
    if shown != whole and "nan" not in shown and "inf" not in shown and "e+" not in shown:
        assert "more" in shown or "item" in shown or "key" in shown or "…" in shown or "bits" in shown


def test_a_huge_value_is_made_brief_in_no_time():
    """Neither a text of 50 MB, nor a list of a million, nor an integer of a million digits is walked."""
    started = time.process_time()
    shown = [
        brief.brief("x" * 50_000_000, 30),
        brief.brief([0] * 1_000_000),
        brief.brief({"a": "x" * 50_000_000}),
        brief.brief(1 << 4_000_000),
        brief.excerpt([0] * 1_000_000, 10),
    ]

    assert shown == [
        '"xxxxxxxxxx… +49,999,990 more"',
        "[1,000,000 items]",
        "{1 key}",
        "<int of 4,000,001 bits>",
        "[0, 0, 0, … (1,000,000 items)",
    ]
    assert time.process_time() - started < 1


def test_a_stream_that_knows_only_ascii_gets_stand_ins():
    """Our marks have plain equivalents; foreign letters are escaped, never an error."""
    assert fitted("├─ ✓ 节点 – → µs…", "ascii") == r"|- * \u8282\u70b9 - -> us..."
    assert fitted("├─ ✓ 节点", "gb18030") == "├─ ✓ 节点"
    assert fitted("✓", "no such codec") == "*"
    assert fitted("✓", None) == "✓"


@pytest.mark.parametrize("module", [text, brief])
def test_the_examples_in_the_docstrings_hold(module: object):
    """What the docstrings show is what the functions give."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (None, ""),
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (999_600, "1.00 ms"),
        (12_340_000, "12.3 ms"),
        (59_990_000_000, "60.0 s"),
        (60_000_000_000, "1 min 00 s"),
        (3_723_000_000_000, "1 h 02 min"),
    ],
)
def test_durations_have_the_unit_a_reader_would_choose(ns: int | None, shown: str):
    """Three digits are enough to compare."""
    assert text.duration(ns) == shown
