"""Versions of RabbitMQ: where 3.10, 4.0 and 4.3 were seen to differ, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEADER_LOCATORS = ("client-local", "balanced", "random", "least-leaders")


@dataclass(frozen=True)
class Version:
    """The rules in which one version differs from another.

    - ``max_message_size``: bytes of the largest body
    - ``most_hashes``: how many ``#`` words a topic binding may have; None for any number
    - ``has_global_prefetch``: whether ``basic.qos`` with ``global`` limits a whole channel
    - ``unknown_type_closes_connection``: as an unknown exchange type did in 3.10
    - ``keeps_transient_exchanges``: whether these survive a restart
    - ``keeps_deaths``: whether the broker keeps what a message died of by itself, and says the last
      death, too; before, it believed the header x-death of any message
    - ``dead_letters_are_redelivered``: whether one that was delivered before is flagged so
    - ``delivery_limit``: of quorum queues that declare none
    - ``counts_first_get``: whether the first ``basic.get`` of a message of a quorum queue has
      ``x-delivery-count``
    - ``counts_nacks``: whether ``basic.nack`` and ``basic.recover`` count towards a delivery limit
    - ``has_acquired_count``: whether its redeliveries have ``x-acquired-count``
    - ``requeues_to_tail``: whether a quorum queue puts what comes back behind the rest
    - ``names_default_queue_type``: whether a refusal names ``classic`` where none was declared
    - ``times_out_classic``: whether ``consumer_timeout`` holds for classic queues
    - ``consumer_timeout_argument``: which queues may have an ``x-consumer-timeout`` that is heeded:
      none, any (where any value is accepted), or quorum queues, and their consumers
    - ``reads_copies_first``: whether CC and BCC are read before ``user_id`` is checked
    - ``names_unknown_types``: whether an unknown type of a queue that the broker names is refused;
      before, the broker failed
    - ``fails_at_void_type``: whether the broker fails at one that is void
    - ``takes_empty_type``: whether an empty type of a queue is the default one
    - ``names_permissions``: whether a refusal says which permission is missing
    - ``counts_replies``: whether a reply over direct reply-to takes a delivery tag of its channel;
      before, it has the tag of the next delivery
    - ``returns_replies``: whether a mandatory reply over direct reply-to is returned, as one that
      no queue got, although it is delivered
    - ``checks_delivery_mode``: whether a message's delivery mode must be 1 or 2
    - ``sorts_headers``: whether a message's headers come in the order of their names
    - ``marks_utf8``: whether a quoted value beyond ASCII is marked as UTF-8
    - ``master_locator``: what an ``x-queue-master-locator`` of a new classic queue does: any value
      is taken; the broker fails at one that it does not know, but for exclusive queues; or each is
      refused
    - ``leader_locators``: the values of ``x-queue-leader-locator``
    - ``unchecked``: arguments of queues of which any value is accepted
    - ``more_of_classic``, ``more_of_quorum``: arguments that queues of a type take beside the rest
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
    counts_nacks: bool = True
    has_acquired_count: bool = False
    requeues_to_tail: bool = False
    names_default_queue_type: bool = True
    times_out_classic: bool = True
    consumer_timeout_argument: Literal["none", "any", "quorum"] = "any"
    reads_copies_first: bool = True
    names_unknown_types: bool = False
    fails_at_void_type: bool = False
    takes_empty_type: bool = False
    names_permissions: bool = True
    counts_replies: bool = False
    returns_replies: bool = True
    checks_delivery_mode: bool = False
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
        requeues_to_tail=True,
        reads_copies_first=False,
        checks_delivery_mode=True,
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
    "4.0": Version("4.0"),
    "4.3": Version(
        "4.3",
        most_hashes=2,
        has_global_prefetch=False,
        keeps_transient_exchanges=True,
        dead_letters_are_redelivered=True,
        has_acquired_count=True,
        counts_nacks=False,
        times_out_classic=False,
        consumer_timeout_argument="quorum",
        names_unknown_types=True,
        counts_replies=True,
        returns_replies=False,
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
