"""Parity: differential testing of the in-memory broker against RabbitMQ.

::

    programs.py      programs: calls of several clients, as data
    strategies.py    Hypothesis strategies for programs
    comparable.py    removes steps whose outcome RabbitMQ does not determine
    reference/       hand-written programs; recorded/ has RabbitMQ's results for them
    targets.py       the two brokers; versions.py: supported versions of RabbitMQ
    run.py           runs a program on a broker
    participants.py  connections, channels and consumers of a program
    calls.py         single calls of the API, and their results as text
    scheduler.py     event processing; callbacks.py: callbacks that finish one at a time
    conditions.py    waiting for conditions
    internals.py     access to mooq's internals
    trace.py         the results of a program
    comparison.py    compares two traces
    divergence.py    runs a program on both brokers
    report.py        reports: traces side by side, and a program as a test
    search.py        searches for the shortest program on which the brokers differ
    ledger.py        searches in several processes, and a record of the results
    recording.py     records RabbitMQ's results, and replays them in memory
    topics.py        checks every topic pattern against every key
    wire/            the same for AMQP, frame by frame
"""
