"""A broker's refusal, as the error that a user meets: named, placed, and with what to do."""

from __future__ import annotations

from mooq.address import Address
from mooq.errors import (
    BadExchange,
    BadQueue,
    BrokerInternalError,
    ConsumerQueueNotFound,
    ExchangeNotFound,
    MessageUnroutable,
    MooqError,
    Refused,
)


def of_exchange(refused: Refused, exchange_name: str, address: Address) -> MooqError:
    """Return why an exchange could not be declared or published to."""
    place = _place(f"exchange {exchange_name!r}", address)
    if refused.code == Refused.NOT_FOUND:
        return ExchangeNotFound(
            f"{place} does not exist: register a producer or a consumer for it first "
            f"[{refused.text}]"
        )
    if refused.code == Refused.NO_ROUTE:
        return MessageUnroutable(
            f"{place} has no queue bound for this message: register a consumer with a matching "
            "routing key first, or publish without mandatory"
        )
    if refused.code == Refused.PRECONDITION_FAILED:
        return BadExchange(
            f"{place} exists already, but not like this: {_mend_exchange(refused)} [{refused.text}]"
        )
    return _of_any(refused, place, BadExchange)


def missing_dead_letter_exchange(exchange_name: str, address: Address) -> ExchangeNotFound:
    """Return the error for a dead-letter exchange that would lose every message sent to it."""
    place = _place(f"dead-letter exchange {exchange_name!r}", address)
    return ExchangeNotFound(
        f"{place} does not exist, so RabbitMQ would drop messages that fail: check its name, or "
        "declare it first, by register_producer() or by the consumer of its messages"
    )


def of_queue(refused: Refused, queue_name: str, address: Address) -> MooqError:
    """Return why a queue could not be declared, bound, consumed from, read or deleted."""
    place = _place(f"queue {queue_name!r}", address)
    if refused.code == Refused.NOT_FOUND:
        return ConsumerQueueNotFound(
            f"{place} does not exist: register a consumer with this queue_name first "
            f"[{refused.text}]"
        )
    if refused.code == Refused.RESOURCE_LOCKED:
        return BadQueue(
            f"{place} is exclusive to another connection: use another name [{refused.text}]"
        )
    if refused.code == Refused.PRECONDITION_FAILED:
        return BadQueue(
            f"{place} exists already, but not like this: {_mend_queue(refused)} [{refused.text}]"
        )
    return _of_any(refused, place, BadQueue)


def _mend_exchange(refused: Refused) -> str:
    """Return what helps where an exchange exists with other properties."""
    if "inequivalent arg 'type'" in refused.text:
        return "use the type it has, or another name"
    if "inequivalent arg 'durable'" in refused.text:
        return (
            "mooq's exchanges are durable and this one is not; delete it and let mooq declare it, "
            "or use another name"
        )
    return "it has properties that mooq does not declare; delete it, or use another name"


def _mend_queue(refused: Refused) -> str:
    """Return what helps where a queue exists with other properties."""
    if "inequivalent arg 'x-dead-letter-exchange'" in refused.text:
        return (
            "register the consumer with the dead_letter_exchange it has, or delete it, or use "
            "another name"
        )
    return (
        "it has properties that register_consumer() does not declare; delete it and let mooq "
        "declare it, or use another name"
    )


def _of_any(refused: Refused, place: str, bad: type[MooqError]) -> MooqError:
    """Return what a refusal comes to that is no matter of exchanges or queues."""
    if refused.code == Refused.ACCESS_REFUSED:
        return bad(f"{place} may not be used like this [{refused.text}]")
    return BrokerInternalError(
        f"{place} could not be used: the broker failed; see its log [{refused.text}]"
    )


def _place(what: str, address: Address) -> str:
    return f"{what} at {address}, virtual host {address.virtual_host!r},"
