"""JSON that may stand in a `<script>` element: no text in it can end the element or begin another."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ...model import JSON

_UNSAFE = "<>&\u2028\u2029"
"""What HTML acts on, and what JavaScript of old took for line ends."""

_SURROGATE = re.compile("[\ud800-\udfff]")
"""What UTF-8 has no bytes for."""


def embedded(value: JSON) -> str:
    """`value` as JSON on one line, with everything escaped that HTML would act on."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    for letter in _UNSAFE:
        text = text.replace(letter, f"\\u{ord(letter):04x}")  # a hundred times as fast as one pass of `re`
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> JSON:
    """`value` with NaN and infinity as texts: JSON has no words for them."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
