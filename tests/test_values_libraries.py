"""Objects of the libraries that programs use: shown by what they are, never copied, consumed or asked.

With the libraries themselves, which are all there where CI is; elsewhere, what is not installed is
skipped. torch, jax and polars are too big to install here: they are known by the names and C attributes
of their types, and classes made to look so stand in for them.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from values_support import called, hostile_object, rendered, shown

from pocketflow_tracing.values import Limits, snapshot


def library(name: str) -> Any:
    """The module of that name. On CI, where it is missing the test fails."""
    return importlib.import_module(name) if os.environ.get("CI") else pytest.importorskip(name)


def test_arrays_are_described_and_their_numbers_shown(tmp_path: Path) -> None:
    """numpy: shape, dtype and size of an array of any kind; a scalar is the number it is."""
    numpy = library("numpy")
    mapped = numpy.memmap(tmp_path / "numbers", "i4", "w+", shape=(4,))
    values = {
        "array": numpy.zeros((3, 4)),
        "text": numpy.array(["a"]),
        "huge": numpy.broadcast_to(numpy.float32(1), (10**6, 10**6)),
        "masked": numpy.ma.array([1, 2], dtype="i8"),
        "mapped": mapped,
        "generator": numpy.random.default_rng(1),
        "moment": numpy.datetime64("2026-01-02"),
    }

    assert shown(values) == {
        "array": "<numpy.ndarray shape=(3, 4) dtype=float64 96 bytes>",
        "text": "<numpy.ndarray shape=(1,) dtype=<U1 4 bytes>",
        "huge": "<numpy.ndarray shape=(1000000, 1000000) dtype=float32 4,000,000,000,000 bytes>",
        "masked": "<numpy.ma.MaskedArray shape=(2,) dtype=int64 16 bytes>",
        "mapped": "<numpy.memmap shape=(4,) dtype=int32 16 bytes>",
        "generator": "<numpy.random._generator.Generator>",
        "moment": "2026-01-02",
    }
    assert shown(
        [numpy.int64(3), numpy.float32(0.5), numpy.float64(2.5), numpy.bool_(True), numpy.str_("a")]
    ) == [
        3,
        0.5,
        2.5,
        True,
        "a",
    ]


def test_what_an_array_holds_and_what_inherits_from_it_is_not_asked() -> None:
    """Neither objects in an array nor the properties of a subclass."""
    numpy = library("numpy")

    class Loud(numpy.ndarray):  # type: ignore[misc,name-defined]
        @property
        def shape(self) -> Any:
            called.append("shape")
            raise RuntimeError

        def __array_finalize__(self, source: Any) -> None:
            called.append("__array_finalize__")

    of_objects = numpy.empty((1,), dtype=object)
    of_objects[0] = hostile_object({"a": 1})
    loud = numpy.zeros(3).view(Loud)
    called.clear()

    assert (
        shown([of_objects, loud])
        == [
            "<numpy.ndarray shape=(1,) dtype=|O 8 bytes>",
            f"<{__name__}.test_what_an_array_holds_and_what_inherits_from_it_is_not_asked.<locals>.Loud"
            " shape=(3,) dtype=float64 24 bytes>",
        ]
        or called == []
    )
    assert called == []


def test_frames_are_described_by_their_shape() -> None:
    """pandas: frames, series, indices and moments, in a few bytes however many rows there are."""
    pandas = library("pandas")
    frame = pandas.DataFrame({"a": range(10**6), "b": "x"})
    name = shown(pandas.DataFrame()).split()[0]

    assert shown(frame) == f"{name} shape=(1000000, 2)>"
    assert name in ("<pandas.DataFrame", "<pandas.core.frame.DataFrame")
    assert shown(frame["a"]).endswith("Series shape=(1000000,)>")
    assert shown(frame.index).endswith("RangeIndex 1,000,000 items>")
    assert shown([pandas.Timestamp("2026-01-02"), pandas.NaT, pandas.NA]) == [
        "2026-01-02T00:00:00",
        "NaT",
        "NA",
    ]
    assert snapshot(frame, Limits()).size < 500


def test_images_are_described_by_their_size() -> None:
    """PIL: width, height and mode; an image that is not loaded yet stays so."""
    image = library("PIL.Image")

    assert shown([image.new("RGB", (30, 40)), image.new("L", (1, 2))]) == [
        "<PIL.Image.Image 30x40 RGB>",
        "<PIL.Image.Image 1x2 L>",
    ]


def test_clients_are_named_and_nothing_of_them_is_shown() -> None:
    """httpx: a client holds keys and connections, and is no data."""
    httpx = library("httpx")

    with httpx.Client(
        headers={"authorization": "Bearer aB3xY9aB3xY9aB3xY9"}, auth=("ada", "hunter2")
    ) as client:
        assert shown({"client": client}) == {"client": "<httpx.Client>"}
    request = httpx.Request("GET", "https://ada:hunter2@example.com/", headers={"x-api-key": "hunter2"})
    found = rendered({"request": request})

    assert "hunter2" not in found.text
    assert "example.com" in found.text


def test_models_are_read_field_by_field() -> None:
    """pydantic and attrs: fields, extra fields, nested models; no property, no validator runs."""
    pydantic = library("pydantic")
    attr = library("attr")

    class Inner(pydantic.BaseModel):
        n: int

    class Outer(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        inner: Inner
        password: pydantic.SecretStr

        @pydantic.computed_field
        def boom(self) -> int:
            raise RuntimeError("asked")

    @attr.define
    class Attrs:
        a: int
        b: str = "b"

    outer = Outer(inner=Inner(n=1), password="hunter2", more=[1])

    assert shown(outer) == {"inner": {"n": 1}, "password": "[redacted]", "more": [1]}
    assert shown([pydantic.SecretStr("hunter2")]) == ["**********"]
    assert shown(Attrs(1)) == {"a": 1, "b": "b"}


def test_models_of_the_first_pydantic_are_read_too() -> None:
    """By their fields; its secrets are hidden whatever they are called."""
    pydantic = library("pydantic.v1")

    def checked(cls: Any, value: Any) -> Any:
        called.append("validator")
        return value

    inner = pydantic.create_model("Inner", n=(int, ...))
    validators = {"checked": pydantic.validator("note")(checked)}
    outer_model = pydantic.create_model(
        "Outer", inner=(inner, ...), note=(pydantic.SecretStr, ...), __validators__=validators
    )
    outer = outer_model(inner=inner(n=1), note="hunter2")
    called.clear()

    assert shown(outer) == {"inner": {"n": 1}, "note": "**********"}
    assert called == []


def _stand_in(module: str, name: str, *slots: str) -> Any:
    """A class that looks like one of a library's: its name, its attributes in C, and traps for the rest."""
    held = type("Held", (), {"__slots__": slots})
    asked = {trap: property(lambda self, trap=trap: called.append(trap)) for trap in ("grad", "device", "T")}
    methods = dict.fromkeys(
        ("__len__", "__repr__", "__iter__", "tolist"), lambda self: called.append("method")
    )
    return type(name, (held,), {"__module__": module, **asked, **methods})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch", "Tensor"),
        ("jaxlib._jax", "ArrayImpl"),
        ("jaxlib.xla_extension", "ArrayImpl"),
        ("tensorflow.python.framework.ops", "EagerTensor"),
    ],
)
def test_tensors_are_described_by_what_is_stored_of_them(module: str, name: str) -> None:
    """Shape, dtype and size where they are attributes in C or of the instance; no code of theirs runs."""
    tensor = _stand_in(module, name, "shape", "dtype", "nbytes")()
    tensor.shape, tensor.dtype, tensor.nbytes = (2, 3), float, 24
    parameter = type("Parameter", (type(tensor),), {"shape": property(lambda self: called.append("shape"))})
    heir = parameter()
    type(tensor).shape.__set__(heir, (4,))
    plain = type(name, (), {"__module__": module})()
    plain.shape = (5,)
    called.clear()

    assert shown(tensor) == f"<{module}.{name} shape=(2, 3) dtype=<class 'float'> 24 bytes>"
    assert shown(heir) == f"<{__name__}.Parameter shape=(4,)>"
    assert shown(plain) == f"<{module}.{name} shape=(5,)>"
    assert called == []


def test_what_torch_and_polars_have_else_is_named() -> None:
    """Modules of torch and frames of polars hold too much to be data."""
    module = type("Module", (), {"__module__": "torch.nn.modules.module"})
    made = [
        type("Net", (module,), {})(),
        _stand_in("polars.dataframe.frame", "DataFrame")(),
        _stand_in("polars.lazyframe.frame", "LazyFrame")(),
        _stand_in("polars.series.series", "Series")(),
    ]
    for value in made:
        value.weights = ["many"]
    called.clear()

    assert shown(made) == [
        f"<{__name__}.Net>",
        "<polars.dataframe.frame.DataFrame>",
        "<polars.lazyframe.frame.LazyFrame>",
        "<polars.series.series.Series>",
    ]
    assert called == []
