"""The broker: users, virtual hosts, connections, time, alarms and restarts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

from mooq.broker import refusals
from mooq.broker.channel import Channel
from mooq.broker.effects import Blocked, ConnectionClosed, Effect, Unblocked
from mooq.broker.permissions import Permissions
from mooq.broker.queue import Queue
from mooq.broker.reply_to import DirectReplies
from mooq.broker.versions import DEFAULT, VERSIONS, Version
from mooq.broker.virtual_host import VirtualHost

CONSUMER_TIMEOUT = 1800.0  # seconds, RabbitMQ's default
ALARMS = {"memory": "low on memory", "disk": "low on disk"}

PermissionsByUser = Mapping[tuple[str, str], tuple[str, str, str] | None]
"""By user and virtual host: patterns for configure, write and read; None permits everything."""


class Timed(Protocol):
    """An object with a deadline."""

    def advance(self, now: float) -> None:
        """Do what is due at ``now``."""


class Broker:
    """A broker. Effects of requests are in ``outbox``, in order.

    - ``version``: the RabbitMQ version that it behaves as: ``"3.10"``, ``"4.0"`` or ``"4.3"``
    - ``now``: the time in seconds of a monotonic clock; :meth:`advance` sets it later
    - ``clock``: returns that time, for use between two calls of :meth:`advance`
    - ``time_of_day``: returns seconds since 1970
    - ``permissions``: a user without an entry has all permissions everywhere, a user with entries
      has access only to the virtual hosts in them

    Raises ``ValueError`` for an unknown version.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        virtual_hosts: Iterable[str],
        *,
        version: str = DEFAULT,
        now: float = 0.0,
        clock: Callable[[], float] | None = None,
        time_of_day: Callable[[], int] = lambda: 0,
        consumer_timeout: float | None = CONSUMER_TIMEOUT,
        permissions: PermissionsByUser | None = None,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}, not {version!r}")
        self.version = version
        self.version_rules: Version = VERSIONS[version]
        self.users: dict[str, str] = dict(users)
        self._now = now
        self._clock = clock
        self._skipped = 0.0
        self.time_of_day = time_of_day
        self.consumer_timeout = consumer_timeout
        self.max_message_size: int = self.version_rules.max_message_size
        self.cluster_name = "rabbit@localhost"
        self.outbox: deque[Effect] = deque()
        self.replies: DirectReplies = DirectReplies()
        """Those of all virtual hosts, in versions that do not separate them."""
        self._permissions = dict(permissions or {})
        self._hosts = {name: VirtualHost(name, self) for name in virtual_hosts}
        self._connections: dict[Connection, None] = {}
        self._alarms: dict[str, None] = {}
        self._due: list[tuple[float, int, Timed]] = []
        self._serial = count()
        self.on_schedule: Callable[[], None] | None = None
        """Called when :meth:`next_deadline` has become earlier."""

    # Connections

    def authenticate(self, username: str, password: str) -> None:
        """Raise a refusal for an unknown user or a wrong password."""
        if username not in self.users or self.users[username] != password:
            raise refusals.login_refused()

    def open(self, user: str, virtual_host: str) -> Connection:
        """Return a connection to a virtual host, or raise a refusal."""
        host = self._hosts.get(virtual_host)
        if host is None:
            raise refusals.no_virtual_host(virtual_host)
        if (user, virtual_host) in self._permissions:
            patterns = self._permissions[user, virtual_host]
        elif any(name == user for name, _ in self._permissions):
            raise refusals.virtual_host_not_permitted(virtual_host, user)
        else:
            patterns = None
        are_named = self.version_rules.names_permissions
        permissions = Permissions(user, virtual_host, patterns, are_named)
        connection = Connection(self, host, user, permissions)
        self._connections[connection] = None
        return connection

    def connect(self, virtual_host: str, username: str, password: str) -> Connection:
        """Log in and return a connection, or raise a refusal."""
        self.authenticate(username, password)
        return self.open(username, virtual_host)

    def forget(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._connections.pop(connection, None)

    def add_virtual_host(self, name: str) -> None:
        """Add a virtual host, unless it exists."""
        if name not in self._hosts:
            self._hosts[name] = VirtualHost(name, self)

    def message_counts(self, virtual_host: str) -> Counter[str]:
        """Return the number of ready and unsettled messages of each queue."""
        counts = Counter({name: len(one) for name, one in self._hosts[virtual_host].queues.items()})
        for connection in self._connections:
            if connection.host.name == virtual_host:
                counts.update(connection.unsettled())
        return counts

    # Faults

    def drop_connections(self) -> None:
        """Drop every connection, like a network failure."""
        self._end_connections(None)

    def restart(self) -> None:
        """Close every connection, and keep durable exchanges, queues and messages."""
        self._end_connections(refusals.shutdown())
        for host in self._hosts.values():
            host.restart()

    def _end_connections(self, refusal: refusals.Refusal | None) -> None:
        for connection in list(self._connections):
            self.outbox.append(ConnectionClosed(connection, refusal))
            connection.close()

    @property
    def has_alarm(self) -> bool:
        """Whether an alarm blocks publishers."""
        return bool(self._alarms)

    @property
    def alarm_reason(self) -> str:
        """The reason that is sent to blocked clients."""
        return " & ".join(ALARMS[alarm] for alarm in self._alarms)

    def set_alarm(self, alarm: str, is_on: bool) -> None:
        """Set or clear the alarm ``"memory"`` or ``"disk"``. Raises ``ValueError`` for others."""
        if alarm not in ALARMS:
            raise ValueError(f"alarm must be one of {', '.join(ALARMS)}, not {alarm!r}")
        if is_on:
            self._alarms[alarm] = None
        else:
            self._alarms.pop(alarm, None)
        if not self._alarms:
            for connection in self._connections:
                connection.unblock()

    # Time

    @property
    def now(self) -> float:
        """The time of the clock if there is one, otherwise that of the last :meth:`advance`."""
        clock = self._clock
        return self._now if clock is None else max(self._now, clock() + self._skipped)

    def schedule(self, when: float, timed: Timed) -> None:
        """Call ``timed.advance()`` at a time."""
        due = self._due
        heappush(due, (when, next(self._serial), timed))
        if due[0][0] == when and self.on_schedule is not None:
            self.on_schedule()

    def next_deadline(self) -> float | None:
        """Return the time at which to call :meth:`advance`; None if nothing is scheduled."""
        return self._due[0][0] - self._skipped if self._due else None

    def skip(self, seconds: float) -> None:
        """Move the clock forward, and do what becomes due, in order."""
        now = self.now - self._skipped
        self._skipped += seconds
        self.advance(now)
        if self.on_schedule is not None:
            self.on_schedule()

    def advance(self, now: float) -> None:
        """Set the broker's time, and do what has become due, in order."""
        now += self._skipped
        due = self._due
        while due and due[0][0] <= now:
            when, _, timed = heappop(due)
            self._now = max(self._now, when)
            timed.advance(self._now)
        self._now = max(self._now, now)


class Connection:
    """A connection, with its channels and exclusive queues, which end with it."""

    def __init__(
        self, broker: Broker, host: VirtualHost, user: str, permissions: Permissions
    ) -> None:
        self.broker = broker
        self.host = host
        self.user = user
        self.permissions = permissions
        self.effect_handler: Any = None
        self.is_paused: bool = False
        self.is_open: bool = True
        self.exclusive_queues: dict[Queue, None] = {}
        self._channels: dict[int, Channel] = {}
        self._is_blocked = False

    def channel(self, number: int) -> Channel:
        """Open a channel."""
        channel = self._channels[number] = Channel(self, number)
        return channel

    def forget(self, channel: Channel) -> None:
        """Remove a closed channel."""
        self._channels.pop(channel.number, None)

    def unsettled(self) -> Iterator[str]:
        """Yield the queue name of each unsettled delivery."""
        for channel in self._channels.values():
            yield from channel.deliveries.queue_names()

    def pause(self) -> None:
        """Stop deliveries, because the client is not reading."""
        self.is_paused = True

    def resume(self) -> None:
        """Continue deliveries."""
        self.is_paused = False
        for channel in list(self._channels.values()):
            channel.wake_consumers()

    def content_header_arrived(self) -> bool:
        """Return whether an alarm blocks the connection, which is starting to publish."""
        if not self.broker.has_alarm:
            return False
        if not self._is_blocked:
            self._is_blocked = True
            self.broker.outbox.append(Blocked(self, self.broker.alarm_reason))
        return True

    def unblock(self) -> None:
        """Allow it to publish again."""
        if self._is_blocked:
            self._is_blocked = False
            self.broker.outbox.append(Unblocked(self))

    def close(self) -> None:
        """Close all channels, then delete the exclusive queues."""
        if not self.is_open:
            return
        self.is_open = False
        self.broker.forget(self)
        for channel in self._channels.values():  # none may get messages that another requeues
            channel.stop_consuming()
        for channel in list(self._channels.values()):
            channel.close()
        for queue in list(self.exclusive_queues):
            self.host.delete_queue(queue)
