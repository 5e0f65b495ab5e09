"""`nncore serve` as a process: what it says, whom it lets in, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time

import pytest

from nncore.cli import main
from nncore.serve.token_file import read_token
from serving import everything, multipart, picture, process


@pytest.fixture
def file(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def until_refused(serving):
    """The server takes no connection any more: a moment after it was told to end."""
    for _ in range(2000):
        try:
            serving.connect().close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("it takes connections still")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_that_are_under_way_are_finished(file, number):
    body, headers = multipart(*[(f"{n}.png", picture(n)) for n in range(30)])
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Type: {headers['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    with process(file) as (running, serving, told):
        assert told == f"serving {file} on http://127.0.0.1:{serving.port}/\n"
        with serving.connect() as client, serving.connect() as idle:
            client.sendall(head.encode() + body[:-9])
            time.sleep(0.1)
            running.send_signal(number)
            until_refused(serving)
            assert running.poll() is None
            client.sendall(body[-9:])
            raw = everything(client)
            assert everything(idle) == b""
        assert raw.startswith(b"HTTP/1.1 200 OK")
        assert len(json.loads(raw.partition(b"\r\n\r\n")[2])["predictions"]) == 30
        assert running.wait(10) == 0
        assert running.stderr.read() == ""


def test_with_a_token_in_a_file(file, tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    words = (file, "--token-file", token, "--host", "0.0.0.0")
    with process(*words, json_answer=True) as (running, serving, told):
        found = json.loads(told)
        assert found["token"] is True
        assert found["model"] == str(file)
        assert serving.ask("/predict", picture()).status == 401
        headers = {"Authorization": "Bearer 0123456789abcdef"}
        assert serving.ask("/predict", picture(), headers).status == 200
        a_second_signal_does_not_wait(running, serving)


def a_second_signal_does_not_wait(running, serving):
    with serving.connect() as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n")
        client.sendall(b"Authorization: Bearer 0123456789abcdef\r\n\r\n")
        time.sleep(0.1)
        running.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait(5) == 1
        assert "cut off" in running.stderr.read()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--host", "0.0.0.0"), 2, "--token-file FILE, or --no-token"),
        (("--host", "example.org"), 2, "lets other machines ask"),
        (("--no-token", "--token-file", "x"), 2, "contradicts"),
        (("--token-file", "nowhere"), 1, "nowhere: No such file"),
        (("--port", "70000"), 2, "--port"),
        (("--host", "192.0.2.1", "--no-token"), 1, "192.0.2.1 port"),
        (("--max-body", "0"), 2, "--max-body"),
    ],
)
def test_what_does_not_start(file, capfd, words, code, told):
    assert main(["serve", str(file), *words]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken(file, capfd):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["serve", str(file), "--port", port]) == 1
    told = (
        f"127.0.0.1 port {port}: Address already in use by another program; choose another --port"
    )
    assert told in capfd.readouterr().err


def test_a_model_that_is_none(capfd, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"no model")
    assert main(["serve", str(tmp_path / "m.safetensors")]) == 4
    assert main(["serve", str(tmp_path)]) == 4


def test_tokens_that_are_weak_or_none(tmp_path):
    token = tmp_path / "token"
    for text in ("", "two words", "\u00e9" * 20, "a" * 5000):
        token.write_text(text)
        with pytest.raises(ValueError, match="holds no token"):
            read_token(str(token))
    token.write_text("short\n")
    token.chmod(0o644)
    found = read_token(str(token))
    assert found.text == "short"
    assert "others on this machine may read" in found.notes[0]
    assert "can be guessed" in found.notes[1]
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    assert read_token(str(token)).notes == ()
