"""The errors that mooq raises, and those that a transport raises.

::

    MooqError
    ├── BrokerConnectionError   also a ConnectionError: the broker is unreachable
    │   └── PublishUnconfirmed  the message may or may not have arrived
    ├── BadExchange             an exchange that cannot be declared or used as asked
    │   └── ExchangeNotFound    … because it does not exist
    ├── BadQueue                a queue that cannot be declared or used as asked
    │   └── ConsumerQueueNotFound   … because it does not exist
    ├── MessageUnroutable       a mandatory message for which no queue was bound
    ├── NothingToConsume        get() on an empty queue
    ├── ConsumeTimeout          also a TimeoutError: get(timeout=…) on a queue that stayed empty
    ├── NoReply                 also a TimeoutError: request() without a reply in time
    └── BrokerInternalError     the broker failed, or refused for another reason

Wrong arguments raise ``TypeError`` or ``ValueError`` before anything is sent.
"""

from __future__ import annotations

from mooq.basics.address import Address
from mooq.basics.wording import in_seconds


class MooqError(Exception):
    """The base class of all mooq errors."""


class BrokerConnectionError(MooqError, ConnectionError):
    """The broker cannot be reached, or the connection to it was lost or closed.

    ``transient`` is False if waiting cannot help: a refused login, a missing virtual host, or a
    connection or channel that its owner closed.
    """

    def __init__(self, text: str, *, transient: bool = True) -> None:
        super().__init__(text)
        self.transient = transient

    @classmethod
    def nothing_listens(cls, address: Address) -> BrokerConnectionError:
        """Return the error for an address where nothing listens."""
        return cls(
            f"cannot connect to {address}: nothing listens there; start the broker, or check host "
            "and port"
        )

    @classmethod
    def no_broker_in_memory(cls, address: Address) -> BrokerConnectionError:
        """Return the error for an address without an in-memory broker in this process."""
        return cls(
            f"cannot connect to {address}: no in-memory broker of this process runs there; start "
            f"one with mooq.InMemoryBroker(host={address.host!r}, port={address.port}), or connect "
            'to a RabbitMQ with broker="rabbit"'
        )

    @classmethod
    def no_answer(cls, address: Address, timeout: float) -> BrokerConnectionError:
        """Return the error for an address that does not answer within ``timeout`` seconds."""
        return cls(
            f"cannot connect to {address}: no answer within {in_seconds(timeout)}; is it "
            "a broker, and not overloaded?"
        )

    @classmethod
    def login_refused(cls, address: Address) -> BrokerConnectionError:
        """Return the error for a refused login."""
        return cls(
            f"cannot connect to {address}: it refused the login of user {address.username!r}; "
            "check username and password",
            transient=False,
        )

    @classmethod
    def no_virtual_host(cls, address: Address) -> BrokerConnectionError:
        """Return the error for a virtual host that does not exist, or is closed to this user."""
        return cls(
            f"cannot connect to {address}: there is no virtual host {address.virtual_host!r}, or "
            f"user {address.username!r} may not use it; create it, or check virtual_host",
            transient=False,
        )


class PublishUnconfirmed(BrokerConnectionError):
    """The connection was lost, or the timeout passed, before the broker confirmed a message.

    The broker may or may not have the message. Publish it again with the same ``message_id``, which
    the error names, so that the receiver can recognise a repeat.
    """


class BadExchange(MooqError):
    """An exchange with this name and type cannot be declared or used."""


class ExchangeNotFound(BadExchange):
    """This exchange does not exist."""


class BadQueue(MooqError):
    """A queue with this name and these properties cannot be declared or used."""


class ConsumerQueueNotFound(BadQueue):
    """This queue does not exist, or was deleted."""


class MessageUnroutable(MooqError):
    """A message published with ``mandatory=True`` matched no binding, so no queue got it."""


class NothingToConsume(MooqError):
    """The queue is empty."""


class ConsumeTimeout(MooqError, TimeoutError):
    """The queue stayed empty for the whole timeout."""


class NoReply(MooqError, TimeoutError):
    """No reply to a request arrived within its timeout."""


class BrokerInternalError(MooqError):
    """The broker failed, or refused for a reason that has no error class of its own."""


class Refused(Exception):
    """A refusal by the broker: an AMQP reply code and the broker's text.

    Transports raise it. Users see it only as the ``__cause__`` of the errors above. The codes are
    those of AMQP 0-9-1 §1.8, and NACK for a negative publisher confirm.
    """

    NACK = 0
    NO_ROUTE = 312
    ACCESS_REFUSED = 403
    NOT_FOUND = 404
    RESOURCE_LOCKED = 405
    PRECONDITION_FAILED = 406
    NOT_ALLOWED = 530
    INTERNAL_ERROR = 541

    LONGEST_TEXT = 255  # bytes, an AMQP short string; RabbitMQ shortens a longer text with dots

    def __init__(self, code: int, text: str) -> None:
        if len(text.encode()) > self.LONGEST_TEXT:
            text = text.encode()[: self.LONGEST_TEXT - 3].decode(errors="ignore") + "..."
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


class Unanswered(Exception):
    """The broker did not answer a request. Transports raise one of the three classes below."""


class Lost(Unanswered):
    """The connection was lost before the request was sent."""


class Blocked(Unanswered):
    """The broker accepts no messages at the moment. Nothing was sent. The text says why."""


class Unconfirmed(Unanswered):
    """The request was sent, but no answer came. The outcome is unknown."""
