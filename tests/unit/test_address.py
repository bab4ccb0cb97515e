"""Broker addresses and their URLs."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooq.basics.address import Address, broker_name, check_port, host_and_port, parse_address

SECRET = "sesame"
SCHEMES = ["amqp://", "amqps://", "AMQP://", "amqp:", "http://", ""]


def test_address_defaults_match_rabbitmq() -> None:
    assert Address() == Address("localhost", 5672, "guest", "guest", "/", None)


def test_address_text_and_name_have_host_and_port() -> None:
    address = Address("broker.example", 5673)
    assert (str(address), address.name) == ("broker.example:5673", "broker.example_5673")
    assert broker_name("broker.example", 5673) == address.name


def test_ipv6_address_has_brackets_in_texts_and_in_the_url() -> None:
    address = Address("::1", 5673)
    assert str(address) == host_and_port("::1", 5673) == "[::1]:5673"
    assert str.__str__(address.url) == "amqp://guest:guest@[::1]:5673/%2F"
    assert Address.from_url(address.url) == Address("::1", 5673, ssl=False)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("5673", Address("127.0.0.1", 5673)),
        ("5673/", Address("127.0.0.1", 5673)),
        ("5673/shop", Address("127.0.0.1", 5673, virtual_host="shop")),
        ("5673/%2Fshop", Address("127.0.0.1", 5673, virtual_host="/shop")),
        ("ann:5@5673/shop", Address("127.0.0.1", 5673, "ann", "5", "shop")),
        ("mq.example", Address("mq.example")),
        ("mq.example/5673", Address("mq.example", virtual_host="5673")),
        ("mq.example:5673/shop", Address("mq.example", 5673, virtual_host="shop")),
        ("ann:5@mq.example:5673", Address("mq.example", 5673, "ann", "5")),
        ("10.0.0.1", Address("10.0.0.1")),
        ("[::1]:5673/shop", Address("::1", 5673, virtual_host="shop")),
        ("amqp://mq.example:5673/shop", Address("mq.example", 5673, virtual_host="shop")),
    ],
)
def test_part_of_an_address_is_parsed(text: str, address: Address) -> None:
    assert parse_address(text) == replace(address, ssl=False)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_empty_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the address is empty; write host:port"):
        parse_address(text)


def test_address_repr_hides_its_password() -> None:
    assert "secret" not in repr(Address(password="secret"))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"host": ""}, ValueError, "host is empty; name a host, such as 'localhost'"),
        ({"host": None}, TypeError, "host must be a str, not NoneType"),
        (
            {"host": "localhost:5673"},
            ValueError,
            "host 'localhost:5673' contains a port; pass host='localhost' and port=5673",
        ),
        (
            {"host": "mq.example/orders"},
            ValueError,
            "host contains '/'; pass only a host name or IP address",
        ),
        ({"username": 7}, TypeError, "username must be a str, not int"),
        ({"password": b"secret"}, TypeError, "password must be a str, not bytes"),
        ({"username": ""}, ValueError, "username is empty; RabbitMQ requires one"),
        ({"password": ""}, ValueError, "password is empty; RabbitMQ requires one"),
        (
            {"username": "a\0b"},
            ValueError,
            "username contains a NUL, which a login cannot; remove it",
        ),
        (
            {"username": "\ud800"},
            ValueError,
            "username contains '\\ud800', a lone surrogate, which UTF-8 cannot encode; decode "
            "the text correctly, or remove it",
        ),
        ({"virtual_host": None}, TypeError, "virtual_host must be a str, not NoneType"),
        (
            {"virtual_host": ""},
            ValueError,
            "virtual_host is empty; RabbitMQ's default is '/'",
        ),
        (
            {"virtual_host": "v" * 128},
            ValueError,
            f"virtual_host {'v' * 30!r}… has 128 characters; at most 127 are allowed",
        ),
        ({"port": "5672"}, TypeError, "port must be an int, not str"),
        ({"port": True}, TypeError, "port must be an int, not bool"),
        ({"port": 0}, ValueError, "port must be between 1 and 65535, not 0"),
        ({"port": 65536}, ValueError, "port must be between 1 and 65535, not 65536"),
        ({"port": -1}, ValueError, "port must be between 1 and 65535, not -1"),
    ],
    ids=str,
)
def test_invalid_address_part_is_named(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        Address(**arguments)
    assert str(raised.value) == text


def test_virtual_host_may_have_127_characters() -> None:
    assert Address(virtual_host="é" * 127).virtual_host == "é" * 127


@pytest.mark.parametrize("port", [1, 5672, 65535])
def test_valid_port_is_accepted(port: int) -> None:
    assert check_port(port) == port


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("amqp://", Address(ssl=False)),
        ("amqp://h", Address("h", ssl=False)),
        ("amqp://h/", Address("h", ssl=False)),
        ("AMQP://H", Address("h", ssl=False)),
        ("amqp://h:1", Address("h", 1, ssl=False)),
        ("amqp://[::1]:7", Address("::1", 7, ssl=False)),
        ("amqp://u@h", Address("h", username="u", ssl=False)),
        ("amqp://u:p@h:7/v", Address("h", 7, "u", "p", "v", ssl=False)),
        ("amqp://u%40:%2Fp%3A@h/a%20b%2Fc", Address("h", 5672, "u@", "/p:", "a b/c", ssl=False)),
        ("amqp://h/%2F", Address("h", virtual_host="/", ssl=False)),
        ("amqps://h", Address("h", 5671, ssl=True)),
        ("amqps://h:5672", Address("h", 5672, ssl=True)),
    ],
)
def test_url_contains_all_parts_of_an_address(url: str, address: Address) -> None:
    assert Address.from_url(url) == address


def test_ssl_argument_overrides_the_url_scheme() -> None:
    context = ssl.create_default_context()
    assert Address.from_url("amqp://h", context).ssl is context
    assert Address.from_url("amqp://h", True).ssl is True


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        ("http://h", ValueError, "url must begin with amqp:// or amqps://, not 'http'"),
        ("", ValueError, "url must begin with amqp:// or amqps://"),
        ("localhost:5672", ValueError, "url must begin with amqp:// or amqps://"),
        (5672, TypeError, "url must be a str, not int"),
        (b"amqp://h", TypeError, "url must be a str, not bytes"),
        ("amqp://h:0", ValueError, "port must be between 1 and 65535, not 0"),
        ("amqp://h:65536", ValueError, "url has a bad host or port: the port must be a numb"),
        ("amqp://h:no", ValueError, "url has a bad host or port: the port must be a number b"),
        (
            "amqp://h/v?heartbeat=1&timeout=3",
            ValueError,
            "url contains options, which mooq does not read ('heartbeat': pass heartbeat= "
            "instead; 'timeout': pass timeout= instead)",
        ),
        ("amqp://u:%FF@h", ValueError, "the password in url is not UTF-8; percent-encode it"),
        (
            "amqp://h/v#part",
            ValueError,
            "url contains '#'; in user, password and virtual host write",
        ),
        ("amqp://[::1", ValueError, "url has a bad host or port: the port must be a number betw"),
        ("amqp://u@h/v@w", ValueError, "url has a bad host or port: the port must be a number be"),
    ],
    ids=repr,
)
def test_invalid_url_is_refused_with_the_reason(
    url: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        Address.from_url(url)
    assert str(raised.value).startswith(text)


@given(before=st.text(max_size=3), after=st.text(max_size=3), scheme=st.sampled_from(SCHEMES))
@example(before="", after="/", scheme="amqp://")
@example(before="1/", after="", scheme="amqp://")
@example(before="\N{ACCOUNT OF}", after="", scheme="amqp://")
@example(before="[", after="]", scheme="amqp://")
@example(before="", after="\ud800", scheme="amqp://")
@example(before="", after="", scheme="amqp:")
def test_unquoted_password_in_url_is_not_shown(before: str, after: str, scheme: str) -> None:
    address = refused = None
    try:
        address = Address.from_url(f"{scheme}user:{before}{SECRET}{after}@host:5672")
    except ValueError as error:
        refused = error
    if refused is not None:
        assert SECRET not in str(refused)
        assert (refused.__cause__, refused.__context__) == (None, None)
    if address is not None:
        assert SECRET not in repr(address)
        assert SECRET in address.password


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (f"amqp://svc:{SECRET}@mq.example:5672/", "amqp://***@mq.example:5672"),
        (f"amqps://svc:{SECRET}@mq.example/orders?x={SECRET}", "amqps://***@mq.example"),
        (f"amqp://svc:{SECRET}/@{SECRET}@mq.example", "amqp://***@mq.example"),
        (f"amqp://svc:{SECRET}", "amqp://***"),
    ],
)
def test_url_passed_as_host_is_masked_in_the_error(host: str, shown: str) -> None:
    with pytest.raises(ValueError, match=r"^host is a URL") as raised:
        Address(host)
    assert str(raised.value) == f"host is a URL, {shown}; pass it as url="


def test_login_in_host_is_not_shown() -> None:
    with pytest.raises(ValueError, match=r"^host contains '@'; pass username= and") as raised:
        Address(f"svc:{SECRET}@mq.example")
    assert SECRET not in str(raised.value)


def test_arguments_and_url_hide_the_password_in_repr() -> None:
    address = Address("h", 1, "svc", SECRET, "v")
    assert address.where["password"] == SECRET
    assert address.url == f"amqp://svc:{SECRET}@h:1/v"
    assert SECRET not in repr((address, address.where, address.url))


@given(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)] * 3))
@example(("a%2Fb", "a%2Fb", "a%2Fb"))
def test_names_round_trip_through_a_url(names: tuple[str, str, str]) -> None:
    user, password, virtual_host = (name.replace("\0", "%00") for name in names)
    address = Address("::1", 5672, user, password, virtual_host, ssl=False)
    assert Address.from_url(address.url) == address
