"""Answers that a test chooses, in place of the broker's own.

The proxy reads a client's frames and answers the requests to refuse itself. The broker does not get
them. If a refusal closes a channel, the proxy closes it at the broker as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mooq.amqp import methods
from mooq.amqp.frames import FRAME, METHOD, method_frame
from mooq.amqp.inspection import FrameSplitter
from mooq.amqp.methods import METHODS, Method
from mooq.basics.numbers import at_least
from mooq.broker.refusals import CODES
from mooq.client.properties import check_int, check_text, optional_text

LOGIN = methods.CONNECTION_START_OK.name
NAMES = {code: name for name, code in CODES.items()}
CHANNEL_ERRORS = (403, 404, 405, 406)
"""Reply codes that close the channel; the others close the connection (AMQP 0-9-1, 1.1)."""
_BY_NAME = {method.name: method for method in METHODS.values() if method.from_client}
_START = FRAME.size


@dataclass
class Refusal:
    """The answer to the next requests of one method, in place of the broker's."""

    method: Method
    code: int
    text: str
    left: int
    """The number of requests still to refuse."""


@dataclass
class Script:
    """The answers to give in place of the broker's; empty at first."""

    refusals: list[Refusal] = field(default_factory=list)
    lost_confirms: int = 0
    """The number of confirms to drop."""
    negative_confirms: int = 0
    """The number of confirms to replace with basic.nack."""
    alarm: str | None = None
    """The reason for blocking publishers."""

    def refuse(self, method_name: str, code: int, text: str | None, times: int) -> None:
        """Refuse a method. Raises ``TypeError`` and ``ValueError``."""
        check_text("method", method_name)
        method = _BY_NAME.get(method_name)
        if method is None or method_name.endswith((".close", ".close-ok")):
            raise ValueError(
                f"method must be one that clients send, such as 'queue.declare', 'basic.publish' "
                f"or 'connection.open', not {method_name!r}"
            )
        optional_text("text", text)
        if check_int("code", code) not in NAMES:
            raise ValueError(f"code must be one of {', '.join(map(str, NAMES))}, not {code}")
        said = text or f"{NAMES[code]} - refused by the test"
        self.refusals.append(Refusal(method, code, said, at_least(1, "times", times)))

    def clear(self) -> None:
        """Let the broker answer again."""
        self.refusals.clear()
        self.lost_confirms = self.negative_confirms = 0
        self.alarm = None

    def take_refusal(self, method: Method) -> Refusal | None:
        """Return the refusal for a method that has arrived, or None."""
        for refusal in self.refusals:
            if refusal.method is method:
                refusal.left -= 1
                if not refusal.left:
                    self.refusals.remove(refusal)
                return refusal
        return None


class Refuser:
    """Applies these answers to one connection.

    ``to_client`` and ``to_broker`` send frames there. ``hang_up`` closes the connection.
    """

    def __init__(
        self,
        script: Script,
        to_client: Callable[[bytes], None],
        to_broker: Callable[[bytes], None],
        hang_up: Callable[[], None],
    ) -> None:
        self._script = script
        self._to_client = to_client
        self._to_broker = to_broker
        self._hang_up = hang_up
        self._requests = FrameSplitter()
        self._answers = FrameSplitter()
        self._closing_here: set[int] = set()
        """Channels whose closing the client has not seen yet."""
        self._closing_there: dict[int, list[bytes]] = {}
        """Channels that the broker has yet to close, and what the client sends there."""
        self._held: list[bytes] | None = None
        """Data that the client has sent since it was blocked."""
        self._is_over = False

    def from_client(self, data: bytes) -> None:
        """Handle bytes from the client."""
        for frame in self._requests.feed(data):
            if self._held is not None:
                self._held.append(frame)
            elif not self._is_over:
                self._request(frame)
            elif _method_of(frame) is methods.CONNECTION_CLOSE_OK:
                self._hang_up()

    def to_client(self, data: bytes) -> list[bytes]:
        """Return the frames for the client from these bytes of the broker."""
        frames = self._answers.feed(data)
        return [answer for frame in frames for answer in self._answer(frame)]

    def rest(self) -> bytes:
        """Return, once, the broker's incomplete frame."""
        return self._answers.rest()

    def heal(self) -> None:
        """Unblock the client; data that it has sent meanwhile arrives."""
        held, self._held = self._held, None
        if held is not None:
            self._to_client(method_frame(0, methods.CONNECTION_UNBLOCKED))
            for frame in held:
                self._request(frame)

    def _request(self, frame: bytes) -> None:
        number = frame[1] << 8 | frame[2]
        method = _method_of(frame)
        if number in self._closing_here:
            if method is methods.CHANNEL_CLOSE_OK:
                self._closing_here.discard(number)
            return
        if (
            number in self._closing_there
        ):  # RabbitMQ does not open a channel that it is still closing
            self._closing_there[number].append(frame)
            return
        if method is methods.BASIC_PUBLISH and self._script.alarm is not None:
            self._held = [frame]
            self._to_client(method_frame(0, methods.CONNECTION_BLOCKED, self._script.alarm))
            return
        refusal = None if method is None else self._script.take_refusal(method)
        if refusal is None:
            self._to_broker(frame)
        else:
            self._refuse(number, refusal)

    def _refuse(self, number: int, refusal: Refusal) -> None:
        method = refusal.method
        reason = refusal.code, refusal.text, method.class_id, method.method_id
        if number == 0 or refusal.code not in CHANNEL_ERRORS:
            self._is_over = True
            self._to_client(method_frame(0, methods.CONNECTION_CLOSE, *reason))
            return
        self._closing_here.add(number)
        self._closing_there[number] = []
        self._to_client(method_frame(number, methods.CHANNEL_CLOSE, *reason))
        self._to_broker(method_frame(number, methods.CHANNEL_CLOSE, 200, "", 0, 0))

    def _answer(self, frame: bytes) -> list[bytes]:
        if self._is_over:
            return []
        number = frame[1] << 8 | frame[2]
        method = _method_of(frame)
        if number in self._closing_there:
            if method is methods.CHANNEL_CLOSE_OK:
                for late in self._closing_there.pop(number):
                    self._request(late)
            return []
        if method is methods.BASIC_ACK:
            return self._confirm(number, frame)
        return [frame]

    def _confirm(self, number: int, frame: bytes) -> list[bytes]:
        script = self._script
        if script.lost_confirms:
            script.lost_confirms -= 1
            return []
        if script.negative_confirms:
            script.negative_confirms -= 1
            tag, multiple = methods.BASIC_ACK.decode(frame[_START + 4 : -1])
            return [method_frame(number, methods.BASIC_NACK, tag, multiple, False)]
        return [frame]


def _method_of(frame: bytes) -> Method | None:
    """Return the method of a frame, if it is one."""
    if frame[0] != METHOD:
        return None
    return METHODS.get(int.from_bytes(frame[_START : _START + 4], "big"))
