"""What parity programs found in the in-memory broker, as RabbitMQ 3.10, 4.0 and 4.3 answer."""

from mooq.broker.direct.queue import Consumer, Queue
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message


def test_a_full_consumer_that_has_room_again_before_its_turn_keeps_its_place() -> None:
    turns: list[str] = []
    held: list[Delivery] = []

    def consumer(name: str, prefetch: int) -> Consumer:
        def deliver(delivery: Delivery) -> None:
            turns.append(name)
            held.append(delivery)

        return Consumer(object(), prefetch, deliver, lambda: None)

    queue = Queue(Declaration("q"))
    queue.add(consumer("one at a time", 1))
    queue.add(consumer("many", 100))

    for _ in range(2):
        queue.push(Message(b"", "", "q"))
    for delivery in held:
        queue.settle(delivery.receipt)
    queue.push(Message(b"", "", "q"))

    assert turns == ["one at a time", "many", "one at a time"]
