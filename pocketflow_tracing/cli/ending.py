"""How a command ends that cannot do what it should: with one line and an exit status."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from ..errors import ConfigError, TracingError

P = ParamSpec("P")
R = TypeVar("R")


def failing_clearly(command: Callable[P, R]) -> Callable[P, R]:
    """Let `command` end with one line and exit status 1, or 2 for a bad setting, where it fails."""

    @functools.wraps(command)
    def guarded(*args: P.args, **keywords: P.kwargs) -> R:
        try:
            return command(*args, **keywords)
        except TracingError as failure:
            if not getattr(failure, "quiet", False):
                say(str(failure))
            sys.exit(2 if isinstance(failure, ConfigError) else 1)

    return guarded


def output_failed(failure: OSError) -> NoReturn:
    """End since stdout takes no more; what was not written is not tried again at the exit of Python."""
    say(f"the output cannot be written: {failure.strerror or failure}")
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    sys.exit(1)


def say(message: str) -> None:
    """One line on stderr, as it can show it."""
    from ..view.lines import fitted
    from ..view.text import visible

    if sys.stderr is not None:
        encoding = getattr(sys.stderr, "encoding", None)
        print(fitted(f"pocketflow-tracing: {visible(message)}", encoding), file=sys.stderr)
