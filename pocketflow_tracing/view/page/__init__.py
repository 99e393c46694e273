"""A trace as one HTML file: nothing in it comes from elsewhere, and nothing goes out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from ...jsontext import utf8_size
from ...model import Trace
from ..text import visible
from .bundle import script, style
from .embedded import embedded
from .form import page_form, values_form

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%234263eb'/%3E"
    "%3Cpath d='M4 5h5M6 8h6M4 11h4' stroke='white' stroke-width='1.8' stroke-linecap='round'/%3E%3C/svg%3E"
)
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pocketflow-tracing">
<title>{title}</title>
<link rel="icon" href="{icon}">
<style>{style}</style>
</head>
<body>
<main id="trace"><noscript>This page needs JavaScript to show the trace.</noscript></main>
<script type="application/json" id="trace-form">{form}</script>
<script type="application/json" id="trace-values">{values}</script>
<script>{script}</script>
</body>
</html>
"""


def render_page(trace: Trace, *, max_value_bytes: int | None = None) -> str:
    """The whole page of a trace, with its values; those past a limit are left out, and it says so."""
    values = "\n".join(_values(trace, max_value_bytes))
    code, look = f"\n{script()}\n", f"\n{style()}\n"
    return _PAGE.format(
        policy=_policy(code, look),
        title=escape(f"{visible(trace.name)} · {trace.id[:8]}"),
        icon=_ICON,
        style=look,
        form=embedded(page_form(trace)),
        values=values,
        script=code,
    )


def _values(trace: Trace, max_value_bytes: int | None) -> Iterator[str]:
    """The values of each span as a line of JSON."""
    room = max_value_bytes
    for span in trace.spans:
        line = embedded(values_form(span))
        if room is not None:
            room -= utf8_size(line)
            line = line if room >= 0 else "{}"
        yield line


def _policy(code: str, look: str) -> str:
    """What the page may do: run this one script and wear this one style."""
    return (
        f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(look)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
