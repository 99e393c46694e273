"""What is written about the settings: it agrees with the settings themselves."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from pocketflow_tracing.config import SETTINGS, TracingConfig

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The functions that write the documents."""
    return runpy.run_path(str(ROOT / "docs" / "write_settings.py"))


def test_the_example_file_agrees_with_the_settings(written: dict[str, Any]) -> None:
    """`.env.example` is what docs/write_settings.py writes."""
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == written["env_example"]()


def test_the_readme_table_agrees_with_the_settings(written: dict[str, Any]) -> None:
    """The table in README.md is what docs/write_settings.py writes."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")

    assert written["with_table"](page) == page


def test_the_example_file_without_its_marks_gives_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking every `#` away from a line of `.env.example` changes nothing."""
    for name in [name for name in os.environ if name.startswith(("LANGFUSE_", "POCKETFLOW_"))]:
        monkeypatch.delenv(name)
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    settings = [line[1:] for line in example.splitlines() if line.startswith("#") and line[1:2].isupper()]
    (tmp_path / "all.env").write_text("\n".join(settings), encoding="utf-8")

    assert len(settings) == sum(1 for setting in SETTINGS if setting.variables)
    assert TracingConfig.from_env(tmp_path / "all.env") == TracingConfig()
