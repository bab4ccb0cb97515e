"""Values in Erlang's notation, for refusals that quote one."""

from __future__ import annotations

import sys
from contextlib import suppress

from mooq.broker.values import AmqpDecimal, FieldValue, bytes_of, type_name

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
}


def erlang_term(value: FieldValue, *, marks_utf8: bool) -> str:
    """Return a value as an Erlang term; ``marks_utf8`` marks text beyond ASCII as UTF-8."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | bytes):
        return _binary(value, marks_utf8=marks_utf8)
    if isinstance(value, dict):
        entries = (
            f"{{{_binary(name, marks_utf8=marks_utf8)},{type_name(one)},"
            f"{erlang_term(one, marks_utf8=marks_utf8)}}}"
            for name, one in value.items()
        )
        return f"[{','.join(entries)}]"
    if isinstance(value, list):
        items = (f"{{{type_name(one)},{erlang_term(one, marks_utf8=marks_utf8)}}}" for one in value)
        return f"[{','.join(items)}]"
    if isinstance(value, AmqpDecimal):
        return f"{{{value.scale},{value.value}}}"
    return str(value)


def character_list(text: str, *, has_unicode: bool) -> str:
    """Return the bytes of a text as a list of characters, or of numbers if one is not printable.

    ``has_unicode`` is whether a text beyond ASCII is written byte by byte, as versions do that
    mark it in binaries.
    """
    return _list(bytes_of(text).decode("latin-1"), has_unicode=has_unicode)


def quoting(words: str, value: str | bytes, *, has_unicode: bool) -> str:
    """Return words and a quoted value as a list of characters, or of numbers.

    ``has_unicode`` is whether the characters are those of the value, if it is UTF-8, instead of
    its bytes.
    """
    data = bytes_of(value)
    characters = data.decode("latin-1")
    if has_unicode:
        with suppress(UnicodeDecodeError):
            characters = data.decode()
    return _list(f"{words} '{characters}'", has_unicode=has_unicode)


def _list(characters: str, *, has_unicode: bool) -> str:
    if not _is_printable(characters, 256):
        return f"[{_numbers(characters)}]"
    return f'"{_shown(characters, has_unicode=has_unicode)}"'


def _binary(value: str | bytes, *, marks_utf8: bool) -> str:
    data = bytes_of(value)
    if not data:
        return "<<>>"
    if marks_utf8 and not data.isascii():
        with suppress(UnicodeDecodeError):
            text = data.decode()
            if _is_printable(text, sys.maxunicode):
                return f'<<"{_escaped(text)}"/utf8>>'
    characters = data.decode("latin-1")
    if not _is_printable(characters, 256):
        return f"<<{_numbers(characters)}>>"
    return f'<<"{_shown(characters, has_unicode=marks_utf8)}">>'


def _shown(characters: str, *, has_unicode: bool) -> str:
    """Return characters with escapes. Without Unicode, they are bytes of the text."""
    text = _escaped(characters)
    return text if has_unicode else text.encode("latin-1").decode("utf-8", "surrogateescape")


def _escaped(characters: str) -> str:
    return "".join(_ESCAPES.get(one, one) for one in characters)


def _numbers(characters: str) -> str:
    return ",".join(str(ord(one)) for one in characters)


def _is_printable(characters: str, end: int) -> bool:
    """Return whether all characters are printable in Erlang, and below ``end``."""
    return all(
        " " <= one < "\x7f" or 160 <= ord(one) < end or one in _ESCAPES for one in characters
    )
