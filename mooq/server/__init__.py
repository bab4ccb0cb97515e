"""The in-memory broker on a socket, for any AMQP client.

::

    listening.py   listening in the running loop, or in a thread of its own
    outlet.py      one broker's effects to whom they concern, its timer, its connections
    protocol.py    one TCP connection: bytes in, one write a turn, backpressure
    session.py     one AMQP connection: requests to the broker's verbs, effects to frames
    requests.py    what each method asks the broker for, and its answer
    forks.py       sockets that a forked child lets go of

It knows asyncio and AMQP, and decides nothing that RabbitMQ's rules decide.
"""
