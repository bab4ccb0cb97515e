"""The command line: one file a command, and what they share.

::

    commands.py     the commands there are
    up.py           start a broker that outlives the command
    wait.py         wait until one answers
    status.py       list what `up` started
    down.py         end what `up` started
    serve.py        the in-memory broker, for any AMQP client
    demo.py         two services that talk
    parity.py       whether the broker in memory does as a RabbitMQ
    parameters.py   addresses and seconds, as arguments
    running.py      signals, errors and exit statuses
    live_line.py    what is awaited, on a terminal
    detached.py     launchers whose node outlives them, and how it is found again

Results go to stdout, everything else to stderr. Exit statuses: 0 done, 1 it failed, 2 wrong
arguments, 3 nothing to end, 128 + n ended by signal n.
"""
