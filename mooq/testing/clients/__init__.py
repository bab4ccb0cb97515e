"""Other AMQP clients, observed through the traffic between them and the broker.

::

    tap.py        one connection: the frames of both sides
    channel.py    the state of one channel: consumers, unconfirmed, unsettled
    returns.py    which returned messages the client asked for
    activity.py   all client connections of one test
    probes.py     requests to RabbitMQ on a client's connection, to see if it is idle
    endpoint.py   the port that clients connect to

mooq's own connections are not included: :mod:`mooq.testing.observer` observes them.
"""
