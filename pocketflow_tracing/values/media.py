"""Media inside of texts: data URIs become what they are and how big, in place of megabytes of letters."""

from __future__ import annotations

import re

MARK = ";base64,"
SHORTEST = 256
"""Texts below this many characters are left alone: they say no less than what would stand there."""
_LEAST = 128
_LOOK_BACK = 256
# No single C call gets more than this many characters, for the sake of the program's other threads.
_WINDOW = 57344
_BEGINNING = re.compile(r"data:([\w.+-]{1,64}/[\w.+-]{1,64})?(?:;[\w.+-]{1,32}=[^;,\s\"']{0,64}){0,4}\Z")
_NO_LETTER = re.compile(r"[^A-Za-z0-9+/=_-]")


def holds_media(text: str) -> bool:
    """Whether `text` may hold a data URI that is worth replacing."""
    return len(text) >= SHORTEST and _mark(text, 0) >= 0


def without_media(text: str, keep: int, length: int) -> tuple[str, int, int]:
    """`text` with each data URI that begins in its first `keep` characters replaced by its type and size.

    Gives it with the number of characters to show now, and how many of the text are not shown then. Of a
    text of `length` characters only the beginning may be here; a URI that has no end there takes all.
    """
    pieces: list[str] = []
    at = look = 0
    while (mark := _mark(text, look)) >= 0 and mark < keep:
        first = mark + len(MARK)
        look = end = _end(text, first)
        found = _BEGINNING.search(text, max(at, mark - _LOOK_BACK), mark)
        if found is None or end - first < _LEAST:
            continue
        is_whole = end < len(text) or length == len(text)
        padding = 2 - len(text[end - 2 : end].rstrip("="))
        letters = end - first - padding if is_whole else length - first
        size = f"{'' if is_whole else 'up to '}{letters * 3 // 4:,} bytes"
        pieces += [text[at : found.start()], f"<{found[1] or 'text/plain'} of {size}>"]
        at = end
        if not is_whole:
            return "".join(pieces), sum(map(len, pieces)), 0
    shown = sum(map(len, pieces)) + max(0, keep - at)
    return "".join([*pieces, text[at:]]), shown, length - max(keep, at)


def _mark(text: str, start: int) -> int:
    while start < len(text):
        found = text.find(MARK, start, start + _WINDOW + len(MARK))
        if found >= 0:
            return found
        start += _WINDOW
    return -1


def _end(text: str, start: int) -> int:
    """Where the letters of base64 end that begin at `start`."""
    while start < len(text):
        found = _NO_LETTER.search(text, start, start + _WINDOW)
        if found is not None:
            return found.start()
        start += _WINDOW
    return len(text)
