"""The broker: users and virtual hosts, connections, channels, and what ends with which of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from mooq.errors import Refused
from mooq.memory_broker.broker import Broker, Channel, Connection
from mooq.message import Delivery, Message, Outcome
from mooq.topology import Exchange, Queue


class Log:
    """What consumers were told: ``m A`` for a delivery to A, ``m R A`` for a repeated one."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.held: list[Delivery] = []

    def consume(self, channel: Channel, queue: str, name: str, prefetch: int = 100) -> str:
        return channel.consume(
            queue, prefetch, partial(self._delivered, name), partial(self._cancelled, name)
        )

    def _delivered(self, name: str, delivery: Delivery) -> None:
        self.held.append(delivery)
        self.told.append(f"{spoken(delivery)} {name}")

    def _cancelled(self, name: str) -> None:
        self.told.append(f"cancelled {name}")


def spoken(delivery: Delivery) -> str:
    return delivery.message.body.decode() + " R" * delivery.redelivered


@pytest.fixture
def broker() -> Broker:
    """A broker with two users and two virtual hosts."""
    return Broker({"guest": "guest", "ann": "secret"}, ["/", "tests"], lambda: datetime.now(UTC))


def connect(broker: Broker, virtual_host: str = "/") -> Connection:
    return broker.connect(virtual_host, "guest", "guest", lambda: None)


@pytest.fixture
def connection(broker: Broker) -> Connection:
    return connect(broker)


@pytest.fixture
def channel(connection: Connection) -> Channel:
    """A channel of a connection on which the durable queue ``q`` is declared."""
    channel = connection.channel()
    channel.declare_queue(Queue("q"))
    return channel


@pytest.fixture
def other(broker: Broker) -> Channel:
    """A channel of another connection."""
    return connect(broker).channel()


@pytest.fixture
def log() -> Log:
    return Log()


def send(channel: Channel, *bodies: str, queue: str = "q") -> None:
    for body in bodies:
        channel.publish(Message(body.encode(), "", queue), False)


def get(channel: Channel, queue: str = "q") -> Delivery:
    delivery = channel.get(queue)
    assert delivery is not None
    return delivery


def rest(channel: Channel, queue: str = "q") -> list[str]:
    """Take, and acknowledge, all that is ready."""
    taken = []
    while (delivery := channel.get(queue)) is not None:
        channel.settle(delivery.receipt, Outcome.ACKNOWLEDGE)
        taken.append(spoken(delivery))
    return taken


def exists(channel: Channel, queue: str) -> bool:
    try:
        channel.get(queue)
    except Refused as refused:
        if refused.code != Refused.NOT_FOUND:
            raise
        return False
    return True


# Users and virtual hosts


@pytest.mark.parametrize(("username", "password"), [("guest", "guest"), ("ann", "secret")])
def test_a_known_user_with_the_right_password_gets_a_connection(
    broker: Broker, username: str, password: str
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
def test_a_login_is_refused_in_rabbitmq_s_words(
    broker: Broker, virtual_host: str, username: str, password: str
) -> None:
    with pytest.raises(Refused) as refused:
        broker.connect(virtual_host, username, password, lambda: None)
    assert (refused.value.code, refused.value.text) == (
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see "
        "the broker logfile.",
    )


def test_a_missing_virtual_host_is_refused_in_rabbitmq_s_words(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        connect(broker, "nope")
    assert (refused.value.code, refused.value.text) == (530, "NOT_ALLOWED - vhost nope not found")


def test_virtual_hosts_share_nothing(broker: Broker, channel: Channel) -> None:
    elsewhere = connect(broker, "tests").channel()
    channel.declare_exchange(Exchange("e", "direct"))
    assert not exists(elsewhere, "q")
    elsewhere.declare_exchange(Exchange("e", "topic"))
    elsewhere.declare_queue(Queue("q", auto_delete=True))
    send(channel, "m")
    assert rest(elsewhere) == []
    assert rest(channel) == ["m"]


# Queues that end by themselves


def test_an_exclusive_queue_outlives_its_channel_and_ends_with_its_connection(
    connection: Connection, channel: Channel, other: Channel
) -> None:
    name = channel.declare_queue(Queue("", exclusive=True))
    channel.close()
    assert exists(connection.channel(), name)
    connection.close()
    assert not exists(other, name)


def test_an_exclusive_queue_is_open_to_all_channels_of_its_connection_alone(
    connection: Connection, channel: Channel, other: Channel, log: Log
) -> None:
    channel.declare_exchange(Exchange("e", "direct"))
    name = channel.declare_queue(Queue("mine", exclusive=True))
    for act in (
        lambda: other.declare_queue(Queue(name, exclusive=True)),
        lambda: other.declare_queue(Queue(name)),
        lambda: other.bind(name, "e", "k"),
        lambda: log.consume(other, name, "A"),
        lambda: other.get(name),
        lambda: other.delete_queue(name),
    ):
        with pytest.raises(Refused, match="cannot obtain exclusive access") as refused:
            act()
        assert refused.value.code == 405
    sibling = connection.channel()
    sibling.bind(name, "e", "k")
    log.consume(sibling, name, "B")
    sibling.delete_queue(name)
    assert not exists(channel, name)


def test_the_name_of_an_exclusive_queue_is_free_when_its_owner_has_gone(
    connection: Connection, channel: Channel, other: Channel
) -> None:
    channel.declare_queue(Queue("mine", exclusive=True))
    connection.close()
    assert other.declare_queue(Queue("mine")) == "mine"


def test_an_auto_delete_queue_goes_with_its_last_consumer_and_its_messages(
    channel: Channel, log: Log
) -> None:
    channel.declare_queue(Queue("ad", auto_delete=True))
    tags = [log.consume(channel, "ad", name, prefetch=1) for name in "AB"]
    send(channel, "0", "1", "2", queue="ad")
    channel.cancel(tags[0])
    assert exists(channel, "ad")
    channel.cancel(tags[1])
    assert not exists(channel, "ad")
    channel.settle(log.held[0].receipt, Outcome.REQUEUE)
    assert log.told == ["0 A", "1 B"]


def test_an_auto_delete_queue_goes_when_the_channel_of_its_last_consumer_closes(
    channel: Channel, other: Channel, log: Log
) -> None:
    channel.declare_queue(Queue("ad", auto_delete=True))
    for user in (channel, other):
        log.consume(user, "ad", "A")
    send(channel, "m", queue="ad")
    other.close()
    assert exists(channel, "ad")
    channel.close()
    assert log.told == ["m A"]  # nobody is told of a cancellation it asked for


def test_an_auto_delete_queue_without_a_consumer_stays(
    connection: Connection, channel: Channel, other: Channel
) -> None:
    channel.declare_queue(Queue("ad", auto_delete=True))
    send(channel, "m", queue="ad")
    assert rest(channel, "ad") == ["m"]
    connection.close()
    assert exists(other, "ad")


def test_a_queue_that_does_not_delete_itself_stays_without_consumers(
    channel: Channel, other: Channel, log: Log
) -> None:
    channel.cancel(log.consume(channel, "q", "A"))
    log.consume(channel, "q", "B")
    channel.close()
    assert exists(other, "q")


def test_an_exclusive_auto_delete_queue_goes_with_the_channel_of_its_consumer(
    connection: Connection, channel: Channel, log: Log
) -> None:
    name = channel.declare_queue(Queue.for_consumer(None))
    log.consume(channel, name, "A")
    channel.close()
    assert not exists(connection.channel(), name)


# Consumers


def test_every_consumer_of_a_channel_has_a_tag_of_its_own(channel: Channel, log: Log) -> None:
    assert len({log.consume(channel, "q", name) for name in "ABC"}) == 3


@pytest.mark.parametrize("verb", ["consume", "get"])
def test_a_missing_queue_can_neither_be_consumed_from_nor_read(
    channel: Channel, log: Log, verb: str
) -> None:
    with pytest.raises(Refused) as refused:
        log.consume(channel, "nope", "A") if verb == "consume" else channel.get("nope")
    assert (refused.value.code, refused.value.text) == (
        404,
        "NOT_FOUND - no queue 'nope' in vhost '/'",
    )


def test_consumers_of_several_connections_take_turns(
    channel: Channel, other: Channel, log: Log
) -> None:
    log.consume(channel, "q", "A")
    log.consume(other, "q", "B")
    log.consume(channel, "q", "C")
    send(other, *"01234")
    assert log.told == ["0 A", "1 B", "2 C", "3 A", "4 B"]


def test_a_cancelled_consumer_gets_nothing_more_and_its_channel_keeps_what_it_has(
    channel: Channel, other: Channel, log: Log
) -> None:
    tag = log.consume(channel, "q", "A")
    send(channel, "0", "1")
    channel.cancel(tag)
    send(channel, "2")
    channel.settle(log.held[0].receipt, Outcome.ACKNOWLEDGE)
    channel.close()
    assert log.told == ["0 A", "1 A"]
    assert rest(other) == ["1 R", "2"]


def test_cancelling_an_unknown_tag_is_nothing(channel: Channel, log: Log) -> None:
    tag = log.consume(channel, "q", "A")
    channel.cancel("unknown")
    channel.cancel(tag)
    channel.cancel(tag)
    assert log.told == []


def test_consumers_are_told_that_their_queue_was_deleted_and_their_channel_goes_on(
    channel: Channel, other: Channel, log: Log
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


def test_deleting_a_missing_queue_is_nothing(channel: Channel) -> None:
    channel.delete_queue("nope")
    assert exists(channel, "q")


# Settling


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Outcome.ACKNOWLEDGE, ["1"]),
        (Outcome.REQUEUE, ["0 R", "1"]),
        (Outcome.GIVE_BACK, ["0 R", "1"]),
        (Outcome.REJECT, ["1"]),
    ],
)
def test_an_outcome_decides_what_becomes_of_a_delivery(
    channel: Channel, outcome: Outcome, left: list[str]
) -> None:
    send(channel, "0", "1")
    channel.settle(get(channel).receipt, outcome)
    assert rest(channel) == left


@pytest.mark.parametrize("later", Outcome)
@pytest.mark.parametrize("first", Outcome)
def test_a_delivery_is_settled_once(channel: Channel, first: Outcome, later: Outcome) -> None:
    send(channel, "0", "1")
    receipt = get(channel).receipt
    channel.settle(receipt, first)
    channel.settle(receipt, later)
    again = first in (Outcome.REQUEUE, Outcome.GIVE_BACK)
    assert rest(channel) == (["0 R", "1"] if again else ["1"])


def test_a_rejected_message_goes_to_the_dead_letter_exchange_of_its_queue(channel: Channel) -> None:
    channel.declare_exchange(Exchange("dlx", "fanout"))
    channel.declare_queue(Queue("work", dead_letter_exchange="dlx"))
    channel.bind("q", "dlx", "")
    send(channel, "m", queue="work")
    channel.settle(get(channel, "work").receipt, Outcome.REJECT)
    dead = get(channel)
    assert (dead.message.body, dead.message.exchange, dead.redelivered) == (b"m", "dlx", False)


def test_an_empty_queue_has_nothing_to_get(channel: Channel) -> None:
    assert channel.get("q") is None


# What ends


@pytest.fixture(params=["channel", "connection", "all connections"])
def end(
    request: pytest.FixtureRequest, broker: Broker, connection: Connection, channel: Channel
) -> Iterator[Callable[[], None]]:
    """How a channel may end."""
    yield {
        "channel": channel.close,
        "connection": connection.close,
        "all connections": broker.drop_connections,
    }[request.param]
    assert not channel.is_open


def test_what_a_channel_held_goes_back_to_its_place(
    broker: Broker, channel: Channel, log: Log, end: Callable[[], None]
) -> None:
    send(channel, *"012345")
    get(channel)
    tag = log.consume(channel, "q", "A", prefetch=2)
    channel.cancel(tag)
    log.consume(channel, "q", "B", prefetch=1)
    channel.settle(log.held[1].receipt, Outcome.ACKNOWLEDGE)
    end()
    assert log.told == ["1 A", "2 A", "3 B"]
    assert rest(connect(broker).channel()) == ["0 R", "1 R", "3 R", "4", "5"]


def test_a_channel_that_ended_gets_nothing_more(
    broker: Broker, channel: Channel, log: Log, end: Callable[[], None]
) -> None:
    log.consume(channel, "q", "A")
    end()
    send(connect(broker).channel(), "m")
    assert log.told == []


def test_a_late_settlement_does_not_reach_the_next_delivery(
    broker: Broker, channel: Channel, log: Log, end: Callable[[], None]
) -> None:
    send(channel, "m")
    late = get(channel)
    end()
    again = connect(broker).channel()
    log.consume(again, "q", "A")
    channel.settle(late.receipt, Outcome.ACKNOWLEDGE)
    again.close()
    assert rest(connect(broker).channel()) == ["m R"]


def test_what_a_closed_channel_held_goes_to_others_at_once(
    channel: Channel, other: Channel, log: Log
) -> None:
    log.consume(channel, "q", "A", prefetch=2)
    send(channel, *"01")
    log.consume(other, "q", "B")
    send(channel, "2")
    channel.close()
    assert log.told == ["0 A", "1 A", "2 B", "0 R B", "1 R B"]


def test_a_channel_may_be_closed_twice(connection: Connection, channel: Channel) -> None:
    channel.close()
    channel.close()
    connection.close()
    assert not channel.is_open


def test_a_broker_tells_every_connection_that_it_dropped_and_no_other(broker: Broker) -> None:
    told: list[str] = []
    connections = [
        broker.connect(virtual_host, "guest", "guest", partial(told.append, name))
        for name, virtual_host in (("A", "/"), ("B", "tests"), ("C", "/"))
    ]
    connections[2].close()
    broker.drop_connections()
    broker.drop_connections()
    assert told == ["A", "B"]
    assert not any(connection.is_open for connection in connections)


# Restart


def test_a_restart_drops_connections_and_keeps_what_is_durable(
    broker: Broker, connection: Connection, channel: Channel
) -> None:
    channel.declare_exchange(Exchange("e", "direct"))
    channel.bind("q", "e", "k")
    gone = [
        channel.declare_queue(Queue("", exclusive=True)),
        channel.declare_queue(Queue("transient", durable=False)),
    ]
    for number, persistent in enumerate([True, False, True]):
        channel.publish(Message(b"%d" % number, "e", "k", persistent=persistent), True)
    get(channel)
    broker.restart()
    assert not connection.is_open
    after = connect(broker).channel()
    assert not any(exists(after, name) for name in gone)
    after.publish(Message(b"3", "e", "k"), True)
    assert rest(after) == ["0 R", "2", "3"]


def test_a_restart_reaches_every_virtual_host(broker: Broker) -> None:
    connect(broker, "tests").channel().declare_queue(Queue("transient", durable=False))
    broker.restart()
    assert not exists(connect(broker, "tests").channel(), "transient")
