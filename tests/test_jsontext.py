"""JSON text in one call and in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketflow_tracing import jsontext
from pocketflow_tracing.jsontext import to_json, to_json_in_pieces

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner, max_size=9),
)


@settings(deadline=None)
@given(value=VALUES)
def test_pieces_make_the_same_text(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsontext, "PIECE", 8)
        assert to_json_in_pieces(value) == to_json(value)


def test_no_call_gets_more_of_a_text_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def counting(value: Any) -> str:
        given.append(len(value) if isinstance(value, str) else 0)
        return to_json(value)

    monkeypatch.setattr(jsontext, "to_json", counting)
    prompt = '"quoted" and é\n' * 100_000
    assert to_json_in_pieces({"prompt": prompt, "all": [prompt]}) == to_json(
        {"prompt": prompt, "all": [prompt]}
    )
    assert len(given) > 2 * len(prompt) // jsontext.PIECE and max(given) == jsontext.PIECE
