"""The in-memory broker on a socket, for any AMQP client.

::

    shared_listener.py  a listener for a broker that other threads use as well
    listener.py         listening in the running event loop, or in a separate thread
    driver.py           dispatching a broker's effects, its timer, its connections
    deadline.py         a timer for the next deadline
    protocol.py         one TCP connection: reading, one write per iteration, backpressure
    session.py          one AMQP connection: methods to the broker's calls, effects to frames
    requests.py         each method's call to the broker, and the reply
    busy_wait.py        a short busy wait for the next request, in `mooq serve`
    forks.py            closing inherited sockets in forked children

This package does I/O with asyncio and AMQP. RabbitMQ's rules are in :mod:`mooq.broker`.
"""
