"""UTF-8, the encoding of AMQP's strings, whose limits are in bytes."""

from __future__ import annotations


def utf8(what: str, text: str) -> bytes:
    """Return a text as UTF-8.

    Raises ``ValueError`` for a lone surrogate; ``what`` is the text's name in the error.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
    # Not chained: the error contains the whole text, which may be a password.
    raise ValueError(
        f"{what} contains {half!r}, a lone surrogate, which UTF-8 cannot encode; "
        "decode the text correctly, or remove it"
    )
