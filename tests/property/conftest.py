"""Options of the random programs: how many, and from which seed on."""

from __future__ import annotations

import pytest

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
