"""A program that plants every secret of the corpus wherever a trace can keep it: in values, names, errors.

    pocketflow-tracing run tests/values_planting.py names
    python tests/values_planting.py locals                # which no setting in the environment keeps

Whatever leaves the process is to be searched: files, console, pages, requests.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pocketflow import BatchFlow, BatchNode, Flow, Node
from values_corpus import SECRETS

from pocketflow_tracing import TracingConfig, current_span, current_trace, span, trace_flow, tracing

BATCHES = 22
"""So few texts are in each that a preview shows most; hardly two of those with the same secret are in one."""

FEW_BYTES = 600
"""The budget of values that are to be cut."""

TEXTS = [text for text, _ in SECRETS]


@dataclasses.dataclass
class Settings:
    endpoint: str
    note: Any


class Holder:
    def __init__(self, note: Any) -> None:
        self.note = note


class Slotted:
    __slots__ = ("note",)

    def __init__(self, note: Any) -> None:
        self.note = note


PLACES: dict[str, Callable[[str], Any]] = {
    "alone": lambda text: text,
    "in an entry": lambda text: {"note": text},
    "nested": lambda text: {"a": [{"b": (1, {"c": text})}]},
    "as a key": lambda text: {text: 1},
    "as a key beside an int": lambda text: {text: 1, 2: 3},
    "in a tuple as a key": lambda text: {(1, text): 2},
    "in bytes": lambda text: text.encode(),
    "in a bytearray": lambda text: bytearray(text.encode()),
    "in a dataclass": lambda text: Settings("here", text),
    "in an object": lambda text: Holder([text]),
    "in a slot": lambda text: Slotted(text),
    "in an exception": lambda text: ValueError(f"call failed: {text}"),
    "in arguments": lambda text: OSError(5, text, {"sent": text}),
    "in a set": lambda text: {text},
    "amid prose": lambda text: f"The answer was (as ever) {text} and nothing else.",
    "in quotes": lambda text: f"got '{text}' back",
    "on its own line": lambda text: f"first line\n{text}\nlast line",
    "as JSON": lambda text: json.dumps({"request": {"note": text}}),
    "after Chinese": lambda text: f"密钥是 {text} 。",
    "beside an image": lambda text: "data:image/png;base64," + "iVBORw0KGgoA" * 400 + " " + text,
    "in an address": lambda text: f"https://example.com/find?q=it&sent={text}#top",
    "in headers": lambda text: {"headers": {"X-Note": text, "Accept": "json"}},
    "in pairs of headers": lambda text: [("x-note", text), (b"x-note", text.encode())],
    "in lines": lambda text: text.splitlines(),
}
"""How a text may stand in a value."""


class Keep(Node):  # type: ignore[misc]
    """Hands what it is given from phase to phase, and leaves it in the store."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return self.params["given"] if "given" in self.params else shared["given"]

    def exec(self, prep_res: Any) -> Any:
        return {"found": prep_res}

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["kept"], shared["given"] = exec_res, None


class Act(Node):  # type: ignore[misc]
    """Returns as its action whatever text it is given."""

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        return shared["action"]


class Fail(Node):  # type: ignore[misc]
    """Raises what its store holds, in every attempt."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["raise"]

    def exec(self, prep_res: Callable[[], None]) -> Any:
        try:
            prep_res()
        except Exception as cause:
            sent = f"sent {cause}"
            error = RuntimeError(f"failed because it was {sent}")
            if sys.version_info >= (3, 11):
                error.add_note(f"while sending {cause}")
            raise error from cause


class Call(Node):  # type: ignore[misc]
    """Makes a span named after the text it is given."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["name"]

    def exec(self, prep_res: Any) -> Any:
        with span(f"calling {prep_res}"):
            pass


class Tell(Node):  # type: ignore[misc]
    """Adds what it is given to its span and to its trace."""

    def exec(self, prep_res: Any) -> Any:
        texts: list[str] = self.params["tell"]()
        current_span().update(**dict.fromkeys(texts, 1))
        numbered = {f"note{number}": text for number, text in enumerate(texts)}
        current_span().update(note=texts, deep=[{"note": tuple(texts)}], **numbered)
        current_trace().update(
            session_id=texts[0], user_id=texts[-1], tags=texts, metadata={"note": texts, texts[0]: 1}
        )


class Take(BatchNode):  # type: ignore[misc]
    """Hands what it is given from phase to phase, one by one, and leaves it in the store."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["given"]

    def exec(self, prep_res: Any) -> Any:
        return {"found": prep_res}

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["kept"] = exec_res[0]["found"]


class Each(BatchFlow):  # type: ignore[misc]
    """Runs once with each of the parameters it is given."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["each"]


def _batches() -> Iterator[list[str]]:
    for first in range(BATCHES):
        yield TEXTS[first::BATCHES]


def _values() -> None:
    for make in PLACES.values():
        for texts in _batches():
            Flow(start=Keep()).run({"given": [make(text) for text in texts], "more": make(texts[0])})


def _parameters() -> None:
    for texts in _batches():
        Each(start=Keep()).run({"each": [{"given": text, text: 1} for text in texts]})
        node = Keep()
        node.set_params({"notes": texts, **dict.fromkeys(texts, 1)})
        node.run({"given": 1})


def _functions() -> None:
    @trace_flow
    def ask(note: str, *more: str, **named: str) -> list[str]:
        return [note, *more]

    for text in TEXTS:
        ask(text, f"and {text}", option=text)


def _bare() -> None:
    """Under a name that tells, and without it in the same run."""
    for _, secret in SECRETS:
        if len(secret) >= 16:
            given = [{"config": {"api_key": secret}}, secret, f"called with {secret}", {secret: 1}]
            Flow(start=Keep()).run({"given": given})


def _cut() -> None:
    """The budget ends within the secret, wherever that is."""
    os.environ["POCKETFLOW_TRACING_MAX_VALUE_BYTES"] = str(FEW_BYTES)
    for texts in _batches():
        with span("cut"):
            for text in texts:
                Flow(start=Take()).run({"given": list(across(text).values())})


def across(text: str) -> dict[str, str]:
    """Values in which a cut at a multiple of 128, as most are, is within `text`, by what comes before it."""
    again = f" {text} ".ljust(128 if len(text) < 126 else 256, "y")
    beginnings = [text[:shown] for shown in (3, len(text) // 2, len(text) - 2)]
    return {shown: "y" * (len(again) - 1 - len(shown)) + again * (768 // len(again)) for shown in beginnings}


def _names() -> None:
    for text in TEXTS:
        with tracing(
            flow_name=f"run {text}",
            session_id=text,
            user_id=text,
            variant=text,
            tags=[text, f"tagged {text}"],
            metadata={"note": text, text: 1, "deep": [{"note": text}]},
        ):
            Flow(start=Call()).run({"name": text})


def _updates() -> None:
    for texts in _batches():
        node = Tell()
        node.set_params({"tell": lambda texts=texts: texts})
        node.run({})


def _actions() -> None:
    """Both of an edge and of none."""
    for text in TEXTS:
        first, last = Act(), Act()
        first.next(last, text)
        last.next(Keep(), "elsewhere")
        Flow(start=first).run({"action": text})


def _errors() -> None:
    """In messages, notes and causes, and in the lines of source in a stack trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.py"
        lines = [f"def call{n}(): raise KeyError({text!r})" for n, text in enumerate(TEXTS)]
        path.write_text("\n".join(lines), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("calls", path)
        assert spec is not None
        assert spec.loader is not None
        calls = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(calls)
        for number in range(len(TEXTS)):
            try:
                Flow(start=Fail(max_retries=2)).run({"raise": getattr(calls, f"call{number}")})
            except RuntimeError:
                pass


def _locals() -> None:
    """What errors tell, and the local variables where they were raised."""
    with tracing(TracingConfig(capture_locals=True)):
        _errors()


GROUPS: dict[str, tuple[Callable[[], None], ...]] = {
    "values": (_values,),
    "arguments": (_parameters, _functions, _bare, _cut),
    "names": (_names, _updates),
    "endings": (_actions, _errors),
    "locals": (_locals,),
}
"""What plants, by where: each act plants every text."""


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # PocketFlow prints actions that lead nowhere
    for act in GROUPS[sys.argv[1]]:
        act()
