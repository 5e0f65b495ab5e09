"""`nncore.live.server`: who gets in, and that nobody can do harm by asking."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
import time

import pytest

from live_pages import ask
from nncore.live.board import Board
from nncore.live.server import HOST, MOST_CONNECTIONS, LiveServer


def test_the_page_is_for_who_knows_the_token(server):
    assert ask(server.address).body == "<!doctype html>"
    assert server.token in server.address
    assert len(server.token) >= 32
    for path in ("/", "/events", "/wrong/", f"/{server.token[:-1]}/", f"/{server.token}x/events"):
        answer = ask(server.address, path)
        assert answer.status == 403, path
        assert "token" in answer.body
        assert server.token not in answer.body + str(answer.headers)


def test_a_forgotten_slash_and_an_unknown_page(server):
    answer = ask(server.address, f"/{server.token}")
    assert (answer.status, answer.headers["Location"]) == (302, f"/{server.token}/")
    assert ask(server.address, "../../etc/passwd").status == 404
    assert ask(server.address, "nothing").status == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_name_of_this_machine_is_refused(server, host):
    """Which is how a page of somebody else would ask after DNS rebinding."""
    assert ask(server.address, headers={"Host": host}).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:8080"])
def test_behind_a_tunnel_the_port_is_another(server, host):
    assert ask(server.address, headers={"Host": host}).status == 200
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert ask(server.address, "stop", "POST", headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_the_button_of_another_page_is_refused(headers):
    pressed = []
    server = LiveServer(Board(), lambda: b"", lambda: not pressed.append(1))
    with contextlib.closing(server):
        assert ask(server.address, "stop", "POST", headers).status == 403
        assert not pressed
        assert ask(server.address, "stop", "POST").body == '{"stopping": true}'
        assert pressed


def test_a_link_leads_to_the_page_and_the_button_is_no_link(server):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(server.address, headers=link).status == 200
    assert ask(server.address, "stop").status == 404
    assert ask(server.address, "stop", "OPTIONS").status == 501


def test_what_every_answer_says_of_itself(server):
    for path in ("", "nothing", "/"):
        headers = ask(server.address, path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not any(name.startswith("Access-Control") for name in headers)
    assert "frame-ancestors 'none'" in ask(server.address).headers["Content-Security-Policy"]


def test_the_report_once_there_is_one(server, tmp_path):
    assert ask(server.address, "report").status == 404
    server.report = tmp_path / "report.html"
    assert ask(server.address, "report").status == 404
    server.report.write_text("<!doctype html>all is well")
    answer = ask(server.address, "report")
    assert answer.body == "<!doctype html>all is well"
    assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
    deadline = time.monotonic() + 10  # it is counted once it is sent, of which we know sooner
    while server.reports_taken == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.reports_taken == 1


def test_events_tell_what_is_there_and_what_comes(server, followers):
    server.board.put("phase", {"words": 'a "name"\n\u202e\udcff', "loss": math.nan})
    follower = followers(server.address)
    state = follower.until(lambda state: "phase" in state)
    assert state["phase"] == {"words": 'a "name"\n\u202e\udcff', "loss": None}
    server.board.start_rows([{"epoch": 1}])
    server.board.add_row({"epoch": 2})
    follower.until(lambda state: len(state["rows"]) == 2)
    assert server.board.watching == 1
    server.board.close()
    assert list(follower.events())[-1] == "end"


def test_a_sign_of_life_where_nothing_happens(server, followers, monkeypatch):
    monkeypatch.setattr("nncore.live.events._SILENCE", 0.01)
    assert next(followers(server.address).events()) == "alive"


def test_who_comes_back_gets_all_that_he_missed(server, followers):
    server.board.start_rows([{"epoch": 1}])
    first = followers(server.address)
    first.until(lambda state: state["rows"])
    first.close()
    server.board.add_row({"epoch": 2})
    state = followers(server.address).until(lambda state: len(state["rows"]) == 2)
    assert state["rows"] == [{"epoch": 1}, {"epoch": 2}]


def test_too_many_connections_are_dropped_and_it_goes_on(server):
    with contextlib.ExitStack() as stack:
        for _ in range(5 * MOST_CONNECTIONS):
            stack.enter_context(socket.create_connection((HOST, server.port), timeout=5))
        threads = [one for one in threading.enumerate() if "process_request" in one.name]
        # Some may have given up their place and not be gone yet.
        assert len(threads) < 2 * MOST_CONNECTIONS
    # Those that were let in are found to be gone.
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionError):
            assert ask(server.address).status == 200
            break
    else:
        raise AssertionError("nobody is served any more")


@pytest.mark.parametrize(
    "sent", [b"", b"\0\xff" * 999, b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 70000, b"POST"]
)
def test_nonsense_is_no_matter(server, sent, capfd):
    made = socket.create_connection((HOST, server.port), timeout=5)
    with made as connection, contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert ask(server.address).status == 200
    assert capfd.readouterr() == ("", "")


def test_who_reads_nothing_is_let_go(server, monkeypatch):
    monkeypatch.setattr("nncore.live.requests.Request.timeout", 0.2)
    monkeypatch.setattr("nncore.live.events._BETWEEN", 0.0)
    connection = socket.create_connection((HOST, server.port), timeout=5)
    with connection:
        connection.sendall(
            f"GET /{server.token}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        until = time.monotonic() + 10
        while not server.board.watched or server.board.watching:
            assert time.monotonic() < until
            server.board.put("much", "x" * 1_000_000)  # more than any buffer holds
            time.sleep(0.01)


def test_a_port_that_is_taken_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        LiveServer(Board(), lambda: b"", lambda: True, server.port)


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert json.dumps(server.address).startswith('"http://127.0.0.1:')
