"""The transport to RabbitMQ: the only package that imports aio-pika and handles its errors.

::

    transport.py       RabbitTransport: one mooq connection
    channel.py         RabbitChannel: one mooq channel
    publishing.py      order, confirms and the three outcomes of a publish
    confirming.py      … its AMQP channel: a confirm for each message
    consuming.py       consumers and their deliveries
    settling.py        … its AMQP channel: deliveries, settled in runs
    writing.py         … writing, once per iteration of the event loop
    connection_pair.py the two TCP connections and the shared control channel
    connection.py      one TCP connection: blocked, full, closed
    tls.py             errors about certificates, and what to do
    answers.py         aio-pika's errors as mooq's
"""

from mooq.transports.rabbit.transport import RabbitTransport

__all__ = ["RabbitTransport"]
