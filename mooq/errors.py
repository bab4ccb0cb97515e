"""Every error that mooq raises, and what a transport may raise instead of a result.

::

    MooqError
    ├── BrokerConnectionError   also a ConnectionError: no broker, or no longer one
    │   └── PublishUnconfirmed  the message may or may not have arrived
    ├── BadExchange             an exchange that cannot be declared or used as asked
    │   └── ExchangeNotFound    … because nobody declared it
    ├── BadQueue                a queue that cannot be declared or used as asked
    │   └── ConsumerQueueNotFound   … because nobody declared it
    ├── MessageUnroutable       a mandatory message that no queue was bound for
    ├── NothingToConsume        get() on an empty queue
    ├── ConsumeTimeout          also a TimeoutError: get(timeout=…) on a queue that stayed empty
    ├── NoReply                 also a TimeoutError: request() that nobody replied to in time
    └── BrokerInternalError     the broker failed, or refused for a reason with no name above

Wrong arguments are ``TypeError`` and ``ValueError``, raised before anything is sent.
"""

from __future__ import annotations

from mooq.basics.address import Address
from mooq.basics.wording import in_seconds


class MooqError(Exception):
    """The root of every error of mooq."""


class BrokerConnectionError(MooqError, ConnectionError):
    """There is no broker to talk to: never was, or no longer.

    ``transient`` is False where waiting cannot help: a refused login, a missing virtual host,
    a connection or channel that was closed by its owner.
    """

    def __init__(self, text: str, *, transient: bool = True) -> None:
        super().__init__(text)
        self.transient = transient

    @classmethod
    def nothing_listens(cls, address: Address) -> BrokerConnectionError:
        """Return the error for an address where no broker runs."""
        return cls(
            f"cannot connect to {address}: nothing listens there; start the broker, or check host "
            "and port"
        )

    @classmethod
    def no_broker_in_memory(cls, address: Address) -> BrokerConnectionError:
        """Return the error for an address that no in-memory broker of this process has."""
        return cls(
            f"cannot connect to {address}: no in-memory broker of this process runs there; start "
            f"one with mooq.InMemoryBroker(host={address.host!r}, port={address.port}), or connect "
            'to a RabbitMQ with broker="rabbit"'
        )

    @classmethod
    def no_answer(cls, address: Address, timeout: float) -> BrokerConnectionError:
        """Return the error for an address where nobody answers within ``timeout`` seconds."""
        return cls(
            f"cannot connect to {address}: no answer within {in_seconds(timeout)}; is it "
            "a broker, and not overloaded?"
        )

    @classmethod
    def login_refused(cls, address: Address) -> BrokerConnectionError:
        """Return the error for a user or password that the broker does not take."""
        return cls(
            f"cannot connect to {address}: it refused the login of user {address.username!r}; "
            "check username and password",
            transient=False,
        )

    @classmethod
    def no_virtual_host(cls, address: Address) -> BrokerConnectionError:
        """Return the error for a virtual host that is not there, or not for this user."""
        return cls(
            f"cannot connect to {address}: there is no virtual host {address.virtual_host!r}, or "
            f"user {address.username!r} may not use it; create it, or check virtual_host",
            transient=False,
        )


class PublishUnconfirmed(BrokerConnectionError):
    """The connection ended, or time ran out, before the broker confirmed a message.

    The broker may have the message or not. Publish it again with the same ``message_id``, which
    the text names, and the receiver can tell a repeat.
    """


class BadExchange(MooqError):
    """An exchange with this name and type cannot be declared or used."""


class ExchangeNotFound(BadExchange):
    """Nobody declared this exchange."""


class BadQueue(MooqError):
    """A queue with this name and these properties cannot be declared or used."""


class ConsumerQueueNotFound(BadQueue):
    """Nobody declared this queue, or it was deleted."""


class MessageUnroutable(MooqError):
    """A message published with ``mandatory=True`` matched no binding; no queue has it."""


class NothingToConsume(MooqError):
    """The queue is empty."""


class ConsumeTimeout(MooqError, TimeoutError):
    """The queue stayed empty for the whole timeout."""


class NoReply(MooqError, TimeoutError):
    """No reply to a request came within its timeout."""


class BrokerInternalError(MooqError):
    """The broker failed, or refused for a reason that has no error of its own here."""


class Refused(Exception):
    """A broker's refusal: an AMQP reply code and its own text.

    Transports raise it; users meet it only as the ``__cause__`` of the errors above.
    Codes are those of AMQP 0-9-1 §1.8, with NACK for a negative publisher confirm.
    """

    NACK = 0
    NO_ROUTE = 312
    ACCESS_REFUSED = 403
    NOT_FOUND = 404
    RESOURCE_LOCKED = 405
    PRECONDITION_FAILED = 406
    NOT_ALLOWED = 530

    LONGEST_TEXT = 255  # bytes: AMQP's short string; RabbitMQ ends a longer one with dots

    def __init__(self, code: int, text: str) -> None:
        if len(text.encode()) > self.LONGEST_TEXT:
            text = text.encode()[: self.LONGEST_TEXT - 3].decode(errors="ignore") + "..."
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


class Unanswered(Exception):
    """A request that the broker did not answer. Transports raise one of the three below."""


class Lost(Unanswered):
    """The connection is gone, and the request was never sent."""


class Blocked(Unanswered):
    """The broker takes no messages for now, and why. Nothing was sent."""


class Unconfirmed(Unanswered):
    """The connection is gone, or silent, and the request had been sent: outcome unknown."""
