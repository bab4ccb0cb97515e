"""Names of exchanges and queues in the in-memory broker, and whose queue a binding is of."""

from __future__ import annotations

from functools import partial

import pytest

from mooq.broker.versions import VERSIONS
from tests.unit.verbs import (
    channel_of,
    connect,
    consume,
    declare,
    exchange,
    new_broker,
    publish,
    refused,
    rest,
)

versions = pytest.mark.parametrize("version", VERSIONS)


@versions
def test_line_breaks_are_removed_from_names(version: str) -> None:
    channel = channel_of(version)
    assert declare(channel, "q\r\n").name == "q"
    assert declare(channel, "\nq", passive=True).name == "q"
    assert declare(channel, "\n").name.startswith("amq.gen-")
    exchange(channel, "x\n")
    exchange(channel, "y\n", "fanout")
    channel.queue_bind("q\n", "\ry", "", {})
    channel.exchange_bind("y\n", "x\n", "k\n", {})
    publish(channel, "1", key="k\n", exchange="x")
    channel.exchange_unbind("y\n", "x\n", "k\n", {})
    publish(channel, "2", key="k\n", exchange="x")
    publish(channel, "3", exchange="y")
    channel.queue_unbind("q\n", "y\n", "", {})
    publish(channel, "4", exchange="y")
    assert rest(channel) == ["1", "3"]
    channel.exchange_delete("x\n", if_unused=False)
    channel.queue_delete("q\n", if_unused=False, if_empty=False)
    assert refused(lambda: declare(channel, "q", passive=True)) == (
        "NOT_FOUND - no queue 'q' in vhost '/'"
    )
    assert refused(lambda: exchange(channel, "x", passive=True)) == (
        "NOT_FOUND - no exchange 'x' in vhost '/'"
    )


@versions
def test_name_without_its_line_breaks_is_checked(version: str) -> None:
    channel = channel_of(version)
    exchange(channel, "x")
    for act in (
        lambda: exchange(channel, "\n"),
        lambda: channel.exchange_delete("\n", if_unused=False),
        lambda: channel.exchange_bind("\n", "x", "", {}),
        lambda: channel.exchange_unbind("x", "\n", "", {}),
        lambda: channel.queue_bind("\n", "\n", "", {}),
        lambda: channel.queue_unbind("\n", "\n", "", {}),
    ):
        assert refused(act) == ("ACCESS_REFUSED - operation not permitted on the default exchange")
    declare(channel)  # "\n" does not refer to it
    assert refused(lambda: channel.queue_bind("\n", "x", "", {})) == (
        "NOT_FOUND - no queue '' in vhost '/'"
    )
    assert refused(lambda: declare(channel, "amq\n.x")) == (
        "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'"
    )
    assert refused(lambda: channel.exchange_delete("amq\n.topic", if_unused=False)) == (
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed"
    )


@versions
def test_line_breaks_are_kept_in_names_of_queues_to_read(version: str) -> None:
    channel = channel_of(version)
    declare(channel)
    for act in (
        lambda: channel.queue_purge("q\n"),
        lambda: channel.basic_get("q\n", True),
        lambda: consume(channel, "q\n"),
    ):
        assert refused(act) == "NOT_FOUND - no queue 'q\n' in vhost '/'"


@versions
def test_binding_of_an_exclusive_queue_is_looked_up_before_its_owner(version: str) -> None:
    broker = new_broker(version)
    owner, other = connect(broker).channel(1), connect(broker).channel(1)
    declare(owner, exclusive=True)
    owner.queue_bind("q", "amq.topic", "k", {})
    other.queue_unbind("q", "nowhere", "k", {})
    other.queue_unbind("q", "amq.topic", "k2", {})
    other.queue_unbind("q", "amq.topic", "k", {"a": 1})
    for act in (other.queue_bind, other.queue_unbind):
        assert refused(partial(act, "q", "amq.topic", "k", {})).startswith("RESOURCE_LOCKED")


@versions
def test_binding_is_checked_before_the_owner_of_its_queue(version: str) -> None:
    broker = new_broker(version)
    owner, other = connect(broker).channel(1), connect(broker).channel(1)
    declare(owner, exclusive=True)
    assert refused(lambda: other.queue_bind("q", "amq.headers", "", {"x-match": "?"})).startswith(
        "PRECONDITION_FAILED - Invalid x-match"
    )
    many = "RESOURCE_LOCKED" if VERSIONS[version].most_hashes is None else "PRECONDITION_FAILED"
    assert refused(lambda: other.queue_bind("q", "amq.topic", "#.#.#", {})).startswith(many)
