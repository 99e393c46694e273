"""Nothing that leaves the process shows a secret: the file, the console, the pages, what is sent."""

from __future__ import annotations

import pytest
from values_corpus import SECRETS
from values_exits import EXITS, Planted
from values_planting import PLACES, seen_in

pytestmark = pytest.mark.one_python  # what it searches is made by the same code on all of them


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(tmp_path_factory.mktemp("planted"), "on")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """With masking off, and in fewer places."""
    return Planted(tmp_path_factory.mktemp("bare"), "off", "few")


@pytest.mark.parametrize("exit", EXITS)
def test_no_secret_leaves_by_any_exit(planted: Planted, exit: str) -> None:
    """Searched in every form that a text has there."""
    left = EXITS[exit](planted)

    assert len(planted.traces) > len(PLACES) * 20
    assert len(left) > 10_000
    assert seen_in(left) == []


@pytest.mark.parametrize("exit", EXITS)
def test_the_search_finds_what_is_there(bare: Planted, exit: str) -> None:
    """With masking off the secrets are seen at every exit: the program does plant them.

    At some exits not all of them: in a chart texts are cut, and not every trace is looked at everywhere.
    """
    found = len(seen_in(EXITS[exit](bare)))

    assert found >= len(SECRETS) * (1 if exit in ("file", "JSON", "commands") or "requests" in exit else 0.7)
