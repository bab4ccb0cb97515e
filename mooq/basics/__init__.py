"""Helpers that every package may use and that import nothing else of mooq.

::

    address.py   where a broker is: host, port, user, virtual host; passwords masked
    utf8.py      text that can be encoded
    wording.py   numbers and durations for error texts
"""
