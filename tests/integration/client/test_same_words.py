"""Invalid calls raise the same errors on both brokers and have no side effects."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

import mooq
from mooq import errors
from tests.conftest import BrokerAddress
from tests.integration.inbox import Inbox
from tests.integration.steps import cycles_until, make_queue

NUMBER: Any = 1
LIST: Any = []
Call: TypeAlias = Callable[[mooq.Connection, mooq.Channel], Awaitable[object]]


def publish(**arguments: Any) -> Call:
    return lambda _, chan: chan.publish(**{"exchange_name": "log", "msg": 1, **arguments})


def consume(*positional: Any, **arguments: Any) -> Call:
    defaults: dict[str, Any] = {
        "exchange_name": "log",
        "exchange_type": "direct",
        "callback": Inbox(),
    }
    return lambda _, chan: chan.register_consumer(*positional, **{**defaults, **arguments})


def produce(exchange_name: Any = "log", exchange_type: Any = "direct") -> Call:
    return lambda _, chan: chan.register_producer(
        exchange_name=exchange_name, exchange_type=exchange_type
    )


def get(*arguments: Any) -> Call:
    return lambda _, chan: chan.get(*arguments)


def process(num_cycles: Any) -> Call:
    return lambda conn, _: conn.process_events(num_cycles)


def of_closed_channel(call: Call) -> Call:
    async def do(conn: mooq.Connection, _: mooq.Channel) -> object:
        channel = await conn.create_channel()
        await channel.close()
        return await call(conn, channel)

    return do


async def reach_for_the_exclusive_queue(conn: mooq.Connection, chan: mooq.Channel) -> object:
    name = await chan.register_consumer(
        exchange_name="log", exchange_type="direct", callback=Inbox()
    )
    async with type(conn)(**conn._address.where) as stranger:
        return await (await stranger.create_channel()).get(name)


NESTED: list[Any] = []
NESTED.append(NESTED)
TWO_LEVELS: dict[str, Any] = {}
TWO_LEVELS["again"] = TWO_LEVELS

WRONG: list[tuple[str, Call]] = [
    ("publish nowhere", publish(exchange_name="missing")),
    ("publish to nobody, mandatory", publish(routing_key="nobody", mandatory=True)),
    ("publish to no queue, mandatory", publish(exchange_name="", mandatory=True)),
    ("publish to an internal exchange", publish(exchange_name="amq.rabbitmq.trace")),
    ("publish to a long name", publish(exchange_name="x" * 128)),
    ("publish to a name with a line end", publish(exchange_name="a\n")),
    ("publish to a name of another alphabet", publish(exchange_name="журнал")),
    ("publish to None", publish(exchange_name=None)),
    ("publish to a list", publish(exchange_name=["log"])),
    ("publish NaN", publish(msg=math.nan)),
    ("publish infinity", publish(msg=[math.inf])),
    ("publish bytes", publish(msg=b"x")),
    ("publish a set", publish(msg={"x"})),
    ("publish an exception", publish(msg=ValueError())),
    ("publish a key of two", publish(msg={(1, 2): 3})),
    ("publish a cycle", publish(msg=NESTED)),
    ("publish a cycle of dicts", publish(msg=TWO_LEVELS)),
    ("publish half a character", publish(msg="\ud800")),
    ("publish too many digits", publish(msg=10**5000)),
    ("publish 17 MiB", publish(msg="x" * 17 * 2**20)),
    ("publish NaN nowhere", publish(msg=math.nan, exchange_name="missing")),
    ("publish by a long key", publish(routing_key="x" * 256)),
    ("publish by a long key in bytes", publish(routing_key="é" * 128)),
    ("publish by half a character", publish(routing_key="\ud800")),
    ("publish by bytes", publish(routing_key=b"k")),
    ("publish by None", publish(routing_key=None)),
    ("publish mandatory-ish", publish(mandatory="yes")),
    ("publish with an empty id", publish(message_id="")),
    ("publish with a long id", publish(message_id="x" * 256)),
    ("publish with a number for an id", publish(message_id=5)),
    ("publish with half a character for an id", publish(message_id="\ud800")),
    ("publish with a list of headers", publish(headers=[("a", 1)])),
    ("declare an exchange of no type", lambda _, chan: chan.declare_exchange("e", "x")),
    ("declare a queue with a list", lambda _, chan: chan.declare_queue("q", arguments=LIST)),
    ("declare a queue durable by 1", lambda _, chan: chan.declare_queue("q", durable=NUMBER)),
    ("declare a reserved queue", lambda _, chan: chan.declare_queue("amq.q")),
    (
        "declare a queue of another argument's type",
        lambda _, chan: chan.declare_queue("q1", arguments={"x-max-length": "many"}),
    ),
    (
        "declare a queue with a negative length",
        lambda _, chan: chan.declare_queue("q1", arguments={"x-max-length": -1}),
    ),
    ("bind nothing", lambda _, chan: chan.bind_queue("nothing", "log")),
    ("bind to nothing", lambda _, chan: chan.bind_queue("q", "nothing")),
    ("bind by a number", lambda _, chan: chan.bind_queue("q", "log", NUMBER)),
    ("consume nothing", lambda _, chan: chan.consume("nothing", Inbox())),
    ("consume by nobody", lambda _, chan: chan.consume("q", NUMBER)),
    (
        "consume with two dead-letter exchanges",
        consume(
            "q2", dead_letter_exchange="log", queue_arguments={"x-dead-letter-exchange": "log"}
        ),
    ),
    ("consume a queue of no type", consume("q2", queue_arguments={"x-queue-type": "x"})),
    (
        "request within no time",
        lambda _, chan: chan.request(exchange_name="log", msg=1, timeout=0),
    ),
    ("request of nobody", lambda _, chan: chan.request(exchange_name="log", msg=1)),
    ("request of nothing", lambda _, chan: chan.request(exchange_name="nothing", msg=1)),
    ("request a set", lambda _, chan: chan.request(exchange_name="log", msg={1})),
    ("reply by 1", consume("q2", replies=1)),
    ("publish with a header that is no number", publish(headers={"a": float("nan")})),
    ("publish with a negative decimal", publish(headers={"a": Decimal(-1)})),
    ("publish with half a user id", publish(user_id="\ud800")),
    ("publish as somebody else", publish(user_id="somebody")),
    ("publish with an expiration before now", publish(expiration=-1)),
    ("publish with an expiration in eleven years", publish(expiration=11 * 365 * 86_400)),
    ("publish with a priority of 256", publish(priority=256)),
    ("publish with a time of nowhere", publish(timestamp=datetime(2026, 1, 1))),
    ("publish text as an image", publish(msg="x", content_type="image/png")),
    ("publish in no charset", publish(msg="x", content_type="text/plain; charset=x-none")),
    ("publish with a persistence of 1", publish(persistent=1)),
    ("publish with a header in a header of a set", publish(headers={"a": [{"b": {1}}]})),
    ("publish with a large integer", publish(headers={"a": 2**63})),
    ("publish with a small integer", publish(headers={"a": -(2**63) - 1})),
    ("publish with a header called 5", publish(headers={5: 1})),
    ("publish with a long header name", publish(headers={"x" * 129: 1})),
    ("publish with a long header name inside", publish(headers={"a": {"é" * 65: 1}})),
    ("publish with 33 KiB of headers", publish(headers={"a": "x" * 33 * 1024})),
    ("publish with a cycle of headers", publish(headers=TWO_LEVELS)),
    ("publish with half a character in a header", publish(headers={"a": "\ud800"})),
    ("publish with CC", publish(headers={"CC": ["q"]})),
    ("publish with x-death", publish(headers={"x-death": []})),
    ("publish within no time", publish(timeout=0)),
    ("publish within less than no time", publish(timeout=-1)),
    ("publish within NaN", publish(timeout=math.nan)),
    ("publish within a str", publish(timeout="1")),
    ("publish within a time beyond floats", publish(timeout=10**400)),
    ("produce for another type", produce("log", "topic")),
    ("produce for an unknown type", produce("new", "nothing")),
    ("produce for no type", produce("new", "")),
    ("produce for the type None", produce("new", None)),
    ("produce for a type of lists", produce("new", ["direct"])),
    ("produce for the default exchange", produce("")),
    ("produce for a reserved name", produce("amq.mine")),
    ("produce for a long name", produce("x" * 128)),
    ("produce for a NUL", produce("\x00")),
    ("produce for None", produce(None)),
    ("consume from another type", consume("new", exchange_type="fanout")),
    ("consume from a reserved exchange", consume("new", exchange_name="amq.direct")),
    ("consume from a reserved queue", consume("amq.gen-mine")),
    ("consume from no name", consume("")),
    ("consume from a long name", consume("x" * 256)),
    ("consume from a name with a tab", consume("a\tb")),
    ("consume from 5", consume(5)),
    ("consume with no key", consume("new", [])),
    ("consume with a key of 5", consume("new", ["a", 5])),
    ("consume with bytes for keys", consume("new", b"ab")),
    ("consume with 5 for keys", consume("new", 5)),
    ("consume with a long key", consume("new", "x" * 256)),
    (
        "consume with three hashes",
        consume("new", "#.#.#", exchange_name="t", exchange_type="topic"),
    ),
    ("consume with no callback", consume("new", callback=None)),
    ("consume with a str for a callback", consume("new", callback="print")),
    ("consume with no prefetch", consume("new", prefetch_count=0)),
    ("consume with too much prefetch", consume("new", prefetch_count=65536)),
    ("consume with 1.0 for prefetch", consume("new", prefetch_count=1.0)),
    ("consume with other dead letters", consume("q", dead_letter_exchange="graves")),
    ("consume with dead letters to the default", consume("q", dead_letter_exchange="")),
    ("consume with dead letters to 5", consume("new", dead_letter_exchange=5)),
    ("consume with dead letters of no exchange", consume("q", dead_letter_exchange="no-such")),
    ("consume with dead letters, not without", consume("with-graves")),
    (
        "consume with other dead letters than those",
        consume("with-graves", dead_letter_exchange="x"),
    ),
    ("get from nowhere", get("missing")),
    ("get from nowhere, in time", get("missing", 5)),
    ("get from an empty queue", get("q")),
    ("get from a queue that stays empty", get("q", 0.01)),
    ("get from a pseudo-queue", get("amq.rabbitmq.reply-to")),
    ("get from a queue without a name", get("")),
    ("get from a long name", get("x" * 256)),
    ("get from None", get(None)),
    ("get within no time", get("q", 0)),
    ("get within a bool", get("q", True)),
    ("get from another's exclusive queue", reach_for_the_exclusive_queue),
    ("delete a queue without a name", lambda _, chan: chan.delete_queue("")),
    ("delete a queue called 5", lambda _, chan: chan.delete_queue(5)),  # type: ignore[arg-type]
    ("process no events", process(0)),
    ("process minus one", process(-1)),
    ("process 1.0", process(1.0)),
    ("process True", process(True)),
    ("process a str", process("all")),
    ("publish on a closed channel", of_closed_channel(publish())),
    ("publish NaN on a closed channel", of_closed_channel(publish(msg=math.nan))),
    ("produce on a closed channel", of_closed_channel(produce())),
    ("consume on a closed channel", of_closed_channel(consume())),
    ("get on a closed channel", of_closed_channel(get("q"))),
    ("delete on a closed channel", of_closed_channel(lambda _, c: c.delete_queue("q"))),
    ("close in no time", lambda _, chan: chan.close(timeout=0)),
    ("close the connection in no time", lambda conn, _: conn.close(timeout=0)),
]


def in_general(text: str, address: BrokerAddress) -> str:
    """Return a text with placeholders for addresses and generated names."""
    text = text.replace(f"{address['host']}:{address['port']}", "HOST:PORT")
    text = text.replace(address["virtual_host"], "VHOST")
    return re.sub(r"amq\.gen-[\w-]{22}", "amq.gen-NAME", text)


async def said_by(address: BrokerAddress) -> dict[str, str]:
    """Return the errors of all invalid calls on one channel, whose consumer must not notice."""
    said = {}
    async with await mooq.connect(**address) as conn:
        chan = await conn.create_channel()
        inbox = Inbox()
        await chan.register_consumer(
            "undisturbed", "k", exchange_name="log", exchange_type="direct", callback=inbox
        )
        await make_queue(conn, "q", "q")
        async with await conn.create_channel() as other:
            await other.register_producer(exchange_name="graves", exchange_type="direct")
            await other.register_producer(exchange_name="x", exchange_type="direct")
            await other.register_consumer(
                "with-graves",
                "g",
                exchange_name="log",
                exchange_type="direct",
                callback=Inbox(),
                dead_letter_exchange="graves",
            )
        for name, call in WRONG:
            try:
                result = await call(conn, chan)
            except Exception as error:  # noqa: BLE001 - all of them are compared
                said[name] = in_general(f"{type(error).__name__}: {error}", address)
            else:
                said[name] = f"returned {result!r}"
            await chan.publish(exchange_name="log", msg=name, routing_key="k")
        # There are more messages than prefetch_count.
        await cycles_until(conn, lambda: len(inbox.messages) >= len(WRONG), "every message")
        assert inbox.bodies == [name for name, _ in WRONG]
        assert not any(message["redelivered"] for message in inbox.messages)
    return said


async def test_invalid_calls_fail_the_same_on_both_brokers(
    rabbit_address: BrokerAddress,
) -> None:
    rabbit = await said_by(rabbit_address)
    # The virtual hosts have the same name, since RabbitMQ cuts texts at 255 bytes.
    virtual_host = rabbit_address["virtual_host"]
    address: BrokerAddress = {**rabbit_address, "broker": "in_memory", "host": "same-words"}
    async with mooq.InMemoryBroker(
        host=address["host"], port=address["port"], virtual_hosts=[virtual_host]
    ):
        in_memory = await said_by(address)
    assert in_memory == rabbit
    assert len(in_memory) == len(WRONG)  # the names are unique
    for name, text in rabbit.items():
        kind = text.partition(":")[0]
        assert kind in {"TypeError", "ValueError", *errors_of_mooq()}, (name, text)
        assert len(text) < 1000, name


def errors_of_mooq() -> set[str]:
    return {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, mooq.MooqError)
    }
