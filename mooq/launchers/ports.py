"""Checks that a port of this machine is free, before anything is started on it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError

LOOPBACK = "127.0.0.1"

_given: set[int] = set()


async def check_free(address: Address) -> None:
    """Check that a node on the loopback interface can be reached at ``address``.

    Raises ``ValueError`` for a host that is not this machine's loopback interface, and
    :class:`~mooq.BrokerConnectionError` if something already listens at the port.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, family=socket.AF_INET
        )
    except socket.gaierror:
        found = []
    if LOOPBACK not in {where[0] for *_, where in found}:
        raise ValueError(
            f"host must be 'localhost' or {LOOPBACK!r}, not {address.host!r}: this launcher "
            "starts a broker that only this machine can reach"
        )
    if is_taken(address):
        raise BrokerConnectionError(
            f"cannot start RabbitMQ at {address}: port {address.port} is already in use; "
            "stop the program that uses it, or choose another port",
            transient=False,
        )


def is_taken(address: Address) -> bool:
    """Return whether something listens at a port of the loopback interface."""
    with socket.socket() as probe:
        if os.name == "posix":  # on Windows the option lets two listeners share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, address.port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def free_port() -> int:
    """Return a free port of the loopback interface, a different one each time."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
