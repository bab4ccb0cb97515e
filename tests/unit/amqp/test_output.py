"""Output of a connection, and the size above which requests wait."""

from __future__ import annotations

from mooq.amqp.methods import BASIC_DELIVER
from mooq.amqp.output import MOST_UNSENT, Output
from mooq.broker.message import Message


def test_more_than_the_limit_is_full_output() -> None:
    output = Output(131_072)
    for _ in range(2):  # and once more, after all was taken
        output.add(b"x" * (MOST_UNSENT - 1))
        output.add(b"x")
        assert not output.is_full
        output.add(b"x")
        assert output.is_full
        assert len(output.take()) == MOST_UNSENT + 1


def test_many_messages_without_a_body_are_much() -> None:
    output = Output(131_072)
    payload = BASIC_DELIVER.encode("tag", 1, False, "", "k")
    for _ in range(MOST_UNSENT // 64):
        output.send_message(1, payload, Message(b"", "", "k"))
    assert output.is_full
