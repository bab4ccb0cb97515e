"""The command line: one file per command, and shared modules.

::

    commands.py     the list of commands
    up.py           start a RabbitMQ that keeps running
    wait.py         wait until a RabbitMQ answers
    status.py       list the brokers that `up` started
    down.py         stop the brokers that `up` started
    serve.py        the in-memory broker, for any AMQP client
    demo.py         two services that exchange messages
    parity.py       compare the in-memory broker with a RabbitMQ
    parameters.py   addresses and seconds, as arguments
    runner.py       signals, errors and exit statuses
    live_line.py    a progress line on a terminal
    detached.py     nodes that outlive the command, and finding them again

Results go to stdout, everything else to stderr. Exit statuses: 0 done, 1 failed, 2 wrong
arguments, 3 nothing to stop, 128 + n stopped by signal n.
"""
