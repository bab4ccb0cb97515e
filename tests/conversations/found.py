"""Conversations about rules that random programs found: the in-memory broker had them wrong."""

from __future__ import annotations

from typing import Any

from pamqp.commands import Basic, Confirm, Exchange, Queue

from tests.conversations.steps import declare, publish

SINGLE = {"x-single-active-consumer": True}
HEADERS = Exchange.Declare(exchange="xh", exchange_type="headers")


def match(value: Any) -> Queue.Bind:
    return Queue.Bind(queue="w", exchange="xh", arguments={"x-match": value})


def consume(tag: str, **values: Any) -> Basic.Consume:
    return Basic.Consume(queue="w", consumer_tag=tag, **values)


def of_type(value: Any) -> dict[str, Any]:
    return {"x-queue-type": value}


FOUND: dict[str, list[Any]] = {
    **{
        f"x-match {value!r}": [declare(), HEADERS, match(value)]
        for value in ("some", "", 5, True, None, ["all"], {"a": 1}, "all-with-x")
    },
    "x-match of a topic exchange": [
        declare(),
        Queue.Bind(queue="w", exchange="amq.topic", arguments={"x-match": "some"}),
    ],
    "bad priority before exclusive use": [
        declare(),
        consume("a"),
        consume("b", exclusive=True, arguments={"x-priority": "high"}),
    ],
    "exclusive where one is active": [declare(arguments=SINGLE), consume("a", exclusive=True)],
    "active one stays": [
        declare(arguments=SINGLE),
        consume("a"),
        consume("b", arguments={"x-priority": 5}),
        publish("", "w"),
    ],
    "next active one has the highest priority": [
        declare(arguments=SINGLE),
        consume("a"),
        consume("b"),
        consume("c", arguments={"x-priority": 5}),
        Basic.Cancel(consumer_tag="a"),
        publish("", "w"),
    ],
    "larger than the limit": [
        Confirm.Select(),
        declare(arguments={"x-max-length-bytes": 4, "x-overflow": "reject-publish"}),
        publish("", "w", b"long body"),
        publish("", "w", b"body"),
    ],
    "expired behind the first": [
        declare(),
        publish("", "w", b"a"),
        publish("", "w", b"b", expiration="0"),
        publish("", "w", b"c"),
        consume("a", no_ack=True),
    ],
    "expired behind what is got": [
        declare(),
        publish("", "w", b"a"),
        publish("", "w", b"b", expiration="0"),
        Basic.Get(queue="w", no_ack=True),
    ],
    "full priority queue drops the highest": [
        declare(arguments={"x-max-priority": 3, "x-max-length": 1}),
        publish("", "w", b"low", priority=0),
        publish("", "w", b"high", priority=3),
        Basic.Get(queue="w", no_ack=True),
    ],
    "requeued beyond the limit": [
        declare(arguments={"x-max-length": 1}),
        publish("", "w", b"a"),
        Basic.Get(queue="w"),
        publish("", "w", b"b"),
        Basic.Nack(1, False, True),
        Basic.Get(queue="w", no_ack=True),
        Basic.Get(queue="w", no_ack=True),
    ],
    "passive without a name": [declare(), Queue.Declare(queue="", passive=True)],
    "room of a tag that is used again": [
        declare(),
        Basic.Qos(prefetch_count=1),
        publish("", "w", b"a"),
        publish("", "w", b"b"),
        publish("", "w", b"c"),
        consume("a"),
        Basic.Cancel(consumer_tag="a"),
        consume("a"),
        Basic.Ack(1),
    ],
    "headers by name": [
        publish("", "nobody", mand=True, headers={"h": 1, "g": {"b": 1, "a": 2}}),
    ],
    "type with a dash": [
        Exchange.Declare(exchange="xr", exchange_type="topic"),
        Exchange.Declare(exchange="xr", exchange_type="x-local-random"),
    ],
    **{
        f"server-named of type {value!r}": [Queue.Declare(queue="", arguments=of_type(value))]
        for value in (5, True, None, 2.5, ["classic"], "", "quorum", "nothing")
    },
    "empty type": [declare(durable=True, arguments={"x-queue-type": ""})],
    "type of another kind": [declare(), declare(arguments={"x-queue-type": 5})],
}
"""What RabbitMQ answers is recorded beside that of the other rules."""
