"""Opening a connection for parity to a server that does not let it."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Thread

import pytest

from mooq.amqp import methods
from mooq.amqp.frames import method_frame
from mooq.basics.address import Address
from mooq.parity.wire.client import NoAnswer, WireConnection

START = method_frame(0, methods.CONNECTION_START, 0, 9, {"version": "4.3.6"}, b"PLAIN", b"en_US")
TUNE = method_frame(0, methods.CONNECTION_TUNE, 2047, 131_072, 0)
CLOSE = method_frame(0, methods.CONNECTION_CLOSE, 530, "NOT_ALLOWED - too many", 0, 0)
ANOTHER = method_frame(0, methods.CONNECTION_UPDATE_SECRET_OK)


@pytest.mark.parametrize("before", [(), (START,), (START, TUNE)], ids=["start", "tune", "open-ok"])
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (CLOSE, "was being opened: 530 NOT_ALLOWED - too many$"),
        (ANOTHER, "^the broker sent connection.update-secret-ok instead of connection"),
    ],
    ids=["close", "another method"],
)
def test_broker_that_refuses_to_open_is_no_answer(
    before: tuple[bytes, ...], sent: bytes, why: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client, suppress(OSError):
                client.recv(65_536)
                client.sendall(b"".join((*before, sent)))
                while client.recv(65_536):
                    pass

        serving = Thread(target=serve)
        serving.start()
        port = server.getsockname()[1]
        with pytest.raises(NoAnswer, match=why):
            WireConnection(Address(host="127.0.0.1", port=port))
        serving.join()
