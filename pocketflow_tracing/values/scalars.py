"""Texts, numbers, bytes, dates: read through the base type, whatever the subclass says of itself.

Dates and decimals are known by the names of their C types: nothing is imported for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import classes
from .nodes import BYTES, CUT, FALSE, LOOKAHEAD, TEXT, TRUE, Mark, Node, Reader

_BYTES_SHOWN = 512
_BYTES_AN_ENTRY = 16
_BYTES_BEYOND = 256


def cut(value: str, keep: int, length: int, beyond: int = LOOKAHEAD) -> Mark:
    """The head of `value`, `keep` characters to show and `beyond` to recognise secrets by."""
    return Mark((CUT, str.__getitem__(value, slice(0, keep + beyond)), keep, length))


def _read_bytes(value: Any, most: int) -> Node:
    base: Any = bytes if classes.inherits(type(value), bytes) else bytearray
    length = base.__len__(value)
    keep = min(most * _BYTES_AN_ENTRY, _BYTES_SHOWN, length)
    head = bytes(base.__getitem__(value, slice(0, keep + _BYTES_BEYOND if keep else 0)))
    return Mark((BYTES, base.__name__, head, keep, length))


def _read_bool(value: Any, most: int) -> Node:
    return TRUE if value else FALSE


def _read_str(value: Any, most: int) -> Node:
    # str() of a subclass would call its __str__; joining through the base type does not.
    length = str.__len__(value)
    return cut(value, most, length) if length > most else str.__getitem__(value, slice(None))


def _read_int(value: Any, most: int) -> Node:
    return int.__add__(value, 0)


def _read_float(value: Any, most: int) -> Node:
    return float.__pos__(value)  # adding 0.0 would lose the sign of -0.0


def _read_complex(value: Any, most: int) -> Node:
    return Mark((TEXT, complex.__repr__(complex.__pos__(value))))


def _decimal(base: Any) -> Reader:
    def read(value: Any, most: int) -> Node:
        size = base.__sizeof__(value)
        if size > 4096:
            return Mark((TEXT, f"<decimal.Decimal of {size:,} bytes>"))
        return Mark((TEXT, base.__str__(value)))

    return read


_DAY = "year month day"
_TIME = "hour minute second microsecond"


def _moment(base: Any, parts: str) -> Reader:
    """Reads dates and times by the base type's C getters, so that no `tzinfo` of the user's is asked."""
    getters = [classes.native_getter(base, part) for part in parts.split()]
    zone_of = base.__dict__["tzinfo"].__get__ if "tzinfo" in base.__dict__ else lambda value: None
    isoformat = base.isoformat

    def read(value: Any, most: int) -> Node:
        zone = zone_of(value)
        is_known = zone is None or _is_known_zone(type(zone))
        if is_known and type(value) is base:
            return Mark((TEXT, isoformat(value)))
        kept = [get(value) for get in getters if get is not None]
        shown = isoformat(base(*kept))
        return Mark((TEXT, shown if zone is None else f"{shown} {classes.name_of(type(zone))}"))

    return read


def _is_known_zone(kind: type) -> bool:
    """Whether zones of this class are the standard library's, in C: asking them runs nobody's Python."""
    known = _zones.get(id(kind))
    if known is None and classes.is_native(kind) and classes.name_of(kind) in _ZONES:
        known = _zones[id(kind)] = kind
    return known is kind


_ZONES = ("datetime.timezone", "zoneinfo.ZoneInfo")
_zones: dict[int, type] = {}


def _timedelta(base: Any) -> Reader:
    return lambda value, most: Mark((TEXT, base.__str__(value)))


_NAMED: dict[str, Callable[[Any], Reader]] = {
    "decimal.Decimal": _decimal,
    "datetime.datetime": lambda base: _moment(base, f"{_DAY} {_TIME}"),
    "datetime.date": lambda base: _moment(base, _DAY),
    "datetime.time": lambda base: _moment(base, _TIME),
    "datetime.timedelta": _timedelta,
}


def named_reader(kind: type) -> Reader | None:
    """How to read dates, decimals and what inherits from them; None for anything else."""
    for name, base in classes.bases_named(kind):
        if name in _NAMED and classes.is_native(base):
            return _NAMED[name](base)
    return None


SCALARS: tuple[tuple[type, Reader], ...] = (
    (str, _read_str),
    (type(None), lambda value, most: None),
    (bool, _read_bool),
    (int, _read_int),
    (float, _read_float),
    (complex, _read_complex),
    (bytes, _read_bytes),
    (bytearray, _read_bytes),
)
"""Readers by base type, the more special first."""
