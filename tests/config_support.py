"""What the tests of the settings share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pocketflow_tracing.config import SETTINGS


def bare_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without any of our variables, in an empty working directory, which it returns."""
    for setting in SETTINGS:
        for variable in setting.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
