"""Nothing that leaves the process shows a secret: the file, the console, the pages, what is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pocketflow import Flow
from values_corpus import SECRETS
from values_exits import EXITS, Planted
from values_planting import FEW_BYTES, GROUPS, PLACES, TEXTS, Take, across
from values_search import seen_in

from pocketflow_tracing import TracingConfig, tracing

pytestmark = pytest.mark.one_python  # what it searches is made by the same code on all of them


@pytest.mark.parametrize("group", GROUPS)
def test_no_secret_leaves_by_any_exit(group: str, tmp_path: Path) -> None:
    """Searched in every form that a text has there; what masks say shows that the secrets were planted."""
    planted = Planted(tmp_path, group, "on")

    seen: dict[str, list[str]] = {}
    for exit, leave in EXITS.items():
        left = leave(planted)
        assert len(left) > 10_000, exit
        seen[exit] = seen_in(left)

    assert seen == {exit: [] for exit in EXITS}
    times = len(PLACES) if group == "values" else len(GROUPS[group])
    assert planted.path.read_bytes().count(b"[redacted") > times * len(SECRETS)
    errors = [span.error for trace in planted.traces for span in trace.spans if span.error]
    assert any(error.locals for error in errors) == (group == "locals")


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """With masking off the secrets are seen at every exit.

    At some exits not all of them: in a chart texts are cut, and not every trace is looked at everywhere.
    """
    bare = Planted(tmp_path, "names", "off")

    for exit, leave in EXITS.items():
        shows_all = exit in ("file", "JSON", "commands") or "requests" in exit
        assert len(seen_in(leave(bare))) >= len(SECRETS) * (1 if shows_all else 0.7), exit


def test_the_search_finds_every_secret_in_every_form() -> None:
    """Alone, in JSON, and as much of it as a cut leaves."""
    for text, secret in SECRETS:
        assert text in seen_in(f"so {secret} it is")
        assert text in seen_in(json.dumps({"note": [secret[:12]]}))


def test_the_budget_ends_within_secrets() -> None:
    """Those that are planted to be cut: with masking off, the mark of a cut stands where it was wanted."""
    cuts = [cut for text in TEXTS for cut in across(text).items()]
    config = TracingConfig(max_value_bytes=FEW_BYTES, redact=False)
    with tracing(config, sinks=[]) as block:
        Flow(start=Take()).run({"given": [value for _, value in cuts]})

    (trace,) = block.traces
    kept = json.dumps(trace.to_dict(), ensure_ascii=False)
    seen = [json.dumps(f" {shown}…", ensure_ascii=False)[1:-1] in kept for shown, _ in cuts]
    assert seen == [True] * 3 * len(SECRETS)
