"""RabbitMQ's rules as a state machine: no asyncio, no clock, no transport.

::

    routing.py   which queues a key is routed to: direct, fanout, and topics in a trie
    queue.py     order, what is unacknowledged, redelivery, prefetch, round robin
    broker.py    virtual hosts with their exchanges and queues, connections, channels
"""
