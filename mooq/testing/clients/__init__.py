"""Clients of any kind, observed by the AMQP that passes between them and the broker.

::

    tap.py        one connection: frames of both sides, what they say and what becomes of them
    channel.py    state of one channel: what is consumed, unconfirmed, unsettled
    returns.py    which returned messages the client asked for
    activity.py   all connections of one test
    probes.py     what RabbitMQ is asked on a client's connection before it counts as idle
    endpoint.py   the port that clients connect to, and what is asked there

mooq's own connections are not among them: :mod:`mooq.testing.observer` sees those.
"""
