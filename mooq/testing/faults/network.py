"""The faults, and their effect on traffic."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, Self, TypeVar, get_args

from mooq.basics.numbers import at_least, positive
from mooq.broker.refusals import login_refused
from mooq.client.properties import check_text
from mooq.testing.arguments import Arguments
from mooq.testing.faults.refusals import LOGIN, Script
from mooq.testing.faults.shared_event import SharedEvent

if TYPE_CHECKING:
    from mooq.testing.faults.tcp import Route

MOST_WAITING = 2**16  # bytes in transit above which senders must wait
PIECES_A_SECOND = 20  # with a limited rate

Moment = Literal["confirm", "delivery"]


class Kind(Enum):
    """The kinds of data sent to a client."""

    CONFIRM = "confirm"
    DELIVERY = "delivery"
    ANSWER = "answer"
    REST = "rest"
    """The rest of what began before."""


F = TypeVar("F", bound="Faults")
P = ParamSpec("P")


def carried_out(
    verb: Callable[Concatenate[F, P], None],
) -> Callable[Concatenate[F, P], None]:
    """Make a method callable from any thread; it is done when it returns."""

    @wraps(verb)
    def call(self: F, /, *args: P.args, **kwargs: P.kwargs) -> None:
        self._carry_out(lambda: verb(self, *args, **kwargs))

    return call


class Faults:
    """A network in front of one broker, and its faults. At first there are none.

    Each fault lasts until :meth:`heal`, or until the end of a ``with`` block. Several may be active
    at once. ``arguments`` are those of :func:`mooq.connect` to reach the broker through this
    network.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments
        self.is_holding: SharedEvent = SharedEvent()
        """Set while :meth:`hold_answers` holds back an answer."""
        self.has_vanished: bool = False
        self.routes: set[Route] = set()
        """The open connections."""
        self.script: Script = Script()
        """Answers in place of the broker's own."""
        self._is_stalled = False
        self._answers_left: int | None = None
        self._fatal: Moment | None = None
        self._delay = 0.0
        self._rate = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()

    @carried_out
    def cut(self, *, before: Moment | None = None) -> None:
        """Close every connection, like a network failure; new ones are accepted.

        With ``before="confirm"``, do this when the broker next confirms a message: the broker then
        has the message, but the publisher gets no confirm. With ``"delivery"``, do it when the
        broker next delivers a message, which the consumer does not get. Raises ``ValueError``.
        """
        if before is not None and before not in get_args(Moment):
            raise ValueError(f"before must be one of {get_args(Moment)} or None, not {before!r}")
        self._fatal = before
        if before is None:
            for route in list(self.routes):
                route.cut()

    @carried_out
    def vanish(self) -> None:
        """Close every connection, and refuse new ones: nothing listens any more."""
        self.has_vanished = True
        self.cut()

    @carried_out
    def stall(self) -> None:
        """Pass no data in either direction; connections stay open."""
        self._is_stalled = True

    @carried_out
    def hold_answers(self, after: int = 0) -> None:
        """Hold back the broker's answers after the given number; the broker still gets everything.

        ``is_holding`` is set when an answer is held back. Data already on its way when this is
        called may be counted. How many answers a call takes differs between brokers. Raises
        ``TypeError`` and ``ValueError``.
        """
        self._answers_left = at_least(0, "after", after)
        self.is_holding.clear()

    @carried_out
    def delay(self, seconds: float) -> None:
        """Delay everything by this many seconds, in each direction.

        Raises ``ValueError`` unless the number is positive.
        """
        self._delay = positive("seconds", seconds)

    @carried_out
    def trickle(self, bytes_a_second: float) -> None:
        """Limit the bytes per second, in each direction of each connection.

        Raises ``ValueError`` unless the number is positive.
        """
        self._rate = positive("bytes_a_second", bytes_a_second)

    @carried_out
    def half_close(self) -> None:
        """Close every connection towards the client only.

        Data that the client has sent still arrives, even if it was held back.
        """
        for route in list(self.routes):
            route.half_close()

    @carried_out
    def refuse(
        self, method: str, code: int = 403, text: str | None = None, *, times: int = 1
    ) -> None:
        """Refuse the next requests of a method, in place of the broker.

        ``method`` is AMQP's name, such as ``"queue.declare"``, ``"basic.publish"`` or
        ``"connection.open"``. ``code`` is a reply code, which closes the channel (311, 403 to 406)
        or the connection (320, 402, 501 to 506, 530, 540, 541). ``text`` is the reply text. The
        broker does not get the request. Raises ``TypeError`` and ``ValueError``.
        """
        self.script.refuse(method, code, text, times)

    @carried_out
    def refuse_login(self, *, times: int = 1) -> None:
        """Refuse the next logins, as for a wrong password. Raises ``ValueError``."""
        self.script.refuse(LOGIN, 403, login_refused().text, times)

    @carried_out
    def drop_confirms(self, count: int = 1) -> None:
        """Drop the next confirms: the broker has the messages, but the publisher gets no confirm.

        Messages that are confirmed together count separately. Raises ``ValueError``.
        """
        self.script.lost_confirms = at_least(1, "count", count)

    @carried_out
    def refuse_confirms(self, count: int = 1) -> None:
        """Replace the next confirms with basic.nack. Raises ``ValueError``."""
        self.script.negative_confirms = at_least(1, "count", count)

    @carried_out
    def raise_alarm(self, reason: str = "low on memory") -> None:
        """Block every connection that publishes, like a broker that is short of memory or disk.

        The client gets ``connection.blocked``. Data that it sends is held back until :meth:`heal`.
        Raises ``TypeError`` and ``ValueError`` unless the reason is a text of at most 255 bytes.
        """
        check_text("reason", reason)
        self.script.alarm = reason

    @carried_out
    def heal(self) -> None:
        """End every fault: data that was held back arrives, and the broker can be reached."""
        self.script.clear()
        self.has_vanished = self._is_stalled = False
        self._answers_left = self._fatal = None
        self._delay = self._rate = 0.0
        self.is_holding.clear()
        for route in list(self.routes):
            route.hurry()

    def _carry_out(self, verb: Callable[[], None]) -> None:
        """Do something to the network, which may be in the event loop of another thread."""
        verb()

    @property
    def is_clear(self) -> bool:
        """Whether everything passes at once."""
        return not (
            self._is_stalled
            or self._answers_left is not None
            or self._fatal is not None
            or self._delay
            or self._rate
        )

    def due(self, now: float, free: float, size: int) -> float:
        """Return when something sent now arrives, if all before it has by ``free``."""
        due = now + self._delay
        return max(due, free) + size / self._rate if self._rate else due

    def pieces(self, data: bytes) -> list[bytes]:
        """Return what is sent, in the pieces in which it arrives."""
        size = max(1, int(self._rate / PIECES_A_SECOND)) if self._rate else len(data)
        return [data[begin : begin + size] for begin in range(0, len(data), size or 1)]

    def lets_pass(self, kind: Kind | None) -> bool:
        """Whether something arrives that is due; it may be what the network breaks at.

        ``kind`` is None for what goes to the broker.
        """
        if self._is_stalled:
            return False
        if kind is None:
            return True
        if self._fatal is not None and kind.value == self._fatal:
            self.cut()
            return False
        if kind is not Kind.REST and self._answers_left is not None:
            if self._answers_left == 0:
                self.is_holding.set()
                return False
            self._answers_left -= 1
        return True


@dataclass(frozen=True, slots=True)
class Parcel:
    """Data in transit."""

    due: float
    kind: Kind | None
    size: int
    arrive: Callable[[], None]


class Link:
    """One direction of a connection. Data arrives in order, or is lost."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._loop = asyncio.get_running_loop()
        self._on_the_way: deque[Parcel] = deque()
        self._size = 0
        self._free = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.is_closed: bool = False

    def send(self, arrive: Callable[[], None], size: int = 0, kind: Kind | None = None) -> None:
        """Call ``arrive`` when the data arrives, which may be at once."""
        if self.is_closed:
            return
        self._free = self._faults.due(self._loop.time(), self._free, size)
        self._on_the_way.append(Parcel(self._free, kind, size, arrive))
        self._grow(size)
        self.flow()

    @property
    def is_empty(self) -> bool:
        """Whether no data is in transit."""
        return not self._on_the_way and not self.is_closed

    @property
    def is_full(self) -> bool:
        """Whether senders must wait."""
        return not self._has_room.is_set()

    async def room(self) -> None:
        """Return when there is capacity for more data."""
        await self._has_room.wait()

    def flow(self) -> None:
        """Deliver the data that is due, unless a fault stops it."""
        while self._on_the_way:
            first = self._on_the_way[0]
            if first.due > self._loop.time():
                self._wake_at(first.due)
                return
            if not self._faults.lets_pass(first.kind) or self.is_closed:
                return
            self._on_the_way.popleft()
            self._grow(-first.size)
            first.arrive()

    def hurry(self) -> None:
        """Deliver the data in transit without delay, unless a fault stops it."""
        self._free = 0.0
        self._on_the_way = deque(
            Parcel(0.0, parcel.kind, parcel.size, parcel.arrive) for parcel in self._on_the_way
        )
        self.flow()

    def flush(self) -> None:
        """Deliver all data in transit, despite faults."""
        while self._on_the_way:
            self._on_the_way.popleft().arrive()
        self._grow(-self._size)

    def close(self) -> None:
        """Discard the data in transit, and all later data."""
        self.is_closed = True
        self._on_the_way.clear()
        self._has_room.set()
        if self._timer is not None:
            self._timer.cancel()

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MOST_WAITING:
            self._has_room.clear()
        else:
            self._has_room.set()

    def _wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self.flow)
