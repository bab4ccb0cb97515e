"""Retries for one queue: copies of failed messages, the queues they wait in, the parking queue.

A copy is published to a queue whose messages expire after the wait and are dead-lettered back. When
the broker has confirmed the copy, the failed message is acknowledged. If the service dies between
the two, there is a duplicate with the same message id, and no message is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mooq.basics.wording import in_seconds
from mooq.client.queue_arguments import queue_arguments
from mooq.client.retry import Retry
from mooq.errors import MooqError, Refused, Unconfirmed
from mooq.transports.declarations import Queue, check_new_queue_name
from mooq.transports.message import Delivery, Message, Outcome

ATTEMPT = "x-mooq-attempt"
"""The header with the number of the attempt, from the second attempt on."""
ORIGIN = "x-mooq-origin"
"""The header of a waiting copy, with the original properties to restore."""
PARKED = "x-mooq-parked"
"""The header of a parked message, with its origin and the type of the exception."""
ROUTING_HEADERS = ("CC", "BCC")

log: logging.Logger = logging.getLogger("mooq.callbacks")


class Retries:
    """The retries for the messages of one queue.

    ``publish`` publishes a message and waits for the confirm. It raises :class:`Refused` for a
    message that reaches no queue. ``declare`` declares a queue.

    Raises :class:`~mooq.BadQueue` for a name that is too long.
    """

    def __init__(
        self,
        policy: Retry,
        queue: Queue,
        username: str,
        publish: Callable[[Message], Awaitable[None]],
        declare: Callable[[Queue], Awaitable[object]],
    ) -> None:
        self._policy = policy
        self._queue = queue
        self._username = username
        self._publish = publish
        self._declare = declare
        self._parking = policy.parking_queue or f"{queue.name}.parked"
        for wanted in reversed(self.queues):
            check_new_queue_name(wanted.name)

    @property
    def queues(self) -> list[Queue]:
        """The retry queues and the parking queue, of the same type as the queue itself."""
        attempts = range(1, self._policy.attempts)
        waits = dict.fromkeys(self._policy.wait_after(attempt) for attempt in attempts)
        kind = self._queue.arguments.get("x-queue-type")
        of_type = {} if kind is None else {"x-queue-type": kind}
        return [
            *(
                Queue(self._waiting(wait), arguments=self._arguments(wait, of_type))
                for wait in waits
            ),
            Queue(self._parking, arguments=of_type),
        ]

    def _waiting(self, milliseconds: int) -> str:
        return f"{self._queue.name}.retry.{milliseconds}"

    def _arguments(self, milliseconds: int, of_type: dict[str, Any]) -> dict[str, Any]:
        back = queue_arguments(
            message_ttl=milliseconds / 1000,
            dead_letter_exchange="",
            dead_letter_routing_key=self._queue.name,
        )
        return {**back, **of_type}

    def restored(self, delivery: Delivery) -> Delivery:
        """Return the original delivery of a waiting copy, with the number of the attempt."""
        message = delivery.message
        headers = message.headers or {}
        origin = headers.get(ORIGIN)
        if not isinstance(origin, dict):
            return delivery
        restored = dict(origin.get("headers") or {})
        restored[ATTEMPT] = _attempt(headers)
        message = message._replace(
            exchange=str(origin.get("exchange", message.exchange)),
            routing_key=str(origin.get("routing-key", message.routing_key)),
            headers=restored,
        )
        return delivery._replace(message=message)

    async def take_over(self, delivery: Delivery, who: str, error: Exception) -> Outcome:
        """Send a failed message to wait or to be parked; return how to settle it."""
        message = self.restored(delivery).message
        headers = {
            name: value for name, value in (message.headers or {}).items() if name != ATTEMPT
        }
        message = message._replace(headers=headers)
        attempt = _attempt(delivery.message.headers or {})
        if attempt >= self._policy.attempts:
            copy = self._parked(message, attempt, error)
            consequence = f"parked in queue {self._parking!r}"
            outcome = Outcome.PARK
        else:
            wait = self._policy.wait_after(attempt)
            copy = self._waiting_copy(message, attempt, wait)
            consequence = f"tried again in {in_seconds(wait / 1000)}"
            outcome = Outcome.RETRY
        try:
            await self._publish_surely(copy)
        except (MooqError, Refused, Unconfirmed) as failure:
            consequence = (
                f"requeued at once, since the delayed copy could not be published ({failure})"
            )
            outcome = Outcome.RELEASE
        log.error(
            "%s failed in attempt %d of %d; message %s (exchange %r, routing key %r, queue %r, "
            "%d bytes) is %s",
            who,
            attempt,
            self._policy.attempts,
            message.message_id,
            message.exchange,
            message.routing_key,
            self._queue.name,
            len(message.body),
            consequence,
            exc_info=error,
        )
        return outcome

    async def _publish_surely(self, copy: Message) -> None:
        try:
            await self._publish(copy)
        except Refused as refused:
            if refused.code != Refused.NO_ROUTE:
                raise
            for queue in self.queues:  # one of them was deleted
                await self._declare(queue)
            await self._publish(copy)

    def _waiting_copy(self, message: Message, attempt: int, wait: int) -> Message:
        """Return a copy whose headers only its callback reads: CC would route it again."""
        origin = {
            "exchange": message.exchange,
            "routing-key": message.routing_key,
            "headers": message.headers,
        }
        return self._copy(message, self._waiting(wait), {ATTEMPT: attempt + 1, ORIGIN: origin})

    def _parked(self, message: Message, attempt: int, error: Exception) -> Message:
        headers = dict(message.headers or {})
        routed = {name: headers.pop(name) for name in ROUTING_HEADERS if name in headers}
        headers[PARKED] = {
            "queue": self._queue.name,
            "exchange": message.exchange,
            "routing-key": message.routing_key,
            "attempts": attempt,
            "error": type(error).__qualname__,
            **routed,
        }
        return self._copy(message, self._parking, headers)

    def _copy(self, message: Message, queue_name: str, headers: dict[str, Any]) -> Message:
        """Return a persistent copy for a queue, without the message's own expiration."""
        properties = message.properties._replace(expiration=None)
        if properties.user_id not in (None, self._username):
            properties = properties._replace(user_id=None)  # RabbitMQ refuses another user's id
        return message._replace(
            exchange="",
            routing_key=queue_name,
            headers=headers,
            persistent=True,
            properties=properties,
        )


def _attempt(headers: Any) -> int:
    attempt = headers.get(ATTEMPT)
    return attempt if isinstance(attempt, int) and attempt > 0 else 1
