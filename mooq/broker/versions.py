"""Versions of RabbitMQ: the observed differences between 3.10, 4.0 and 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEADER_LOCATORS = ("client-local", "balanced", "random", "least-leaders")


@dataclass(frozen=True)
class Version:
    """The rules that differ between versions.

    - ``max_message_size``: the maximum size of a body, in bytes
    - ``most_hashes``: the maximum number of ``#`` words in a topic binding; None for no limit
    - ``has_global_prefetch``: whether ``basic.qos`` with ``global`` limits a whole channel
    - ``unknown_type_closes_connection``: whether an unknown exchange type closes the connection
    - ``keeps_transient_exchanges``: whether these survive a restart
    - ``keeps_deaths``: whether the broker itself keeps the deaths of a message and its delivery
      count, and adds ``x-last-death-`` headers; otherwise it believes the header x-death
    - ``dead_letters_are_redelivered``: whether a dead letter keeps the flag redelivered
    - ``delivery_limit``: the default of quorum queues
    - ``counts_first_get``: whether the first ``basic.get`` of a message from a quorum queue has
      ``x-delivery-count``
    - ``counts_returns``: whether a requeued delivery of a quorum queue counts as failed
    - ``rejects_fail``: whether deliveries count as failed if ``basic.reject`` settles them, and not
      if ``basic.nack`` does
    - ``requeues_to_tail``: whether a quorum queue without a delivery limit requeues at the tail
    - ``credits_twice``: whether a consumer's prefetch limit grows with each of its deliveries
      that exceeds the delivery limit
    - ``limits_returns``: whether a delivery limit counts all requeued deliveries, or failed ones
    - ``has_unlimited_deliveries``: whether a negative delivery limit means no limit
    - ``has_acquired_count``: whether redeliveries of a quorum queue have ``x-acquired-count``
    - ``quorum_priorities``: how many message priorities a quorum queue distinguishes
    - ``quorum_switches_active``: whether a consumer with a higher priority replaces the single
      active consumer of a quorum queue
    - ``sorts_consumers_by_tag``: whether a quorum queue returns the deliveries of a closed channel
      in the order of its consumers' tags, instead of the order in which they were added
    - ``counts_properties``: whether properties count towards the length of a quorum queue in bytes
    - ``quotes_queue_type``: whether a refusal shows a queue type as an Erlang binary
    - ``names_default_queue_type``: whether a refusal shows ``classic`` if no type was declared
    - ``times_out_classic``: whether ``consumer_timeout`` applies to classic queues
    - ``consumer_timeout_argument``: where ``x-consumer-timeout`` has an effect: on no queues, on
      any (with any value), or on quorum queues and their consumers
    - ``reads_copies_first``: whether CC and BCC are read before ``user_id`` is checked
    - ``names_unknown_types``: whether an unknown type of a server-named queue is refused, instead
      of causing an internal error
    - ``fails_at_void_type``: whether a void type of such a queue causes an internal error
    - ``takes_empty_type``: whether an empty queue type stands for the default one
    - ``names_permissions``: whether a refusal says which permission is missing
    - ``finds_queues_again``: how a commit finds the queues of a publish: by name, by name unless
      they are classic, or like that unless one is missing, which it refuses
    - ``hides_from_strangers``: whether a passive declaration needs some permission for the name
    - ``returns_replies``: whether a mandatory reply through direct reply-to is returned as
      unroutable, although it is delivered
    - ``shares_replies``: whether direct replies reach channels of other virtual hosts
    - ``numbers_replies``: whether the delivery after a direct reply has the next delivery tag
    - ``checks_delivery_mode``: whether a message's delivery mode must be 1 or 2
    - ``rewrites_expiration``: whether a message's expiration is delivered as a plain number
    - ``matches_strictly``: whether a headers exchange distinguishes integers from floats, and
      compares a header's timestamp in milliseconds
    - ``sorts_headers``: whether a message's headers are sorted by name
    - ``marks_utf8``: whether refusals mark a non-ASCII value as UTF-8
    - ``master_locator``: which values of ``x-queue-master-locator`` a classic queue may have: any,
      known ones (others cause an internal error), or none
    - ``leader_locators``: the valid values of ``x-queue-leader-locator``
    - ``unchecked``: queue arguments that accept any value
    - ``more_of_classic``, ``more_of_quorum``: additional arguments of these queue types
    """

    name: str
    max_message_size: int = 16_777_216
    most_hashes: int | None = None
    has_global_prefetch: bool = True
    unknown_type_closes_connection: bool = False
    keeps_transient_exchanges: bool = False
    keeps_deaths: bool = True
    dead_letters_are_redelivered: bool = False
    delivery_limit: int | None = 20
    counts_first_get: bool = False
    counts_returns: bool = False
    rejects_fail: bool = False
    credits_twice: bool = False
    limits_returns: bool = False
    requeues_to_tail: bool = True
    has_unlimited_deliveries: bool = True
    has_acquired_count: bool = False
    quorum_priorities: Literal["one", "two", "all"] = "two"
    quorum_switches_active: bool = True
    sorts_consumers_by_tag: bool = False
    counts_properties: bool = False
    quotes_queue_type: bool = False
    names_default_queue_type: bool = True
    times_out_classic: bool = True
    consumer_timeout_argument: Literal["none", "any", "quorum"] = "any"
    reads_copies_first: bool = True
    names_unknown_types: bool = False
    fails_at_void_type: bool = False
    takes_empty_type: bool = False
    names_permissions: bool = True
    finds_queues_again: Literal["by name", "unless classic", "or refuses"] = "unless classic"
    hides_from_strangers: bool = False
    returns_replies: bool = True
    shares_replies: bool = True
    numbers_replies: bool = False
    checks_delivery_mode: bool = False
    rewrites_expiration: bool = True
    matches_strictly: bool = True
    sorts_headers: bool = True
    marks_utf8: bool = True
    master_locator: Literal["any", "known", "none"] = "any"
    leader_locators: tuple[str, ...] = (*LEADER_LOCATORS, "min-masters")
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
        keeps_deaths=False,
        delivery_limit=None,
        counts_first_get=True,
        counts_returns=True,
        credits_twice=True,
        sorts_consumers_by_tag=True,
        has_unlimited_deliveries=False,
        quorum_priorities="one",
        quorum_switches_active=False,
        reads_copies_first=False,
        finds_queues_again="by name",
        checks_delivery_mode=True,
        rewrites_expiration=False,
        matches_strictly=False,
        sorts_headers=False,
        marks_utf8=False,
        fails_at_void_type=True,
        names_permissions=False,
        names_default_queue_type=False,
        consumer_timeout_argument="none",
        master_locator="known",
        leader_locators=LEADER_LOCATORS,
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
        counts_properties=True,
        quotes_queue_type=True,
        rejects_fail=True,
        requeues_to_tail=False,
        times_out_classic=False,
        consumer_timeout_argument="quorum",
        names_unknown_types=True,
        hides_from_strangers=True,
        returns_replies=False,
        finds_queues_again="or refuses",
        shares_replies=False,
        numbers_replies=True,
        takes_empty_type=True,
        master_locator="none",
        unchecked=frozenset({"x-queue-mode"}),
        more_of_quorum=(
            *("x-consumer-disconnected-timeout", "x-consumer-timeout"),
            *("x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max"),
        ),
    ),
}
DEFAULT = "4.0"
"""The version that is followed unless another is asked for."""
