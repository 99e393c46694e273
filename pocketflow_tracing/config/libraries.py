"""What the settings need of libraries that most programs load without us, or never."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..errors import ConfigError


@cache
def taken_from(library: str, name: str) -> Any:
    """What is called `name` in `library`; raises ConfigError where something else has its place.

    Imported late, since an import costs milliseconds, and kept: once a program runs, a file beside it
    may have the library's name, and would be imported, and so run, the next time.
    """
    try:
        return getattr(__import__(library), name)
    except (Exception, SystemExit) as failure:  # whatever a file of the program's does when imported
        reason = f"{type(failure).__name__}: {failure}"
        raise ConfigError(f"the library {library} cannot be used: {reason}") from failure
