"""The methods of a channel that declare, bind and delete exchanges and queues."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, NamedTuple

from mooq.broker import arguments as argument_rules
from mooq.broker import conditions, refusals, reply_to
from mooq.broker.permissions import CONFIGURE, READ, WRITE
from mooq.broker.values import Table

if TYPE_CHECKING:
    from mooq.broker.broker import Connection


class DeclareOk(NamedTuple):
    """The reply to queue.declare."""

    name: str
    message_count: int
    consumer_count: int


class Declarations:
    """The exchanges, queues and bindings that a channel's methods are about.

    It remembers the queue that was declared last.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._broker = connection.broker
        self._host = connection.host
        self._last_queue = ""

    # Exchanges

    def exchange_declare(
        self,
        name: str,
        type_: str,
        *,
        passive: bool,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        """Declare an exchange."""
        name = _stripped(name)
        if passive:
            if not name:
                raise refusals.default_exchange()
            self._check_visible("exchange", name)
            self._host.exchange(name)
            return
        self._host.declare_exchange(
            name,
            type_,
            self.connection.permissions,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments,
        )

    def exchange_delete(self, name: str, *, if_unused: bool) -> None:
        """Delete an exchange."""
        name = _stripped(name)
        self._host.delete_exchange(name, self.connection.permissions, if_unused=if_unused)

    def exchange_bind(
        self, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """Bind an exchange to another."""
        destination, source = _stripped(destination), _stripped(source)
        self._check_binding("exchange", destination, source)
        self._host.exchange(source)
        target = self._host.exchange(destination)
        self._host.bind(source, target, routing_key, arguments, self.connection)

    def exchange_unbind(
        self, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """Remove a binding between exchanges."""
        destination, source = _stripped(destination), _stripped(source)
        self._check_binding("exchange", destination, source)
        target = self._host.exchanges.get(destination)
        if target is not None:
            self._host.unbind(source, target, routing_key, arguments, self.connection)

    def _check_binding(self, kind: str, destination: str, source: str) -> None:
        self._check(WRITE, kind, destination)
        if not source or (kind == "exchange" and not destination):
            raise refusals.default_exchange()
        self._check(READ, "exchange", source)

    def _check(self, permission: int, kind: str, name: str) -> None:
        self.connection.permissions.check(permission, kind, name)

    def _check_visible(self, kind: str, name: str) -> None:
        if self._broker.version_rules.hides_from_strangers:
            self.connection.permissions.check_any(kind, name)

    # Queues

    def _named(self, name: str) -> str:
        """Return a queue's name; ``""`` stands for the queue that the channel declared last."""
        if name:
            return name
        if not self._last_queue:
            raise refusals.no_declared_queue()
        return self._last_queue

    def queue_declare(
        self,
        name: str,
        *,
        passive: bool,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    ) -> DeclareOk:
        """Declare a queue."""
        host = self._host
        name = _stripped(name)
        if name not in host.queues:
            arguments = argument_rules.with_default_type(arguments, self._broker.version_rules)
        if reply_to.is_name(name):
            if not host.replies.knows(name):
                raise refusals.no_queue(name, host.name)
            self._last_queue = name
            return DeclareOk(name, 0, 1)
        if passive:
            self._check_visible("queue", name)
            queue = host.queue(name, self.connection)  # "" is not the last queue here
            queue.declare_again()
        else:
            if name.startswith("amq."):
                raise refusals.reserved_name("queue", name)
            if not name:
                argument_rules.check_type_of_unnamed(arguments, self._broker.version_rules)
                name = f"amq.gen-{token_urlsafe(16)}"
            queue = host.declare_queue(
                name,
                self.connection,
                durable=durable,
                exclusive=exclusive,
                auto_delete=auto_delete,
                arguments=arguments,
            )
        self._last_queue = queue.name
        return DeclareOk(queue.name, len(queue), queue.consumer_count)

    def queue_bind(self, queue: str, exchange: str, routing_key: str, arguments: Table) -> None:
        """Bind a queue to an exchange."""
        name, exchange, routing_key = self._queue_binding(queue, exchange, routing_key)
        self._host.exchange(exchange)
        target = self._host.existing_queue(name)
        self._host.bind(exchange, target, routing_key, arguments, self.connection)

    def queue_unbind(self, queue: str, exchange: str, routing_key: str, arguments: Table) -> None:
        """Remove a binding of a queue."""
        name, exchange, routing_key = self._queue_binding(queue, exchange, routing_key)
        target = self._host.queues.get(name)
        if target is not None:
            self._host.unbind(exchange, target, routing_key, arguments, self.connection)

    def _queue_binding(self, queue: str, exchange: str, routing_key: str) -> tuple[str, str, str]:
        """Return a binding's queue, exchange and key; raise a refusal if it is not permitted.

        Without a queue and a key, both are the name of the queue that was declared last.
        """
        name, exchange = _stripped(self._named(queue)), _stripped(exchange)
        if not queue and not routing_key:
            routing_key = name
        self._check_binding("queue", name, exchange)
        return name, exchange, routing_key

    def queue_purge(self, queue: str) -> int:
        """Drop the ready messages of a queue; return their number."""
        name = self._named(queue)
        self._check(READ, "queue", name)
        return self._host.queue(name, self.connection).purge()

    def queue_delete(self, queue: str, *, if_unused: bool, if_empty: bool) -> int:
        """Delete a queue; return the number of ready messages."""
        name = _stripped(self._named(queue))
        self._check(CONFIGURE, "queue", name)
        if name not in self._host.queues:
            return 0
        found = self._host.queue(name, self.connection)
        conditions.check_deletion(found, self._host.name, if_unused=if_unused, if_empty=if_empty)
        return self._host.delete_queue(found)


def _stripped(name: str) -> str:
    """Return a name without line breaks, which RabbitMQ removes in all methods of this module.

    Only queue.purge keeps them.
    """
    return name.replace("\r", "").replace("\n", "")
