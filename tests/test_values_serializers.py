"""Functions of the user's that speak for a type, in real runs: masked, and hiding all where they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketflow import Flow, Node

from pocketflow_tracing import Trace, TracingConfig, flush, tracing
from pocketflow_tracing.store import Store

KEY = "sk-proj-aB3xY9aB3xY9aB3xY9aB3xY9aB3xY9"
PASSWORD = "correct-horse9"


class Invoice:
    """A value whose fields nobody should see."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.note = "hidden-4c1e"


class Proforma(Invoice):
    """One that is shown as its base class is."""


class Pay(Node):  # type: ignore[misc]
    """Hands invoices from phase to phase, and fails with one at hand."""

    def prep(self, shared: dict[str, Any]) -> Any:
        return [shared["invoice"], Proforma(2)]

    def exec(self, prep_res: Any) -> Any:
        return {"paid": prep_res}

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> Any:
        shared["paid"] = exec_res
        due = Invoice(3)
        raise ValueError("not paid", due, {"due": [Proforma(4)]}) from KeyError(due)


def _run(folder: Path, serializer: Any) -> tuple[Trace, bytes]:
    """What is kept of a run whose invoices are shown by `serializer`, and the bytes of the file."""
    config = TracingConfig(
        store=str(folder / "traces.db"), serializers={Invoice: serializer}, capture_locals=True
    )
    with tracing(config):
        try:
            Flow(start=Pay()).run({"invoice": Invoice(1)})
        except ValueError:
            pass
    assert flush(30) == 0
    store = Store(folder / "traces.db")
    try:
        trace = store.load(store.traces()[0].id)
    finally:
        store.close()
    return trace, b"".join(file.read_bytes() for file in folder.iterdir())


def _span(trace: Trace, name: str) -> Any:
    return next(span for span in trace.spans if span.name == name)


def test_what_a_serializer_says_stands_wherever_the_value_would(tmp_path: Path) -> None:
    """In inputs, outputs, changes and local variables, for what inherits from the type, too."""
    trace, written = _run(tmp_path, lambda invoice: {"number": invoice.number})
    post = _span(trace, "Pay.post")

    assert _span(trace, "Flow").input == {"shared": {"invoice": {"number": 1}}}
    assert _span(trace, "Pay.exec").input == {"prep_res": [{"number": 1}, {"number": 2}]}
    assert _span(trace, "Pay.exec").output == {"paid": [{"number": 1}, {"number": 2}]}
    assert post.changes["added"] == {"paid": {"paid": [{"number": 1}, {"number": 2}]}}
    assert post.error.locals["due"] == {"number": 3}
    assert post.error.message == "('not paid', Invoice(…), {'due': [Proforma(…)]})"
    assert post.error.causes == ["KeyError: Invoice(…)"]
    assert b"hidden-4c1e" not in written


def test_a_secret_that_a_serializer_returns_is_masked(tmp_path: Path) -> None:
    """Under a telling name, as a text of a known shape, and as an address."""

    def told(invoice: Invoice) -> Any:
        return {"password": PASSWORD, "sent": f"with {KEY}", "to": f"postgresql://me:{PASSWORD}@db/shop"}

    trace, written = _run(tmp_path, told)

    shown = _span(trace, "Flow").input["shared"]["invoice"]
    assert shown["password"] == "[redacted]"
    assert shown["sent"].startswith("with ")
    assert [secret for secret in (KEY, PASSWORD) if secret.encode() in written] == []


def test_a_serializer_that_fails_hides_the_value_and_not_the_run(tmp_path: Path) -> None:
    """Neither the value nor what was raised is kept; what stands beside it is."""

    def fail(invoice: Invoice) -> Any:
        raise RuntimeError(f"cannot show {invoice.note}")

    trace, written = _run(tmp_path, fail)
    hidden = f"<{__name__}.Invoice: serializer failed>"

    assert trace.complete
    assert _span(trace, "Flow").input == {"shared": {"invoice": hidden}}
    assert _span(trace, "Pay.exec").output == {"paid": [hidden, hidden.replace("Invoice", "Proforma")]}
    assert _span(trace, "Pay.post").error.locals["due"] == hidden
    assert b"hidden-4c1e" not in written
