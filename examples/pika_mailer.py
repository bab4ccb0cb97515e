"""A service on pika's blocking connection that sends mail, in a thread or a process of its own."""

from collections.abc import Callable

import pika
from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic


class Mailer:
    """Consumes the queue ``mail``; gives every text to ``send``, and acknowledges it then."""

    def __init__(self, url: str, send: Callable[[str], None]) -> None:
        self._send = send
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.queue_declare("mail", durable=True)
        self._channel.basic_qos(prefetch_count=1)
        self._channel.basic_consume("mail", self._deliver)

    def _deliver(
        self,
        channel: BlockingChannel,
        method: Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        try:
            self._send(body.decode())
        except OSError:
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            channel.basic_ack(method.delivery_tag)

    def run(self) -> None:
        """Work until :meth:`stop` is called."""
        self._channel.start_consuming()
        self._connection.close()

    def stop(self) -> None:
        """End; for another thread."""
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)


def post(url: str, text: str) -> None:
    """Have a text sent, and return when RabbitMQ has it."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("mail", durable=True)
        channel.basic_publish("", "mail", text, BasicProperties(content_type="text/plain"))
