"""Objects shown by a short text: arrays, images, paths, queues, functions, modules, what is running.

Found by the name of a class in the MRO, so that nothing is imported for it, and read through C
descriptors or plain entries of `__dict__` only.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from ..errors import is_the_programs
from . import classes

Describer = Callable[[Any], Any]
"""Gives the text that stands for an object, or the number that it is."""


def describer(kind: type) -> Describer | None:
    """How to describe instances of `kind`, or None where the class is not one of those known here."""
    for name, base in classes.bases_named(kind):
        make = _KNOWN.get(name)
        if make is not None:
            return make(kind, base)
    return None


def plain(kind: type) -> Describer:
    """The descriptor of last resort: the name of the class."""
    shown = f"<{classes.name_of(kind)}>"
    return lambda value: shown


def _get(value: Any, attribute: str, base: type | None = None) -> Any:
    """An attribute that is stored in C or in `__dict__`; None where it is not, or is code."""
    kind = type(value)
    getter = classes.native_getter(base or kind, attribute)
    try:
        if getter is not None:
            return getter(value)
        own = classes.dict_getter(kind)
        fields = own(value) if own is not None else None
        return dict.get(fields, attribute) if type(fields) is dict else None
    except Exception as failure:  # a C getter of an object that is half built, or closed
        if is_the_programs(failure):
            raise
        return None


def _sizes(shape: Any) -> str:
    """`(3, 4)` for the shape of an array, whatever tuple holds it."""
    if not any(base is tuple for base in classes.mro(type(shape))):
        return ""
    sizes = [size if type(size) is int else "?" for size in tuple.__iter__(shape)]
    return "(" + ", ".join(map(str, sizes)) + ("," if len(sizes) == 1 else "") + ")"


def _in_c(value: Any) -> str:
    """`repr(value)` where that is written in C, else nothing."""
    for base in classes.mro(type(value)):
        found = classes.members(base).get("__repr__")
        if found is not None:
            return str(found(value)) if type(found) is type(int.__repr__) else ""
    return ""


def _array(kind: type, base: type) -> Describer:
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        # By the base class's own descriptors: a subclass may have properties of these names.
        shape = _sizes(_get(value, "shape", base))
        dtype = _dtype(_get(value, "dtype", base))
        size = _get(value, "nbytes", base)
        return _join(name, shape and f"shape={shape}", dtype and f"dtype={dtype}", _bytes(size))

    return describe


def _typed_array(kind: type, base: type) -> Describer:
    name, length = classes.name_of(kind), classes.members(base)["__len__"]

    def describe(value: Any) -> str:
        return _join(name, f"typecode={_get(value, 'typecode')}", f"{length(value):,} items")

    return describe


def _dtype(dtype: Any) -> str:
    """`float64`, from numpy's or torch's object."""
    if dtype is None:
        return ""
    name = _get(dtype, "str")  # numpy: "<f8"
    if type(name) is str:
        kinds = {"f": "float", "i": "int", "u": "uint", "c": "complex", "b": "bool"}
        width = name[2:]
        if name[1:2] in kinds and width.isdigit():
            return kinds[name[1]] + ("" if name[1] == "b" else str(int(width) * 8))
        return name
    return _in_c(dtype)


def _bytes(size: Any) -> str:
    return f"{size:,} bytes" if type(size) is int else ""


def _join(name: str, *details: str) -> str:
    return "<" + " ".join([name, *filter(None, details)]) + ">"


def _frame(kind: type, base: type) -> Describer:
    """pandas: the shape from the axes of the block manager, which are plain stored objects."""
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        manager = _get(value, "_mgr")
        axes = _get(manager, "axes") if manager is not None else None
        if type(axes) is not list:
            return _join(name)
        lengths = [_axis_length(axis) for axis in reversed(axes)]
        shown = ", ".join("?" if length is None else str(length) for length in lengths)
        return _join(name, f"shape=({shown}{',' if len(lengths) == 1 else ''})")

    return describe


def _axis_length(axis: Any) -> int | None:
    numbers = _get(axis, "_range")
    if type(numbers) is range:
        return len(numbers)
    shape = _get(_get(axis, "_data"), "shape")
    return shape[0] if type(shape) is tuple and shape and type(shape[0]) is int else None


def _index(kind: type, base: type) -> Describer:
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        length = _axis_length(value)
        return _join(name, "" if length is None else f"{length:,} items")

    return describe


def _image(kind: type, base: type) -> Describer:
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        size = _get(value, "_size") or _get(value, "size")
        mode = _get(value, "_mode") or _get(value, "mode")
        shown = f"{size[0]}x{size[1]}" if type(size) is tuple and len(size) == 2 else ""
        return _join(name, shown, mode if type(mode) is str else "")

    return describe


_MOMENTS = ("datetime.datetime", "datetime.date")


def _scalar(kind: type, base: type) -> Describer:
    """numpy's numbers become Python's, by numpy's own C method."""
    item = classes.members(base)["item"]
    shown = f"<{classes.name_of(kind)}>"

    def describe(value: Any) -> Any:
        number = item(value)
        if classes.is_native(type(number)) and classes.name_of(type(number)) in _MOMENTS:
            return number.isoformat()
        return number if type(number) in (int, float, bool, str) else shown

    return describe


def _named(word: str, attribute: str = "__qualname__") -> Callable[[type, type], Describer]:
    def make(kind: type, base: type) -> Describer:
        def describe(value: Any) -> str:
            name = _get(value, attribute)
            return f"<{word} {name}>" if type(name) is str else f"<{word}>"

        return describe

    return make


def _class(kind: type, base: type) -> Describer:
    return lambda value: f"<class {classes.name_of(value)}>"


def _method(kind: type, base: type) -> Describer:
    def describe(value: Any) -> str:
        name = _get(_get(value, "__func__"), "__qualname__")
        return f"<method {name}>" if type(name) is str else "<method>"

    return describe


def _path(kind: type, base: type) -> Describer:
    """The path as text, from the parts it stores: `str()` of a subclass might be anybody's."""
    slots = dict(classes.slot_getters(kind))
    shown = f"<{classes.name_of(kind)}>"
    windows = any(name.endswith(".PureWindowsPath") for name, _ in classes.bases_named(kind))
    separator = "\\" if windows else "/"

    def stored(value: Any, slot: str) -> Any:
        try:
            return slots[slot](value)
        except (AttributeError, KeyError):
            return None

    def describe(value: Any) -> str:
        whole = stored(value, "_str")
        if type(whole) is str:
            return whole
        parts = stored(value, "_raw_paths")
        if type(parts) is list:
            return _joined_path([part for part in list(parts) if type(part) is str], separator)
        parts = stored(value, "_parts")  # before 3.12; the first part holds drive and root
        if type(parts) is not list:
            return shown
        parts = [part for part in list(parts) if type(part) is str]
        anchor = parts.pop(0) if (stored(value, "_root") or stored(value, "_drv")) and parts else ""
        return anchor + separator.join(parts) or "."

    return describe


def _joined_path(parts: list[str], separator: str) -> str:
    joined = ""
    for part in parts:
        if not joined or part.startswith(separator):
            joined = part
        elif part:
            joined = joined.rstrip(separator) + separator + part
    return joined or "."


def _uuid(kind: type, base: type) -> Describer:
    def describe(value: Any) -> str:
        number = _get(value, "int")
        if type(number) is not int:
            return "<uuid.UUID>"
        digits = f"{number:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    return describe


def _fraction(kind: type, base: type) -> Describer:
    def describe(value: Any) -> str:
        top, bottom = _get(value, "_numerator"), _get(value, "_denominator")
        small = type(top) is int and type(bottom) is int and max(top.bit_length(), bottom.bit_length()) < 2048
        return f"{top}/{bottom}" if small else "<fractions.Fraction>"

    return describe


def _queue(kind: type, base: type) -> Describer:
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        held = _get(value, "queue")
        held = _get(value, "_queue") if held is None else held
        for container in classes.mro(type(held)):
            if container is list or container is collections.deque:
                return _join(name, f"{container.__len__(held)} items")
        return _join(name)

    return describe


def _event(kind: type, base: type) -> Describer:
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        flag = _get(value, "_flag")
        flag = _get(value, "_value") if flag is None else flag
        return _join(name, ("set" if flag else "not set") if type(flag) is bool else "")

    return describe


def _file(kind: type, base: type) -> Describer:
    name = classes.name_of(kind)

    def describe(value: Any) -> str:
        inside = value
        for layer in ("buffer", "raw"):
            inside = _get(inside, layer) or inside
        path = _get(inside, "name")
        return _join(name, repr(path) if type(path) is str else "")

    return describe


_LONGEST_PATTERN = 500


def _pattern(kind: type, base: type) -> Describer:
    def describe(value: Any) -> str:
        source = _get(value, "pattern")
        is_short = (type(source) is str or type(source) is bytes) and len(source) <= _LONGEST_PATTERN
        return f"re.compile({source!r})" if is_short else "<re.Pattern>"

    return describe


def _range(kind: type, base: type) -> Describer:
    def describe(value: Any) -> str:
        ends = (value.start, value.stop, value.step)
        if any(abs(end).bit_length() > 2048 for end in ends):
            return "<range>"
        return f"range({', '.join(map(str, ends if ends[2] != 1 else ends[:2]))})"

    return describe


def _plain(kind: type, base: type) -> Describer:
    return plain(kind)


def _by_repr(kind: type, base: type) -> Describer:
    shown = f"<{classes.name_of(kind)}>"
    return lambda value: _in_c(value) or shown


def _constant(shown: str) -> Callable[[type, type], Describer]:
    return lambda kind, base: lambda value: shown


_HIDDEN = _constant("**********")
_KNOWN: dict[str, Callable[[type, type], Describer]] = {
    "type": _class,
    "function": _named("function"),
    "builtin_function_or_method": _named("function"),
    "method": _method,
    "generator": _named("generator"),
    "coroutine": _named("coroutine"),
    "async_generator": _named("async generator"),
    "module": _named("module", "__name__"),
    "range": _range,
    "ellipsis": _constant("Ellipsis"),
    "NotImplementedType": _constant("NotImplemented"),
    "memoryview": _array,
    "array.array": _typed_array,
    "numpy.ndarray": _array,
    "numpy.generic": _scalar,
    "torch.Tensor": _array,
    "torch.dtype": _by_repr,
    "torch.device": _by_repr,
    "torch.nn.modules.module.Module": _plain,
    "tensorflow.python.framework.ops.EagerTensor": _array,
    "jaxlib._jax.ArrayImpl": _array,
    "jaxlib.xla_extension.ArrayImpl": _array,
    "polars.dataframe.frame.DataFrame": _plain,
    "polars.lazyframe.frame.LazyFrame": _plain,
    "polars.series.series.Series": _plain,
    "pandas.core.frame.DataFrame": _frame,
    "pandas.DataFrame": _frame,
    "pandas.core.series.Series": _frame,
    "pandas.Series": _frame,
    "pandas.core.indexes.base.Index": _index,
    "pandas.Index": _index,
    "pandas._libs.tslibs.nattype.NaTType": _constant("NaT"),
    "pandas._libs.tslibs.nattype._NaT": _constant("NaT"),
    "pandas.api.typing.NaTType": _constant("NaT"),
    "pandas._libs.missing.NAType": _constant("NA"),
    "pandas.api.typing.NAType": _constant("NA"),
    "PIL.Image.Image": _image,
    "pathlib.PurePath": _path,
    "pathlib._local.PurePath": _path,
    "uuid.UUID": _uuid,
    "fractions.Fraction": _fraction,
    "queue.Queue": _queue,
    "asyncio.queues.Queue": _queue,
    "threading.Event": _event,
    "asyncio.locks.Event": _event,
    "_io._IOBase": _file,
    "re.Pattern": _pattern,
    "pydantic.types.SecretStr": _HIDDEN,
    "pydantic.types.SecretBytes": _HIDDEN,
    "pydantic.types.Secret": _HIDDEN,
    "pydantic.v1.types.SecretStr": _HIDDEN,
    "pydantic.v1.types.SecretBytes": _HIDDEN,
}
