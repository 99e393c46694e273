"""`push`, `doctor` and the last lines of `run`, against the strict server."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from langfuse_support import CommandLine, keep, ship
from otlp_server_support import Server
from store_support import made_trace

from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.store import Store
from pocketflow_tracing.store.addresses import Destination


def test_run_says_where_the_trace_is(cli: CommandLine, server: Server) -> None:
    """The page of the trace stands in the last lines."""
    out = cli.run_script()
    (span,) = [span for span in server.spans() if span.name == "Flow"]
    assert f"in Langfuse: {server.host}/project/project-1/traces/{span.trace_id.hex()}" in out


def test_modules_beside_the_script_do_not_disturb_delivery(cli: CommandLine, server: Server) -> None:
    """Files called like the libraries that send are the program's, and are imported by it alone."""
    for name in ("urllib3", "certifi", "opentelemetry", "google", "http", "gzip"):
        (cli.folder / f"{name}.py").write_text(f"print('imported {name}')")
    out = cli.run_script()
    assert "imported" not in out
    assert f"{server.host}/project/project-1/traces/" in out
    assert len(server.rows) == 3


@pytest.mark.parametrize("how", ["away", "hangs", "503"])
def test_push_sends_what_a_run_could_not(how: str, cli: CommandLine, server: Server) -> None:
    """The run says so, push sends it, and a second push has nothing left."""
    if how == "away":
        server.stop()
    server.hangs, server.always = how == "hangs", 503 if how == "503" else None
    out = cli.run_script(LANGFUSE_TIMEOUT="1", POCKETFLOW_TRACING_EXIT_TIMEOUT="5")
    assert "3 spans still to be sent: pocketflow-tracing push" in out
    server.hangs, server.always = False, None
    if how == "away":
        server.start()
    out = cli("push")
    assert f"sent 1 trace (3 spans) to Langfuse at {server.host}" in out
    assert "/project/project-1/traces/" in out
    assert len(server.rows) == 3
    assert "nothing new was sent" in cli("push")
    server.check_sound()


def test_push_sends_nobody_elses_and_says_so(cli: CommandLine, server: Server) -> None:
    """Traces of another project wait for its keys."""
    server.always = 503
    cli.run_script()
    server.always = None
    out = cli("push", LANGFUSE_PUBLIC_KEY="pk-lf-two", LANGFUSE_SECRET_KEY="sk-lf-two")
    assert not server.rows
    assert f"1 trace waiting for pk-lf-one at {server.host}" in out


def test_push_by_id_sends_what_was_traced_without_keys(cli: CommandLine, server: Server) -> None:
    """Only what is named; everything else that was made without keys stays here."""
    for _ in range(2):
        cli.run_script(LANGFUSE_PUBLIC_KEY=None, LANGFUSE_SECRET_KEY=None)
    assert not server.seen
    cli("push")
    assert not server.rows
    cli("push", "last")
    assert len(server.rows) == 3
    cli("push", "last")
    assert len(server.rows) == 3
    server.check_sound()


def test_push_fails_where_it_cannot_send(cli: CommandLine, server: Server) -> None:
    """Exit status 1, the reason, and what to do next."""
    assert "nowhere to send to: set" in cli(
        "push", status=1, LANGFUSE_PUBLIC_KEY=None, LANGFUSE_SECRET_KEY=None
    )
    assert "TRACING_ENABLED is off" in cli("push", status=1, LANGFUSE_TRACING_ENABLED="off")
    server.always = 503
    cli.run_script()
    out = cli("push", "--timeout", "1.5", status=1)
    assert "3 spans still wait: HTTP 503" in out and "doctor" in out
    assert "trying again in 1 s" in out


def wrong_clock(server: Server) -> None:
    server.date = "Thu, 01 Jan 2026 00:00:00 GMT"


def set_to(name: str, value: Any) -> Any:
    return lambda server: setattr(server, name, value)


VERDICTS: dict[str, tuple[Any, dict[str, str | None], str]] = {
    "one key": (None, {"LANGFUSE_SECRET_KEY": None}, "✗ LANGFUSE_SECRET_KEY is not set"),
    "swapped": (
        None,
        {"LANGFUSE_PUBLIC_KEY": "sk-lf-one", "LANGFUSE_SECRET_KEY": "pk-lf-one"},
        "✗ the keys are swapped",
    ),
    "wrong keys": (None, {"LANGFUSE_SECRET_KEY": "sk-lf-other"}, "✗ the keys are not accepted (HTTP 401)"),
    "away": (Server.stop, {}, "cannot be reached: NewConnectionError"),
    "no such host": (None, {"LANGFUSE_BASE_URL": "http://langfuse.invalid"}, "cannot be reached"),
    "page": (set_to("web_page", True), {}, "not as Langfuse does"),
    "broken": (set_to("health_status", 500), {}, "with an error of its own (HTTP 500)"),
    "overloaded": (set_to("health_status", 503), {}, "try again later, or look at the log of the server"),
    "old": (set_to("health", {"status": "OK", "version": "2.95.0"}), {}, "Langfuse 2.95.0 is too old"),
    "no otlp": (set_to("takes_otlp", False), {}, "traces are not accepted"),
    "clock": (wrong_clock, {}, "s apart"),
    "proxy": (None, {"HTTP_PROXY": "http://user:secret@127.0.0.1:9"}, "the proxy 127.0.0.1:9"),
    "off": (None, {"POCKETFLOW_TRACING": "off"}, "✗ tracing is off"),
    "bad setting": (None, {"POCKETFLOW_TRACING_SAMPLE_RATE": "7"}, "must be a share of the runs"),
    "switched off": (None, {"LANGFUSE_TRACING_ENABLED": "False"}, "LANGFUSE_TRACING_ENABLED is off"),
}  # fmt: skip


@pytest.mark.parametrize("what", VERDICTS)
def test_doctor_names_what_is_wrong(what: str, cli: CommandLine, server: Server) -> None:
    """Each fault has a verdict of its own, one line that says what to do, and exit status 1."""
    spoil, environment, verdict = VERDICTS[what]
    if spoil is not None:
        spoil(server)
    out = cli("doctor", status=1, **environment)
    assert verdict in out
    assert "secret" not in out and "sk-lf-other" not in out


def test_doctor_is_content_where_all_is_right(cli: CommandLine, server: Server) -> None:
    """Exit status 0, and nothing was written at the server."""
    out = cli("doctor")
    assert "✗" not in out
    assert "Langfuse 4.16.0" in out and "the keys belong to project project-1" in out
    assert not server.rows


def test_no_keys_are_a_choice_to_doctor(cli: CommandLine, server: Server) -> None:
    """Whoever keeps traces on one machine has nothing to set right; how to send them is said."""
    out = cli("doctor", LANGFUSE_PUBLIC_KEY=None, LANGFUSE_SECRET_KEY=None)
    assert "– no keys: traces stay on this machine" in out
    assert "    to send them, set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY" in out
    assert "✗" not in out and not server.seen


def test_doctor_shows_the_outbox(cli: CommandLine, server: Server) -> None:
    """What was sent, what waits, and why."""
    cli.run_script()
    server.always = 503
    cli.run_script()
    store = Store(cli.store)
    trace = made_trace(1)
    store.end(trace)
    store.save((), (), [(trace.id, Destination("langfuse", "http://elsewhere", "pk-lf-away"))])
    store.close()
    server.always = None
    out = cli("doctor")
    assert f"outbox for pk-lf-one at {server.host}: 3 spans sent, 1 trace (3 spans) waiting" in out
    assert "HTTP 503" in out
    assert [line[0] for line in out.splitlines() if "outbox for" in line] == ["–", "✓"]
    assert "outbox for pk-lf-away at http://elsewhere: 0 spans sent, 1 trace (2 spans) waiting" in out


def test_doctor_counts_what_a_server_did_not_take(cli: CommandLine, server: Server, courier: Courier) -> None:
    """Spans that it called malformed are gone, and are told apart from those that arrived."""
    server.is_malformed = lambda span: span.name == "Node3"
    with closing(Store(cli.store)) as store:
        keep(store, made_trace(1, spans=5), courier.sink.destination)
        assert ship(courier, store) == 0
    out = cli("doctor")
    assert f"✓ outbox for pk-lf-one at {server.host}: 4 spans sent, 1 span not taken\n" in out


def test_doctor_does_not_wait_for_a_server_that_hangs(cli: CommandLine, server: Server) -> None:
    """It waits as long as the setting says, and names the server."""
    server.hangs = True
    out = cli("doctor", status=1, LANGFUSE_TIMEOUT="0.2")
    assert f"✗ {server.host} cannot be reached: ReadTimeoutError" in out
    assert "is the server up?" in out
