"""The settings: each declared once, with its environment variables, its default and its kind of value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, tell_once
from . import kinds
from .debugging import show_debug_lines
from .environment import EnvFile, Watch, lookup, nearest_file, read_file, working_directory
from .kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SETTINGS", "Setting", "TracingConfig", "resolve"]

MIB = 1024 * 1024
_MISSING: Any = object()


class Setting:
    """One setting: what it is called inside and outside the program, what it may be, what it is for.

    It stands as the class attribute of its field, so a config holds in its `__dict__` only what was
    given explicitly. Reading any other field gives what a run that starts at that moment would use.
    """

    name: str

    def __init__(
        self,
        kind: Kind,
        default: Any,
        variables: tuple[str, ...],
        doc: str,
        fallback: Any,
        shown: str | None,
        secret: bool,
    ) -> None:
        self.kind = kind
        self.default = default
        self.variables = variables
        self.doc = doc
        self.fallback = default if fallback is _MISSING else fallback
        """Stands in for a bad value of the environment: the default, or what keeps data in."""
        self.shown = shown
        """The default in words, where the value itself says too little."""
        self.secret = secret
        """Whether its value is shown nowhere, not even where it is a wrong one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, config: TracingConfig | None, owner: type) -> Any:
        return (
            self if config is None else _from_outside(self, _file_settings(nearest_file(working_directory())))
        )

    def initial(self) -> Any:
        """The value where nothing is given."""
        return _value(self.default)

    def read(self, value: Any, called: str) -> Any:
        """`value`, or the text of a variable, as this setting's own type; raises ConfigError."""
        try:
            return self.kind.read(value)
        except ConfigError:
            raise
        except (ValueError, TypeError, OverflowError):
            found = f"of type {type(value).__name__}" if self.secret else kinds.told(value)
            raise ConfigError(f"{called} must be {self.kind.wanted}; it is {found}") from None

    def is_given(self, value: Any) -> bool:
        """Whether `value` says something: None and an empty text leave a setting open."""
        if isinstance(value, Setting):
            return False
        if value is None:
            return self.kind is kinds.STORE  # `store=None` turns the store off
        return not (isinstance(value, str) and not value.strip())


def _setting(
    kind: Kind,
    default: Any,
    *variables: str,
    doc: str,
    fallback: Any = _MISSING,
    shown: str | None = None,
    secret: bool = False,
) -> Any:
    setting = Setting(kind, default, variables, doc, fallback, shown, secret)
    return field(default=setting, repr=not secret)


def _switch(default: bool, *variables: str, doc: str, fallback: bool = False) -> Any:
    return _setting(kinds.SWITCH, default, *variables, doc=doc, fallback=fallback)


def _value(default: Any) -> Any:
    return default() if callable(default) else default


@dataclass(repr=False)
class TracingConfig:
    """How runs are traced. What is not given here comes from the environment, `.env`, or the default.

    It is looked up when a run starts, and when the attribute is read. Attributes may be changed
    between runs; each run keeps the settings it started with. A value that a setting cannot take
    raises ConfigError at once.
    """

    langfuse_secret_key: str | None = _setting(
        kinds.TEXT, None, "LANGFUSE_SECRET_KEY", doc="Secret key of your Langfuse project.", secret=True
    )
    langfuse_public_key: str | None = _setting(
        kinds.TEXT, None, "LANGFUSE_PUBLIC_KEY", doc="Public key of your Langfuse project."
    )
    langfuse_host: str = _setting(
        kinds.ADDRESS,
        "https://cloud.langfuse.com",
        "LANGFUSE_BASE_URL",
        "LANGFUSE_HOST",
        doc="Address of the Langfuse server.",
        # Never the public cloud in place of a mistyped server of one's own.
        fallback="",
    )
    debug: bool = _switch(False, "POCKETFLOW_TRACING_DEBUG", doc="Say on stderr what the tracer does.")
    trace_inputs: bool = _switch(True, "POCKETFLOW_TRACE_INPUTS", doc="Keep the inputs of steps and runs.")
    trace_outputs: bool = _switch(True, "POCKETFLOW_TRACE_OUTPUTS", doc="Keep the outputs of steps and runs.")
    trace_prep: bool = _switch(True, "POCKETFLOW_TRACE_PREP", doc="Show the prep phases.")
    trace_exec: bool = _switch(True, "POCKETFLOW_TRACE_EXEC", doc="Show the exec phases.")
    trace_post: bool = _switch(True, "POCKETFLOW_TRACE_POST", doc="Show the post phases.")
    trace_errors: bool = _switch(
        True, "POCKETFLOW_TRACE_ERRORS", doc="Keep messages and stack traces of errors."
    )
    session_id: str | None = _setting(
        kinds.TEXT, None, "POCKETFLOW_SESSION_ID", doc="Groups the traces of one conversation or job."
    )
    user_id: str | None = _setting(kinds.TEXT, None, "POCKETFLOW_USER_ID", doc="Who the run was for.")

    _: KW_ONLY

    tags: Sequence[str] = _setting(
        kinds.TAGS,
        (),
        "POCKETFLOW_TRACING_TAGS",
        doc="Tags of the traces, separated by commas.",
        shown="none",
    )
    metadata: Mapping[str, Any] | None = _setting(
        kinds.METADATA, None, doc="What else is to be known of the traces, by name."
    )
    node_types: Mapping[type | str, str] | None = _setting(
        kinds.NODE_TYPES,
        None,
        doc="What nodes are in Langfuse, by class or name of one, like `{Decide: 'agent'}`.",
    )

    enabled: bool = _switch(True, "POCKETFLOW_TRACING", doc="Trace at all; off makes every entry a no-op.")
    environment: str = _setting(
        kinds.ENVIRONMENT,
        "default",
        "LANGFUSE_TRACING_ENVIRONMENT",
        doc="Where the program runs, such as staging.",
    )
    release: str | None = _setting(kinds.TEXT, None, "LANGFUSE_RELEASE", doc="Version of the traced program.")
    langfuse_enabled: bool = _switch(
        True, "LANGFUSE_TRACING_ENABLED", doc="Send traces to Langfuse, where there are keys for it."
    )
    langfuse_timeout: float = _setting(
        kinds.SECONDS, 10.0, "LANGFUSE_TIMEOUT", doc="Seconds that Langfuse may take to answer."
    )
    otlp: bool = _switch(
        False,
        "POCKETFLOW_TRACING_OTLP",
        doc="Send traces to the backend that the `OTEL_EXPORTER_OTLP_*` variables name.",
    )
    sample_rate: float = _setting(
        kinds.SHARE,
        1.0,
        "POCKETFLOW_TRACING_SAMPLE_RATE",
        "LANGFUSE_SAMPLE_RATE",
        doc="Share of the runs to trace, from 0 to 1.",
    )
    store: Path | None = _setting(
        kinds.STORE,
        kinds.default_store,
        "POCKETFLOW_TRACING_STORE",
        doc="File that keeps the traces on this machine, or off.",
        shown="`traces.db` in your data folder",
    )
    max_value_bytes: int = _setting(
        kinds.BYTES, 64 * 1024, "POCKETFLOW_TRACING_MAX_VALUE_BYTES", doc="What one captured value may take."
    )
    max_trace_bytes: int = _setting(
        kinds.BYTES,
        64 * MIB,
        "POCKETFLOW_TRACING_MAX_TRACE_BYTES",
        doc="What the values of one trace may take; later ones shrink to their heads.",
    )
    max_depth: int = _setting(
        kinds.LEVELS, 20, "POCKETFLOW_TRACING_MAX_DEPTH", doc="How many levels of a nested value are kept."
    )
    max_queue_bytes: int = _setting(
        kinds.BYTES,
        32 * MIB,
        "POCKETFLOW_TRACING_MAX_QUEUE_BYTES",
        doc="Memory that spans on their way to the store may take.",
    )
    exit_timeout: float = _setting(
        kinds.SECONDS, 2.0, "POCKETFLOW_TRACING_EXIT_TIMEOUT", doc="Seconds that delivery may take at exit."
    )
    store_max_bytes: int = _setting(
        kinds.BYTES,
        1024 * MIB,
        "POCKETFLOW_TRACING_STORE_MAX_BYTES",
        doc="Size past which old traces are pruned.",
    )
    store_max_days: int = _setting(
        kinds.DAYS, 30, "POCKETFLOW_TRACING_STORE_MAX_DAYS", doc="Age in days past which traces are pruned."
    )
    redact: bool = _switch(
        True, "POCKETFLOW_TRACING_REDACT", doc="Mask secrets before anything is kept or shown.", fallback=True
    )
    redact_patterns: Sequence[Any] = _setting(
        kinds.PATTERNS, (), doc="More regular expressions to mask in texts."
    )
    redact_keys: Sequence[str] = _setting(kinds.WORDS, (), doc="More key names whose values are masked.")
    capture_locals: bool = _switch(False, doc="Keep the local variables of the frame that failed.")
    mask: Callable[[Any, str], Any] | None = _setting(
        kinds.FUNCTION, None, doc="Function of a value and its path that gives the value to keep."
    )
    serializers: Mapping[type, Callable[[Any], Any]] | None = _setting(
        kinds.SERIALIZERS,
        None,
        doc="Functions that turn values of your types into plain ones, by type, like `{Invoice: to_json}`.",
    )
    prices: Mapping[str, Any] | None = _setting(kinds.TABLE, None, doc="Prices of models, by model name.")
    alerts: Sequence[Any] | None = _setting(kinds.SEVERAL, None, doc="Rules to tell you about runs.")
    project: str | None = _setting(
        kinds.TEXT, None, doc="What the traces are filed under; the working directory's name if not set."
    )

    def __setattr__(self, name: str, value: Any) -> None:
        setting = _BY_NAME.get(name)
        if setting is None:
            if not hasattr(type(self), name) and not name.startswith("_"):
                raise ConfigError(f"TracingConfig has no setting {name!r}")
            object.__setattr__(self, name, value)
        elif setting.is_given(value):
            self.__dict__[name] = setting.read(value, name)
        else:
            self.__dict__.pop(name, None)

    def __repr__(self) -> str:
        """What was given; the rest is open."""
        shown = []
        for name in filter(self.__dict__.__contains__, _BY_NAME):
            value = "***" if name in _SECRETS else self.__dict__[name]
            shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def from_env(cls, env_file: str | os.PathLike[str] | None = None) -> TracingConfig:
        """What environment variables and `.env` say; raises ConfigError for the first bad value.

        `env_file` is read in place of the nearest `.env`. Where it does not exist, the environment
        alone counts, so that one line works on a laptop and in a container.
        """
        file: dict[str, str] = {}
        if env_file is None:
            nearest = nearest_file(working_directory())
            env_file = None if nearest is None else nearest.path
        if env_file is not None and os.path.exists(env_file):
            file = _read_file(os.fspath(env_file))
        config = cls()
        for setting in SETTINGS:
            value = _found(setting, file)
            if value is not _MISSING:
                config.__dict__[setting.name] = value
        return config

    def validate(self) -> bool:
        """Whether all is there that Langfuse needs: both keys and an address.

        What this config leaves open is looked up as a run would. Raises ConfigError for a bad value,
        here or in the environment.
        """
        merged = TracingConfig.from_env()
        for name, value in self.__dict__.items():
            setattr(merged, name, value)
        return bool(merged.langfuse_secret_key and merged.langfuse_public_key and merged.langfuse_host)

    def to_langfuse_kwargs(self) -> dict[str, Any]:
        """The arguments for a Langfuse client of your own; only those that are known."""
        run = resolve(self)
        known = {
            "secret_key": run.langfuse_secret_key,
            "public_key": run.langfuse_public_key,
            "host": run.langfuse_host,
            "debug": run.debug,
        }
        return {name: value for name, value in known.items() if value}


SETTINGS: tuple[Setting, ...] = tuple(column.default for column in fields(TracingConfig))  # type: ignore[misc]
"""Every setting, in the order of the fields."""

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_SECRETS = {column.name for column in fields(TracingConfig) if not column.repr}
_DICTS = {"metadata", "node_types", "serializers", "prices"}
_WATCH = Watch(
    (*(variable for setting in SETTINGS for variable in setting.variables), "XDG_DATA_HOME", "HOME")
)  # the last two decide where the data folder is
_resolved: tuple[object, dict[str, Any]] = (None, {})


def resolve(given: TracingConfig | None = None, **arguments: Any) -> TracingConfig:
    """The settings for a run that starts now, as a copy that nobody else holds.

    An argument counts before what `given` holds explicitly, that before the environment, that before
    `.env`, that before the default. A bad value in the environment is told once and replaced; a bad
    argument raises ConfigError, so check arguments early, by building a TracingConfig from them.
    """
    global _resolved
    state = _WATCH.state()
    known, values = _resolved
    if known != state:
        file = _file_settings(state[0])
        values = {setting.name: _from_outside(setting, file) for setting in SETTINGS}
        _resolved = (state, values)
    config = object.__new__(TracingConfig)
    config.__dict__.update(values)
    if given is not None:
        config.__dict__.update(given.__dict__)
        for name in _DICTS & given.__dict__.keys():
            if given.__dict__[name] is not None:
                config.__dict__[name] = dict(given.__dict__[name])
    for name, value in arguments.items():
        if value is not None:
            setattr(config, name, value)
    if config.debug:
        show_debug_lines()
    return config


def _file_settings(env_file: EnvFile | None) -> dict[str, str]:
    """What a `.env` file sets; one that cannot be read is told of, and sets nothing."""
    try:
        return {} if env_file is None else _read_file(env_file.path)
    except ConfigError as problem:
        tell_once("config:env-file", f"[TRACING] {problem}; it is not used")
        return {}


def _from_outside(setting: Setting, file: dict[str, str]) -> Any:
    """The value of `setting` where nothing is given; a bad one is told of, and replaced."""
    try:
        found = _found(setting, file)
        return setting.initial() if found is _MISSING else found
    except ConfigError as problem:
        value = _value(setting.fallback)
        tell_once(f"config:{setting.name}", f"[TRACING] {problem}; {_told(setting, value)}")
        return value


def _told(setting: Setting, value: Any) -> str:
    if setting.kind is kinds.SWITCH:
        return f"it is taken as {'on' if value else 'off'}"
    return f"{value!s} is used" if value else "nothing is sent to Langfuse"


def _found(setting: Setting, file: dict[str, str]) -> Any:
    """What the environment, then `file`, says for `setting`; raises ConfigError, naming the variable."""
    found = lookup(setting.variables, file)
    return _MISSING if found is None else setting.read(found[1], found[0])


def _read_file(path: str) -> dict[str, str]:
    try:
        return read_file(path)
    except (OSError, ValueError) as problem:
        is_unread = isinstance(problem, (OSError, ConfigError))
        reason = (getattr(problem, "strerror", None) or problem) if is_unread else "it is not UTF-8 text"
        raise ConfigError(f"the settings in {path} cannot be read: {reason}") from problem
