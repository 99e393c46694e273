"""Nothing that leaves the process shows a secret: the file, the console, the pages, what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from values_corpus import SECRETS
from values_exits import EXITS, Planted
from values_planting import PLACES, seen_in

pytestmark = pytest.mark.one_python  # what it searches is made by the same code on all of them


def test_no_secret_leaves_by_any_exit(tmp_path: Path) -> None:
    """Searched in every form that a text has there."""
    planted = Planted(tmp_path, "on")
    assert len(planted.traces) > len(PLACES) * 20

    seen: dict[str, list[str]] = {}
    for exit, leave in EXITS.items():
        left = leave(planted)
        assert len(left) > 10_000, exit
        seen[exit] = seen_in(left)

    assert seen == {exit: [] for exit in EXITS}


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """With masking off the secrets are seen at every exit: the program does plant them, if in fewer places.

    At some exits not all of them: in a chart texts are cut, and not every trace is looked at everywhere.
    """
    bare = Planted(tmp_path, "off", "few")

    for exit, leave in EXITS.items():
        shows_all = exit in ("file", "JSON", "commands") or "requests" in exit
        assert len(seen_in(leave(bare))) >= len(SECRETS) * (1 if shows_all else 0.7), exit
