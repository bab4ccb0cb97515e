"""Programs of methods that hypothesis writes: few names, so that they meet, and some misuse."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

from hypothesis import strategies as st

from mooq.parity.strategies import Pool, pool
from mooq.parity.wire.programs import EXCHANGES, QUEUES, Pause, Publish, Send, Settle, WireProgram

LONGEST = 12

places: Pool = pool([(0, 1), (0, 1), (1, 1), (0, 2), (1, 2)])
queues: Pool = pool(QUEUES, ["", "amq.mine"], 15)
known_queues: Pool = pool(["q1", "q2", "q1"], ["q3", "", "nobody"], 15)
exchanges: Pool = pool(EXCHANGES, ["", "amq.mine"], 15)
known_exchanges: Pool = pool(["x1", "x2", "x1"], ["x3", "", "nobody"], 15)
sources: Pool = pool(["x1", "x2"], ["x3", "amq.topic", "amq.headers", "", "nobody"], 14)
kinds: Pool = pool(
    ["topic", "fanout", "direct", "headers"], ["x-nothing", "", "x-local-random"], 15
)
keys: Pool = pool(["a", "a.b", "b", "#", "a.*", ""], ["*.b", "a.#.b", "k" * 255], 15)
targets: Pool = pool(["q1", "q2"], ["q3", "a", ""], 14)
bits: Pool = st.sampled_from([False, True])
rarely: Pool = st.sampled_from([False] * 7 + [True])
usually: Pool = st.sampled_from([True] * 7 + [False])

USUAL: dict[str, list[Any]] = {
    "x-max-length": [1, 2, 3],
    "x-max-length-bytes": [4, 8],
    "x-overflow": ["drop-head", "reject-publish", "reject-publish-dlx"],
    "x-dead-letter-exchange": ["", "x1", "x2"],
    "x-dead-letter-routing-key": ["q1", "q2", "a"],
    "x-max-priority": [3],
    "x-single-active-consumer": [True],
    "x-message-ttl": [0, 100, 60_000],
}
"""Arguments of queues with values that they may have."""
ARGUMENTS: dict[str, list[Any]] = {
    "x-max-length": [1, 2, 3, 0, -1, "one"],
    "x-max-length-bytes": [4, 8],
    "x-overflow": ["drop-head", "reject-publish", "reject-publish-dlx", "nothing"],
    "x-dead-letter-exchange": ["", "x1", "x2", "nobody", 7],
    "x-dead-letter-routing-key": ["q1", "q2", "a"],
    "x-max-priority": [3, 3, 0, 256, "high"],
    "x-single-active-consumer": [True, False, "yes"],
    "x-message-ttl": [0, 100, 60_000, -1, "long"],
    "x-expires": [60_000, 0],
    "x-queue-mode": ["lazy", "default"],
    "x-queue-type": ["classic", "nothing", 5],
}
HEADERS: list[dict[str, Any]] = [
    *({"h": 1}, {"h": 2, "g": "s"}, {"h": 1, "g": "s"}),
    *({"CC": ["q1"]}, {"BCC": ["q2", "q3"]}, {"CC": "q1"}, {"n": {"t": [1, None, 2.5]}}),
]
BINDINGS: list[dict[str, Any]] = [
    *({}, {}, {"x-match": "any", "h": 1}, {"x-match": "all", "h": 1, "g": "s"}),
    *({"x-match": "some"}, {"x-match": "any-with-x", "x-h": 1}, {"h": 1}),
]
PROPERTIES: dict[str, list[Any]] = {
    "headers": HEADERS,
    "priority": [0, 1, 3, 9],
    "expiration": ["0", "100", "60000", "-1", "soon"],
    "delivery_mode": [1, 2],
    "user_id": ["guest", "nobody"],
    "content_type": ["text/plain"],
    "correlation_id": ["c"],
    "reply_to": ["q1"],
    "message_id": ["m"],
    "timestamp": [1_700_000_000],
    "type": ["t"],
    "app_id": ["a"],
}


def some_of(values: dict[str, list[Any]], most: int) -> Pool:
    """Return a choice of a few of these, each with one of its values."""
    entries = st.sampled_from(sorted(values)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(values[name]))
    )
    return st.lists(entries, max_size=most).map(dict)


def send(method: str, **fields: Pool) -> Pool:
    """Return a choice of one method's sendings."""

    def make(drawn: Any) -> Send:
        (connection, channel), values = drawn
        return Send(connection, channel, method, {n: v for n, v in values.items() if v})

    return st.tuples(places, st.fixed_dictionaries(fields)).map(make)


_arguments: Pool = st.one_of(st.just({}), some_of(ARGUMENTS, 3))
declare_queue: Pool = send(
    "queue.declare",
    queue=queues,
    durable=usually,
    exclusive=rarely,
    auto_delete=rarely,
    passive=rarely,
    arguments=_arguments,
)
declare_exchange: Pool = send(
    "exchange.declare",
    exchange=exchanges,
    type=kinds,
    durable=usually,
    auto_delete=rarely,
    internal=rarely,
    passive=rarely,
    arguments=pool([{}], [{"alternate-exchange": "x1"}, {"alternate-exchange": "x2"}], 13),
)
bind: Pool = send(
    "queue.bind",
    queue=known_queues,
    exchange=sources,
    routing_key=keys,
    arguments=st.sampled_from(BINDINGS),
)
unbind: Pool = send("queue.unbind", queue=known_queues, exchange=sources, routing_key=keys)
bind_exchange: Pool = send(
    "exchange.bind", destination=known_exchanges, source=known_exchanges, routing_key=keys
)
unbind_exchange: Pool = send(
    "exchange.unbind", destination=known_exchanges, source=known_exchanges, routing_key=keys
)
consume: Pool = send(
    "basic.consume",
    queue=known_queues,
    consumer_tag=pool(["c"], ["", "d"], 15),
    no_ack=rarely,
    exclusive=rarely,
    arguments=pool([{}], [{"x-priority": 5}, {"x-priority": -1}, {"x-priority": "high"}], 14),
)


def _publish(drawn: Any) -> Publish:
    (connection, channel), (exchange, key), mandatory, properties, body = drawn
    return Publish(connection, channel, exchange, key, body, mandatory, properties)


def _settle(drawn: Any) -> Settle:
    (connection, channel), method, index, multiple, requeue = drawn
    return Settle(connection, channel, method, index, multiple, requeue)


publish: Pool = st.tuples(
    places,
    st.one_of(
        st.tuples(st.just(""), targets),
        st.tuples(known_exchanges, keys),
        st.tuples(known_exchanges, keys),
    ),
    rarely,
    st.one_of(st.just({}), some_of(PROPERTIES, 3)),
    st.sampled_from(["m", "n", "long body", ""]),
).map(_publish)
settle: Pool = st.tuples(
    places,
    pool(["basic.ack", "basic.nack", "basic.reject", "basic.ack"]),
    pool([0, 0, 1], [5], 15),
    rarely,
    bits,
).map(_settle)

others: Pool = st.one_of(
    send("basic.qos", prefetch_count=pool([1, 2, 3, 0]), is_global=rarely),
    send("basic.cancel", consumer_tag=pool(["c"], ["nobody"], 14)),
    send("basic.recover", requeue=usually),
    send("queue.purge", queue=known_queues),
    send("queue.delete", queue=known_queues, if_unused=rarely, if_empty=rarely),
    send("exchange.delete", exchange=sources, if_unused=rarely),
    send("confirm.select"),
    send("channel.close", reply_code=st.just(200)),
    unbind,
    bind_exchange,
    unbind_exchange,
    declare_exchange,
    pool(
        [Send(0, 1, "tx.select"), Send(0, 1, "tx.commit"), Send(0, 1, "tx.rollback")],
        [Send(1, 1, "connection.close", {"reply_code": 200}), Pause(), Pause()],
    ),
)
get: Pool = send("basic.get", queue=known_queues, no_ack=bits)
# Hypothesis draws alike from all branches of one_of(), however often one is named.
steps: Pool = st.sampled_from(
    [*[publish] * 8, *[settle] * 5, *[get] * 2, *[consume] * 2, declare_queue, bind, *[others] * 3]
).flatmap(lambda chosen: chosen)


valid_arguments: Pool = st.one_of(st.just({}), some_of(USUAL, 3))
valid_kinds: Pool = pool(["topic", "fanout", "direct", "headers"])


def at(place: tuple[int, int], method: str, **fields: Pool) -> Pool:
    """Return a choice of one method's sendings at one place."""
    return st.fixed_dictionaries(fields).map(lambda values: Send(*place, method, values))


queue_1: Pool = at(
    (0, 1), "queue.declare", queue=st.just("q1"), durable=st.just(True), arguments=valid_arguments
)
queue_2: Pool = at(
    (0, 1), "queue.declare", queue=st.just("q2"), durable=st.just(True), arguments=valid_arguments
)
exchange_1: Pool = at(
    (0, 1), "exchange.declare", exchange=st.just("x1"), type=valid_kinds, durable=st.just(True)
)
exchange_2: Pool = at(
    (0, 1), "exchange.declare", exchange=st.just("x2"), type=valid_kinds, durable=st.just(True)
)
bind_1: Pool = at(
    (0, 1),
    "queue.bind",
    queue=st.just("q1"),
    exchange=st.just("x1"),
    routing_key=keys,
    arguments=st.sampled_from([{}, {"h": 1}]),
)
bind_2: Pool = at((0, 1), "queue.bind", queue=known_queues, exchange=sources, routing_key=keys)
bind_3: Pool = at(
    (0, 1), "exchange.bind", destination=st.just("x2"), source=st.just("x1"), routing_key=keys
)
consume_1: Pool = at((1, 1), "basic.consume", queue=st.just("q1"), consumer_tag=st.just("c"))
consume_2: Pool = at(
    (0, 2), "basic.consume", queue=st.just("q2"), consumer_tag=st.just("c"), no_ack=rarely
)
few: Pool = at((1, 1), "basic.qos", prefetch_count=pool([1, 2]))
confirm: Pool = at((0, 1), "confirm.select")


def _if(one: Pool, is_wanted: bool) -> Pool:
    return one if is_wanted else st.just(None)


worlds: Pool = st.tuples(
    queue_1,
    *(
        st.sampled_from([True, True, True, False]).flatmap(partial(_if, one))
        for one in (
            *(queue_2, exchange_1, exchange_2, bind_1, bind_2, bind_3, few),
            *(consume_1, consume_2, confirm),
        )
    ),
).map(lambda drawn: tuple(one for one in drawn if one is not None))
"""What most steps need: queues, exchanges, bindings, consumers."""


def wire_programs() -> st.SearchStrategy[WireProgram]:
    """Return a choice of programs, which begin with what most of their steps need."""
    # Several lists, since hypothesis keeps a list short unless its least size is large.
    some = st.lists(steps, max_size=LONGEST)
    return st.tuples(worlds, st.lists(steps, min_size=1, max_size=LONGEST), some, some).map(
        lambda drawn: tuple(chain.from_iterable(drawn))
    )
