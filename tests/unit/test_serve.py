"""`mooq serve`: the in-memory broker as a server for any client."""

from __future__ import annotations

import inspect
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

import mooq
from tests.command_line import LONGEST_COMMAND, MOOQ, ask, environment

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Start commands with SIGHUP in its default state: under nohup they would ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@unix
def test_serve_keeps_ignoring_an_ignored_signal() -> None:
    command = ["nohup", *MOOQ, "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        server.send_signal(signal.SIGHUP)
        pika.BlockingConnection(pika.URLParameters(url)).close()
        server.send_signal(signal.SIGTERM)
        assert server.wait(LONGEST_COMMAND) == 0


def serve(*options: str) -> subprocess.Popen[str]:
    """Start a server at a free port."""
    return subprocess.Popen(
        [*MOOQ, "serve", "--port", "0", "--json", *options],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@unix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_serve_runs_until_a_signal(name: str, default_signals: None) -> None:
    with serve("--user", "ann:se:cret", "--virtual-host", "shop", "--version", "3.10") as server:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        assert said["version"] == "3.10"
        assert said["url"] == f"amqp://ann:se%3Acret@127.0.0.1:{said['port']}/shop"
        connection = pika.BlockingConnection(pika.URLParameters(said["url"]))
        channel = connection.channel()
        channel.queue_declare("q")
        channel.basic_publish("", "q", b"m")
        assert channel.basic_get("q", auto_ack=True)[2] == b"m"
        connection.close()
        client = pika.BlockingConnection(pika.URLParameters(said["url"]))
        server.send_signal(signal.Signals[name])
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="CONNECTION_FORCED"):
            client.process_data_events(time_limit=LONGEST_COMMAND)
        assert server.wait(LONGEST_COMMAND) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", said["port"]), LONGEST_COMMAND)


@unix
def test_serve_follows_the_default_version() -> None:
    default = inspect.signature(mooq.InMemoryBroker).parameters["version"].default
    with serve() as server:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["version"] == default == "4.0"
        server.send_signal(signal.SIGTERM)


@unix
def test_serve_refuses_a_wrong_login() -> None:
    with serve() as server:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        wrong = pika.URLParameters(f"amqp://guest:wrong@127.0.0.1:{port}/%2F")
        with pytest.raises(pika.exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
            pika.BlockingConnection(wrong)
        server.send_signal(signal.SIGTERM)


def test_serve_names_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = ask("serve", "--port", str(port))
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in result.stderr


@pytest.mark.parametrize("host", ["nosuch.invalid", "192.0.2.1"])
def test_serve_names_a_wrong_host(host: str) -> None:
    result = ask("serve", "--host", host, "--port", "0")
    assert result.exit_code == 1
    assert f"cannot listen on {host}, port 0" in result.stderr
    assert "choose another --host" in result.stderr
    assert "--port" not in result.stderr


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("", None, "--certificate: {certificate} contains no PEM certificate"),
        (CERTIFICATE, None, "{certificate} contains no PEM private key; pass its --key"),
        (CERTIFICATE, "", "--key: {key} contains no PEM private key"),
        (CERTIFICATE, PRIVATE_KEY, "--certificate: cannot be loaded"),
    ],
)
def test_serve_names_the_file_without_pem(
    tmp_path: Path, certificate: str, key: str | None, said: str
) -> None:
    files = {"certificate": tmp_path / "certificate", "key": tmp_path / "key"}
    files["certificate"].write_text(certificate)
    options = ["--certificate", str(files["certificate"])]
    if key is not None:
        files["key"].write_text(key)
        options += ["--key", str(files["key"])]
    result = ask("serve", *options)
    assert result.exit_code == 2
    assert said.format(**files) in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", ""], "host is empty; name a host"),
        (["--host", "127.0.0.1:5672"], "host '127.0.0.1:5672' contains a port"),
        (["--virtual-host", ""], "virtual_host is empty; RabbitMQ's default is '/'"),
        (["--virtual-host", "v" * 128], "at most 127 are allowed"),
        (["--user", "guest"], "must be NAME:PASSWORD"),
        (["--user", "bob:"], "password is empty; RabbitMQ requires one"),
        (["--user", ":secret"], "username is empty; RabbitMQ requires one"),
        (["--user", "a:1", "--user", "a:2"], "--user: names a user twice"),
        (["--version", "5.0"], "'5.0' is not one of '3.10', '4.0', '4.3'"),
        (["--key", __file__], "--key requires --certificate"),
        (["--certificate", __file__], "contains no PEM certificate"),
    ],
)
def test_serve_refuses_invalid_options(options: list[str], said: str) -> None:
    result = ask("serve", *options)
    assert result.exit_code == 2
    assert said in result.stderr
