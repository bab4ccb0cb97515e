"""The broker: users and virtual hosts, the connections to them, and the channels on those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from secrets import token_hex
from weakref import WeakKeyDictionary

from mooq.broker.direct.queue import Consumer, Entry, Queue
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.errors import Refused
from mooq.transports.declarations import Exchange
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message, Outcome


class Broker:
    """One broker. ``now`` tells the time of day, for the records of dead letters."""

    def __init__(
        self, users: Mapping[str, str], virtual_hosts: Iterable[str], now: Callable[[], datetime]
    ) -> None:
        self._users = dict(users)
        self._virtual_hosts = {name: VirtualHost(name, now) for name in virtual_hosts}
        self._connections: list[Connection] = []

    def connect(
        self, virtual_host: str, username: str, password: str, dropped: Callable[[], None]
    ) -> Connection:
        """Return a connection for a user who is known; ``dropped`` is called if the broker ends it.

        Raises :class:`Refused` with ACCESS_REFUSED or NOT_ALLOWED.
        """
        if self._users.get(username) != password:
            raise Refused(
                Refused.ACCESS_REFUSED,
                "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For "
                "details see the broker logfile.",
            )
        if virtual_host not in self._virtual_hosts:
            raise Refused(Refused.NOT_ALLOWED, f"NOT_ALLOWED - vhost {virtual_host} not found")
        connection = Connection(self._virtual_hosts[virtual_host], dropped, self._connections)
        self._connections.append(connection)
        return connection

    def drop_connections(self) -> None:
        """End every connection, as a lost network does."""
        for connection in list(self._connections):
            connection.close()
            connection.dropped()

    def restart(self) -> None:
        """Drop every connection and keep what is durable."""
        self.drop_connections()
        for virtual_host in self._virtual_hosts.values():
            virtual_host.restart()


class Connection:
    """One connection: it owns channels and exclusive queues, and both end with it."""

    def __init__(
        self, virtual_host: VirtualHost, dropped: Callable[[], None], open_ones: list[Connection]
    ) -> None:
        self.virtual_host = virtual_host
        self.dropped = dropped
        self.is_open: bool = True
        self._open_ones = open_ones
        self._channels: list[Channel] = []

    def channel(self) -> Channel:
        """Open a channel."""
        channel = Channel(self)
        self._channels.append(channel)
        return channel

    def forget(self, channel: Channel) -> None:
        """Let go of a channel that was closed."""
        self._channels.remove(channel)

    def close(self) -> None:
        """Close all channels, then delete the queues that were exclusive to the connection."""
        self.is_open = False
        self._open_ones.remove(self)
        for channel in list(self._channels):
            channel.close()
        for queue in list(self.virtual_host.queues.values()):
            if queue.owner is self:
                self.virtual_host.delete_queue(queue)


class Channel:
    """One channel: the verbs, its consumers by tag, and what they and its gets hold."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._host = connection.virtual_host
        self._consumers: dict[str, tuple[Queue, Consumer]] = {}
        # Weak, or a channel would keep every queue that was deleted meanwhile.
        self._got_from: WeakKeyDictionary[Queue, None] = WeakKeyDictionary()
        self.is_open: bool = True

    def declare_exchange(self, exchange: Exchange) -> None:
        """Make sure that an exchange exists."""
        self._host.declare_exchange(exchange)

    def has_exchange(self, name: str) -> bool:
        """Whether an exchange exists."""
        return self._host.has_exchange(name)

    def declare_queue(self, declaration: Declaration) -> str:
        """Make sure that a queue exists; return its name."""
        return self._host.declare_queue(declaration, self._connection).name

    def delete_queue(self, name: str) -> None:
        """Delete a queue, if there is one."""
        if name in self._host.queues:
            self._host.delete_queue(self._host.queue(name, self._connection))

    def count_ready(self, name: str) -> int | None:
        """Return how many messages of a queue are ready; None without such a queue."""
        if name not in self._host.queues:
            return None
        return len(self._host.queue(name, self._connection))

    def bind(self, queue_name: str, exchange_name: str, routing_key: str) -> None:
        """Bind a queue to an exchange by a key."""
        self._host.bind(queue_name, exchange_name, routing_key, self._connection)

    def publish(self, message: Message, mandatory: bool) -> None:
        """Publish a message; when this returns it is confirmed."""
        self._host.publish(message, mandatory)

    def consume(
        self,
        queue_name: str,
        prefetch_count: int,
        deliver: Callable[[Delivery], None],
        cancelled: Callable[[], None],
    ) -> str:
        """Begin a consumer; return its tag."""
        queue = self._host.queue(queue_name, self._connection)
        # As unique as RabbitMQ's: a tag from before a restart must not end another consumer.
        tag = f"ctag-{token_hex(8)}"

        def deleted() -> None:
            del self._consumers[tag]
            cancelled()

        consumer = Consumer(self, prefetch_count, deliver, deleted)
        self._consumers[tag] = queue, consumer
        queue.add(consumer)
        return tag

    def cancel(self, tag: str) -> None:
        """End a consumer, and with the last one an auto-delete queue. An unknown tag is ignored."""
        if tag in self._consumers:
            queue, consumer = self._consumers.pop(tag)
            queue.remove(consumer)
            # What the channel holds of the queue is now held by no consumer of it.
            self._got_from[queue] = None
            self._delete_unused(queue)

    def get(self, queue_name: str) -> Delivery | None:
        """Take one message; None when the queue is empty."""
        queue = self._host.queue(queue_name, self._connection)
        self._got_from[queue] = None
        return queue.take(self)

    def settle(self, entry: Entry, outcome: Outcome) -> None:
        """End a delivery. One that ended with its channel is ignored: it was requeued."""
        if outcome is Outcome.ACKNOWLEDGE:
            entry.queue.settle(entry)
        elif outcome is Outcome.REJECT:
            self._host.reject(entry)
        else:
            entry.queue.requeue([entry])

    def close(self) -> None:
        """End all consumers, then requeue what the channel holds, at the original positions."""
        if not self.is_open:
            return
        self.is_open = False
        self._connection.forget(self)
        queues = dict.fromkeys([queue for queue, _ in self._consumers.values()])
        for queue, consumer in self._consumers.values():
            queue.remove(consumer)
        self._consumers.clear()
        for queue in queues | dict(self._got_from):
            queue.requeue(queue.held_by(self))
        for queue in queues:
            self._delete_unused(queue)

    def _delete_unused(self, queue: Queue) -> None:
        """Delete an auto-delete queue whose last consumer has left."""
        if queue.declaration.auto_delete and not queue.consumers:
            self._host.delete_queue(queue)
