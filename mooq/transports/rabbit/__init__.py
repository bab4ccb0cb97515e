"""RabbitMQ, through aio-pika: the only package that imports it and that sees its errors.

::

    transport.py       RabbitTransport: one connection of mooq's
    channel.py         RabbitChannel: one channel of mooq's, verb by verb
    publishing.py      order, confirms and the three outcomes of a publish
    confirming.py      … its AMQP channel: a confirm for each message
    consuming.py       consumers, and what they are given
    settling.py        … its AMQP channel: deliveries, settled in runs
    writing.py         … what both write, together for one turn of the event loop
    connection_pair.py the TCP connections and the control channel that all of them share
    connection.py      one TCP connection: blocked, full, ended
    tls.py             what is wrong with a certificate, and what to do
    answers.py         what aio-pika raises, in mooq's terms
"""

from mooq.transports.rabbit.transport import RabbitTransport

__all__ = ["RabbitTransport"]
