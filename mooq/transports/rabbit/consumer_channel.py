"""An AMQP channel for consuming: direct delivery to consumers, and grouped acknowledgements.

The acknowledgements of one iteration of the event loop are sent as one frame if all earlier
deliveries are acknowledged too (AMQP 0-9-1 §1.8.3.13, ``multiple``). So nothing is acknowledged
before its callback is done.
"""

from __future__ import annotations

from aiormq.exceptions import InvalidFrameError
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from mooq.transports.message import ACKNOWLEDGED, Outcome
from mooq.transports.rabbit.buffered_channel import BufferedChannel


class ConsumerChannel(BufferedChannel):
    """A channel for control and consumers."""

    has_confirms = False

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._unsettled: dict[int, None] = {}
        self._acknowledged: list[int] = []

    def settle(self, tag: int, outcome: Outcome) -> None:
        """Settle a delivery, after those of earlier calls; do nothing on a closed channel."""
        if self.is_closed:
            return
        if outcome is Outcome.ACKNOWLEDGE or outcome in ACKNOWLEDGED:
            self._acknowledged.append(tag)
        else:
            self._acknowledge_all()
            self._unsettled.pop(tag, None)
            requeue = outcome is not Outcome.REJECT
            self._unwritten.append(
                self._marshal(
                    Basic.Nack(tag, requeue=requeue)
                    if outcome is Outcome.RELEASE
                    else Basic.Reject(tag, requeue=requeue)
                )
            )
        self._write_soon()

    def write_out(self) -> None:
        self._acknowledge_all()
        super().write_out()

    def _acknowledge_all(self) -> None:
        """Write the acknowledgements; those of the oldest consecutive deliveries as one frame."""
        if not self._acknowledged:
            return
        acknowledged = set(self._acknowledged)
        run = []
        for tag in self._unsettled:  # in the order of delivery
            if tag not in acknowledged:
                break
            run.append(tag)
        if len(run) > 1:
            self._unwritten.append(self._marshal(Basic.Ack(run[-1], multiple=True)))
            acknowledged.difference_update(run)
        for tag in self._acknowledged:
            self._unsettled.pop(tag, None)
            if tag in acknowledged:
                self._unwritten.append(self._marshal(Basic.Ack(tag)))
        self._acknowledged.clear()

    async def _on_deliver_frame(self, frame: Basic.Deliver) -> None:
        header = await self._get_frame()
        if not isinstance(header, ContentHeader):
            raise InvalidFrameError(header)
        message = await self._read_content(frame, header)
        consumer = self.consumers.get(frame.consumer_tag or "")
        if frame.delivery_tag is not None:
            self._unsettled[frame.delivery_tag] = None
        if consumer is not None:
            await consumer(message)
