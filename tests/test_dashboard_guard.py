"""Who gets an answer from the dashboard, and what every answer carries."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_support import Dashboard, kept, served, trace

from pocketflow_tracing.server import peers

PATHS = [
    *("/", "/traces/last", "/sessions", "/metrics", "/compare", "/static/main.js", "/view/theme.css"),
    *("/api/traces", "/api/traces/last", "/api/nothing", "/static/nothing.js", "/api/traces?limit=x"),
]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over one trace."""
    with served(kept(tmp_path_factory.mktemp("guard") / "traces.db", trace(1, "Support"))) as dashboard:
        yield dashboard


def status(dashboard: Dashboard, *lines: str) -> int:
    """The status that the server answers to a request made of these lines, byte for byte."""
    with socket.create_connection(("127.0.0.1", dashboard.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return int(answer.split()[1])


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_what_is_not_ours(dashboard: Dashboard, path: str) -> None:
    """Only scripts and styles of the dashboard run, in no frame, and no other site may read anything."""
    headers = dashboard.client.get(path).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_the_names_of_this_machine_are_answered(dashboard: Dashboard, host: str) -> None:
    """With the port, without it, and with that of a tunnel."""
    for port in (f":{dashboard.port}", "", ":9000"):
        assert status(dashboard, "GET /api/count HTTP/1.1", f"Host: {host}{port}") == 200


OTHER_HOSTS = [
    *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.example:127.0.0.1"),
    *("0.0.0.0", "192.168.1.5", "localhost:", "localhost:80:80", "user@localhost", "", "[::1]evil"),
    "127.0.0.1, evil.example",
]


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_other_names_are_refused(dashboard: Dashboard, host: str) -> None:
    """A page whose own name was made to lead to this machine reads nothing."""
    for path in ("/", "/api/traces", "/static/main.js", "/api/changes"):
        assert status(dashboard, f"GET {path} HTTP/1.1", f"Host: {host}") == 421


def test_no_name_and_two_names_are_refused(dashboard: Dashboard) -> None:
    """There has to be one, and one only."""
    assert status(dashboard, "GET /api/count HTTP/1.0") == 421
    assert status(dashboard, "GET /api/count HTTP/1.1", "Host: localhost", "Host: evil.example") in (400, 421)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_what_might_change_something_is_refused(dashboard: Dashboard, method: str) -> None:
    """Everything but GET and HEAD."""
    for path in ("/", "/api/traces", "/api/traces/last"):
        answer = dashboard.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert answer.headers["content-security-policy"] == POLICY


def test_head_is_answered_without_a_body(dashboard: Dashboard) -> None:
    """Also where GET would not end."""
    for path in ("/", "/api/traces", "/api/changes", "/api/traces/last/changes"):
        answer = dashboard.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_other_sites_may_link_here_and_not_fetch(dashboard: Dashboard) -> None:
    """The browser says whether another site asks, and whether for a page to show."""

    def asked(site: str, mode: str, dest: str) -> int:
        told = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        return dashboard.client.get("/", headers=told).status_code

    assert asked("cross-site", "navigate", "document") == 200
    assert asked("same-origin", "cors", "empty") == 200
    assert asked("none", "navigate", "document") == 200
    assert asked("cross-site", "navigate", "iframe") == 403
    assert asked("cross-site", "no-cors", "script") == 403
    assert asked("same-site", "cors", "empty") == 403


NO_FILES = [
    *("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/....//app.py"),
    *("/view/../text.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/", "/view/vendor"),
    *("/static/..\\app.py", "/view/%00", "/static/main.js/", "/../../etc/passwd", "//etc/passwd"),
    "/view/page/../../__init__.py",
]


@pytest.mark.parametrize("path", NO_FILES)
def test_only_files_of_the_pages_are_given_out(dashboard: Dashboard, path: str) -> None:
    """No path leads out of the two folders."""
    assert status(dashboard, f"GET {path} HTTP/1.1", "Host: localhost") == 404


def test_files_are_asked_for_again_only_when_they_changed(dashboard: Dashboard) -> None:
    """They have an entity tag, and their type."""
    first = dashboard.client.get("/static/main.js")
    again = dashboard.client.get("/static/main.js", headers={"If-None-Match": first.headers["etag"]})

    assert (first.status_code, first.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert (again.status_code, again.content) == (304, b"")


def test_a_request_that_is_none_is_survived(dashboard: Dashboard) -> None:
    """Garbage, headers without end and a half request leave the server as it was."""
    for garbage in (b"\x00\xff\x16\x03\x01", b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 200_000, b"GET /"):
        with socket.create_connection(("127.0.0.1", dashboard.port), timeout=20) as connection:
            connection.sendall(garbage)
    assert dashboard.client.get("/api/count").json() == {"count": 1}


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs Linux")
def test_the_owner_of_the_other_end_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket of this user is let in; the same one is not where it belongs to somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        ends = client.getsockname(), server.getsockname()
        assert peers.is_own(*ends)

        table = tmp_path / "tcp"
        table.write_text("".join(line.replace(f" {os.geteuid()} ", " 4321 ") for line in _table(ends[0][1])))
        monkeypatch.setattr(peers, "TABLES", (str(table),))
        assert not peers.is_own(*ends)
        assert peers.is_own(("127.0.0.1", 1), ends[1])


def _table(port: int) -> list[str]:
    """The header of the table of sockets, and a row like that of the socket at `port` with a wide owner."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        lines = file.readlines()
    found = next(line for line in lines if f":{port:04X}" in line.split()[1])
    columns = found.split()
    columns[7] = str(os.geteuid())
    return [lines[0], " ".join(columns) + " \n"]
