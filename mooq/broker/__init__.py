"""RabbitMQ's rules as a state machine: no asyncio, no clock, no bytes on a wire.

A verb of a channel returns its answer or raises a refusal. Whatever else it causes is appended to
the broker's outbox, in order. Time is given to the broker.

::

    broker.py          users, virtual hosts, connections; time, alarms, restarts
    virtual_host.py    exchanges and queues by name; declare, bind, delete; dead letters
    channel.py         AMQP's verbs
    publishing.py      checks, returns and confirms of what a channel publishes
    deliveries.py      delivery tags, what is unacknowledged, settlement
    transactions.py    publishes and settlements that wait for a commit
    exchanges.py       direct, fanout, topic, headers; topics.py: patterns in a trie
    routing.py         the walk over bindings between exchanges, alternates, CC and BCC
    queue.py           one queue: TTL, expiry, length limits, delivery limit
    ready.py           the order of what is ready
    consumers.py       whose turn it is
    dead_letters.py    x-death, and cycles
    reply_to.py        direct reply-to
    arguments.py       x-arguments: type, range, equivalence
    permissions.py     what a user may configure, write and read
    refusals.py        every sentence that RabbitMQ refuses with
    effects.py         what leaves the broker on its own account
    message.py         body and basic properties
    values.py          AMQP's field values
    versions.py        where RabbitMQ 3.10, 4.0 and 4.3 differ
    outbox.py          … and its way to those whom it concerns
"""
