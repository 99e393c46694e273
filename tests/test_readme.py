"""The READMEs: every command and every snippet in them does what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from readme_support import Sandbox, blocks, commands

ROOT = Path(__file__).parent.parent


@pytest.fixture
def page() -> str:
    """The text of README.md."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A folder like a fresh checkout."""
    return Sandbox(tmp_path)


def test_every_command_prints_what_is_shown(page: str, sandbox: Sandbox) -> None:
    """The console sessions, run from top to bottom, succeed and print what stands below them."""
    ran = 0
    for command in commands(page):
        if command.runnable:
            ran += 1
            done = sandbox.run(command.runnable)
            assert done.returncode == 0, f"{command.text}\n{done.stdout}"
            assert command.agrees(done.stdout), f"{command.text} printed\n{done.stdout}"
    assert ran >= 6


def test_every_snippet_runs(page: str, sandbox: Sandbox) -> None:
    """The Python blocks, one after the other in one program, run through and print what is promised."""
    program = sandbox.folder / "snippets.py"
    program.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    done = sandbox.run("python -W error snippets.py")

    assert (done.returncode, done.stdout) == (0, "1 Billing\n"), done.stdout


def test_the_translation_shows_the_same_code(page: str) -> None:
    """The blocks of the Chinese page are those of the English one."""
    translated = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")

    for language in ("console", "python"):
        assert blocks(translated, language) == blocks(page, language)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CHANGELOG.md"])
def test_every_link_inside_the_repository_leads_somewhere(name: str) -> None:
    """Files that are linked are there."""
    targets = re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))

    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []
