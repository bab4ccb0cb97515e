"""A mail service on pika's blocking connection, run in a thread or a separate process."""

from collections.abc import Callable

import pika
from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic


class Mailer:
    """Consumes the queue ``mail``: passes each text to ``send``, then acknowledges it."""

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
        """Consume until :meth:`stop` is called."""
        self._channel.start_consuming()
        self._connection.close()

    def stop(self) -> None:
        """Stop; may be called from another thread."""
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)


def post(url: str, text: str) -> None:
    """Queue a text, and return when RabbitMQ has confirmed it."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("mail", durable=True)
        channel.basic_publish("", "mail", text, BasicProperties(content_type="text/plain"))
