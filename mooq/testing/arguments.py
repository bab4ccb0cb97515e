"""The arguments of :func:`mooq.connect` for a test's broker."""

from __future__ import annotations

from mooq.basics.address import Address, Where


class Arguments(Where):
    """Pass them as ``mooq.connect(**arguments)``."""

    broker: str


def arguments_of(broker: str, address: Address) -> Arguments:
    """Return the arguments for an address."""
    return {"broker": broker, **address.where}
