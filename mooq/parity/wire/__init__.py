"""Differential testing of AMQP itself: the same methods to both brokers, every frame compared.

::

    programs.py      a program: methods of several connections and channels
    strategies.py    programs that hypothesis writes
    client.py        one connection, frame by frame
    conversation.py  running a program on a broker, and what comes back
    flusher.py       waiting until queues have dealt with what they were sent
    pool.py          connections that one program after the other uses
    text.py          what is compared, as lines of text
    comparison.py    both brokers, and where they differ
"""
