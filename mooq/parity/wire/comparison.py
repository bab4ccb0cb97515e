"""Comparison of the two brokers on a program of methods, and reports of differences."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from textwrap import indent
from typing import TYPE_CHECKING

from mooq.basics.address import Address
from mooq.broker.broker import Broker
from mooq.parity.report import WIDTH, side_by_side
from mooq.parity.versions import followed
from mooq.parity.wire.conversation import Conversation
from mooq.parity.wire.flusher import Disturbed
from mooq.parity.wire.outcomes import Outcome, differing
from mooq.parity.wire.pool import ConnectionPool
from mooq.parity.wire.programs import WireProgram
from mooq.server.listener import Listener, ListenerThread

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

ATTEMPTS = 20  # at a program that the checks, or a busy machine, have disturbed


@dataclass(frozen=True)
class WireDivergence:
    """A program on which the brokers differ, and the replies of each."""

    program: WireProgram
    ours: list[Outcome]
    theirs: list[Outcome]
    version: str

    def __str__(self) -> str:
        wrong = differing(self.ours, self.theirs)
        titles = ("in memory", f"RabbitMQ {self.version}")
        parts = [f"The in-memory broker differs from RabbitMQ {self.version}:"]
        for number, step in enumerate(self.program, 1):
            parts.append(f"{number:3} {step!r}")
            if number in wrong:
                mine, other = _lines(self.ours[number - 1]), _lines(self.theirs[number - 1])
                parts.append(indent(side_by_side(mine, other, titles, WIDTH - 6), " " * 6))
        return "\n".join([*parts, "", "As a test:", "", as_test(self.program)])


def _lines(outcome: Outcome) -> list[str]:
    return [f"{key}: {line}" for key, lines in sorted(outcome.items()) for line in lines]


def as_test(program: WireProgram) -> str:
    """Return the source of a test that fails while the brokers differ."""
    lines = ",\n".join(f"    {step!r}" for step in program)
    used = {type(step).__name__ for step in program}
    kinds = ", ".join(sorted({*used, "Typed"} if "Typed(" in lines else used))
    return (
        "from mooq.basics.address import Address\n"
        "from mooq.parity.wire.comparison import compared\n"
        f"from mooq.parity.wire.programs import {kinds}\n\n"
        f"PROGRAM = (\n{lines},\n)\n\n\n"
        "def test_both_brokers_answer_alike() -> None:\n"
        '    divergence = compared(PROGRAM, Address("127.0.0.1", 5672))\n'
        "    assert divergence is None, str(divergence)\n"
    )


class WireComparison:
    """Compares RabbitMQ with the in-memory broker, one program after another."""

    def __init__(self, theirs: Address) -> None:
        self._theirs = theirs
        self._pool = ConnectionPool(theirs)
        connection = self._pool.take()
        self.version: str = connection.version
        self._pool.release(connection, ())

    def close(self) -> None:
        """Disconnect."""
        self._pool.close()

    def programs(self) -> SearchStrategy[WireProgram]:
        """Return a strategy for programs."""
        from mooq.parity.wire.strategies import wire_programs  # hypothesis is an extra

        return wire_programs()

    def size(self, program: WireProgram) -> int:
        """Return the number of steps of a program."""
        return len(program)

    def compare(self, program: WireProgram) -> WireDivergence | None:
        """Return the difference between the brokers on a program, or None.

        Raises :class:`~mooq.parity.wire.client.NoAnswer`, and
        :class:`~mooq.parity.wire.flusher.Disturbed` after too many attempts.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                theirs = Conversation(self._pool, f"wire.{token_hex(4)}.").run(program)
                break
            except Disturbed:
                if attempt == ATTEMPTS:
                    raise
        ours = in_memory(program, followed(self.version), self._theirs)
        if not differing(ours, theirs):
            return None
        return WireDivergence(program, ours, theirs, self.version)


def compared(program: WireProgram, theirs: Address) -> WireDivergence | None:
    """Return the difference between a RabbitMQ and the in-memory broker on a program, or None."""
    comparison = WireComparison(theirs)
    try:
        return comparison.compare(program)
    finally:
        comparison.close()


def in_memory(program: WireProgram, version: str, like: Address) -> list[Outcome]:
    """Run a program in memory, with the user and virtual host of ``like``; return its outcomes."""
    rules = Broker({like.username: like.password}, [like.virtual_host], version=version)
    thread = ListenerThread(Listener(rules))
    thread.start()

    def pass_time(seconds: float) -> None:
        thread.call(lambda broker: broker.skip(seconds))

    address = Address("127.0.0.1", thread.port, like.username, like.password, like.virtual_host)
    pool = ConnectionPool(address)
    try:
        return Conversation(pool, "wire.00000000.", pass_time).run(program)
    finally:
        pool.close()
        thread.close()
