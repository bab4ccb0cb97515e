"""RabbitMQ, through aio-pika: the only room that knows aio-pika, and where its errors stop.

::

    transport.py   RabbitTransport: one connection of mooq's
    channel.py     RabbitChannel: one channel of mooq's, verb by verb
    publishing.py  order, confirms and the three outcomes of a publish
    confirming.py  … the AMQP channel beneath: a confirm for each message
    consuming.py   consumers, and what they are given
    settling.py    … the AMQP channel beneath: deliveries, settled in runs
    writing.py     … what both write, together for one turn of the event loop
    wires.py       the TCP connections and the control channel beneath all of them
    wire.py        one TCP connection: blocked, full, ended
    tls.py         what is wrong with a certificate, and what to do
    answers.py     what aio-pika raises, in mooq's terms
"""

from mooq.transports.rabbit.transport import RabbitTransport

__all__ = ["RabbitTransport"]
