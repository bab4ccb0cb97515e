"""Routing of messages: bindings between exchanges, alternate exchanges, CC and BCC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mooq.broker import refusals
from mooq.broker.exchanges import Destination, Exchange
from mooq.broker.message import HAS_HEADERS, Message
from mooq.broker.values import type_name

if TYPE_CHECKING:
    from mooq.broker.queue import Queue
    from mooq.broker.virtual_host import VirtualHost


def queues_of(host: VirtualHost, message: Message) -> list[Queue]:
    """Return the queues that a message is routed to, each once."""
    keys = message.routing_keys or (message.routing_key,)
    if not message.exchange:
        return [queue for key in dict.fromkeys(keys) if (queue := host.queues.get(key)) is not None]
    found: dict[Queue, None] = {}
    seen: set[Exchange] = set()
    waiting = [host.exchanges[message.exchange]]
    while waiting:
        exchange = waiting.pop()
        if exchange in seen:
            continue
        seen.add(exchange)
        destinations = [one for key in keys for one in exchange.route(message, key)]
        if not destinations and exchange.alternate is not None:
            destinations = _alternates(host, exchange.alternate, keys)
        for destination in destinations:
            if isinstance(destination, Exchange):
                waiting.append(destination)
            else:
                found[destination] = None
    return list(found)


def _alternates(host: VirtualHost, name: str, keys: tuple[str, ...]) -> list[Destination]:
    """Return the destinations of an unrouted message for an alternate exchange."""
    if not name:  # the default exchange
        return [host.queues[key] for key in keys if key in host.queues]
    return [host.exchanges[name]] if name in host.exchanges else []


def with_copies(message: Message) -> Message:
    """Return a message with the routing keys of its headers CC and BCC, and without BCC.

    Raises a refusal for a header that is not an array.
    """
    properties = message.properties
    if not properties.flags & HAS_HEADERS or not properties.headers:
        return message
    headers = properties.headers
    if "CC" not in headers and "BCC" not in headers:
        return message
    keys = (message.routing_key, *_keys(headers, "CC"), *_keys(headers, "BCC"))
    if "BCC" in headers:
        kept = {name: value for name, value in headers.items() if name != "BCC"}
        properties = properties.replace(headers=kept)
    return Message(message.body, message.exchange, message.routing_key, properties, keys)


def with_sorted_headers(message: Message) -> Message:
    """Return a message with its headers sorted by name, as RabbitMQ sends them."""
    headers = message.properties.headers
    if not headers or len(headers) == 1:
        return message
    names = list(headers)
    if names == (ordered := sorted(names)):
        return message
    return message.with_properties(headers={name: headers[name] for name in ordered})


def known_keys(message: Message) -> list[str]:
    """Return the keys that whoever gets a message may know: those of BCC are not among them."""
    if message.routing_keys is None:
        return [message.routing_key]
    copies = _keys(message.properties.headers or {}, "CC")
    return list(message.routing_keys[: 1 + len(copies)])


def _keys(headers: dict[str, Any], name: str) -> list[str]:
    value = headers.get(name)
    if value is None and name not in headers:
        return []
    if not isinstance(value, list):
        why = f'unacceptable_type_in_header,"{name}",{type_name(value)}'
        raise refusals.failed(f"invalid message: {{{why}}}")
    return [key for key in value if isinstance(key, str)]
