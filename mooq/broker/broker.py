"""The broker: users and virtual hosts, connections to them, time, alarms and restarts."""

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
from mooq.broker.versions import DEFAULT, VERSIONS, Version
from mooq.broker.virtual_host import VirtualHost

CONSUMER_TIMEOUT = 1800.0  # seconds, RabbitMQ's default
ALARMS = {"memory": "low on memory", "disk": "low on disk"}

PermissionsByUser = Mapping[tuple[str, str], tuple[str, str, str] | None]
"""By user and virtual host: patterns for configure, write and read; None for all."""


class Timed(Protocol):
    """Something that wants to be told when a time has come."""

    def advance(self, now: float) -> None:
        """Do what is due."""


class Broker:
    """One broker.

    ``version`` is the RabbitMQ that it behaves as: ``"3.10"``, ``"4.0"`` or ``"4.3"``. ``now`` is
    the time in seconds of a clock that never goes back, and :meth:`advance` gives it the time;
    between two calls it may look at ``clock`` itself.
    ``time_of_day`` returns seconds since 1970. ``permissions`` limit users; a user and virtual host
    that it does not name has all, unless it names the user for other virtual hosts only. Each
    request's effects are in ``outbox``, in order. Raises ``ValueError`` for an unknown version.
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
        self._permissions = dict(permissions or {})
        self._hosts = {name: VirtualHost(name, self) for name in virtual_hosts}
        self._connections: dict[Connection, None] = {}
        self._alarms: dict[str, None] = {}
        self._due: list[tuple[float, int, Timed]] = []
        self._serial = count()
        self.on_schedule: Callable[[], None] | None = None
        """Called when :meth:`next_deadline` comes earlier; somebody keeps the time then."""

    # Connections

    def authenticate(self, username: str, password: str) -> None:
        """Raise the refusal of a user or password."""
        if username not in self.users or self.users[username] != password:
            raise refusals.login_refused()

    def open(self, user: str, virtual_host: str) -> Connection:
        """Return a connection to a virtual host, or raise the refusal."""
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
        """Return a connection for a user with a password, or raise the refusal."""
        self.authenticate(username, password)
        return self.open(username, virtual_host)

    def forget(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._connections.pop(connection, None)

    def add_virtual_host(self, name: str) -> None:
        """Have another virtual host; nothing happens if there is one of this name."""
        if name not in self._hosts:
            self._hosts[name] = VirtualHost(name, self)

    def held(self, virtual_host: str) -> Counter[str]:
        """Return how many messages of each queue are ready, or delivered and not settled."""
        counts = Counter({name: len(one) for name, one in self._hosts[virtual_host].queues.items()})
        for connection in self._connections:
            if connection.host.name == virtual_host:
                counts.update(connection.unsettled())
        return counts

    # Faults

    def drop_connections(self) -> None:
        """Cut every connection, as a broken network does."""
        self._end_connections(None)

    def restart(self) -> None:
        """Close every connection, and keep what is durable."""
        self._end_connections(refusals.shutdown())
        for host in self._hosts.values():
            host.restart()

    def _end_connections(self, refusal: refusals.Refusal | None) -> None:
        for connection in list(self._connections):
            self.outbox.append(ConnectionClosed(connection, refusal))
            connection.close()

    @property
    def has_alarm(self) -> bool:
        """Whether publishers are held back."""
        return bool(self._alarms)

    @property
    def alarm_reason(self) -> str:
        """The reason that blocked clients are told."""
        return " & ".join(ALARMS[alarm] for alarm in self._alarms)

    def set_alarm(self, alarm: str, is_on: bool) -> None:
        """Raise or clear the alarm ``"memory"`` or ``"disk"``. Raises ``ValueError``."""
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
        """The time: that of the clock if there is one, else what :meth:`advance` gave last."""
        clock = self._clock
        return self._now if clock is None else max(self._now, clock() + self._skipped)

    def schedule(self, when: float, timed: Timed) -> None:
        """Have something told when a time has come."""
        due = self._due
        heappush(due, (when, next(self._serial), timed))
        if due[0][0] == when and self.on_schedule is not None:
            self.on_schedule()

    def next_deadline(self) -> float | None:
        """Return when :meth:`advance` must be called next; None if nothing is to come."""
        return self._due[0][0] - self._skipped if self._due else None

    def skip(self, seconds: float) -> None:
        """Go forward in time, as if the clock had: what becomes due is done, in order."""
        now = self.now - self._skipped
        self._skipped += seconds
        self.advance(now)
        if self.on_schedule is not None:
            self.on_schedule()

    def advance(self, now: float) -> None:
        """Give the broker the time of its clock; it does what is due, in order."""
        now += self._skipped
        due = self._due
        while due and due[0][0] <= now:
            when, _, timed = heappop(due)
            self._now = max(self._now, when)
            timed.advance(self._now)
        self._now = max(self._now, now)


class Connection:
    """One connection: it owns channels and exclusive queues, and both end with it."""

    def __init__(
        self, broker: Broker, host: VirtualHost, user: str, permissions: Permissions
    ) -> None:
        self.broker = broker
        self.host = host
        self.user = user
        self.permissions = permissions
        self.door: Any = None
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
        """Forget a channel that is closed."""
        self._channels.pop(channel.number, None)

    def unsettled(self) -> Iterator[str]:
        """Yield the queue of each delivery that is not settled."""
        for channel in self._channels.values():
            yield from channel.deliveries.queue_names()

    def pause(self) -> None:
        """Give its consumers nothing more: the client does not read."""
        self.is_paused = True

    def resume(self) -> None:
        """Go on giving its consumers messages."""
        self.is_paused = False
        for channel in list(self._channels.values()):
            channel.wake_consumers()

    def content_header_arrived(self) -> bool:
        """Return whether the connection is held back now, since it publishes under an alarm."""
        if not self.broker.has_alarm:
            return False
        if not self._is_blocked:
            self._is_blocked = True
            self.broker.outbox.append(Blocked(self, self.broker.alarm_reason))
        return True

    def unblock(self) -> None:
        """Let it publish again."""
        if self._is_blocked:
            self._is_blocked = False
            self.broker.outbox.append(Unblocked(self))

    def close(self) -> None:
        """Close all channels, then delete its exclusive queues."""
        if not self.is_open:
            return
        self.is_open = False
        self.broker.forget(self)
        for channel in self._channels.values():  # or one would get what another requeues
            channel.stop_consuming()
        for channel in list(self._channels.values()):
            channel.close()
        for queue in list(self.exclusive_queues):
            self.host.delete_queue(queue)
