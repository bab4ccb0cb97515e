"""AMQP 0-9-1 as bytes, and the server's side of a connection as a state machine.

::

    tables.py       field tables, both ways, with the types on the wire
    properties.py   the basic properties of a content header, both ways
    methods.py      the methods of AMQP 0-9-1 and RabbitMQ's extensions
    frames.py       frames to bytes, and messages to frames
    connection.py   bytes in, requests out: frames, contents, channels, closes
    handshake.py    header, authentication, tuning, connection.open
    heartbeats.py   when to send one, when to give a peer up
    violations.py   RabbitMQ's words for what breaks the protocol
    versions.py     what each version of RabbitMQ announces and tolerates

No asyncio, no sockets, no clock, and none of RabbitMQ's rules about exchanges and queues.
"""
