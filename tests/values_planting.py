"""A program that plants every secret of the corpus wherever a trace can keep it, and a search for them.

    pocketflow-tracing run tests/values_planting.py

Whatever leaves the process is to be searched by `seen_in`: files, console, pages, requests.
"""

from __future__ import annotations

import dataclasses
import html
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pocketflow import BatchFlow, Flow, Node
from values_corpus import SECRETS

from pocketflow_tracing import TracingConfig, current_span, current_trace, span, trace_flow, tracing

AT_ONCE = 12


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


def seen_in(content: str | bytes) -> list[str]:
    """The secrets of the corpus that can be read in what left the process."""
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    return [text for text, secret in SECRETS if any(form in content for form in _forms(secret))]


def _forms(secret: str) -> set[bytes]:
    """How a text may be written: as it is, as JSON, as JSON within a page, as HTML, and as Mermaid has it."""
    in_json = json.dumps(secret)[1:-1]
    in_script = "".join(f"\\u{ord(letter):04x}" if letter in "<>&" else letter for letter in in_json)
    in_chart = "".join(
        letter if letter.isalnum() or letter in " _-.," else f"#{ord(letter)};" for letter in secret
    )
    return {form.encode() for form in (secret, in_json, in_script, html.escape(secret), in_chart)}


class Keep(Node):  # type: ignore[misc]
    """Hands what it is given from phase to phase, and leaves it in the store."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return shared["given"]

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
            sent = f"sent {cause}"  # a local variable
            assert sent
            error = RuntimeError(f"failed because of {cause}")
            if sys.version_info >= (3, 11):
                error.add_note(f"while sending {cause}")
            raise error from cause


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


class Each(BatchFlow):  # type: ignore[misc]
    """Runs once for each text, as a parameter."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return [{"note": text} for text, _ in SECRETS]


def plant(*, few: bool) -> None:
    """Run flows that meet every secret in every place, or in a few of them."""
    warnings.simplefilter("ignore")  # PocketFlow prints actions that lead nowhere
    if few:
        for place in list(PLACES)[4:]:
            del PLACES[place]
    else:
        for act in (_cut, _parameters, _functions, _bare):
            act()
    _values()
    # What debugs is traced in another way.
    os.environ["POCKETFLOW_TRACING_DEBUG"] = "on"
    for act in (_names, _updates, _actions, _errors):
        act()


def _in_turn() -> Iterator[list[str]]:
    texts = [text for text, _ in SECRETS]
    for start in range(0, len(texts), AT_ONCE):
        yield texts[start : start + AT_ONCE]


def _values() -> None:
    for make in PLACES.values():
        for texts in _in_turn():
            Flow(start=Keep()).run({"given": [make(text) for text in texts], "more": make(texts[0])})


def _cut() -> None:
    """The budget ends within the secret, wherever that is."""
    for text, _ in SECRETS:
        for short in (3, len(text) // 2, len(text) - 2):
            with tracing(TracingConfig(max_value_bytes=600)):
                filled = "x " * (300 - short // 2 - 30) + text + " y" * 3000
                Flow(start=Keep()).run({"given": filled})


def _names() -> None:
    for text, _ in SECRETS:
        with tracing(
            flow_name=f"run {text}",
            session_id=text,
            user_id=text,
            variant=text,
            tags=[text, f"tagged {text}"],
            metadata={"note": text, text: 1, "deep": [{"note": text}]},
        ):
            with span(f"calling {text}"):
                pass
            Flow(start=Keep()).run({"given": 1})


def _updates() -> None:
    for texts in _in_turn():
        node = Tell()
        node.set_params({"tell": lambda texts=texts: texts})
        node.run({})


def _parameters() -> None:
    for text, _ in SECRETS:
        node = Keep()
        node.set_params({"note": text, text: 1})
        node.run({"given": 1})
    Each(start=Keep()).run({"given": 1})


def _actions() -> None:
    for text, _ in SECRETS:
        lost, found = Act(), Act()
        lost.next(Keep(), "elsewhere")
        Flow(start=lost).run({"action": text})
        found.next(Keep(), text)
        Flow(start=found).run({"action": text, "given": 1})


def _errors() -> None:
    """In messages, notes, causes and local variables, and in the lines of source in a stack trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.py"
        lines = [f"def call{n}(): raise KeyError({text!r})" for n, (text, _) in enumerate(SECRETS)]
        path.write_text("\n".join(lines), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("calls", path)
        assert spec is not None
        assert spec.loader is not None
        calls = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(calls)
        for number in range(len(SECRETS)):
            with tracing(TracingConfig(capture_locals=True)):
                try:
                    Flow(start=Fail(max_retries=2)).run({"raise": getattr(calls, f"call{number}")})
                except RuntimeError:
                    pass


def _functions() -> None:
    @trace_flow
    def ask(note: str, *more: str, **named: str) -> list[str]:
        return [note, *more]

    for text, _ in SECRETS:
        ask(text, f"and {text}", option=text)


def _bare() -> None:
    """Under a name that tells, and without it in the same run."""
    for _, secret in SECRETS:
        if len(secret) >= 16:
            given = [{"config": {"api_key": secret}}, secret, f"called with {secret}", {secret: 1}]
            Flow(start=Keep()).run({"given": given})


if __name__ == "__main__":
    plant(few="few" in sys.argv)
