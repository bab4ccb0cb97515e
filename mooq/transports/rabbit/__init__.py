"""RabbitMQ, through aio-pika: the only room that knows aio-pika, and where its errors stop.

::

    transport.py   RabbitTransport: one connection of mooq's
    channel.py     RabbitChannel: one channel of mooq's, verb by verb
    publishing.py  order, confirms and the three outcomes of a publish
    consuming.py   consumers, and what they are given
    wires.py       the TCP connections and the control channel beneath all of them
    answers.py     what aio-pika raises, in mooq's terms
"""

from mooq.transports.rabbit.transport import RabbitTransport

__all__ = ["RabbitTransport"]
