"""The broker's verbs: what each one does, in cases that no record of RabbitMQ has."""

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


def test_user_with_permissions_elsewhere_alone_is_not_let_in() -> None:
    broker = new_broker(permissions={("ann", "tests"): None})
    assert connect(broker, "ann", "tests").is_open
    assert connect(broker, "guest", "/").is_open
    assert refused(lambda: connect(broker, "ann", "/")) == (
        "NOT_ALLOWED - access to vhost '/' refused for user 'ann'"
    )


def test_each_verb_asks_for_its_permission() -> None:
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


def test_an_empty_pattern_permits_nothing() -> None:
    broker = new_broker(permissions={("ann", "/"): ("", "", "")})
    assert refused(lambda: declare(connect(broker, "ann").channel(1))) == (
        "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'ann'"
    )


def test_passive_declarations_need_no_permission() -> None:
    broker = new_broker(permissions={("ann", "/"): ("", "", "")})
    declare(connect(broker).channel(1))
    ann = connect(broker, "ann").channel(1)
    declare(ann, passive=True)
    exchange(ann, "amq.direct", passive=True)


# Alarms


def test_publisher_is_blocked_once_by_each_alarm() -> None:
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


def test_two_alarms_are_told_together_and_hold_until_both_end() -> None:
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


def test_unknown_alarm_or_version_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="alarm must be one of memory, disk, not 'cpu'"):
        new_broker().set_alarm("cpu", True)
    with pytest.raises(ValueError, match=r"version must be one of 3\.10, 4\.0, 4\.3, not '5'"):
        new_broker("5")


# Queues and exchanges


def test_default_exchange_is_neither_end_of_a_binding() -> None:
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


def test_last_declared_queue_is_meant_by_no_name() -> None:
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


def test_queue_in_use_or_with_messages_is_kept_if_asked() -> None:
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


def test_declaration_counts_messages_and_consumers() -> None:
    channel = channel_of()
    assert declare(channel) == ("q", 0, 0)
    publish(channel)
    publish(channel)
    assert declare(channel) == ("q", 2, 0)
    consume(channel)
    consume(channel, tag="d")
    assert declare(channel, passive=True) == ("q", 0, 2)


def test_queue_of_replies_is_declared_only_by_a_name_that_was_given() -> None:
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
def test_wider_limit_of_a_channel_lets_its_consumers_go_on(version: str) -> None:
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


def test_limit_of_a_channel_is_none_for_consumers_without_acknowledgements() -> None:
    channel = two_consumers_under_a_global_limit("4.0", messages=4, no_ack=True)
    assert told(channel.connection.broker) == ["c: 0", "d: 1", "d: 2", "d: 3"]


def test_limit_of_a_channel_is_that_of_each_consumer_from_4_3_on() -> None:
    channel = two_consumers_under_a_global_limit("4.3", messages=3)
    assert told(channel.connection.broker) == ["c: 0", "d: 1"]


def test_tag_is_free_when_its_queue_is_gone() -> None:
    channel = channel_of()
    declare(channel)
    consume(channel)
    assert refused(lambda: consume(channel)) == "NOT_ALLOWED - attempt to reuse consumer tag 'c'"
    channel.queue_delete("q", if_unused=False, if_empty=False)
    declare(channel)
    consume(channel)
    publish(channel)
    assert told(channel.connection.broker) == ["cancelled c", "c: m"]


def test_consumer_that_was_paused_goes_on_where_it_has_room() -> None:
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


def test_tags_count_on_over_gets_and_consumers() -> None:
    channel = channel_of()
    declare(channel)
    for number in range(3):
        publish(channel, str(number))
    assert [get(channel).delivery_tag, get(channel, no_ack=True).delivery_tag] == [1, 2]
    consume(channel)
    publish(channel)
    tags = [effect.delivery_tag for effect in channel.connection.broker.outbox]  # type: ignore[union-attr]
    assert tags == [3, 4]


def test_get_without_acknowledgement_leaves_nothing_to_settle() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel)
    get(channel, no_ack=True)
    assert not channel.holds(1)
    assert refused(lambda: channel.basic_ack(1, False)) == (
        "PRECONDITION_FAILED - unknown delivery tag 1"
    )
    assert channel.connection.broker.held("/") == {"q": 0}


def test_what_is_held_counts_ready_and_unsettled_messages_of_open_channels() -> None:
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
    assert broker.held("/")["q"] == 3
    other.close()
    other.connection.close()
    assert broker.held("/")["q"] == 3
    channel.basic_ack(1, False)
    assert broker.held("/")["q"] == 2


def test_requeueing_wakes_the_consumer_that_was_full() -> None:
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


# Transactions


def test_settlements_that_were_not_committed_are_taken_back_at_the_end_of_a_channel() -> None:
    broker = new_broker()
    channel, other = connect(broker).channel(1), connect(broker).channel(1)
    declare(channel)
    for number in range(3):
        publish(channel, str(number))
    channel.tx_select()
    for tag in (1, 2):
        get(channel)
        channel.basic_ack(tag, False)
    publish(channel, "never")
    assert refused(lambda: channel.basic_ack(1, False)).endswith("unknown delivery tag 1")
    channel.close()
    assert rest(other) == ["0 R", "1 R", "2"]


def test_committed_messages_and_settlements_are_done() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel, "0")
    channel.tx_select()
    get(channel)
    channel.basic_ack(1, False)
    publish(channel, "1")
    assert channel.basic_get("q", False) is None
    channel.tx_commit()
    assert rest(channel) == ["1"]
    channel.tx_rollback()
    assert rest(channel) == []


def test_confirms_and_transactions_exclude_each_other() -> None:
    channel, other = channel_of(), channel_of()
    channel.tx_select()
    channel.tx_select()
    other.confirm_select()
    assert refused(channel.confirm_select) == (
        "PRECONDITION_FAILED - cannot switch from tx to confirm mode"
    )
    assert refused(other.tx_select) == "PRECONDITION_FAILED - cannot switch from confirm to tx mode"
    assert refused(other.tx_commit) == "PRECONDITION_FAILED - channel is not transactional"
    assert refused(other.tx_rollback) == "PRECONDITION_FAILED - channel is not transactional"


# Dead letters


def test_death_tells_of_the_expiration_that_a_message_had() -> None:
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


def test_deaths_that_are_none_do_not_count() -> None:
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


def test_dead_letter_goes_round_only_if_somebody_rejected_it() -> None:
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


def test_quorum_queue_ends_what_came_back_too_often() -> None:
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
