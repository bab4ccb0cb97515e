"""Helpers that every package may use and that import nothing else of mooq.

::

    address.py   addresses of brokers, with masked passwords
    numbers.py   checks of numbers in arguments
    sockets.py   waiting until an event loop has read its sockets
    utf8.py      encoding of text as UTF-8
    wording.py   counts and durations in error texts
"""
