"""The command that hands a trace to other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..model import Trace
from .commands import commands
from .ending import failing_clearly
from .opened import opened_store, tell, trace_named
from .writing import written


def _json(trace: Trace) -> str:
    return _indented(trace.to_dict())


def _mermaid(trace: Trace) -> str:
    from ..view.mermaid import mermaid

    return mermaid(trace).rstrip("\n")


def _otlp(trace: Trace) -> str:
    from ..export.otlp import otlp_form

    return _indented(otlp_form(trace))


def _chrome(trace: Trace) -> str:
    from ..view.chrome import chrome_form

    return _indented(chrome_form(trace))


def _indented(form: Any) -> str:
    return json.dumps(form, indent=2)


FORMATS: dict[str, Callable[[Trace], str]] = {
    "json": _json,
    "mermaid": _mermaid,
    "otlp": _otlp,
    "chrome": _chrome,
}


@commands.command()
@click.argument("id", default="last", metavar="[last|ID|START OF AN ID]")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="json",
    show_default=True,
    help="json: all of it; mermaid: the graph; otlp: for OpenTelemetry tools; chrome: for ui.perfetto.dev.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it there; - is stdout, the default.",
)
@failing_clearly
def export(id: str, form: str, output: Path | None) -> None:
    """Write one trace, by default the last, for other tools."""
    with opened_store() as store:
        trace = trace_named(store, id)
    text = FORMATS[form](trace)
    if output is None or str(output) == "-":
        tell(text)
        return
    written(text + "\n", output)
    tell(f"wrote {output}")
