"""The settings: where each comes from, what counts first, and how a bad value is told."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from config_support import bare_outside

from pocketflow_tracing.config import SETTINGS, TracingConfig, resolve
from pocketflow_tracing.errors import ConfigError

BAD: dict[str, tuple[str, str]] = {
    "on or off": ("maybe", "must be on or off (also true, false, yes, no, 1, 0); it is 'maybe'"),
    "a whole number of bytes": ("64k", "must be a whole number of bytes, like 65536; it is '64k'"),
    "a whole number of levels": ("0", "must be a whole number of levels, like 20; it is '0'"),
    "a whole number of days": ("-1", "must be a whole number of days, like 30; it is '-1'"),
    "a number of seconds": ("nan", "must be a number of seconds, like 2 or 0.5; it is 'nan'"),
    "a share": ("1.5", "must be a share of the runs between 0 and 1, like 0.25; it is '1.5'"),
    "a web address": ("here", "must be a web address, like https://cloud.langfuse.com; it is 'here'"),
    "1 to 40": (
        "Prod",
        "must be 1 to 40 of the characters a-z, 0-9, _ and -, and not start with 'langfuse', "
        "like staging; it is 'Prod'",
    ),
    "the path of a file": ("~no-such-user/x", "must be the path of a file, or off; it is '~no-such-user/x'"),
}
KEEPS_DATA_IN = {
    "langfuse_enabled",
    "enabled",
    "debug",
    "trace_inputs",
    "trace_outputs",
    "trace_prep",
    "trace_exec",
    "trace_post",
    "trace_errors",
}
FROM_OUTSIDE = [setting for setting in SETTINGS if setting.variables]


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The empty working directory of the test."""
    return bare_outside(monkeypatch, tmp_path)


def bad_value(setting: Any) -> tuple[str, str] | None:
    return next((bad for start, bad in BAD.items() if setting.kind.wanted.startswith(start)), None)


def test_nothing_set_gives_the_documented_defaults(tmp_path: Path) -> None:
    """Without any setting a run is traced whole, into the store in the data folder."""
    config = resolve()

    assert {setting.name: getattr(config, setting.name) for setting in SETTINGS} == {
        "langfuse_secret_key": None,
        "langfuse_public_key": None,
        "langfuse_host": "https://cloud.langfuse.com",
        "debug": False,
        "trace_inputs": True,
        "trace_outputs": True,
        "trace_prep": True,
        "trace_exec": True,
        "trace_post": True,
        "trace_errors": True,
        "session_id": None,
        "user_id": None,
        "tags": (),
        "metadata": None,
        "node_types": None,
        "enabled": True,
        "environment": "default",
        "release": None,
        "langfuse_enabled": True,
        "langfuse_timeout": 10.0,
        "otlp": False,
        "sample_rate": 1.0,
        "store": tmp_path / "data" / "pocketflow-tracing" / "traces.db",
        "max_value_bytes": 65536,
        "max_trace_bytes": 67108864,
        "max_depth": 20,
        "max_queue_bytes": 33554432,
        "exit_timeout": 2.0,
        "store_max_bytes": 1073741824,
        "store_max_days": 30,
        "redact": True,
        "redact_patterns": (),
        "redact_keys": (),
        "capture_locals": False,
        "mask": None,
        "serializers": None,
        "prices": None,
        "alerts": None,
        "project": None,
    }
    assert config == TracingConfig()


def test_the_first_twelve_fields_can_be_given_by_position() -> None:
    """Calls written for the package people come from mean the same here."""
    config = TracingConfig("sk", "pk", "https://h", True, False, False, False, False, False, False, "s", "u")

    assert (config.langfuse_secret_key, config.langfuse_public_key) == ("sk", "pk")
    assert config.langfuse_host == "https://h"
    assert config.debug is True
    assert config.trace_inputs is config.trace_errors is False
    assert (config.session_id, config.user_id) == ("s", "u")


@pytest.mark.parametrize("text", ["on", "true", "1", "yes", "ON", " True "])
def test_a_switch_is_on_for_every_word_that_means_on(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Switches read the words people use, in any case."""
    monkeypatch.setenv("POCKETFLOW_TRACING_DEBUG", text)
    assert resolve().debug is True


@pytest.mark.parametrize("text", ["off", "false", "0", "no", "Off", "FALSE"])
def test_a_switch_is_off_for_every_word_that_means_off(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Switches read the words people use, in any case."""
    monkeypatch.setenv("POCKETFLOW_TRACING", text)
    assert resolve().enabled is False


@pytest.mark.parametrize("setting", FROM_OUTSIDE, ids=lambda setting: setting.name)
def test_a_bad_value_raises_where_it_was_asked_for_and_never_in_a_run(
    setting: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """from_env and validate name the variable; a run goes on with the default, or with data kept in."""
    bad = bad_value(setting)
    if bad is None:  # a text can be anything
        return
    text, message = bad
    for variable in setting.variables:
        with monkeypatch.context() as patched:
            patched.setenv(variable, text)
            for ask in (TracingConfig.from_env, TracingConfig().validate):
                with pytest.raises(ConfigError, match=re.escape(f"{variable} {message}")):
                    ask()
            used = getattr(resolve(), setting.name)
    with pytest.raises(ConfigError, match=re.escape(f"{setting.name} {message}")):
        TracingConfig(**{setting.name: text})
    with pytest.raises(ConfigError, match=re.escape(f"{setting.name} {message}")):
        resolve(**{setting.name: text})

    if setting.name in KEEPS_DATA_IN:
        assert used is False
    elif setting.name == "langfuse_host":
        assert used == ""
    else:
        assert used == getattr(TracingConfig(), setting.name)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith(f"[TRACING] {setting.variables[0]} {message}; ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask", "mask"),
        ("serializers", {"Invoice": str}),
        ("serializers", {int: "text"}),
        ("redact_patterns", ["("]),
        ("redact_patterns", [re.compile(b"x")]),
        ("redact_patterns", "abc"),
        ("redact_keys", [1]),
        ("prices", ["gpt"]),
        ("alerts", 3),
        ("session_id", 3),
        ("store", 3),
        ("max_depth", 2.5),
        ("max_depth", True),
        ("sample_rate", float("inf")),
        ("debug", 2),
        ("environment", "langfuse-eu"),
    ],
)
def test_arguments_are_checked_where_they_are_given(name: str, value: Any) -> None:
    """A wrong value raises at the constructor and at the assignment, naming the setting."""
    with pytest.raises(ConfigError, match=f"^{name} must be "):
        TracingConfig(**{name: value})
    config = TracingConfig()
    with pytest.raises(ConfigError, match=f"^{name} must be "):
        setattr(config, name, value)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    """A misspelt attribute is not accepted and ignored."""
    with pytest.raises(ConfigError, match="TracingConfig has no setting 'debgu'"):
        TracingConfig().debgu = True  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        TracingConfig(debgu=True)  # type: ignore[call-arg]


def test_a_resolved_config_is_private() -> None:
    """What changes later, in the given config or in the copy, stays where it was changed."""
    given = TracingConfig(serializers={int: str}, debug=False)
    run = resolve(given)
    given.debug = True
    assert given.serializers is not None
    given.serializers[float] = str  # type: ignore[index]
    run.session_id = "other"

    assert run.debug is False
    assert run.serializers == {int: str}
    assert given.session_id is None
    assert resolve().session_id is None


@pytest.mark.parametrize("off", ["off", "false", "0", "no", False, None])
def test_the_store_can_be_off(off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words that turn a switch off turn the store off, and so does None in code."""
    assert resolve(TracingConfig(store=off)).store is None
    if isinstance(off, str):
        monkeypatch.setenv("POCKETFLOW_TRACING_STORE", off)
        assert resolve().store is None


def test_the_store_is_an_absolute_path(
    outside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A relative path starts at the working directory, `~` at the home directory, `on` is the default."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for text, path in [
        ("mine.db", outside / "mine.db"),
        ("~/mine.db", tmp_path / "home" / "mine.db"),
        ("on", tmp_path / "data" / "pocketflow-tracing" / "traces.db"),
    ]:
        monkeypatch.setenv("POCKETFLOW_TRACING_STORE", text)
        assert resolve().store == path
    monkeypatch.delenv("POCKETFLOW_TRACING_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    store = resolve().store
    assert store is not None
    assert store.parts[-3:] == ("elsewhere", "pocketflow-tracing", "traces.db")


def test_validate_says_whether_langfuse_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """True with both keys, from wherever a run would take them."""
    assert TracingConfig().validate() is False
    assert TracingConfig(langfuse_secret_key="sk").validate() is False
    assert TracingConfig("sk", "pk").validate() is True

    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk")
    assert TracingConfig(langfuse_secret_key="sk").validate() is True
    assert TracingConfig().validate() is False


def test_langfuse_arguments_hold_what_is_known() -> None:
    """to_langfuse_kwargs gives what a client of your own takes."""
    assert TracingConfig().to_langfuse_kwargs() == {"host": "https://cloud.langfuse.com"}
    assert TracingConfig("sk", "pk", "https://lf.example", debug=True).to_langfuse_kwargs() == {
        "secret_key": "sk",
        "public_key": "pk",
        "host": "https://lf.example",
        "debug": True,
    }


def test_what_is_left_open_reads_as_a_run_would_take_it(
    outside: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An attribute that was not given gives what the environment, `.env` or the default says just now."""
    config = TracingConfig(user_id="ada")
    assert (config.session_id, config.debug) == (None, False)

    monkeypatch.setenv("POCKETFLOW_TRACING_STORE", "/srv/traces.db")
    monkeypatch.setenv("POCKETFLOW_USER_ID", "ben")
    monkeypatch.setenv("POCKETFLOW_TRACING_MAX_DEPTH", "deep")
    (outside / ".env").write_text("POCKETFLOW_SESSION_ID=s-1\n")

    assert (config.session_id, config.user_id, config.store) == ("s-1", "ada", Path("/srv/traces.db"))
    assert config.max_depth == resolve(config).max_depth == 20
    assert len(caplog.records) == 1
    assert vars(config) == {"user_id": "ada"}


def test_a_config_hides_its_secret_and_survives_copies() -> None:
    """The repr has what was given, but not the secret key; copies and pickles keep just that, too."""
    config = TracingConfig(langfuse_secret_key="sk-lf-hidden", max_depth=3)

    assert repr(config) == "TracingConfig(langfuse_secret_key='***', max_depth=3)"
    assert repr(TracingConfig()) == "TracingConfig()"
    for twin in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert twin == config
        assert twin.__dict__ == {"langfuse_secret_key": "sk-lf-hidden", "max_depth": 3}


def test_a_subclass_may_add_fields_of_its_own() -> None:
    """An application can carry its own settings in the same object."""

    class Mine(TracingConfig):
        team: str = "none"

    config = Mine(debug=True)
    config.team = "blue"

    assert config.team == "blue"
    assert resolve(config).debug is True


def test_the_settings_load_nothing_heavy() -> None:
    """Importing the settings, or resolving them with a store named, pulls in no third-party module."""
    program = (
        "import sys, os; os.environ['POCKETFLOW_TRACING_STORE'] = 'off'\n"
        "from pocketflow_tracing.config import TracingConfig, resolve; resolve(TracingConfig())\n"
        "print([name for name in ('dotenv', 'rich', 'click', 'sqlite3', 'langfuse')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_setting_is_documented_with_its_variables() -> None:
    """One line of documentation each, and no variable stands for two settings."""
    variables = [variable for setting in SETTINGS for variable in setting.variables]

    assert len(variables) == len(set(variables))
    assert all(setting.doc.endswith(".") and "\n" not in setting.doc for setting in SETTINGS)
