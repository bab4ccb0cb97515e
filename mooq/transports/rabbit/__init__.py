"""The transport to RabbitMQ: the only package that imports aio-pika and handles its errors.

::

    transport.py         RabbitTransport: one mooq connection
    channel.py           RabbitChannel: one mooq channel
    publisher.py         order, confirms and outcomes of publishes
    confirm_channel.py   … their AMQP channel: a confirm for each message
    consumers.py         consumers and their deliveries
    consumer_channel.py  … their AMQP channel: deliveries and grouped acknowledgements
    buffered_channel.py  … the base of both: one write per iteration of the event loop
    connection_pair.py   the two TCP connections and the shared control channel
    connection.py        one TCP connection: blocked, full, closed
    tls.py               TLS errors, with advice
    answers.py           aio-pika's errors as mooq's
"""

from mooq.transports.rabbit.transport import RabbitTransport

__all__ = ["RabbitTransport"]
