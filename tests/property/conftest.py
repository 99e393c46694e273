"""Options of the random programs: how many, and from which seed on."""

from __future__ import annotations

import pytest
from surroundings_support import PROBES

from .test_random_programs import REGRESSIONS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--programs", type=int, default=500, help="how many random flow programs to run")
    parser.addoption("--seed", type=int, default=0, help="the seed of the first random flow program")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed, the regressions first."""
    if "program_seed" in metafunc.fixturenames:
        first, count = metafunc.config.getoption("--seed"), metafunc.config.getoption("--programs")
        known = [seed for seed in REGRESSIONS if not first <= seed < first + count]
        wanted = [*(known if first == 0 else ()), *range(first, first + count)]
        metafunc.parametrize("program_seed", wanted)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All programs run with the probe this interpreter gets by itself, a fifth of them with the other."""
    if config.getoption("--programs") == 1:  # somebody runs one again
        return
    spared = {item for item in items if _is_spared(item)}
    config.hook.pytest_deselected(items=list(spared))
    items[:] = [item for item in items if item not in spared]


def _is_spared(item: pytest.Item) -> bool:
    """Whether it is a random program with the other probe, and not one of each five."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    seed = params.get("program_seed")
    return seed is not None and params["probe"] != PROBES[0] and seed not in REGRESSIONS and seed % 5 != 0
