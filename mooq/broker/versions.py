"""Versions of RabbitMQ: where 3.10, 4.0 and 4.3 were seen to differ, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Version:
    """The rules in which one version differs from another.

    - ``max_message_size``: bytes of the largest body
    - ``most_hashes``: how many ``#`` words a topic binding may have; None for any number
    - ``has_global_prefetch``: whether ``basic.qos`` with ``global`` limits a whole channel
    - ``unknown_type_closes_connection``: as an unknown exchange type did in 3.10
    - ``keeps_transient_exchanges``: whether these survive a restart
    - ``has_last_death``: whether dead letters have ``x-last-death-`` headers
    - ``dead_letters_are_redelivered``: whether one that was delivered before is flagged so
    - ``delivery_limit``: of quorum queues that declare none
    - ``counts_first_get``: whether the first ``basic.get`` of a message of a quorum queue has
      ``x-delivery-count``
    - ``counts_returns``: whether a requeued delivery of a quorum queue counts as a failed one
    - ``rejects_fail``: whether one that is requeued by ``basic.reject`` does in any case
    - ``limits_returns``: whether a delivery limit is for all deliveries that came back, or for
      those that have failed
    - ``has_unlimited_deliveries``: whether a negative delivery limit stands for none
    - ``keeps_delivery_count``: whether a dead letter keeps the count that it had
    - ``has_acquired_count``: whether its redeliveries have ``x-acquired-count``
    - ``quorum_priorities``: how many priorities of messages a quorum queue tells apart
    - ``quorum_switches_active``: whether a single active consumer of a quorum queue gives way to
      one of a higher priority once it has nothing unacknowledged
    - ``quotes_queue_type``: whether a refusal quotes the type of a queue as a binary
    - ``names_default_queue_type``: whether a refusal names ``classic`` where none was declared
    - ``times_out_classic``: whether ``consumer_timeout`` holds for classic queues
    - ``consumer_timeout_argument``: which queues may have an ``x-consumer-timeout`` that is heeded:
      none, any (where any value is accepted), or quorum queues, and their consumers
    - ``reads_copies_first``: whether CC and BCC are read before ``user_id`` is checked
    - ``names_unknown_types``: whether an unknown type of a queue that the broker names is refused;
      before, the broker failed
    - ``fails_at_void_type``: whether the broker fails at one that is void
    - ``takes_empty_type``: whether an empty type of a queue is the default one
    - ``returns_replies``: whether a mandatory reply over direct reply-to is returned, as one that
      no queue got, although it is delivered
    - ``numbers_replies``: whether a reply over direct reply-to has a delivery tag of its own
    - ``checks_delivery_mode``: whether a message's delivery mode must be 1 or 2
    - ``rewrites_expiration``: whether a message's expiration is delivered as a plain number
    - ``matches_strictly``: whether to a headers exchange an integer differs from the same float,
      and a timestamp is its milliseconds
    - ``sorts_headers``: whether a message's headers come in the order of their names
    - ``marks_utf8``: whether a quoted value beyond ASCII is marked as UTF-8
    - ``unchecked``: arguments of queues of which any value is accepted
    - ``more_of_classic``, ``more_of_quorum``: arguments that queues of a type take beside the rest
    """

    name: str
    max_message_size: int = 16_777_216
    most_hashes: int | None = None
    has_global_prefetch: bool = True
    unknown_type_closes_connection: bool = False
    keeps_transient_exchanges: bool = False
    has_last_death: bool = True
    dead_letters_are_redelivered: bool = False
    delivery_limit: int | None = 20
    counts_first_get: bool = False
    counts_returns: bool = False
    rejects_fail: bool = False
    limits_returns: bool = False
    has_unlimited_deliveries: bool = True
    keeps_delivery_count: bool = True
    has_acquired_count: bool = False
    quorum_priorities: Literal["one", "two", "all"] = "two"
    quorum_switches_active: bool = True
    quotes_queue_type: bool = False
    names_default_queue_type: bool = True
    times_out_classic: bool = True
    consumer_timeout_argument: Literal["none", "any", "quorum"] = "any"
    reads_copies_first: bool = True
    names_unknown_types: bool = False
    fails_at_void_type: bool = False
    takes_empty_type: bool = False
    returns_replies: bool = True
    numbers_replies: bool = False
    checks_delivery_mode: bool = False
    rewrites_expiration: bool = True
    matches_strictly: bool = True
    sorts_headers: bool = True
    marks_utf8: bool = True
    unchecked: frozenset[str] = frozenset()
    more_of_classic: tuple[str, ...] = ("x-queue-leader-locator",)
    more_of_quorum: tuple[str, ...] = ()
    exchange_types: frozenset[str] = frozenset(
        {"direct", "fanout", "topic", "headers", "x-local-random"}
    )


VERSIONS = {
    "3.10": Version(
        "3.10",
        max_message_size=134_217_728,
        unknown_type_closes_connection=True,
        has_last_death=False,
        delivery_limit=None,
        counts_first_get=True,
        counts_returns=True,
        has_unlimited_deliveries=False,
        keeps_delivery_count=False,
        quorum_priorities="one",
        quorum_switches_active=False,
        reads_copies_first=False,
        checks_delivery_mode=True,
        rewrites_expiration=False,
        matches_strictly=False,
        sorts_headers=False,
        marks_utf8=False,
        fails_at_void_type=True,
        names_default_queue_type=False,
        consumer_timeout_argument="none",
        more_of_classic=(),
        exchange_types=frozenset({"direct", "fanout", "topic", "headers"}),
    ),
    "4.0": Version("4.0", limits_returns=True),
    "4.3": Version(
        "4.3",
        most_hashes=2,
        has_global_prefetch=False,
        keeps_transient_exchanges=True,
        dead_letters_are_redelivered=True,
        has_acquired_count=True,
        quorum_priorities="all",
        quotes_queue_type=True,
        rejects_fail=True,
        times_out_classic=False,
        consumer_timeout_argument="quorum",
        names_unknown_types=True,
        returns_replies=False,
        numbers_replies=True,
        takes_empty_type=True,
        unchecked=frozenset({"x-queue-mode"}),
        more_of_quorum=(
            *("x-consumer-disconnected-timeout", "x-consumer-timeout"),
            *("x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max"),
        ),
    ),
}
NEWEST = "4.3"
