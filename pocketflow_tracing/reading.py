"""Reads objects as they are stored, without running any of their code.

No property, `__getattr__`, `__eq__` or descriptor of a program's class ever runs in here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, partialmethod
from types import CodeType, FrameType, FunctionType, MemberDescriptorType, MethodType
from typing import Any, Final

GENERATOR: Final = 0x20  # inspect.CO_GENERATOR; importing inspect costs milliseconds
COROUTINE: Final = 0x80 | 0x200
VARARGS: Final = 0x04
_BINDING: Final = (staticmethod, classmethod, MethodType, partial, partialmethod)


class Unknown:
    """Stands for an attribute that cannot be read without running the program's code."""


UNKNOWN: Final = Unknown()
_get = object.__getattribute__
_INERT: Final = (FunctionType, staticmethod, classmethod, MethodType, MemberDescriptorType)


def read(instance: object, name: str, default: Any = UNKNOWN) -> Any:
    """The attribute as stored on the instance, in a slot, or on its class, unbound; else `default`."""
    fields = fields_of(instance)
    if name in fields:
        return fields[name]
    found = on_class(type(instance), name)
    if found is not None and type(found) is MemberDescriptorType:
        try:
            return found.__get__(instance, type(instance))
        except AttributeError:
            return default
    return default if found is None else found


def fields_of(instance: object) -> dict[str, Any]:
    """The instance's own dictionary; an empty one where it has none."""
    try:
        fields = _get(instance, "__dict__")
    except AttributeError:
        return {}
    return fields if type(fields) is dict else {}


def on_class(cls: type, name: str) -> Any:
    """The attribute as it stands in the dictionary of the first class in the MRO that has it."""
    for base in type.__getattribute__(cls, "__mro__"):
        found = type.__getattribute__(base, "__dict__").get(name)
        if found is not None:
            return found
    return None


def runs_code(cls: type, names: tuple[str, ...]) -> bool:
    """Whether to read or set one of these attributes of an instance may run code of the program's."""
    if any(on_class(cls, hook) is not on_class(object, hook) for hook in ("__getattribute__", "__setattr__")):
        return True
    found = [value for name in names if (value := on_class(cls, name)) is not None]
    return any(type(value) not in _INERT and on_class(type(value), "__get__") is not None for value in found)


def class_name(cls: type) -> str:
    """The plain name of a class, whatever its metaclass answers."""
    return str(type.__dict__["__name__"].__get__(cls))


def lineage(cls: type) -> tuple[int | str, ...]:
    """A class and what it inherits from, nearest first: the `id` of each, and its name."""
    bases = type.__getattribute__(cls, "__mro__")
    return tuple(key for base in bases for key in (id(base), class_name(base)))


def functions_in(attribute: object, name: str, depth: int = 4) -> Iterator[FunctionType]:
    """The Python functions called `name` that `attribute` leads to.

    Looks through static and class methods, partials, bound methods, `functools.wraps` and the
    closures of decorators that do not use it.
    """
    if depth == 0:
        return
    kind = type(attribute)
    if kind is FunctionType:
        function: Any = attribute
        if function.__code__.co_name == name:
            yield function
            return
        wrapped = function.__dict__.get("__wrapped__")
        inner = [wrapped] if wrapped is not None else [_content(cell) for cell in function.__closure__ or ()]
        for candidate in inner:
            yield from functions_in(candidate, name, depth - 1)
    elif kind in (staticmethod, classmethod, MethodType):
        yield from functions_in(attribute.__func__, name, depth - 1)  # type: ignore[attr-defined]
    elif kind in (partial, partialmethod):
        yield from functions_in(attribute.func, name, depth - 1)  # type: ignore[attr-defined]


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def code_of(called: object) -> CodeType | None:
    """The code that runs first when `called` is called, or None where that cannot be told."""
    if type(called) is MethodType:
        called = called.__func__
    return called.__code__ if type(called) is FunctionType else None


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """The code of comprehensions, generator expressions, lambdas and functions inside `code`."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested_codes(constant)


def is_coroutine_code(code: CodeType | None) -> bool:
    """Whether calling `code` only makes a coroutine or an async generator, which runs later."""
    return code is not None and bool(code.co_flags & COROUTINE)


def entered_by(attribute: object) -> CodeType | None:
    """The code of the frame that calling `attribute` begins; None where there is none, or it is not clear."""
    kind = type(attribute)
    if kind in (staticmethod, classmethod):
        return code_of(attribute.__func__)  # type: ignore[attr-defined]
    if kind in (partial, partialmethod):
        return entered_by(attribute.func)  # type: ignore[attr-defined]
    if kind in (FunctionType, MethodType):
        return code_of(attribute)
    if isinstance(attribute, type):
        return code_of(on_class(attribute, "__new__")) or code_of(on_class(attribute, "__init__"))
    return code_of(on_class(kind, "__call__"))


def arguments_of(frame: FrameType, owner: object, name: str) -> list[Any]:
    """What the method `name` of `owner` that has just begun in `frame` was called with by position.

    Nothing where that cannot be told, as in a method of another object: that is no argument.
    """
    code, values = frame.f_code, frame.f_locals
    given = [values.get(argument) for argument in code.co_varnames[: code.co_argcount]]
    if code.co_flags & VARARGS:
        given += values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount]) or ()
    stored = fields_of(owner).get(name)
    bases = type.__getattribute__(type(owner), "__mro__")
    found = (stored, *(type.__getattribute__(base, "__dict__").get(name) for base in bases))
    kinds = {kind for one in found if (kind := type(one)) in _BINDING and entered_by(one) is code}
    if staticmethod in kinds:
        return given
    if kinds & {partial, partialmethod}:
        return []  # some are not those of the call
    of_whom = stored.__self__ if type(stored) is MethodType and MethodType in kinds else owner
    return given[1:] if given and (given[0] is of_whom or classmethod in kinds) else []
