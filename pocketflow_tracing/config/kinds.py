"""What the value of a setting may be, and how the text of an environment variable becomes one."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import ConfigError, tell_once
from .libraries import taken_from


class Kind(NamedTuple):
    """A kind of value: `read` gives the value for a text or a Python object, or raises ValueError."""

    read: Callable[[Any], Any]
    wanted: str
    """Ends the sentence "this setting must be …"."""


_SWITCH = {
    "on": True,
    "true": True,
    "1": True,
    "yes": True,
    "off": False,
    "false": False,
    "0": False,
    "no": False,
}
OBSERVATION_TYPES = ("agent", "tool", "chain", "retriever", "evaluator", "guardrail", "embedding", "span")
"""What a node may be declared as: what Langfuse shows as such, a model call apart."""
# Compiled when a value has to be read, which most programs never give.
_ENVIRONMENT = r"(?!langfuse)[a-z0-9_-]{1,40}"
_ADDRESS = r"(?i:https?)://[^\s/]+\S*"


def told(value: Any) -> str:
    """A value that a setting cannot take, in a line; without the password of an address, or a key."""
    shown = re.sub(r"//[^/@\s]*@", "//…@", repr(value))
    shown = re.sub(r"\bsk-[A-Za-z0-9_-]{3,}", "sk-…", shown)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return _SWITCH[_text(value).lower()]
    except KeyError:
        raise ValueError from None


def _positive(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError
    return number


def _share(value: Any) -> float:
    number = _real(value)
    if number > 1:
        raise ValueError
    return number


def _address(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(_ADDRESS, text):
        raise ValueError
    return text.rstrip("/")


def _environment(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(_ENVIRONMENT, text):
        raise ValueError
    return text


def _store(value: Any) -> Any:
    path_type = taken_from("pathlib", "Path")
    if isinstance(value, str):
        value = _SWITCH.get(value.strip().lower(), value.strip())
    if value is None or value is False:
        return None
    if value is True:
        return default_store()
    if not isinstance(value, (str, path_type)) or "\0" in str(value):
        raise ValueError
    try:
        return path_type(value).expanduser().absolute()
    except (RuntimeError, OSError):  # "~somebody" who does not exist; a working directory that is gone
        raise ValueError from None


def default_store() -> Any:
    """The path of the store where nothing else is set; None for a user who has no data folder."""
    try:
        path = taken_from("pathlib", "Path")(_data_folder(), "pocketflow-tracing", "traces.db")
    except ConfigError as problem:
        tell_once("config:data-folder", f"[TRACING] {problem}: traces are not kept")
        return None
    if path.is_absolute():
        return path
    tell_once(
        "config:data-folder",
        "[TRACING] no data folder, since this user has no home directory: traces are not kept; "
        "set POCKETFLOW_TRACING_STORE to a file to keep them",
    )
    return None


def _data_folder() -> str:
    """Where programs keep what they save for a user, by the conventions of the system."""
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support")
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    return os.environ.get("XDG_DATA_HOME", "").strip() or os.path.expanduser("~/.local/share")


def _words(value: Any) -> tuple[str, ...]:
    words = _several(value)
    if not all(isinstance(word, str) and word for word in words):
        raise ValueError
    return words


def _patterns(value: Any) -> tuple[Any, ...]:
    patterns = _several(value)
    for pattern in patterns:
        if not isinstance(pattern, re.Pattern):
            try:
                re.compile(_text(pattern))
            except re.error:
                raise ValueError from None
        elif not isinstance(pattern.pattern, str):
            raise ValueError
    return patterns


def _several(value: Any) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise ValueError
    return tuple(value)


def _tags(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else _words(value)


def _named(value: Any) -> dict[str, Any]:
    table = _table(value)
    if not all(isinstance(name, str) for name in table):
        raise ValueError
    return table


def read_node_types(value: Any) -> dict[type | str, str]:
    """Types by class of nodes or by its name; raises ValueError for anything else."""
    table = _table(value)
    for key, kind in table.items():
        if not isinstance(key, (type, str)) or not isinstance(kind, str) or kind not in OBSERVATION_TYPES:
            raise ValueError
    return table


def _function(value: Any) -> Any:
    if not callable(value):
        raise ValueError
    return value


def _serializers(value: Any) -> dict[type, Any]:
    table = _table(value)
    if not all(isinstance(key, type) and callable(serializer) for key, serializer in table.items()):
        raise ValueError
    return table


def _table(value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    # A plain dict stays the user's own, so that what they add to it later counts for later runs.
    return value if isinstance(value, dict) else dict(value)


TEXT = Kind(_text, "text")
SWITCH = Kind(_switch, "on or off (also true, false, yes, no, 1, 0)")
BYTES = Kind(_positive, "a whole number of bytes, like 65536")
LEVELS = Kind(_positive, "a whole number of levels, like 20")
DAYS = Kind(_positive, "a whole number of days, like 30")
SECONDS = Kind(_real, "a number of seconds, like 2 or 0.5")
SHARE = Kind(_share, "a share of the runs between 0 and 1, like 0.25")
ADDRESS = Kind(_address, "a web address, like https://cloud.langfuse.com")
ENVIRONMENT = Kind(
    _environment, "1 to 40 of the characters a-z, 0-9, _ and -, and not start with 'langfuse', like staging"
)
STORE = Kind(_store, "the path of a file, or off")
WORDS = Kind(_words, "a list of words, like ['badge_number']")
TAGS = Kind(_tags, "a list of texts, like ['nightly'], or one text like nightly,staging")
METADATA = Kind(_named, "a dict with texts as keys")
NODE_TYPES = Kind(
    read_node_types,
    f"a dict from classes of nodes, or their names, to one of {', '.join(OBSERVATION_TYPES)}, "
    "like {Decide: 'agent'}",
)
PATTERNS = Kind(_patterns, "a list of regular expressions, like [r'EMP-\\d+']")
FUNCTION = Kind(_function, "a function")
SERIALIZERS = Kind(_serializers, "a dict from types to functions, like {Invoice: to_json}")
TABLE = Kind(_table, "a dict")
SEVERAL = Kind(_several, "a list")
