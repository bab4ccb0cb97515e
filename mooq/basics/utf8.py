"""A text as it travels: AMQP's strings are UTF-8, and their limits are in bytes."""

from __future__ import annotations


def utf8(what: str, text: str) -> bytes:
    """Return a text as UTF-8.

    Raises ``ValueError``, saying ``what`` it is, for a lone surrogate, which has no UTF-8.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
    # Not chained: that error holds all of the text, which may be a password.
    raise ValueError(
        f"{what} holds {half!r}, half a character that UTF-8 cannot hold; "
        "repair it where it is decoded, or leave it out"
    )
