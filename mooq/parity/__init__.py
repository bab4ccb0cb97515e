"""Parity: programs, what two brokers make of them, and whether that is the same.

::

    programs.py     what a program is written with: calls of several clients, as data
    strategies.py   hypothesis writes programs; determined.py leaves out what is open without end
    facts/          programs written by hand; recorded/ is what RabbitMQs made of them
    targets.py      the two brokers; versions.py: the versions of RabbitMQ that are followed
    run.py          a program on a broker: stage.py has who takes part, calls.py what they call,
                    conductor.py and callbacks.py have callbacks end one after the other
    internals.py    what that has to see and do below the public API
    trace.py        what came back
    compare.py      what may differ between two traces, and what may not
    divergence.py   a program on both brokers, and how they differ on it
    report.py       what people read: side by side, and as a test
    searching.py    many programs, and the shortest on which the brokers differ
    ledger.py       many searches by several processes, and what they came to
    recording.py    recorded truth: asked for, kept, replayed
    topics.py       every topic pattern with every key
"""
