"""Virtual hosts: exchanges, queues, their bindings, and dead-lettering."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooq.broker import arguments as argument_rules
from mooq.broker import refusals
from mooq.broker.binding_arguments import check_match
from mooq.broker.dead_letters import DeadLetters
from mooq.broker.effects import ConsumerCancelled
from mooq.broker.exchanges import EXCHANGES, Destination, Exchange
from mooq.broker.message import Message
from mooq.broker.permissions import CONFIGURE, Permissions
from mooq.broker.queue import Queue
from mooq.broker.reply_to import DirectReplies
from mooq.broker.routing import queues_of
from mooq.broker.topics import words_of
from mooq.broker.values import Table

if TYPE_CHECKING:
    from mooq.broker.broker import Broker, Connection

PREDECLARED = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


class VirtualHost:
    """A virtual host, with its exchanges and queues by name."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.broker = broker
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, Exchange] = {
            name: self._predeclared(name, kind) for name, kind in PREDECLARED.items()
        }
        trace = self._predeclared("amq.rabbitmq.trace", "topic", internal=True)
        self.exchanges[trace.name] = trace
        shares = broker.version_rules.shares_replies
        self.replies: DirectReplies = broker.replies if shares else DirectReplies()
        self.dead_letters: DeadLetters = DeadLetters(self)

    # Exchanges

    def _predeclared(self, name: str, kind: str, *, internal: bool = False) -> Exchange:
        return EXCHANGES[kind](
            name,
            kind,
            durable=True,
            auto_delete=False,
            internal=internal,
            arguments={},
            version=self.broker.version_rules,
        )

    def exchange(self, name: str) -> Exchange:
        """Return an exchange, or raise a refusal if it does not exist."""
        try:
            return self.exchanges[name]
        except KeyError:
            raise refusals.no_exchange(name, self.name) from None

    def declare_exchange(
        self,
        name: str,
        type_: str,
        permissions: Permissions,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        """Declare an exchange, or raise a refusal."""
        version = self.broker.version_rules
        if type_ not in version.exchange_types:
            raise refusals.bad_exchange_type(
                type_, closes_connection=version.unknown_type_closes_connection
            )
        if not name:
            raise refusals.default_exchange()
        permissions.check(CONFIGURE, "exchange", name)
        current = self.exchanges.get(name)
        if current is not None:
            self._check_same_exchange(current, type_, durable, auto_delete, internal, arguments)
            return
        if name.startswith("amq."):
            raise refusals.reserved_name("exchange", name)
        argument_rules.check_exchange_name(
            "alternate-exchange", arguments, "exchange", name, self.name
        )
        permissions.check_target("exchange", name, arguments.get("alternate-exchange"))
        self.exchanges[name] = EXCHANGES[type_](
            name,
            type_,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments,
            version=self.broker.version_rules,
        )

    def _check_same_exchange(
        self,
        current: Exchange,
        type_: str,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        for argument, received, has in (
            ("type", _atom(type_), _atom(current.type)),
            ("durable", _text(durable), _text(current.durable)),
            ("auto_delete", _text(auto_delete), _text(current.auto_delete)),
            ("internal", _text(internal), _text(current.internal)),
        ):
            if received != has:
                raise refusals.inequivalent(
                    argument, "exchange", current.name, self.name, f"'{received}'", f"'{has}'"
                )
        argument_rules.check_equivalent(
            current.arguments,
            arguments,
            ("alternate-exchange",),
            "exchange",
            current.name,
            self.name,
            self.broker.version_rules,
        )

    def delete_exchange(self, name: str, permissions: Permissions, *, if_unused: bool) -> None:
        """Delete an exchange. Does nothing if it does not exist."""
        if not name:
            raise refusals.default_exchange()
        if name.startswith("amq."):
            raise refusals.system_exchange(name, self.name)
        permissions.check(CONFIGURE, "exchange", name)
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise refusals.in_use("exchange", name, self.name)
        self._remove_exchange(exchange)

    def _remove_exchange(self, exchange: Exchange) -> None:
        del self.exchanges[exchange.name]
        for destination in list(exchange.bindings):
            exchange.unbind_all(destination)
        self._unbind_everywhere(exchange)

    def _unbind_everywhere(self, destination: Destination) -> None:
        """Remove all bindings to a destination, and auto-delete exchanges without any left."""
        waiting: list[Destination] = [destination]
        while waiting:
            gone = waiting.pop()
            for source in list(gone.sources):
                source.unbind_all(gone)
                if self._is_unused(source):
                    del self.exchanges[source.name]
                    waiting.append(source)

    def _is_unused(self, exchange: Exchange) -> bool:
        return exchange.auto_delete and not exchange.bindings and exchange.name in self.exchanges

    # Bindings

    def bind(
        self,
        source_name: str,
        destination: Destination,
        key: str,
        arguments: Table,
        connection: Connection,
    ) -> None:
        """Bind a queue or an exchange to an exchange."""
        source = self.exchange(source_name)
        most = self.broker.version_rules.most_hashes
        if source.type == "topic" and most is not None:
            count = words_of(key).count("#")
            if count > most:
                raise refusals.too_many_hashes(key, count, most)
        if source.type == "headers":
            check_match(arguments, self.broker.version_rules)
        self._check_access(destination, connection)
        source.bind(destination, key, arguments)

    def unbind(
        self,
        source_name: str,
        destination: Destination,
        key: str,
        arguments: Table,
        connection: Connection,
    ) -> None:
        """Remove one binding. Does nothing if it does not exist."""
        source = self.exchanges.get(source_name)
        if source is None or not source.has_binding(destination, key, arguments):
            return
        self._check_access(destination, connection)
        source.unbind(destination, key, arguments)
        if self._is_unused(source):
            del self.exchanges[source.name]
            self._unbind_everywhere(source)

    def _check_access(self, destination: Destination, connection: Connection) -> None:
        """Raise a refusal for a queue that is exclusive to another connection."""
        if isinstance(destination, Queue) and destination.owner not in (None, connection):
            raise refusals.locked(destination.name, self.name)

    # Queues

    def queue(self, name: str, connection: Connection) -> Queue:
        """Return a queue that the connection may use, or raise a refusal."""
        queue = self.existing_queue(name)
        self._check_access(queue, connection)
        return queue

    def existing_queue(self, name: str) -> Queue:
        """Return a queue, or raise a refusal if it does not exist."""
        try:
            return self.queues[name]
        except KeyError:
            raise refusals.no_queue(name, self.name) from None

    def declare_queue(
        self,
        name: str,
        connection: Connection,
        *,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    ) -> Queue:
        """Declare a queue, or raise a refusal."""
        connection.permissions.check(CONFIGURE, "queue", name)
        current = self.queues.get(name)
        if current is not None:
            owner = connection if exclusive else None
            if current.owner is not owner:
                raise refusals.locked(name, self.name)
            self._check_same_queue(current, durable and not exclusive, auto_delete, arguments)
            current.declare_again()
            return current
        connection.permissions.check_target("queue", name, arguments.get("x-dead-letter-exchange"))
        argument_rules.check_queue_arguments(arguments, name, self.name, self.broker.version_rules)
        queue_type = argument_rules.check_queue_type(
            arguments,
            name,
            self.name,
            durable=durable,
            exclusive=exclusive,
            auto_delete=auto_delete,
        )
        argument_rules.check_master_locator(
            arguments, queue_type, self.broker.version_rules, exclusive=exclusive
        )
        queue = Queue(
            self,
            name,
            queue_type,
            durable=durable and not exclusive,
            auto_delete=auto_delete,
            owner=connection if exclusive else None,
            arguments=arguments,
        )
        self.queues[name] = queue
        if queue.owner is not None:
            connection.exclusive_queues[queue] = None
        queue.schedule()
        return queue

    def _check_same_queue(
        self, current: Queue, durable: bool, auto_delete: bool, arguments: Table
    ) -> None:
        for argument, received, has in (
            ("durable", durable, current.durable),
            ("auto_delete", auto_delete, current.auto_delete),
        ):
            if received != has:
                raise refusals.inequivalent(
                    argument,
                    "queue",
                    current.name,
                    self.name,
                    f"'{_text(received)}'",
                    f"'{_text(has)}'",
                )
        version = self.broker.version_rules
        default = {"x-queue-type": "classic"}
        if not version.names_default_queue_type and (default | arguments)["x-queue-type"] != (
            current.type
        ):
            default = {}  # the refusal says "none" if no type was declared
        argument_rules.check_equivalent(
            default | current.arguments,
            default | arguments,
            argument_rules.supported_arguments(current.type, version),
            "queue",
            current.name,
            self.name,
            version,
        )

    def delete_queue(self, queue: Queue) -> int:
        """Delete a queue, and notify its consumers. Return the number of ready messages."""
        count = len(queue)
        if self.queues.get(queue.name) is not queue:
            return count
        del self.queues[queue.name]
        if queue.owner is not None:
            queue.owner.exclusive_queues.pop(queue, None)
        self._unbind_everywhere(queue)
        queue.clear()
        for consumer in list(queue.consumers.all):
            consumer.is_active = False
            queue.consumers.all.remove(consumer)
            consumer.channel.forget_consumer(consumer)
            self.broker.outbox.append(ConsumerCancelled(consumer.channel, consumer.tag))
        return count

    # Messages

    def route(self, message: Message) -> list[Queue]:
        """Return the queues that a message is routed to. Its exchange must exist."""
        if message.routing_keys is None and message.exchange:
            exchange = self.exchanges[message.exchange]
            if exchange.leads_to_queues_only:  # nearly always
                return list(exchange.route(message, message.routing_key))  # type: ignore[arg-type]
        return queues_of(self, message)

    def restart(self) -> None:
        """Keep durable exchanges, queues and messages."""
        for queue in list(self.queues.values()):
            if queue.durable:
                queue.restart()
            else:
                self.delete_queue(queue)
        if not self.broker.version_rules.keeps_transient_exchanges:
            for exchange in list(self.exchanges.values()):
                if not exchange.durable and exchange.name in self.exchanges:
                    self._remove_exchange(exchange)


def _text(flag: object) -> str:
    return str(flag).lower() if isinstance(flag, bool) else str(flag)


def _atom(name: str) -> str:
    """Return a name as an Erlang atom: quoted unless it has only letters."""
    return name if name.isalpha() else f"'{name}'"
