"""RabbitMQ's rules as a state machine, without asyncio, a clock or a wire format.

A method of a channel returns its result or raises a refusal. Its other effects, such as
deliveries, are appended to the broker's outbox in order. The caller sets the broker's time.

::

    broker.py          users, virtual hosts, connections; time, alarms, restarts
    virtual_host.py    exchanges and queues by name; declare, bind, delete; dead letters
    channel.py         AMQP's methods
    declarations.py    those that declare, bind and delete exchanges and queues
    publisher.py       checks, returns and confirms of a channel's publishes
    deliveries.py      delivery tags, unacknowledged deliveries, settlement
    transactions.py    publishes and settlements that wait for a commit
    exchanges.py       direct, fanout, topic, headers; topics.py: patterns in a trie
    routing.py         bindings between exchanges, alternate exchanges, CC and BCC
    queue.py           one queue: TTL, expiry, length limits, delivery limit
    ready.py           the order of ready messages
    consumers.py       the next consumer of a queue
    dead_letters.py    x-death headers, and cycles
    reply_to.py        direct reply-to
    arguments.py       x-arguments: type, range, equivalence
    permissions.py     a user's permissions to configure, write and read
    refusals.py        RabbitMQ's reply codes and texts for refused requests
    erlang.py          values in Erlang's notation, as these texts show them
    effects.py         deliveries, returns, confirms and closes that the broker sends
    message.py         body and basic properties
    values.py          AMQP's field values
    versions.py        differences between RabbitMQ 3.10, 4.0 and 4.3
    outbox.py          dispatching effects to connections and channels
"""
