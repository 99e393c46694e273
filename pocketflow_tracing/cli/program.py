"""The program of a command line: where its words begin, and what Python will make of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple


class Program(NamedTuple):
    """What is to run: a script ("" as kind), a module ("-m") or code ("-c").

    `words` is all of it as the user wrote it, arguments and all, the way Python takes it too.
    """

    kind: str
    target: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, words: Sequence[str]) -> Program | None:
        """The program that these words are; None where they begin with an option, or say too little."""
        first = words[0] if words else "-h"
        if first[:2] in ("-m", "-c"):
            complete = len(words) > 1 or len(first) > 2
            return cls(first[:2], first[2:] or words[1], tuple(words)) if complete else None
        if first == "--" and len(words) > 1:
            return cls("", words[1], tuple(words))
        if first == "-" or not first.startswith("-"):
            return cls("", first, tuple(words))
        return None

    def folder(self) -> str | None:
        """What Python will put first on `sys.path`; None where that is no folder."""
        if self.kind or self.target == "-":
            return ""
        path = os.path.realpath(self.target)
        if os.path.isdir(path):
            return path
        return None if _is_zip(path) else os.path.dirname(path)

    def exists(self) -> bool:
        """False for a script that is not there, about which Python has its own words."""
        return bool(self.kind) or self.target == "-" or os.path.exists(self.target)


def _is_zip(path: str) -> bool:
    import zipimport  # frozen into Python, and what it asks itself

    try:
        zipimport.zipimporter(path)
    except zipimport.ZipImportError:
        return False
    return True
