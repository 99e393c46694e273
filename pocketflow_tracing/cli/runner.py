"""Running a program traced: plain Python itself runs it, with a start of ours before its own.

The interpreter is replaced by a new one that is called as the user would call it, so that
arguments, `__main__`, tracebacks and exit status cannot differ. See `startup/sitecustomize.py`
for what it does first.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from ..config import TracingConfig
from ..errors import TracingError, told
from .program import Program

_HERE = os.path.dirname(os.path.abspath(__file__))
_STARTUP = os.path.join(_HERE, "startup")
_TAKE_ARGUMENT = "cmWX"
_HIDE_STARTUP = "EIS"
"""Flags under which Python reads no PYTHONPATH, or imports no `sitecustomize`."""
_OF_LAUNCHERS = "sEIPS"
"""Flags that the first line of an installed command may hold, about that command alone."""


def run(program: Program, *, quiet: bool, keywords: dict[str, Any]) -> NoReturn:
    """Become a Python that runs `program` and traces every flow in it; comes back only to raise.

    Raises TracingError where Python was started in a way that leaves no room for tracing.
    """
    if not sys.executable:
        raise TracingError("sys.executable names no Python, so there is nothing to run the program with")
    flags = interpreter_flags(sys.orig_argv, len(sys.argv) - 1, _started_as_module())
    environment = dict(os.environ)
    if program.exists() and TracingConfig().enabled:
        if hidden := [flag for flag in flags if set(_letters(flag)) & set(_HIDE_STARTUP)]:
            raise TracingError(f"run cannot trace under Python's {' '.join(hidden)}; start it without")
        order = {
            "python_path": environment.get("PYTHONPATH"),
            "home": os.path.dirname(os.path.dirname(_HERE)),
            "folder": program.folder(),
            "quiet": quiet,
            "keywords": keywords,
            "told": told(),
        }
        environment["_POCKETFLOW_TRACING_RUN"] = json.dumps(order)
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([_STARTUP, *([others] if others else [])])
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execve(sys.executable, [sys.executable, *flags, *program.words], environment)


def _started_as_module() -> bool:
    return getattr(sys.modules.get("__main__"), "__spec__", None) is not None


def interpreter_flags(original: Sequence[str], arguments: int, as_module: bool) -> list[str]:
    """The flags of this interpreter's own command line, such as `-u -W error`.

    `original` is the whole line, which ends with `arguments` arguments of our own; `as_module` says
    that the user wrote it (`python -u -m pocketflow_tracing`). In front of a script some flags may
    come from its first line and say nothing of how the user's programs run.
    """
    flags = list(_flags(original[1 : len(original) - arguments]))
    if as_module:
        return flags
    kept = []
    for flag in flags:
        letters = _letters(flag)
        left = "".join(letter for letter in letters if letter not in _OF_LAUNCHERS)
        if left == letters:
            kept.append(flag)
        elif left:
            kept.append("-" + left)
    return kept


def _flags(line: Sequence[str]) -> Iterator[str]:
    """The flags before the script, `-m` or `-c` of a Python command line, arguments attached."""
    words = iter(line)
    for word in words:
        if not word.startswith("-") or word in ("-", "--"):
            return
        if word.startswith("--"):
            yield word
            yield from (next(words, "") for _ in range(word == "--check-hash-based-pycs"))
            continue
        letters = _letters(word)
        last = letters[-1:]
        if last in ("c", "m"):
            if letters[:-1]:
                yield "-" + letters[:-1]
            return
        yield word
        if last in ("W", "X") and len(word) == len(letters) + 1:
            yield next(words, "")


def _letters(word: str) -> str:
    """The letters of a word such as `-uB` or `-Werror`, without the argument of the last of them."""
    if not word.startswith("-") or word.startswith("--"):
        return ""
    for position, letter in enumerate(word[1:], 1):
        if letter in _TAKE_ARGUMENT:
            return word[1 : position + 1]
    return word[1:]
