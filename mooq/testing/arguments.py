"""The arguments of :func:`mooq.connect` that lead to a broker of the tests'."""

from __future__ import annotations

from typing import TypedDict

from mooq.address import Address


class Arguments(TypedDict):
    """Passed as ``mooq.connect(**arguments)``."""

    broker: str
    host: str
    port: int
    username: str
    password: str
    virtual_host: str


def arguments_of(broker: str, address: Address) -> Arguments:
    """Return the arguments that lead to an address."""
    return {
        "broker": broker,
        "host": address.host,
        "port": address.port,
        "username": address.username,
        "password": address.password,
        "virtual_host": address.virtual_host,
    }
