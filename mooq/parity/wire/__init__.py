"""Differential testing of AMQP: the same methods go to both brokers, and every frame is compared.

::

    programs.py      programs: methods on several connections and channels
    strategies.py    Hypothesis strategies for programs; values.py: the values they choose from
    client.py        one connection, frame by frame
    conversation.py  runs a program on a broker, and collects the replies
    outcomes.py      the replies of each step, and where those of two brokers differ
    state.py         the client's knowledge of queues, consumers and deliveries
    flusher.py       waits until queues have handled everything they were sent
    pool.py          connections, reused by successive programs
    names.py         names and times of a program on the broker; text.py: replies as text
    comparison.py    runs a program on both brokers, and reports the differences
"""
