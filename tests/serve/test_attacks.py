"""Clients that mean no good: the right status for each, and the server as good as before."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

from nncore.data import ImageDataset
from nncore.layers import Dense, Flatten
from nncore.serve import workers
from nncore.training.model import Sequential
from serving import everything, multipart, picture

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"


def status_of(raw: bytes) -> int:
    return int(raw.split(b" ", 2)[1])


@pytest.fixture
def impatient(serve):
    return serve(seconds=0.4, silence=0.4, body=1 << 16)


def test_a_head_that_does_not_end(impatient):
    with impatient.connect() as slow:
        for part in (HEAD, b"A: b\r\n", b"C: d\r\n"):
            slow.sendall(part)
            time.sleep(0.1)
        assert status_of(everything(slow)) == 408


def test_the_second_head_of_a_connection(serve):
    with serve(seconds=1.5, silence=1.5).connect() as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = slow.recv(65536)
        assert status_of(first) == 200
        time.sleep(0.8)  # less than the limit: it counts from the new head on
        slow.sendall(b"GET /he")
        time.sleep(0.8)
        slow.sendall(b"alth HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(slow.recv(65536)) == 200
        slow.sendall(b"GET /he")
        assert status_of(everything(slow)) == 408


def test_a_body_that_does_not_end(impatient):
    with impatient.connect() as slow:
        slow.sendall(HEAD + b"Content-Length: 100\r\n\r\nabc")
        raw = everything(slow)
    assert status_of(raw) == 408
    assert b"connection: close" in raw.lower()


def test_connections_on_which_nothing_is_said_are_closed(impatient):
    idle = [impatient.connect() for _ in range(300)]
    assert impatient.ask("/health").status == 200
    assert [everything(one) for one in idle] == [b""] * 300
    for one in idle:
        one.close()
    assert impatient.metric("process_open_fds") < 100


def test_more_connections_than_allowed(serve):
    serving = serve(connections=5)
    idle = [serving.connect() for _ in range(5)]
    with serving.connect() as one_more:
        raw = everything(one_more)
    assert status_of(raw) == 503
    assert b"Retry-After: 1" in raw
    for one in idle:
        one.close()
    time.sleep(0.1)
    assert serving.ask("/health").status == 200


def test_a_head_without_end(impatient):
    with impatient.connect() as greedy:
        greedy.sendall(HEAD)
        for number in range(60):
            greedy.sendall(b"X-%d: %s\r\n" % (number, b"a" * 4000))
        assert status_of(everything(greedy)) == 431


@pytest.mark.parametrize("length", ["Content-Length: 250000", "Transfer-Encoding: chunked"])
def test_a_body_that_is_too_large(impatient, length):
    body = b"\0" * 250_000
    if "chunked" in length:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    raw = impatient.send(HEAD + length.encode() + b"\r\nConnection: close\r\n\r\n" + body)
    assert status_of(raw) == 413
    assert b"65,536 bytes" in raw


def test_a_body_that_is_far_too_large_is_not_waited_for(impatient):
    raw = impatient.send(HEAD + b"Content-Length: 99999999999\r\n\r\n")
    assert status_of(raw) == 413


def test_who_asks_before_sending_is_told_before_sending(serving):
    head = HEAD + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    assert status_of(serving.send(head)) == 413


def test_a_compressed_body(serving):
    assert serving.ask("/predict", picture(), {"Content-Encoding": "gzip"}).status == 415


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
    ],
    ids=["nonsense", "negative", "smuggled", "no host", "two hosts", "odd host"],
)
def test_what_is_no_http(serving, head):
    head = head.replace(b"Content-Length: 0", b"Content-Length: 0\r\nConnection: close")
    assert status_of(serving.send(head)) == 400


def test_too_many_parts(serving):
    answer = serving.ask("/predict", *multipart(*[("a.png", picture())] * 81))
    assert answer.status == 413
    assert "more than 80 parts" in answer.json["error"]


def test_a_form_without_a_file(serving):
    assert serving.ask("/predict", *multipart(("", b""))).status == 400


def test_clients_that_hang_up(serving):
    threads = threading.active_count()
    body, headers = multipart(*[("a.png", picture())] * 20)
    head = HEAD + f"Content-Type: {headers['Content-Type']}\r\n".encode()
    head += b"Content-Length: %d\r\n\r\n" % len(body)
    for cut in (10, len(head) - 2, len(head), len(head) + 100, len(head) + len(body)):
        for _ in range(4):
            with serving.connect() as client:
                client.sendall((head + body)[:cut])
    for _ in range(50):
        if not serving.metric("nncore_held_bytes"):
            break
        time.sleep(0.02)
    assert serving.metric("nncore_held_bytes") == 0
    assert serving.metric("nncore_requests_in_turn") == 0
    assert threading.active_count() == threads
    assert serving.told == []
    assert serving.ask("/predict", picture()).status == 200


@pytest.fixture
def stopped(monkeypatch):
    """Nothing is decoded until the event is set."""
    event = threading.Event()
    decode = workers.decode
    event.begun = 0

    def waits(*arguments, **settings):
        event.begun += 1
        assert event.wait(20)
        return decode(*arguments, **settings)

    monkeypatch.setattr(workers, "decode", waits)
    yield event
    event.set()


def test_more_requests_than_can_wait(serve, stopped):
    serving = serve(requests=2)
    first = [serving.connect() for _ in range(2)]
    for one in first:
        body = picture()
        one.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    while serving.metric("nncore_requests_in_turn") < 2:
        time.sleep(0.01)
    answer = serving.ask("/predict", picture())
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    stopped.set()
    assert [status_of(everything(one)) for one in first] == [200, 200]
    for one in first:
        one.close()
    assert serving.ask("/predict", picture()).status == 200


def test_more_bytes_than_can_be_held(serve):
    serving = serve(body=1000)
    uploads = []
    for _ in range(8):
        uploads.append(serving.connect())
        uploads[-1].sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + b"a" * 999)
    while serving.metric("nncore_held_bytes") < 8 * 999:
        time.sleep(0.01)
    answer = serving.ask("/predict", b"a" * 500)
    assert answer.status == 503
    for one in uploads:
        one.close()
    while serving.metric("nncore_held_bytes"):
        time.sleep(0.01)
    assert serving.ask("/predict", b"a" * 500).status == 415


def test_an_answer_that_takes_too_long(serve, stopped):
    serving = serve(seconds=0.2)
    answer = serving.ask("/predict", *multipart(*[("a.png", picture())] * 40))
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert serving.metric("nncore_requests_in_turn") == 0
    begun = stopped.begun
    stopped.set()
    assert serving.ask("/predict", picture()).status == 200
    assert stopped.begun == begun + 1  # what nobody waits for is left out


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("a.localhost", 200),
        ("pets.example.org:443", 200),
        ("evil.example.org", 421),
        ("pets.example.org.evil.com", 421),
        ("localhost.evil.com", 421),
        ("127.0.0.1.evil.com", 421),
        ("user@localhost", 400),
        ("", 400),
    ],
)
def test_by_which_names_the_server_may_be_called(serve, host, status):
    serving = serve(hosts=["Pets.example.org"])
    raw = serving.send(
        b"GET /health HTTP/1.1\r\nHost: " + host.encode() + b"\r\nConnection: close\r\n\r\n"
    )
    assert status_of(raw) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:{}", 200),
        ("https://localhost:{}", 200),
        ("http://localhost:1", 403),
        ("http://evil.example.org", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_pages_of_others_may_not_ask(serving, origin, status):
    host = f"localhost:{serving.port}"
    headers = {"Host": host, "Origin": origin.format(serving.port)}
    assert serving.ask("/predict", picture(), headers).status == status


TOKEN = "a-token-of-enough-letters"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (TOKEN, 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer é", 401),
        ("Bearer ", 401),
        (None, 401),
    ],
)
def test_the_token(serve, header, status):
    serving = serve(token=TOKEN)
    headers = {} if header is None else {"Authorization": header.encode("utf-8")}
    answers = [serving.ask("/predict", picture(), headers)]
    answers += [serving.ask(path, headers=headers) for path in ("/model", "/metrics")]
    assert {answer.status for answer in answers} == {status}
    if status == 401:
        assert all("Bearer" in answer.headers["www-authenticate"] for answer in answers)
    for path in ("/", "/health", "/openapi.json"):
        assert serving.ask(path).status == 200
    assert serving.ask("/nothing").status == 401


def test_every_answer_forbids_what_it_can(serving):
    for answer in (
        serving.ask("/"),
        serving.ask("/health"),
        serving.ask("/none"),
        serving.ask("/predict", b"x"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


def test_no_label_of_a_metric_is_the_clients(serving):
    for number in range(5):
        serving.ask(f"/{number}")
    text = serving.ask("/metrics").body.decode()
    assert 'path="/3"' not in text
    assert 'nncore_requests_total{path="other",status="404"}' in text


def test_class_names_of_all_kinds(serve):
    images = np.arange(80, dtype=np.uint8).reshape(4, 4, 5)
    data = ImageDataset.from_arrays(images, [0, 1, 0, 1], classes=["שלום\u2028", "</script>"])
    model = Sequential([Flatten(), Dense(2)])
    model.fit(data, epochs=1, verbose=0)
    answer = serve(model).ask("/predict?top_k=2", picture())
    (one,) = answer.json["predictions"]
    assert {row["label"] for row in one["top"]} == {"שלום", "</script>"}
    assert json.dumps(answer.json)
