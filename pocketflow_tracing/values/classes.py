"""What a class is, read without running any code of the class or of its metaclass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

_type_members: Mapping[str, Any] = type.__dict__
_mro: Callable[[type], tuple[type, ...]] = _type_members["__mro__"].__get__
_name: Callable[[type], str] = _type_members["__name__"].__get__
_namespace: Callable[[type], Mapping[str, Any]] = _type_members["__dict__"].__get__
_flags: Callable[[type], int] = _type_members["__flags__"].__get__

Getter = Callable[[Any], Any]

STDLIB = sys.stdlib_module_names
_DATA_MODULES = frozenset(
    "abc argparse builtins collections dataclasses enum fractions ipaddress types typing uuid".split()
)
_LIVE_ENDINGS = (
    "Channel", "Client", "Connection", "Consumer", "Cursor", "Driver", "Engine", "Pool", "Producer",
    "Session", "Stream", "Transport",
)  # fmt: skip


def mro(kind: type) -> tuple[type, ...]:
    """The classes `kind` inherits from, itself first."""
    return _mro(kind)


def inherits(kind: type, base: type) -> bool:
    """Whether `kind` is `base` or really inherits from it, whatever any `__class__` says."""
    return any(parent is base for parent in _mro(kind))


def members(kind: type) -> Mapping[str, Any]:
    """The class's own namespace."""
    return _namespace(kind)


def module_of(kind: type) -> str:
    """The name of the module that defines `kind`; empty where it says nothing sensible."""
    module = _namespace(kind).get("__module__")
    if module is None and not _flags(kind) & _HEAP:
        # A static C type carries its module in front of its name, as in "collections.deque".
        module = _module_of_static(kind)
    return module if type(module) is str else ""


_IMMUTABLE = 1 << 8
_HEAP = 1 << 9


def is_native(kind: type) -> bool:
    """Whether `kind` is written in C and out of reach of Python code, so that its name can be trusted."""
    return bool(_flags(kind) & _IMMUTABLE)


def _module_of_static(kind: type) -> Any:
    return _type_members["__module__"].__get__(kind)


def name_of(kind: type) -> str:
    """`module.Name`, or the bare name for what is built in."""
    module = module_of(kind)
    name = _name(kind)
    return name if module in ("builtins", "") else f"{module}.{name}"


def bases_named(kind: type) -> Iterator[tuple[str, type]]:
    """The classes of the MRO under their full names, `object` left out."""
    for base in _mro(kind):
        if base is not object:
            yield name_of(base), base


def native_getter(kind: type, attribute: str) -> Getter | None:
    """Reads `attribute` off an instance of `kind` in C, or None where that would run Python code."""
    for base in _mro(kind):
        found = _namespace(base).get(attribute)
        if found is not None:
            if type(found) is GetSetDescriptorType or type(found) is MemberDescriptorType:
                getter: Getter = found.__get__
                return getter
            return None
    return None


_read = object.__getattribute__


def dict_getter(kind: type) -> Getter | None:
    """Reads the `__dict__` of instances of `kind`, past any property of that name; None without one.

    Holds on to no class: the descriptor itself would keep its class alive as long as we remember it.
    """
    holders = [base for base in _mro(kind) if "__dict__" in _namespace(base)]
    if not any(_is_stored(_namespace(base)["__dict__"]) for base in holders):
        return None
    if _is_stored(_namespace(holders[0])["__dict__"]):
        return _read_dict
    return _read_hidden_dict


def _is_stored(found: Any) -> bool:
    return type(found) is GetSetDescriptorType or type(found) is MemberDescriptorType


def _read_dict(value: Any) -> Any:
    return _read(value, "__dict__")


def _read_hidden_dict(value: Any) -> Any:
    """The `__dict__` of an object whose class has something else under that name."""
    for base in _mro(type(value)):
        found = _namespace(base).get("__dict__")
        if found is not None and _is_stored(found):
            return found.__get__(value)
    return None


def slot_getters(kind: type) -> list[tuple[str, Getter]]:
    """The named slots of instances of `kind`, those of its furthest base first; holds on to no class."""
    found: dict[str, Getter] = {}
    for base in reversed(_mro(kind)):
        namespace = _namespace(base)
        for name, member in namespace.items():
            if type(name) is not str:
                continue
            if type(member) is MemberDescriptorType and "__slots__" in namespace:
                found[name] = _stored_slot(name)
            elif name in found:  # hidden by something of a subclass
                found[name] = _hidden_slot(name)
    return list(found.items())


def _stored_slot(name: str) -> Getter:
    return lambda value: _read(value, name)


def _hidden_slot(name: str) -> Getter:
    def read(value: Any) -> Any:
        for base in _mro(type(value)):
            member = _namespace(base).get(name)
            if type(member) is MemberDescriptorType:
                return member.__get__(value)
        raise AttributeError(name)

    return read


def is_live(kind: type) -> bool:
    """Whether instances are machinery, not data: of the standard library, or a package's client."""
    for base in _mro(kind):
        root = module_of(base).partition(".")[0]
        if root in STDLIB:
            if root not in _DATA_MODULES:
                return True
        elif _name(base).endswith(_LIVE_ENDINGS) and _is_installed(root):
            return True
    return False


def _is_installed(module: str) -> bool:
    """Whether `module` came from a package index, and is not the user's own."""
    loaded = sys.modules.get(module)
    if type(loaded) is not type(sys):
        return False
    file = object.__getattribute__(loaded, "__dict__").get("__file__")
    return type(file) is str and ("site-packages" in file or "dist-packages" in file)
