"""The arguments of :func:`mooq.connect` that lead to a broker of the tests'."""

from __future__ import annotations

from mooq.basics.address import Address, Where


class Arguments(Where):
    """Passed as ``mooq.connect(**arguments)``."""

    broker: str


def arguments_of(broker: str, address: Address) -> Arguments:
    """Return the arguments that lead to an address."""
    return {"broker": broker, **address.where}
