"""mooq's API: connections, channels, consumers and recovery, the same for every transport.

::

    connect.py          mooq.connect()
    rabbitmq.py         the class names of mooq 0.1.1 for RabbitMQ
    in_memory.py        the class names of mooq 0.1.1 for the in-memory broker
    connection.py       open, channels, process_events, close
    reconnection.py     reconnecting: one attempt for everything that waits
    recovery.py         attempts: their number, waits and deadline
    options.py          heartbeat, channel_max, name and properties of a connection
    channel.py          consume, get, close
    publisher.py        publish, request and reply
    declarations.py     declare exchanges and queues, bind, and do so again after a loss
    requests.py         a request to the broker, repeated after a lost connection
    subscription.py     a registered consumer, restored after a loss
    dispatcher.py       deliveries that have arrived, and running callbacks
    consumer.py         one delivery: decode, await the callback, settle
    manual.py           acknowledgement by hand
    retry.py            a retry policy; retries.py applies it
    failures.py         messages whose callback failed, without a retry policy
    timed_out.py        callbacks that took longer than the broker's consumer_timeout
    get.py              getting one message, at once or when it arrives
    slow_callbacks.py   callbacks that block the event loop
    codec.py            message to bytes and back; json_text.py, json_faults.py: JSON
    properties.py       properties of a message; headers.py: its headers
    queue_arguments.py  queue arguments, with names and in seconds
    refusals.py         errors for the broker's refusals
    observer.py         the hook through which tests observe connections
    lifetime.py         ``async with`` for connections and channels
    positional.py       errors for positional arguments that must be keywords
"""
