"""What environment variables and `.env` say, when it is read, and what counts before what."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from config_support import bare_outside

from pocketflow_tracing.config import TracingConfig, resolve
from pocketflow_tracing.config.environment import _Unread
from pocketflow_tracing.errors import ConfigError


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The empty working directory of the test."""
    return bare_outside(monkeypatch, tmp_path)


def test_an_argument_counts_before_config_before_environment_before_env_file(
    monkeypatch: pytest.MonkeyPatch, outside: Path
) -> None:
    """Each source fills only what the sources before it left open."""
    names = ["POCKETFLOW_SESSION_ID", "POCKETFLOW_USER_ID", "LANGFUSE_RELEASE", "LANGFUSE_PUBLIC_KEY"]
    (outside / ".env").write_text("".join(f"{name}=file\n" for name in names))
    for name in names[:3]:
        monkeypatch.setenv(name, "environment")
    config = resolve(TracingConfig(session_id="config", user_id="config"), session_id="argument")

    assert config.session_id == "argument"
    assert config.user_id == "config"
    assert config.release == "environment"
    assert config.langfuse_public_key == "file"
    assert config.environment == "default"


def test_a_given_default_counts_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was given explicitly stays, also where it equals the default."""
    monkeypatch.setenv("POCKETFLOW_TRACING_MAX_DEPTH", "5")

    assert resolve(TracingConfig(max_depth=20)).max_depth == 20
    assert resolve(TracingConfig()).max_depth == 5


def test_an_attribute_set_later_counts_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """`config.debug = True` between runs is heard by the next run; None opens the setting again."""
    monkeypatch.setenv("POCKETFLOW_SESSION_ID", "environment")
    config = TracingConfig.from_env()
    config.debug = True
    config.session_id = "mine"

    assert resolve(config).debug is True
    assert resolve(config).session_id == "mine"
    config.session_id = None
    assert resolve(config).session_id == "environment"


def test_empty_texts_and_none_leave_a_setting_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.getenv(…, "")` as an argument does not hide the environment."""
    monkeypatch.setenv("POCKETFLOW_USER_ID", "environment")

    assert resolve(TracingConfig(user_id=""), user_id=None).user_id == "environment"


def test_an_empty_variable_hides_the_env_file(monkeypatch: pytest.MonkeyPatch, outside: Path) -> None:
    """`LANGFUSE_SECRET_KEY= python app.py` runs without the key in `.env`."""
    (outside / ".env").write_text("LANGFUSE_SECRET_KEY=from-file\n")
    assert resolve().langfuse_secret_key == "from-file"

    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "")
    assert resolve().langfuse_secret_key is None


def test_the_first_variable_of_a_setting_counts_before_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """LANGFUSE_BASE_URL wins over the older LANGFUSE_HOST."""
    monkeypatch.setenv("LANGFUSE_HOST", "https://old.example/")
    assert resolve().langfuse_host == "https://old.example"

    monkeypatch.setenv("LANGFUSE_BASE_URL", "https://new.example")
    assert resolve().langfuse_host == "https://new.example"


def test_the_env_file_is_found_upward_and_read_again_when_it_changes(
    monkeypatch: pytest.MonkeyPatch, outside: Path
) -> None:
    """The nearest `.env` counts, from the working directory up; edits and removals are seen."""
    below = outside / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert resolve().user_id is None

    (outside / ".env").write_text("POCKETFLOW_USER_ID=above\n")
    assert resolve().user_id == "above"
    (below / ".env").write_text("POCKETFLOW_USER_ID=near\n")
    assert resolve().user_id == "near"
    (below / ".env").write_text("POCKETFLOW_USER_ID=changed\n")
    assert resolve().user_id == "changed"
    (below / ".env").unlink()
    (below / ".env").mkdir()  # a virtual environment of that name
    assert resolve().user_id == "above"


def test_variables_set_later_count_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `load_dotenv()` after the import is heard."""
    assert resolve().user_id is None
    monkeypatch.setenv("POCKETFLOW_USER_ID", "later")
    assert resolve().user_id == "later"
    assert resolve(TracingConfig()).user_id == "later"


def test_the_environment_is_read_and_never_written(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` fills our settings only, not `os.environ`."""
    (outside / ".env").write_text("LANGFUSE_PUBLIC_KEY=pk\nSOMETHING_ELSE=1\n")
    before = dict(os.environ)
    resolve()
    TracingConfig.from_env()
    TracingConfig.from_env(outside / ".env").validate()

    assert dict(os.environ) == before


def test_from_env_reads_the_file_it_is_told(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file stands in for the nearest `.env`; one that does not exist says nothing."""
    (outside / ".env").write_text("POCKETFLOW_USER_ID=nearest\n")
    (outside / "team.env").write_text("POCKETFLOW_USER_ID=team\nPOCKETFLOW_SESSION_ID=team\n")
    monkeypatch.setenv("POCKETFLOW_SESSION_ID", "environment")
    config = TracingConfig.from_env("team.env")

    assert (config.user_id, config.session_id) == ("team", "environment")
    assert resolve(config).user_id == "team"
    assert "user_id" not in vars(TracingConfig.from_env("missing.env"))


def test_an_env_file_that_is_not_text_is_told_and_left_out(
    outside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run goes on without it; from_env raises."""
    (outside / ".env").write_bytes(b"POCKETFLOW_USER_ID=\xff\xfe\n")

    assert resolve().user_id is None
    message = f"the settings in {outside / '.env'} cannot be read: it is not UTF-8 text"
    assert [record.getMessage() for record in caplog.records] == [f"[TRACING] {message}; it is not used"]
    with pytest.raises(ConfigError, match=re.escape(message)):
        TracingConfig.from_env()


def test_a_line_of_the_env_file_that_says_nothing_is_told_once_with_the_file(
    outside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Settings are read often; dotenv would warn every time, and name no file."""
    (outside / ".env").write_text("POCKETFLOW_USER_ID=ada\nA BAD LINE\nOK=1\nANOTHER ONE\n")

    assert [resolve().user_id, TracingConfig.from_env().user_id] == ["ada", "ada"]
    what = "python-dotenv could not parse statement starting at line 2 and 1 more; the rest counts"
    assert [record.getMessage() for record in caplog.records] == [f"[TRACING] {outside / '.env'}: {what}"]
    assert logging.getLogger("dotenv.main").filters == []


def test_what_dotenv_tells_the_program_is_left_alone() -> None:
    """A program that reads a file of its own in another thread meanwhile hears of its bad lines."""
    unread = _Unread()
    theirs = logging.makeLogRecord({"msg": "line 3", "thread": threading.get_ident() + 1})

    assert unread.filter(theirs) is True
    assert unread.messages == []


@pytest.mark.parametrize("content", ["", "raise SystemExit('imported')", "1/0"])
@pytest.mark.parametrize(("name", "settings"), [("dotenv", "POCKETFLOW_USER_ID=ada"), ("pathlib", "")])
def test_a_file_with_the_name_of_a_library_costs_a_line_and_no_more(
    name: str, settings: str, content: str, outside: Path
) -> None:
    """Python imports the file beside the script in place of the library. The program runs on all the same."""
    (outside / f"{name}.py").write_text(content)
    (outside / ".env").write_text(settings)
    (outside / "app.py").write_text("""
from pocketflow import Flow, Node
from pocketflow_tracing import tracing
with tracing():
    print(Flow(start=Node()).run({}))
""")
    done = subprocess.run([sys.executable, "app.py"], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.returncode) == ("None\n", 0)
    assert done.stderr.count(f"the library {name} cannot be used: ") == 1
    assert "Traceback" not in done.stderr


def test_a_removed_working_directory_breaks_nothing(tmp_path: Path) -> None:
    """A run in a folder that is gone still starts."""
    program = (
        "import os, sys; os.mkdir(sys.argv[1]); os.chdir(sys.argv[1]); os.rmdir(sys.argv[1])\n"
        "from pocketflow_tracing.config import resolve; print(resolve(session_id='s').session_id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "gone")], capture_output=True, text=True, timeout=60
    )

    assert (done.stdout, done.stderr) == ("s\n", "")
