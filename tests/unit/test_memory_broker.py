"""The in-memory broker: users, virtual hosts, consumers and settlement."""

from __future__ import annotations

import pytest

from mooq.errors import Refused
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.direct import DirectBroker, DirectChannel
from mooq.transports.message import Outcome
from tests.unit.driving import Log, connect, exists, get, rest, send

# Users and virtual hosts


@pytest.mark.parametrize(("username", "password"), [("guest", "guest"), ("ann", "secret")])
def test_correct_login_opens_a_connection(
    broker: DirectBroker, username: str, password: str
) -> None:
    assert broker.connect("tests", username, password, lambda: None).is_open


@pytest.mark.parametrize(
    ("virtual_host", "username", "password"),
    [
        ("/", "guest", "secret"),
        ("/", "guest", ""),
        ("/", "Guest", "guest"),
        ("/", "nobody", "guest"),
        ("nope", "guest", "wrong"),
    ],
    ids=["wrong password", "no password", "other case", "unknown user", "and no virtual host"],
)
def test_login_refusal_has_rabbitmq_text(
    broker: DirectBroker, virtual_host: str, username: str, password: str
) -> None:
    with pytest.raises(Refused) as refused:
        broker.connect(virtual_host, username, password, lambda: None)
    assert (refused.value.code, refused.value.text) == (
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see "
        "the broker logfile.",
    )


def test_missing_virtual_host_has_rabbitmq_text(broker: DirectBroker) -> None:
    with pytest.raises(Refused) as refused:
        connect(broker, "nope")
    assert (refused.value.code, refused.value.text) == (530, "NOT_ALLOWED - vhost nope not found")


def test_virtual_hosts_are_isolated(broker: DirectBroker, channel: DirectChannel) -> None:
    elsewhere = connect(broker, "tests").channel()
    channel.declare_exchange(Exchange("e", "direct"))
    assert not exists(elsewhere, "q")
    elsewhere.declare_exchange(Exchange("e", "topic"))
    elsewhere.declare_queue(Queue("q", auto_delete=True))
    send(channel, "m")
    assert rest(elsewhere) == []
    assert rest(channel) == ["m"]


# Consumers


def test_consumers_of_a_channel_have_distinct_tags(channel: DirectChannel, log: Log) -> None:
    assert len({log.consume(channel, "q", name) for name in "ABC"}) == 3


@pytest.mark.parametrize("verb", ["consume", "get"])
def test_missing_queue_cannot_be_consumed_or_read(
    channel: DirectChannel, log: Log, verb: str
) -> None:
    with pytest.raises(Refused) as refused:
        log.consume(channel, "nope", "A") if verb == "consume" else channel.get("nope")
    assert (refused.value.code, refused.value.text) == (
        404,
        "NOT_FOUND - no queue 'nope' in vhost '/'",
    )


def test_consumers_of_several_connections_take_turns(
    channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    log.consume(channel, "q", "A")
    log.consume(other, "q", "B")
    log.consume(channel, "q", "C")
    send(other, *"01234")
    assert log.told == ["0 A", "1 B", "2 C", "3 A", "4 B"]


def test_cancelled_consumer_keeps_its_deliveries(
    channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    tag = log.consume(channel, "q", "A")
    send(channel, "0", "1")
    channel.cancel(tag)
    send(channel, "2")
    channel.settle(log.held[0].receipt, Outcome.ACKNOWLEDGE)
    channel.close()
    assert log.told == ["0 A", "1 A"]
    assert rest(other) == ["1 R", "2"]


def test_cancelling_an_unknown_tag_is_ignored(channel: DirectChannel, log: Log) -> None:
    tag = log.consume(channel, "q", "A")
    channel.cancel("unknown")
    channel.cancel(tag)
    channel.cancel(tag)
    assert log.told == []


def test_queue_deletion_cancels_its_consumers(
    channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    for user, name in ((channel, "A"), (other, "B")):
        log.consume(user, "q", name)
    send(channel, "m")
    channel.delete_queue("q")
    assert log.told == ["m A", "cancelled A", "cancelled B"]
    channel.settle(log.held[0].receipt, Outcome.ACKNOWLEDGE)
    channel.declare_queue(Queue("q"))
    assert rest(channel) == []
    channel.close()
    assert not channel.is_open


def test_deleting_a_missing_queue_is_ignored(channel: DirectChannel) -> None:
    channel.delete_queue("nope")
    assert exists(channel, "q")


# Settling


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Outcome.ACKNOWLEDGE, ["1"]),
        (Outcome.REQUEUE, ["0 R", "1"]),
        (Outcome.RELEASE, ["0 R", "1"]),
        (Outcome.REJECT, ["1"]),
    ],
)
def test_outcome_settles_the_delivery(
    channel: DirectChannel, outcome: Outcome, left: list[str]
) -> None:
    send(channel, "0", "1")
    channel.settle(get(channel).receipt, outcome)
    assert rest(channel) == left


@pytest.mark.parametrize("later", Outcome)
@pytest.mark.parametrize("first", Outcome)
def test_delivery_is_settled_only_once(
    channel: DirectChannel, first: Outcome, later: Outcome
) -> None:
    send(channel, "0", "1")
    receipt = get(channel).receipt
    channel.settle(receipt, first)
    channel.settle(receipt, later)
    again = first in (Outcome.REQUEUE, Outcome.RELEASE)
    assert rest(channel) == (["0 R", "1"] if again else ["1"])


def test_rejected_message_goes_to_dead_letter_exchange(
    channel: DirectChannel,
) -> None:
    channel.declare_exchange(Exchange("dlx", "fanout"))
    channel.declare_queue(Queue("work", arguments={"x-dead-letter-exchange": "dlx"}))
    channel.bind("q", "dlx", "")
    send(channel, "m", queue="work")
    channel.settle(get(channel, "work").receipt, Outcome.REJECT)
    dead = get(channel)
    assert (dead.message.body, dead.message.exchange, dead.redelivered) == (b"m", "dlx", False)


def test_get_from_an_empty_queue_returns_none(channel: DirectChannel) -> None:
    assert channel.get("q") is None
