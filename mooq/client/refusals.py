"""Turning a broker's refusal into an error that names the object and says what to do."""

from __future__ import annotations

import re

from mooq.basics.address import Address
from mooq.errors import (
    BadExchange,
    BadQueue,
    BrokerConnectionError,
    BrokerInternalError,
    ConsumerQueueNotFound,
    ExchangeNotFound,
    MessageUnroutable,
    MooqError,
    Refused,
)

_INEQUIVALENT = re.compile(
    r"inequivalent arg '([^']+)' for \w+ .*: received (.+?) but current is (.+)$", re.DOTALL
)
OWN_CHANNELS = 1  # per connection: on RabbitMQ, the control channel


def of_exchange(refused: Refused, exchange_name: str, address: Address) -> MooqError | ValueError:
    """Return the error for an exchange that could not be declared or published to."""
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
    if refused.code == Refused.PRECONDITION_FAILED and "user_id property" in refused.text:
        return ValueError(
            f"user_id must be the user of the connection to {address}, or left out [{refused.text}]"
        )
    if refused.code == Refused.PRECONDITION_FAILED and "inequivalent arg" not in refused.text:
        return BadExchange(f"{place} has invalid arguments: correct them [{refused.text}]")
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


def missing_queue(queue_name: str, address: Address) -> ConsumerQueueNotFound:
    """Return the error for consuming from a queue that does not exist."""
    place = _place(f"queue {queue_name!r}", address)
    return ConsumerQueueNotFound(f"{place} does not exist: declare it first, or check its name")


def of_queue(refused: Refused, queue_name: str, address: Address) -> MooqError:
    """Return the error for a refused operation on a queue."""
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
    if refused.code == Refused.PRECONDITION_FAILED and "inequivalent arg" not in refused.text:
        return BadQueue(f"{place} has invalid arguments: correct them [{refused.text}]")
    if refused.code == Refused.PRECONDITION_FAILED:
        return BadQueue(
            f"{place} exists already, but not like this: {_mend_queue(refused)} [{refused.text}]"
        )
    return _of_any(refused, place, BadQueue)


def of_binding(
    refused: Refused, queue_name: str, exchange_name: str, address: Address
) -> MooqError | ValueError:
    """Return the error for a queue that could not be bound to an exchange."""
    if "exchange" in refused.text.partition(" in vhost")[0]:
        return of_exchange(refused, exchange_name, address)
    return of_queue(refused, queue_name, address)


def is_consumer_timeout(refused: Refused | None) -> bool:
    """Return whether a channel was closed because an acknowledgement took too long."""
    return (
        refused is not None
        and refused.code == Refused.PRECONDITION_FAILED
        and refused.text.startswith("PRECONDITION_FAILED - delivery acknowledgement on channel")
    )


def report_of_loss(
    reason: Refused | None, address: Address, running: tuple[str, str] | None
) -> str:
    """Return the broker's reason for closing the consumers' channel, for the log.

    ``running`` are the names of a callback that is running on it, and of its queue.
    """
    text = "" if reason is None else f" [{reason.text}]"
    if not is_consumer_timeout(reason):
        return f"the broker closed a channel to {address}; its consumers are being restarted{text}"
    if running is None:
        return (
            f"messages of a channel to {address} waited for process_events() longer than the "
            f"broker's consumer_timeout, so it closed the channel and requeued them{text}"
        )
    return _report_of_slowness(*running, address, "closed the channel") + text


def report_of_cancel(address: Address, queue_name: str, callback: str | None) -> str:
    """Return the broker's reason for ending a consumer whose queue still exists, for the log.

    ``callback`` is the name of one that is running for it.
    """
    if callback is None:
        return (
            f"the broker cancelled a consumer of queue {queue_name!r} at {address}; it is being "
            "restarted"
        )
    return _report_of_slowness(callback, queue_name, address, "cancelled the consumer")


def _report_of_slowness(callback: str, queue_name: str, address: Address, did: str) -> str:
    return (
        f"callback {callback} has held a message of queue {queue_name!r} at "
        f"{address} for longer than the broker's consumer_timeout, so the broker {did} and "
        "requeued the message; it is not started again while the callback runs. "
        "Make the callback shorter, or raise consumer_timeout"
    )


def _mend_exchange(refused: Refused) -> str:
    """Return the advice for an exchange that exists with other properties."""
    if "inequivalent arg 'type'" in refused.text:
        return "use the type it has, or another name"
    return (
        f"{_difference(refused, 'declare_exchange', 'arguments')}or delete it, or use another name"
    )


def _mend_queue(refused: Refused) -> str:
    """Return the advice for a queue that exists with other properties."""
    if "inequivalent arg 'x-dead-letter-exchange'" in refused.text:
        return (
            "register the consumer with the dead_letter_exchange it has, or delete it, or use "
            "another name"
        )
    return (
        f"{_difference(refused, 'declare_queue', 'queue_arguments')}or take the queue as it is by "
        "consume(), or delete it, or use another name"
    )


def _difference(refused: Refused, method: str, arguments: str) -> str:
    """Return which property differs, and the argument that would accept it; "" if unknown."""
    found = _INEQUIVALENT.search(refused.text)
    if found is None:
        return ""
    name, asked, there = found[1], _value(found[2]), _value(found[3])
    argument = (
        f"{name}={there.capitalize()} to {method}()"
        if there in ("true", "false")
        else f"{arguments}={{{name!r}: …}}"
    )
    return f"its {name} is {there}, and {asked} was asked for: pass {argument}, "


def _value(text: str) -> str:
    """Return a value in RabbitMQ's notation, such as: the value '5' of type 'signedint'."""
    found = re.search(r"'([^']*)'", text)
    return found[1] if found else text


def of_another_channel(channel_max: int, address: Address) -> BrokerConnectionError:
    """Return the error for a channel beyond the connection's limit."""
    return BrokerConnectionError(
        f"the connection to {address} has {_channels(channel_max)}: close unused "
        "channels, open another connection with mooq.connect(), or raise channel_max, here and "
        "in the broker's configuration",
        transient=False,
    )


def of_channels_to_restore(count: int, channel_max: int, address: Address) -> BrokerConnectionError:
    """Return the error for a lost connection that cannot restore all its channels."""
    return BrokerConnectionError(
        f"the connection to {address} had {count} channels when it was lost, and may now have "
        f"{_channels(channel_max)}: close some, or raise channel_max, here and in the "
        "broker's configuration",
        transient=False,
    )


def _channels(channel_max: int) -> str:
    return (
        f"{channel_max - OWN_CHANNELS} channels, as many as the broker allows (channel_max is "
        f"{channel_max}, and mooq uses {OWN_CHANNELS} itself)"
    )


def _of_any(refused: Refused, place: str, bad: type[MooqError]) -> MooqError:
    """Return the error for a refusal that does not concern an exchange or a queue."""
    if refused.code == Refused.ACCESS_REFUSED:
        return bad(f"{place} cannot be used in this way [{refused.text}]")
    if refused.code == Refused.NOT_ALLOWED:  # it has closed the connection, too
        return BrokerConnectionError(
            f"{place} could not be used: the broker allows no more channels; close unused "
            f"channels, or raise the limit [{refused.text}]",
            transient=False,
        )
    return BrokerInternalError(
        f"{place} could not be used: the broker failed; see its log [{refused.text}]"
    )


def _place(what: str, address: Address) -> str:
    return f"{what} at {address}, virtual host {address.virtual_host!r},"
