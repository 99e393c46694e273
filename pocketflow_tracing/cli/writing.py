"""Files that commands write for their user: nobody else may read them, and never half of one stands there."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import TracingError


def written(text: str, path: Path) -> Path:
    """Write `text` to `path`, and give its whole address; into what is no plain file (a pipe), directly."""
    path = path.expanduser().absolute()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return path
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError as failure:
        draft.unlink(missing_ok=True)
        raise TracingError(f"{path} cannot be written: {failure.strerror}") from failure
    return path
