"""mooq's API: connections, channels, consumers and recovery, the same over every transport.

::

    connect.py          mooq.connect()
    rabbitmq.py         the names of 2017 for RabbitMQ
    in_memory.py        … and for the broker in memory, which it runs
    connection.py       open, channels, process_events, close
    channel.py          publish, register, get
    requests.py         a request to the broker, again after a lost connection
    recovery.py         how often and how far apart, up to which deadline
    subscription.py     a registered consumer, as it is made anew after a loss
    dispatcher.py       deliveries that have arrived, and callbacks that run
    consumer.py         one delivery: decode, await the callback, settle
    timed_out.py        callbacks that took longer than the broker's consumer_timeout
    failures.py         messages that a callback failed on
    get.py              one message, at once or as soon as there is one
    slow_callbacks.py   callbacks that block the event loop
    codec.py            message ↔ bytes; json_text.py, json_faults.py: JSON
    refusals.py         what the broker refused, as errors that say what to do
    watching.py         the hook by which the harness observes connections
    lifetime.py         open and close by ``async with``
    positional.py       positional arguments, refused with a remedy
"""
