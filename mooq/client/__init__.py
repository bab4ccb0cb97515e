"""mooq's API: connections, channels, consumers and recovery, the same over every transport.

::

    connect.py          mooq.connect()
    rabbitmq.py         the names of 2017 for RabbitMQ
    in_memory.py        the names of 2017 for the broker in memory, which it runs
    connection.py       open, channels, process_events, close
    reconnection.py     bringing a lost connection back, once for all who wait
    recovery.py         attempts: how often, how far apart, up to which deadline
    options.py          heartbeat, channel_max, name and properties of a connection
    channel.py          consume, get, close
    publishing.py       publish, request and reply
    declaring.py        declare exchanges and queues, bind, and do so again after a loss
    requests.py         a request to the broker, again after a lost connection
    subscription.py     a registered consumer, as it is made anew after a loss
    dispatcher.py       deliveries that have arrived, and callbacks that run
    consumer.py         one delivery: decode, await the callback, settle
    manual.py           acknowledgement by hand
    retry.py            a retry policy; retries.py carries it out
    failures.py         messages that a callback failed on, without a policy
    timed_out.py        callbacks that took longer than the broker's consumer_timeout
    get.py              one message, at once or as soon as there is one
    slow_callbacks.py   callbacks that block the event loop
    codec.py            message to bytes and back; json_text.py, json_faults.py: JSON
    properties.py       properties of a message; headers.py: its headers
    queue_arguments.py  arguments of a queue, by names and in seconds
    refusals.py         refusals of the broker, as errors that say what to do
    observer.py         the hook by which the harness observes connections
    lifetime.py         open and close by ``async with``
    positional.py       positional arguments, refused with a remedy
"""
