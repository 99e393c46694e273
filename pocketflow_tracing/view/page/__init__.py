"""A trace as one HTML file: nothing in it comes from elsewhere, and nothing goes out."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from ...model import Trace
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


def render_page(trace: Trace) -> str:
    """The whole page of a trace, with its values."""
    values = "\n".join(embedded(values_form(span)) for span in trace.spans)
    code, look = f"\n{script()}\n", f"\n{style()}\n"
    return _PAGE.format(
        policy=_policy(code, look),
        title=f"{escape(trace.name)} · {trace.id[:8]}",
        icon=_ICON,
        style=look,
        form=embedded(page_form(trace)),
        values=values,
        script=code,
    )


def _policy(code: str, look: str) -> str:
    """What the page may do: run this one script and wear this one style."""
    return (
        f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(look)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
