"""Fresh classes and instances from a description of a program."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any
from unittest import mock

import pocketflow

from .overrides import OVERRIDES, QUIRKS
from .programs import ClassSpec, Phase, Program
from .running import Running

Watch = Callable[[str, Any], Any]
"""Takes the name and the value of a class's or instance's attribute and gives what to put in its place."""


def as_it_is(name: str, attribute: Any) -> Any:
    """No watching: the attribute itself."""
    return attribute


def build(program: Program, watch: Watch = as_it_is) -> Running:
    """The program's units, ready to run."""
    running = Running(program)
    classes = [new_class(running, spec, watch) for spec in program.classes]
    for number, unit in enumerate(program.units):
        spec = program.classes[unit.cls]
        instance = new_instance(classes[unit.cls], spec, unit.retries, unit.wait)
        instance.unit = number
        for name, phase in spec.phases.items():
            if phase.form in INSTANCE_FORMS:
                setattr(instance, name, watch(name, new_phase(running, spec.name, name, phase, None)))
        running.units.append(instance)
        if unit.start is not None:
            wire(running, number)
    return running


def new_instance(cls: type, spec: ClassSpec, retries: int, wait: float) -> Any:
    if spec.base.endswith("Flow"):
        return cls(start=None)
    return cls() if spec.base == "BaseNode" else cls(max_retries=retries, wait=wait)


def wire(running: Running, number: int) -> None:
    """Gives a flow its start and its members their successors."""
    unit = running.program.units[number]
    flow = running.units[number]
    assert unit.start is not None
    attribute = "start_node" if hasattr(pocketflow.Flow(start=None), "start_node") else "start"
    setattr(flow, attribute, running.units[unit.start])
    for source, action, target in unit.wires:
        running.units[source].successors[action] = running.units[target]


def new_class(running: Running, spec: ClassSpec, watch: Watch) -> type:
    """A user's class: its phases, overrides of PocketFlow's own methods, and quirks."""
    base: type = getattr(pocketflow, spec.base)
    if spec.plain:
        return base
    bases: tuple[type, ...] = (base,)
    names: dict[str, Any] = {}
    inherited: dict[str, Any] = {}
    for name, phase in spec.phases.items():
        if phase.form in INSTANCE_FORMS:
            continue
        attribute = watch(name, new_phase(running, spec.name, name, phase, lambda: made[0]))
        (inherited if phase.form == "inherited" else names)[name] = attribute
        if phase.form == "super":
            inherited[name] = attribute
            names[name] = watch(name, calls_super(name, lambda: made[0]))
    for override in spec.overrides:
        name, function = OVERRIDES[override](base, lambda: made[0])
        names[name] = watch(name, own_code(function, name))
    for quirk in spec.quirks:
        names.update(QUIRKS[quirk]())
    if inherited:
        bases = (type(f"{spec.name}Base", bases, {**inherited, "__module__": "program"}),)
    made: list[type] = [type(spec.name, bases, {**names, "__module__": "program"})]
    return made[0]


# ---- the forms in which a phase may be written -------------------------------------------------------


def own_code(function: Any, name: str) -> Any:
    """The function with a code object of its own, as if it stood in the user's source once."""
    code: CodeType = function.__code__.replace(co_name=name)
    fresh = FunctionType(code, function.__globals__, name, function.__defaults__, function.__closure__)
    fresh.__kwdefaults__ = function.__kwdefaults__
    return fresh


def new_phase(running: Running, owner: str, name: str, phase: Phase, cls: Any) -> Any:
    """The attribute that makes the phase, in its form."""
    if phase.form in C_FORMS:
        return C_FORMS[phase.form]()
    if name.endswith("_async"):
        return async_phase(running, owner, name, phase)
    do = functools.partial(running.perform, owner, name, phase)

    def method(self: Any, *args: Any) -> Any:
        return do(self, args)

    def bare(*args: Any) -> Any:
        return do(None, args)

    def generator(self: Any, *args: Any) -> Any:
        yield do(self, args)

    deep = threading.local()

    def recursive(self: Any, *args: Any) -> Any:
        if getattr(deep, "inside", False):
            return do(self, args)
        deep.inside = True
        try:
            return getattr(self, name)(*args)
        finally:
            deep.inside = False

    forms = {"method": method, "bare": bare, "generator": generator, "recursive": recursive}
    return in_form(phase.form, {form: own_code(function, name) for form, function in forms.items()})


def async_phase(running: Running, owner: str, name: str, phase: Phase) -> Any:
    """The attribute that makes an async phase, in its form."""
    do = functools.partial(running.perform_async, owner, name, phase)

    async def method(self: Any, *args: Any) -> Any:
        return await do(self, args)

    async def bare(*args: Any) -> Any:
        return await do(None, args)

    def coroutine(self: Any, *args: Any) -> Any:
        return do(self, args)

    def task(self: Any, *args: Any) -> Any:
        return asyncio.ensure_future(do(self, args))

    forms = {"method": method, "bare": bare, "coroutine": coroutine, "task": task}
    return in_form(phase.form, {form: own_code(function, name) for form, function in forms.items()})


def in_form(form: str, functions: dict[str, Any]) -> Any:
    """The function that fits `form`, wrapped as it says."""
    method, bare = functions["method"], functions["bare"]
    if form in functions:
        return functions[form]
    wrapped: dict[str, Callable[[], Any]] = {
        "inherited": lambda: method,
        "super": lambda: method,
        "lambda": lambda: lambda self, *args: method(self, *args),
        "static": lambda: staticmethod(bare),
        "classmethod": lambda: classmethod(method),
        "partialmethod": lambda: functools.partialmethod(method),
        "decorated": lambda: with_wraps(method),
        "masked": lambda: without_wraps(method),
        "callable": lambda: CallableObject(bare),
        "instance": lambda: bare,
        "partial": lambda: functools.partial(bare),
        "mock": lambda: mock.Mock(side_effect=bare),
    }
    return wrapped[form]()


INSTANCE_FORMS = ("instance", "partial", "mock")
"""Forms that are set on the instance, not in the class."""

C_FORMS: dict[str, Callable[[], Any]] = {
    "builtin": lambda: staticmethod(callable),
    "failing_builtin": lambda: staticmethod(len),
    "type": lambda: CallableObject,
    "partial_builtin": lambda: staticmethod(functools.partial(isinstance, 3)),
}
"""Phases that the interpreter calls without a Python frame."""


class CallableObject:
    """A callable that is not a function; also itself a phase, whose call makes an object."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def with_wraps(function: Any) -> Any:
    """A decorator as it should be written."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def without_wraps(function: Any) -> Any:
    """A decorator that hides what it wraps; all phases share its code."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def calls_super(name: str, cls: Callable[[], type]) -> Any:
    """A phase that only calls the one it overrides."""

    def sync(self: Any, *args: Any) -> Any:
        return getattr(super(cls(), self), name)(*args)

    async def asynchronous(self: Any, *args: Any) -> Any:
        return await getattr(super(cls(), self), name)(*args)

    return own_code(asynchronous if name.endswith("_async") else sync, name)
