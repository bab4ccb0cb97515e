"""Parity: programs, what two brokers make of them, and whether that is the same.

::

    programs.py      programs: calls of several clients, as data
    strategies.py    hypothesis writes programs
    comparable.py    leaves out what RabbitMQ leaves open without end
    reference/       programs written by hand; recorded/ has RabbitMQ's answers to them
    targets.py       the two brokers; versions.py: the versions of RabbitMQ that are followed
    run.py           runs a program on a broker
    participants.py  connections, channels and consumers of a program
    calls.py         its calls
    scheduler.py     has its callbacks (callbacks.py) end one after the other
    internals.py     access to mooq's internals
    trace.py         what came back
    comparison.py    differences between two traces that may be, and those that may not
    divergence.py    a program on both brokers, and how they differ on it
    report.py        reports for people: side by side, and as a test
    search.py        many programs, and the shortest on which the brokers differ
    ledger.py        many searches by several processes, and their results
    recording.py     recorded truth: asked for, kept, replayed
    topics.py        every topic pattern with every key
"""
