"""AMQP 0-9-1: encoding, decoding, and the server's side of a connection as a state machine.

::

    tables.py       field tables, with the types on the wire
    properties.py   the basic properties of a content header
    methods.py      the methods of AMQP 0-9-1 and RabbitMQ's extensions
    frames.py       encoding of frames and messages
    output.py       frames to send
    connection.py   the server's side of a connection: bytes in, requests out
    channels.py     its channels; contents.py: methods with a content header and body
    handshake.py    protocol header, authentication, tuning, connection.open
    heartbeats.py   sending heartbeats, and detecting a lost peer
    violations.py   RabbitMQ's replies to protocol violations
    versions.py     differences between versions of RabbitMQ on the wire
    inspection.py   frames and messages of a connection between two others

No asyncio, sockets or clock here. RabbitMQ's rules about exchanges and queues are in
:mod:`mooq.broker`.
"""
