"""Where settings come from outside the program: environment variables, and the nearest `.env` file."""

from __future__ import annotations

import logging
import os
import stat
import threading
from typing import NamedTuple

from ..errors import tell_once
from .libraries import taken_from


class EnvFile(NamedTuple):
    """A `.env` file as it was when it was found; another content gives another `version`."""

    path: str
    version: tuple[int, int, int]


def nearest_file(folder: str | None) -> EnvFile | None:
    """The `.env` file in `folder`, or in the nearest directory above that has one."""
    while folder is not None:
        path = os.path.join(folder, ".env")
        # os.access first: asked at every run, mostly in vain, and os.stat raises when there is none.
        if os.access(path, os.F_OK):
            found = _regular(path)
            if found is not None:
                return found
        above = os.path.dirname(folder)
        folder = above if above != folder else None
    return None


def _regular(path: str) -> EnvFile | None:
    """The file at `path`; None for a directory (a virtual environment called .env) or a pipe."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    return EnvFile(path, (state.st_mtime_ns, state.st_size, state.st_ino))


def working_directory() -> str | None:
    """The working directory, or None where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def read_file(path: str) -> dict[str, str]:
    """The variables that the `.env` file at `path` sets; raises OSError or UnicodeDecodeError.

    Lines that say nothing are told of once, with the name of the file.
    """
    dotenv_values = taken_from("dotenv", "dotenv_values")
    unread = _Unread()
    log = logging.getLogger("dotenv.main")
    log.addFilter(unread)
    try:
        # Opened here, since dotenv gives an empty answer for a file it cannot find.
        with open(path, encoding="utf-8-sig") as stream:  # editors on Windows begin a file with a mark
            values = dotenv_values(stream=stream)
    finally:
        log.removeFilter(unread)
    if unread.messages:
        more = f" and {len(unread.messages) - 1} more" if len(unread.messages) > 1 else ""
        tell_once(f"config:unread:{path}", f"[TRACING] {path}: {unread.messages[0]}{more}; the rest counts")
    return {name: text for name, text in values.items() if text is not None}


class _Unread(logging.Filter):
    """Keeps what dotenv would log, for every reading anew, of lines that it cannot parse.

    It names no file, and settings are read often. What other threads log meanwhile passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.messages.append(record.getMessage())
        return False


def lookup(variables: tuple[str, ...], file: dict[str, str]) -> tuple[str, str] | None:
    """The first of `variables` that says something, with its text: in the environment, else in `file`.

    An empty text says nothing, but it hides what `file` says: `LANGFUSE_SECRET_KEY= python app.py`
    runs without the key that `.env` holds.
    """
    for source in (os.environ, file):
        present = [(name, source[name]) for name in variables if name in source]
        if present:
            return next((pair for pair in present if pair[1].strip()), None)
    return None


class Watch:
    """Tells cheaply whether the outside has changed: `state()` is equal as long as it has not."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._encoded = tuple(map(os.fsencode, names))

    def state(self) -> tuple[EnvFile | None, str | None, tuple[object, ...]]:
        """The nearest `.env`, the working directory, and the raw values of the watched variables."""
        folder = working_directory()
        # The dict beneath os.environ: 1 µs for all settings, where asking os.environ takes 40.
        raw = getattr(os.environ, "_data", None)
        if raw is None or os.name == "nt":
            values = tuple(map(os.environ.get, self._names))
        else:
            values = tuple(map(raw.get, self._encoded))
        return nearest_file(folder), folder, values
