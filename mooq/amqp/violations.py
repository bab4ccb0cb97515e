"""Protocol violations, with RabbitMQ's reply codes and texts.

Measured on RabbitMQ 3.10.8, 4.0.5 and 4.3.6. Some texts contain line breaks, because they are
pretty-printed Erlang terms.
"""

from __future__ import annotations

from mooq.amqp.methods import Method
from mooq.broker.refusals import Refusal, Scope

_LINE = 80  # characters, of Erlang's pretty printer
_SHOWN = 16  # octets of a payload in a text
_ESCAPES = {8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 27: r"\e"}
_ESCAPES |= {34: r"\"", 92: r"\\"}
_LONGEST_TEXT = 255


class Violation(Exception):
    """A violation that closes the connection, and the method that caused it, if any."""

    def __init__(self, name: str, text: str, method: Method | None = None) -> None:
        self.refusal: Refusal = Refusal(name, text, Scope.CONNECTION)
        self.method = method
        super().__init__(self.refusal.text)


class LostSync(Violation):
    """A violation after which the peer's frames cannot be parsed."""


class Crash(Exception):
    """Input that crashes RabbitMQ's connection process: it disconnects without a reply."""


def internal_error() -> Refusal:
    """Return the refusal for an internal error of the broker."""
    return Refusal("INTERNAL_ERROR", "", Scope.CONNECTION)


def frame_too_large(kind: int, size: int, largest: int) -> LostSync:
    """Return the violation of a frame above the negotiated size."""
    return LostSync(
        "FRAME_ERROR", f"type {kind}, all octets = <<>>: {{frame_too_large,{size},{largest}}}"
    )


def bad_frame_end(kind: int, payload: bytes, end: int, unicode: bool) -> LostSync:
    """Return the violation of a frame without an end marker at its end."""
    text = _octets(kind, payload, unicode) + ": "
    term = f"{{invalid_frame_end_marker,{end}}}"
    column = len(text.rpartition("\n")[2]) + 1
    if len(term) >= _LINE - column:
        term = f"{{invalid_frame_end_marker,\n{' ' * column}{end}}}"
    return LostSync("FRAME_ERROR", text + term)


def unknown_frame(kind: int, payload: bytes, unicode: bool) -> Violation:
    """Return the violation of a frame of an unknown type, or too short for its type."""
    return Violation("FRAME_ERROR", _octets(kind, payload, unicode) + ": unknown_frame")


def unexpected_frame(kind: int, payload: bytes, unicode: bool) -> Violation:
    """Return the violation of a frame that is not allowed on its channel."""
    return Violation("UNEXPECTED_FRAME", _octets(kind, payload, unicode))


def unexpected_content(text: str, method: Method | None = None) -> Violation:
    """Return the violation of a method or content frame that is out of sequence."""
    return Violation("UNEXPECTED_FRAME", text, method)


def content_overrun(method: Method) -> Violation:
    """Return the violation of a body longer than its header announced."""
    return Violation("FRAME_ERROR", "content body frame exceeds remaining content size", method)


def content_too_large(size: int, largest: int, method: Method) -> Violation:
    """Return the violation of a header that announces a body above the size limit."""
    return Violation(
        "FRAME_ERROR", f"content body size {size} exceeds maximum allowed size {largest}", method
    )


def cannot_decode(fields: bytes, method: Method) -> Violation:
    """Return the violation of a method with damaged fields."""
    return Violation("FRAME_ERROR", f"cannot decode {_numbers(fields)}", method)


def malformed_text(method: Method | None = None) -> Violation:
    """Return the violation of a short string that is not UTF-8."""
    return Violation("FRAME_ERROR", "Malformed UTF-8 in shortstr", method)


def unexpected_method(state: str, method: Method) -> Violation:
    """Return the violation of a method that is not allowed in the connection's state."""
    return Violation("CHANNEL_ERROR", f"unexpected method in connection state {state}", method)


def unimplemented_method(method: Method) -> Violation:
    """Return the violation of a method that clients must not send."""
    return Violation("COMMAND_INVALID", "unimplemented method", method)


def expected_channel_open(method: Method) -> Violation:
    """Return the violation of a method on a channel that is not open."""
    return Violation("CHANNEL_ERROR", "expected 'channel.open'", method)


def second_channel_open(method: Method) -> Violation:
    """Return the violation of opening an open channel."""
    return Violation("CHANNEL_ERROR", "second 'channel.open' seen", method)


def shortened(text: str, unicode: bool) -> str | None:
    """Return a reply text shortened to 255 bytes; None if RabbitMQ fails to shorten it.

    Up to 3.12 RabbitMQ counts bytes. Later versions count characters, which may be too many bytes.
    """
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= _LONGEST_TEXT:
        if unicode and not _is_utf8(data):
            return shortened(data.decode("latin-1"), unicode)
        return text
    if not unicode:
        return (data[: _LONGEST_TEXT - 3] + b"...").decode("utf-8", "surrogateescape")
    if len(text) > _LONGEST_TEXT:
        text = text[: _LONGEST_TEXT - 3] + "..."
        if len(text.encode("utf-8", "surrogateescape")) <= _LONGEST_TEXT:
            return text
    return None


def _octets(kind: int, payload: bytes, unicode: bool) -> str:
    how_much = "all" if len(payload) <= _SHOWN else "first 16"
    text = f"type {kind}, {how_much} octets = "
    return text + _binary(payload[:_SHOWN], len(text) + 1, unicode)


def _binary(data: bytes, column: int, unicode: bool) -> str:
    """Return bytes as an Erlang term, pretty-printed from this column on, counted from 1."""
    quoted = _quoted(data, unicode)
    if quoted is not None:
        return quoted
    numbers = _numbers(data)
    if len(numbers) < _LINE - column:
        return numbers
    room = line = max(8, min(_LINE - column - 2, len(numbers) - 4))
    indent = "\n" + " " * (column + 1)
    parts = []
    for index, octet in enumerate(data):
        part = f"{octet}," if index < len(data) - 1 else f"{octet}"
        if len(part) > room:
            parts.append(indent)
            room = line
        parts.append(part)
        room -= len(part)
    return f"<<{''.join(parts)}>>"


def _numbers(data: bytes) -> str:
    return f"<<{','.join(map(str, data))}>>"


def _quoted(data: bytes, unicode: bool) -> str | None:
    """Return printable bytes as a string; None if some are not printable."""
    if not data:
        return None
    if all(_is_printable(octet) for octet in data):
        text = data.decode("latin-1") if unicode else data.decode("utf-8", "surrogateescape")
        return f'<<"{_escaped(text)}">>'
    if unicode and _is_utf8(data):
        text = data.decode()
        if all(_is_printable(ord(character)) for character in text):
            return f'<<"{_escaped(text)}"/utf8>>'
    return None


def _is_printable(code: int) -> bool:
    return 32 <= code <= 126 or code >= 160 or (8 <= code <= 13) or code == 27


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(ord(character), character) for character in text)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
