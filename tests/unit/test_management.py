"""Errors of the management API client without a working RabbitMQ."""

from __future__ import annotations

import errno
import os
import socket
from threading import Thread

import pytest

import mooq
from mooq.launchers.ports import LOOPBACK
from mooq.testing.virtual_hosts import Management


def test_refused_connection_has_the_system_message(closed_port: int) -> None:
    with pytest.raises(mooq.BrokerConnectionError) as raised:
        Management(LOOPBACK, closed_port, "guest", "guest").version()
    assert str(raised.value).endswith(f"failed: {os.strerror(errno.ECONNREFUSED)}")


@pytest.mark.parametrize("answer", [b"AMQP\x00\x00\x09\x01", b""], ids=["AMQP", "nothing"])
def test_server_of_another_protocol_is_reported(answer: bytes) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(65536)
                client.sendall(answer)

        serving = Thread(target=serve)
        serving.start()
        with pytest.raises(mooq.BrokerConnectionError) as raised:
            Management(LOOPBACK, server.getsockname()[1], "guest", "guest").version()
        serving.join()
    assert str(raised.value).endswith(
        "failed: the server there does not speak HTTP, or closed the connection"
    )


def test_listing_virtual_hosts_is_retried_on_error() -> None:
    answers = [
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n[{"name": "/"}]',
    ]
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            for answer in answers:
                with server.accept()[0] as client:
                    client.recv(65536)
                    client.sendall(answer)

        serving = Thread(target=serve)
        serving.start()
        found = Management(LOOPBACK, server.getsockname()[1], "guest", "guest").descriptions()
        serving.join()
    assert found == {"/": ""}
