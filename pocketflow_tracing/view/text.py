"""Text made fit for one line of a terminal: harmless, bounded, measured."""

from __future__ import annotations

import unicodedata
from datetime import datetime

_JOINERS = "\u200c\u200d"
"""Invisible, but scripts such as Persian and joined emoji need them, and they move nothing."""


def visible(text: str) -> str:
    """`text` with everything escaped that could act on a terminal instead of standing in it.

    Line breaks, tabs, escape sequences, bidirectional marks, lone surrogates and other invisible
    characters come out as Python would write them in a string.

    >>> visible("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(character if _harmless(character) else _escaped(character) for character in text)


def _harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def clip(text: str, limit: int | None) -> str:
    """Shorten `text` to `limit` characters, saying how many were left out; None keeps it whole.

    The note counts as part of the limit, so a clipped text always fits, if the limit has room for
    the note itself.

    >>> clip("x" * 50, 20)
    'xxxxxxxxxx… +40 more'
    """
    if limit is None or len(text) <= limit:
        return text
    kept = limit
    while True:
        note = f"… +{len(text) - kept:,} more"
        room = max(limit - len(note), 0)
        if room >= kept:
            return text[:kept] + note
        kept = room


def width(text: str) -> int:
    """How many columns of a terminal `text` takes; wide and combining characters counted as such."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def duration(ns: int | None) -> str:
    """Nanoseconds in the unit that a reader would choose; an empty text for None.

    >>> duration(1_234_567)
    '1.23 ms'
    """
    if ns is None:
        return ""
    if ns < 1_000:
        return f"{ns} ns"
    for unit, size in (("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)):
        amount = ns / size
        if amount < (999.5 if unit != "s" else 59.995):
            return f"{amount:.{_decimals(amount)}f} {unit}"
    minutes, seconds = divmod(round(ns / 1_000_000_000), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def money(dollars: float) -> str:
    """US dollars, with as many digits as small sums need.

    >>> money(0.00312)
    '$0.0031'
    """
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def local_time(ns: int) -> str:
    """A moment, given in nanoseconds since the epoch, to the second and in local time."""
    return datetime.fromtimestamp(ns // 1_000_000_000).strftime("%Y-%m-%d %H:%M:%S")


def _decimals(amount: float) -> int:
    return 2 if amount < 9.995 else 1 if amount < 99.95 else 0


def counted(number: int, noun: str) -> str:
    """`number` with `noun` in its right form.

    >>> counted(2, "retry")
    '2 retries'
    """
    if number == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun[-1] == "y" and noun[-2] not in "aeiou" else noun + "s"
    return f"{number:,} {plural}"
