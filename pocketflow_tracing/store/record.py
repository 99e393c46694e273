"""Named tuples that are made without compiling a text."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, ClassVar


class Record(tuple[Any, ...]):
    """A tuple whose items have the names that a subclass annotates: `typing.NamedTuple`, to type checkers.

    CPython forgets that Ctrl-C ended the program when a text is executed after it, which is how
    `NamedTuple` builds a class; the store may be imported as late as that.
    """

    _fields: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)
        for place, name in enumerate(cls._fields):
            setattr(cls, name, property(itemgetter(place)))

    def __new__(cls, *values: Any) -> Record:
        return tuple.__new__(cls, values)

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Record:
        return tuple.__new__(cls, values)

    def _replace(self, **changes: Any) -> Record:
        named = dict(zip(self._fields, self, strict=True))
        return type(self)(*{**named, **changes}.values())
