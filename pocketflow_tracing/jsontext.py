"""JSON values → the text that is stored and sent: no blanks, letters as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def _writer() -> Callable[[Any], str]:
    """`JSONEncoder.encode`, which makes a C encoder for each call: that takes longer than a small value."""
    try:
        pieces: Any = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, True
        )
        if "".join(pieces({"a": [1, "é"]}, 0)) == '{"a":[1,"é"]}':
            return lambda value: "".join(pieces(value, 0))
    except Exception:  # not the module that CPython has had since 3.3
        pass
    return _encoder.encode


to_json = _writer()
"""The JSON text of a value; lone surrogates stay what they are."""


PIECE = 65_536
"""Characters in one call into C, which keeps all other threads waiting."""


def to_json_in_pieces(value: Any) -> str:
    """The same text as `to_json` gives, for a value with long texts: other threads get turns meanwhile."""
    kind = type(value)
    if kind is str and len(value) > PIECE:
        starts = range(0, len(value), PIECE)
        return '"' + "".join(to_json(value[start : start + PIECE])[1:-1] for start in starts) + '"'
    if kind is dict:
        return (
            "{" + ",".join(f"{to_json(key)}:{to_json_in_pieces(item)}" for key, item in value.items()) + "}"
        )
    if kind is list and len(value) < PIECE:
        return "[" + ",".join(map(to_json_in_pieces, value)) + "]"
    return to_json(value)


def utf8_size(text: str) -> int:
    """How many bytes a text takes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())
