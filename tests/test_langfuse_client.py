"""Between here and the server: proxies, certificates, redirects, answers that break off."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme
import urllib3
from langfuse_support import keep, ship, sink_of
from opentelemetry import context
from otlp_server_support import Server, encrypted, listening, running_server
from store_support import made_trace

from pocketflow_tracing.delivery.shipping.courier import Courier
from pocketflow_tracing.sinks.langfuse.checks import checks
from pocketflow_tracing.sinks.otlp.client import proxy_for
from pocketflow_tracing.sinks.otlp.sending import Sender, Verdict
from pocketflow_tracing.store import Store

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Proxy(BaseHTTPRequestHandler):
    """Writes down what it is asked for, and answers everything but tunnels itself."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, str | None]] = []

    def do_POST(self) -> None:
        self.asked.append((self.command, self.path, self.headers["Proxy-Authorization"]))
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(200 if self.command == "POST" else 502)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_CONNECT = do_POST

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_requests_go_through_the_proxy_that_the_environment_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its credentials; hosts in NO_PROXY are taken out; a tunnel that is refused is a reason."""
    Proxy.asked.clear()
    with listening(Proxy) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@127.0.0.1:{port}")
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        for host in ("http://langfuse.example", "https://langfuse.example"):
            sender = Sender(sink_of(server, langfuse_host=host).endpoint)
            answer = sender.send(b"")
            sender.close()
            assert answer.verdict is (Verdict.ACCEPTED if "https" not in host else Verdict.LATER)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        direct = Sender(sink_of(server).endpoint)
        assert direct.send(b"").verdict is Verdict.ACCEPTED
        direct.close()
    assert "502" in answer.reason
    assert Proxy.asked == [
        ("POST", "http://langfuse.example/api/public/otel/v1/traces", "Basic bWU6cEBzcw=="),
        ("CONNECT", "langfuse.example:443", None),
    ]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "p:1"}, "http://p:1"),
        ({"ALL_PROXY": "socks5://p:1"}, "socks5://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.example"}, "http://p:1"),
    ],
)
def test_which_proxy_is_used(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that everybody knows."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("https://langfuse.example:8443/path") == proxy


def test_a_proxy_that_cannot_be_used_is_an_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of a kind that nobody knows."""
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1:70")
    sender = Sender(sink_of(server).endpoint)
    assert sender.send(b"").verdict is Verdict.LATER
    sender.close()


def test_a_certificate_of_ones_own_is_trusted_where_it_is_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: nothing is sent to a server that may be anybody's, and `doctor` says what to do."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with encrypted(authority) as server:
        host = server.host.replace("http:", "https:")
        strange = Courier(sink_of(server, langfuse_host=host))
        keep(store, made_trace(1), strange.sink.destination)
        assert ship(strange, store) == 2
        assert "certificate verify failed" in strange.reason
        (found,) = checks(strange.sink)
        assert "SSL_CERT_FILE" in found.advice
        strange.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        trusting = Courier(sink_of(server, langfuse_host=host))
        assert ship(trusting, store) == 0
        assert len(server.rows) == 2
        trusting.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "not there.pem"))
    sender = Sender(trusting.sink.endpoint)
    assert "No such file" in sender.send(b"").reason
    sender.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(
    status: int, server: Server, store: Store, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    """The keys are for the address that was named; the line says where the server points to."""
    keep(store, made_trace(1), courier.sink.destination)
    with running_server() as elsewhere:
        server.answers.append((status, {"Location": f"{elsewhere.host}/traces"}))
        assert ship(courier, store) == 2
        assert elsewhere.seen == 0
        assert f"redirects to {elsewhere.host}/traces" in caplog.text
    assert ship(courier, store) == 0


def test_an_answer_that_breaks_off_is_none(server: Server, store: Store, courier: Courier) -> None:
    """The spans had been taken, and are sent again: they stand once."""
    keep(store, made_trace(1, spans=20), courier.sink.destination)
    server.broken_answers = 1
    assert ship(courier, store) == 20
    assert len(server.rows) == 20
    assert ship(courier, store) == 0
    assert set(server.arrivals.values()) == {2}
    server.check_sound()


def test_a_connection_that_the_server_has_closed_meanwhile_is_opened_again(
    server: Server, store: Store, courier: Courier
) -> None:
    """No failure, no wait."""
    keep(store, made_trace(1), courier.sink.destination)
    assert ship(courier, store) == 0
    server.stop()
    server.start()
    keep(store, made_trace(2), courier.sink.destination)
    assert (ship(courier, store), courier.attempts_failed) == (0, 0)


def test_requests_leave_no_lines_in_the_programs_log(
    server: Server, store: Store, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that logs whatever is of interest, its own requests for instance, finds none of ours."""
    caplog.set_level("INFO")
    courier.wants_urls = True
    keep(store, made_trace(1), courier.sink.destination)
    assert ship(courier, store) == 0
    assert courier.urls and caplog.records == []
    assert server.requests[0].headers["User-Agent"].startswith("pocketflow-tracing/")


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        (b"\xff\xfe\x00", 20),  # no protobuf at all
        (b"\x0a\x02\x08\x03", 17),  # partial success: 3 spans were not taken
        (b"\x0a\x03\x08\xff\x7f", 0),  # more than were sent
        (b"\x0a\x0b\x08\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01", 20),  # -5
    ],
)
def test_what_an_acceptance_says_beside(
    body: bytes, taken: int, server: Server, store: Store, courier: Courier
) -> None:
    """200 settles a batch, whatever nonsense comes with it; what was left out is counted."""
    keep(store, made_trace(1, spans=20), courier.sink.destination)
    server.says = body
    assert ship(courier, store) == 0
    assert (courier.sent_spans, courier.rejected_spans) == (taken, 20 - taken)


def test_a_host_may_have_a_path_and_be_an_address_of_version_6(store: Store) -> None:
    """A server behind a prefix, or on an address in brackets."""
    with running_server(address="::1", prefix="/tools/langfuse") as server:
        host = f"http://[::1]:{server.port}/tools/langfuse/"
        courier = Courier(sink_of(server, langfuse_host=host))
        keep(store, made_trace(1), courier.sink.destination)
        assert ship(courier, store) == 0
        assert len(server.rows) == 2
        courier.close()


def test_keys_may_hold_any_letters(server: Server, store: Store) -> None:
    """What the server makes of them is its own affair: here it does not know them."""
    courier = Courier(sink_of(server, langfuse_public_key="pk-lf-ключ=1", langfuse_secret_key="sk:lf ü"))
    keep(store, made_trace(1), courier.sink.destination)
    assert ship(courier, store) == 2
    assert "HTTP 401" in courier.reason
    courier.close()


def test_instrumentation_of_http_clients_is_told_not_to_see_our_requests(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that traces its own requests would find ours among them."""
    seen = []
    real = urllib3.connectionpool.HTTPConnectionPool.urlopen

    def urlopen(*arguments, **keywords):  # type: ignore[no-untyped-def]
        seen.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))
        return real(*arguments, **keywords)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", urlopen)
    sender = Sender(sink_of(server).endpoint)
    assert sender.send(b"").verdict is Verdict.ACCEPTED
    sender.close()
    assert seen == [True]
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is None
