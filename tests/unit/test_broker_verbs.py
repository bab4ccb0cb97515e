"""Methods of the in-memory broker, in cases that no RabbitMQ record covers."""

from __future__ import annotations

import pytest

from mooq.broker.broker import ALARMS
from mooq.broker.channel import Channel
from tests.unit.verbs import (
    QUORUM,
    channel_of,
    connect,
    consume,
    declare,
    exchange,
    get,
    new_broker,
    publish,
    refused,
    rest,
    told,
)

# Permissions


def test_user_needs_permissions_on_the_virtual_host() -> None:
    broker = new_broker(permissions={("ann", "tests"): None})
    assert connect(broker, "ann", "tests").is_open
    assert connect(broker, "guest", "/").is_open
    assert refused(lambda: connect(broker, "ann", "/")) == (
        "NOT_ALLOWED - access to vhost '/' refused for user 'ann'"
    )


def test_each_method_checks_its_permission() -> None:
    broker = new_broker(permissions={("ann", "/"): ("^c", "^w", "^r")})
    owner, ann = connect(broker).channel(1), connect(broker, "ann").channel(1)
    for name in "cwrx":
        declare(owner, name)
        exchange(owner, f"{name}e")
    declare(ann, "c")
    exchange(ann, "ce")
    rest(ann, "r")
    ann.queue_bind("w", "re", "k", {})
    ann.queue_purge("r")
    publish(ann, exchange="we")
    words = {
        "configure access to queue 'x'": lambda: declare(ann, "x"),
        "configure access to queue 'w'": lambda: ann.queue_delete(
            "w", if_unused=False, if_empty=False
        ),
        "configure access to exchange 'xe'": lambda: exchange(ann, "xe"),
        "configure access to exchange 're'": lambda: ann.exchange_delete("re", if_unused=False),
        "read access to queue 'w'": lambda: ann.basic_get("w", True),
        "read access to queue 'c'": lambda: ann.queue_purge("c"),
        "read access to queue 'x' ": lambda: consume(ann, "x"),
        "write access to queue 'x'": lambda: ann.queue_bind("x", "re", "k", {}),
        "write access to queue 'r'": lambda: ann.queue_unbind("r", "re", "k", {}),
        "read access to exchange 'xe'": lambda: ann.queue_bind("w", "xe", "k", {}),
        "write access to exchange 'xe'": lambda: publish(ann, exchange="xe"),
        "write access to exchange 'amq.default'": lambda: publish(ann, key="w"),
        "write access to exchange 're'": lambda: ann.exchange_bind("re", "re", "k", {}),
        "write access to exchange 'ce'": lambda: ann.exchange_unbind("ce", "re", "k", {}),
    }
    for start, act in words.items():
        assert refused(act) == (
            f"ACCESS_REFUSED - {start.strip()} in vhost '/' refused for user 'ann'"
        )


def test_empty_permission_pattern_permits_nothing() -> None:
    broker = new_broker(permissions={("ann", "/"): ("", "", "")})
    assert refused(lambda: declare(connect(broker, "ann").channel(1))) == (
        "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'ann'"
    )


def test_passive_declaration_needs_no_permission() -> None:
    broker = new_broker(permissions={("ann", "/"): ("", "", "")})
    declare(connect(broker).channel(1))
    ann = connect(broker, "ann").channel(1)
    declare(ann, passive=True)
    exchange(ann, "amq.direct", passive=True)


# Alarms


def test_each_alarm_blocks_the_publisher_once() -> None:
    broker = new_broker()
    connection = connect(broker)
    assert not connection.content_header_arrived()
    for alarm, reason in ALARMS.items():
        broker.set_alarm(alarm, True)
        assert connection.content_header_arrived()
        assert connection.content_header_arrived()
        assert told(broker) == [f"blocked: {reason}"]
        broker.set_alarm(alarm, False)
        broker.set_alarm(alarm, False)
        assert told(broker) == ["unblocked"]
        assert not connection.content_header_arrived()


def test_publisher_stays_blocked_until_both_alarms_end() -> None:
    broker = new_broker()
    connection, silent = connect(broker), connect(broker)
    broker.set_alarm("memory", True)
    broker.set_alarm("disk", True)
    connection.content_header_arrived()
    assert told(broker) == ["blocked: low on memory & low on disk"]
    broker.set_alarm("memory", False)
    assert (told(broker), broker.has_alarm) == ([], True)
    broker.set_alarm("disk", False)
    assert (told(broker), broker.has_alarm, silent.is_open) == (["unblocked"], False, True)


def test_unknown_alarm_or_version_is_refused() -> None:
    with pytest.raises(ValueError, match="alarm must be one of memory, disk, not 'cpu'"):
        new_broker().set_alarm("cpu", True)
    with pytest.raises(ValueError, match=r"version must be one of 3\.10, 4\.0, 4\.3, not '5'"):
        new_broker("5")


# Queues and exchanges


def test_default_exchange_cannot_be_bound_or_deleted() -> None:
    channel = channel_of()
    words = "ACCESS_REFUSED - operation not permitted on the default exchange"
    declare(channel)
    for act in (
        lambda: channel.exchange_bind("", "amq.direct", "k", {}),
        lambda: channel.exchange_bind("amq.direct", "", "k", {}),
        lambda: channel.exchange_unbind("", "amq.direct", "k", {}),
        lambda: channel.queue_bind("q", "", "k", {}),
        lambda: channel.queue_unbind("q", "", "k", {}),
        lambda: channel.exchange_delete("", if_unused=False),
    ):
        assert refused(act) == words


def test_empty_name_means_the_last_declared_queue() -> None:
    channel = channel_of()
    assert refused(lambda: channel.queue_purge("")) == "NOT_FOUND - no previously declared queue"
    declare(channel, "other")
    declare(channel)
    channel.queue_bind("", "amq.direct", "", {})
    publish(channel, exchange="amq.direct", key="q")
    publish(channel, exchange="amq.direct", key="")
    assert rest(channel, "") == ["m"]
    channel.queue_bind("", "amq.direct", "k", {})
    channel.queue_unbind("", "amq.direct", "", {})
    publish(channel, "0", exchange="amq.direct", key="q")
    publish(channel, "1", exchange="amq.direct", key="k")
    assert rest(channel) == ["1"]
    channel.queue_bind("q", "amq.direct", "", {})
    publish(channel, "2", exchange="amq.direct", key="")
    channel.queue_unbind("q", "amq.direct", "", {})
    publish(channel, "3", exchange="amq.direct", key="")
    assert rest(channel) == ["2"]


def test_conditional_delete_keeps_a_used_queue() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel)
    consume(channel)
    publish(channel)
    get_nothing = channel.basic_get("q", True)
    assert get_nothing is None
    assert refused(lambda: channel.queue_delete("q", if_unused=True, if_empty=False)) == (
        "PRECONDITION_FAILED - queue 'q' in vhost '/' in use"
    )
    channel.basic_cancel("c")
    publish(channel)
    assert refused(lambda: channel.queue_delete("q", if_unused=True, if_empty=True)) == (
        "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty"
    )
    assert channel.queue_delete("q", if_unused=True, if_empty=False) == 1
    assert channel.queue_delete("q", if_unused=False, if_empty=False) == 0


def test_declare_ok_counts_messages_and_consumers() -> None:
    channel = channel_of()
    assert declare(channel) == ("q", 0, 0)
    publish(channel)
    publish(channel)
    assert declare(channel) == ("q", 2, 0)
    consume(channel)
    consume(channel, tag="d")
    assert declare(channel, passive=True) == ("q", 0, 2)


def test_only_a_known_reply_queue_can_be_declared() -> None:
    channel = channel_of()
    assert declare(channel, "amq.rabbitmq.reply-to") == ("amq.rabbitmq.reply-to", 0, 1)
    name = "amq.rabbitmq.reply-to.foo"
    assert refused(lambda: declare(channel, name)) == f"NOT_FOUND - no queue '{name}' in vhost '/'"
    consume(channel, "amq.rabbitmq.reply-to", no_ack=True)
    assert declare(channel, channel.reply_name) == (channel.reply_name, 0, 1)


# Consumers


def two_consumers_under_a_global_limit(
    version: str, *, messages: int, no_ack: bool = False
) -> Channel:
    """Return a channel with a limit of one, and messages for its consumers."""
    channel = channel_of(version)
    declare(channel)
    channel.basic_qos(0, 1, True)
    consume(channel)
    consume(channel, tag="d", no_ack=no_ack)
    for number in range(messages):
        publish(channel, str(number))
    return channel


@pytest.mark.parametrize("version", ["3.10", "4.0"])
def test_raised_global_prefetch_resumes_consumers(version: str) -> None:
    channel = two_consumers_under_a_global_limit(version, messages=5)
    broker = channel.connection.broker

    def given() -> list[str]:
        return [line[-1] for line in told(broker)]

    assert given() == ["0"]
    channel.basic_qos(0, 2, True)
    assert given() == ["1"]
    channel.basic_ack(1, False)
    assert given() == ["2"]
    channel.basic_qos(0, 0, True)
    assert given() == ["3", "4"]


@pytest.mark.parametrize("version", ["3.10", "4.0"])
def test_global_prefetch_stops_no_ack_consumers(version: str) -> None:
    channel = two_consumers_under_a_global_limit(version, messages=4, no_ack=True)
    broker = channel.connection.broker
    assert told(broker) == ["c: 0"]
    channel.basic_ack(1, False)
    assert told(broker) == ["d: 1", "c: 2"]


def test_global_prefetch_is_per_consumer_since_4_3() -> None:
    channel = two_consumers_under_a_global_limit("4.3", messages=3)
    assert told(channel.connection.broker) == ["c: 0", "d: 1"]


def test_consumer_tag_is_free_after_queue_deletion() -> None:
    channel = channel_of()
    declare(channel)
    consume(channel)
    assert refused(lambda: consume(channel)) == "NOT_ALLOWED - attempt to reuse consumer tag 'c'"
    channel.queue_delete("q", if_unused=False, if_empty=False)
    declare(channel)
    consume(channel)
    publish(channel)
    assert told(channel.connection.broker) == ["cancelled c", "c: m"]


def test_paused_consumer_resumes_within_its_prefetch() -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel)
    channel.basic_qos(0, 1, False)
    consume(channel)
    channel.connection.pause()
    publish(channel, "0")
    publish(channel, "1")
    assert told(broker) == []
    channel.connection.resume()
    assert told(broker) == ["c: 0"]
    channel.connection.pause()
    channel.basic_ack(1, False)
    assert told(broker) == []
    channel.connection.resume()
    assert told(broker) == ["c: 1"]
    channel.connection.resume()
    assert told(broker) == []


# Deliveries


def test_gets_and_consumers_share_delivery_tags() -> None:
    channel = channel_of()
    declare(channel)
    for number in range(3):
        publish(channel, str(number))
    assert [get(channel).delivery_tag, get(channel, no_ack=True).delivery_tag] == [1, 2]
    consume(channel)
    publish(channel)
    tags = [effect.delivery_tag for effect in channel.connection.broker.outbox]  # type: ignore[union-attr]
    assert tags == [3, 4]


def test_no_ack_get_leaves_nothing_to_settle() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel)
    get(channel, no_ack=True)
    assert not channel.holds(1)
    assert refused(lambda: channel.basic_ack(1, False)) == (
        "PRECONDITION_FAILED - unknown delivery tag 1"
    )
    assert channel.connection.broker.message_counts("/") == {"q": 0}


def test_held_counts_ready_and_unsettled_messages() -> None:
    broker = new_broker()
    channel, other = connect(broker).channel(1), connect(broker).channel(1)
    elsewhere = connect(broker, virtual_host="tests").channel(1)
    declare(channel)
    declare(elsewhere)
    for _ in range(3):
        publish(channel)
        publish(elsewhere)
    get(channel)
    get(other)
    get(elsewhere)
    assert broker.message_counts("/")["q"] == 3
    other.close()
    other.connection.close()
    assert broker.message_counts("/")["q"] == 3
    channel.basic_ack(1, False)
    assert broker.message_counts("/")["q"] == 2


def test_requeue_resumes_a_consumer_at_its_prefetch() -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel)
    channel.basic_qos(0, 1, False)
    consume(channel)
    for number in range(2):
        publish(channel, str(number))
    assert told(broker) == ["c: 0"]
    channel.basic_nack(1, False, True)
    assert told(broker) == ["c: 0 R"]
    channel.basic_reject(2, False)
    assert told(broker) == ["c: 1"]


# Dead letters


def test_x_death_has_the_original_expiration() -> None:
    channel = channel_of()
    declare(channel, "w", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"})
    declare(channel)
    publish(channel, key="w", expiration="100")
    channel.connection.broker.advance(0.2)
    properties = get(channel).message.properties
    assert properties.headers is not None
    (death,) = properties.headers["x-death"]
    assert death["original-expiration"] == "100"
    assert (death["reason"], death["count"], death["queue"]) == ("expired", 1, "w")
    assert properties.expiration is None


def test_invalid_x_death_entries_are_not_counted() -> None:
    channel = channel_of("3.10")
    declare(channel, "w", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"})
    declare(channel)
    died = {"queue": "w", "reason": "rejected", "count": "often"}
    publish(channel, key="w", headers={"x-death": ["text", died]})
    get(channel, "w")
    channel.basic_reject(1, False)
    headers = get(channel).message.properties.headers
    assert headers is not None
    assert headers["x-death"] == [died | {"count": 1}]


def test_dead_letter_cycle_needs_a_rejection() -> None:
    channel = channel_of()
    declare(channel, "w", {"x-dead-letter-exchange": "", "x-message-ttl": 100})
    broker = channel.connection.broker
    publish(channel, key="w")
    broker.advance(0.2)
    assert rest(channel, "w") == []
    declare(channel, "a", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "b"})
    declare(
        channel,
        "b",
        {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "a",
            "x-message-ttl": 100,
        },
    )
    publish(channel, key="a")
    get(channel, "a")
    channel.basic_reject(1, False)
    broker.advance(0.4)
    assert rest(channel, "a") == ["m"]


def test_quorum_queue_dead_letters_at_delivery_limit() -> None:
    channel = channel_of()
    declare(channel, "w", QUORUM | {"x-delivery-limit": 1, "x-dead-letter-exchange": "amq.fanout"})
    declare(channel)
    channel.queue_bind("q", "amq.fanout", "", {})
    publish(channel, key="w")
    for tag in (1, 2):
        assert rest(channel) == []
        get(channel, "w")
        channel.basic_reject(tag, True)
    headers = get(channel).message.properties.headers
    assert headers is not None
    assert headers["x-death"][0]["reason"] == "delivery_limit"
    assert rest(channel, "w") == []
