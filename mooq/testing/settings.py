"""The settings of a run, from options, the environment and the ini file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest

from mooq.testing.rabbitmq_settings import (
    LAUNCHED_TIMEOUT,
    MANAGEMENT_PORT,
    UNIT,
    RabbitMQSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mooq.basics.address import Address

T = TypeVar("T")

BACKENDS = {"in_memory": ("in_memory",), "rabbit": ("rabbit",), "all": ("in_memory", "rabbit")}
LAUNCHERS = ("docker", "process", "systemctl", "service")
DISTRIBUTIONS = {
    "arch": "systemctl",
    "ubuntu": "service",
    "docker": "docker",
    "process": "process",
}
"""The values of TEST_DISTRIBUTION, as for :class:`mooq.RabbitMQBroker`."""

VARIABLES = {
    "mooq_address": "MOOQ_RABBITMQ_URL",
    "mooq_management": "MOOQ_RABBITMQ_MANAGEMENT",
    "mooq_image": "MOOQ_RABBITMQ_IMAGE",
}
"""The environment variables of options, whose values are read as those of the options."""

RUNNING_TIMEOUT = 10.0  # seconds for a RabbitMQ that should already be running

OPTIONS = {
    "mooq_backend": "brokers that tests run on: in_memory, rabbit or all (all)",
    "mooq_launcher": "how to start RabbitMQ: docker, process, systemctl or service (docker)",
    "mooq_address": "amqp://user:password@host:port, host:port or port of a running RabbitMQ",
    "mooq_management": "host:port of its management API (the same host, port 15672)",
    "mooq_image": "RabbitMQ image, for docker; of several, the first that the engine has",
    "mooq_unit": "name of RabbitMQ's unit, for systemctl (rabbitmq.service)",
    "mooq_timeout": "seconds that RabbitMQ may take to answer (60; 10 if it is already running)",
}

SWITCHES = {
    "mooq_strict": "fail a test that leaves unconsumed messages or unhandled exceptions",
    "mooq_redeliver": "deliver each message twice, to prove that services are idempotent",
    "mooq_timeline": "show what happened at the broker when a test fails",
    "mooq_parity": "compare each test's results on both brokers; fail if they differ",
}


TIMELINES_HELP = "folder for these timelines, one HTML file for each failing test"
MASK_HELP = "regular expression of text that mooq_parity does not compare; may be repeated"


class Asked(NamedTuple):
    """The value of an option, and its name where it was set: an option's or a variable's."""

    name: str
    value: str


class Settings(NamedTuple):
    """The brokers of a run, and what the harness does."""

    backends: tuple[str, ...] = BACKENDS["all"]
    rabbitmq: RabbitMQSettings = RabbitMQSettings()
    is_required: bool = False
    is_strict: bool = False
    compares: bool = False
    redelivers: bool = False
    shows_timeline: bool = False
    timelines: Path | None = None
    """The folder for HTML timelines."""
    masks: tuple[re.Pattern[str], ...] = ()
    """Regular expressions of text that ``--mooq-parity`` ignores."""


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and settings."""
    group = parser.getgroup("mooq", "mooq: a broker for every test")
    for name, text in OPTIONS.items():
        group.addoption(f"--{name.replace('_', '-')}", dest=name, default=None, help=text)
        parser.addini(name, text, type="string", default="")
    group.addoption("--mooq-timeline-html", metavar="FOLDER", default=None, help=TIMELINES_HELP)
    group.addoption(
        "--mooq-parity-mask", action="append", default=[], metavar="REGEX", help=MASK_HELP
    )
    parser.addini("mooq_parity_mask", MASK_HELP, type="linelist", default=[])
    for name, text in SWITCHES.items():
        group.addoption(f"--{name.replace('_', '-')}", dest=name, action="store_true", help=text)
        parser.addini(name, text, type="bool", default=False)


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings. Raises ``pytest.UsageError``, naming the invalid one."""
    environment = _from_environment()
    sources = [
        {name: str(config.getoption(name) or "") for name in OPTIONS},
        environment,
        {name: str(config.getini(name)) for name in OPTIONS},
    ]
    chosen = {name: next((one for one in sources if one.get(name)), {}) for name in OPTIONS}
    asked = {
        name: Asked(
            VARIABLES.get(name, name) if source is environment else name, source.get(name, "")
        )
        for name, source in chosen.items()
    }
    # A source of RabbitMQ overrides another source with lower precedence.
    way = next((one for one in sources if one.get("mooq_address") or one.get("mooq_launcher")), {})
    url, launcher = way.get("mooq_address", ""), way.get("mooq_launcher", "")
    if url and launcher:
        raise pytest.UsageError("mooq_address and mooq_launcher cannot be combined: set only one")
    backends = _one_of("mooq_backend", asked["mooq_backend"].value or "all", BACKENDS)
    compares = _is_on(config, "mooq_parity")
    if compares and backends != BACKENDS["all"]:
        raise pytest.UsageError(
            "mooq_parity runs each test on both brokers: mooq_backend must be all, not "
            f"{asked['mooq_backend'].value}"
        )
    return Settings(
        backends=backends,
        compares=compares,
        rabbitmq=_rabbitmq(asked, url, launcher),
        is_required=os.environ.get("MOOQ_REQUIRE_RABBITMQ", "") not in ("", "0"),
        is_strict=_is_on(config, "mooq_strict"),
        redelivers=_is_on(config, "mooq_redeliver"),
        shows_timeline=_is_on(config, "mooq_timeline"),
        timelines=_meant("mooq_timeline_html", _folder, folder)
        if (folder := config.getoption("mooq_timeline_html"))
        else None,
        masks=tuple(
            _meant("mooq_parity_mask", _regular_expression, mask)
            for mask in [
                *config.getini("mooq_parity_mask"),
                *config.getoption("mooq_parity_mask"),
            ]
        ),
    )


def _rabbitmq(asked: dict[str, Asked], url: str, launcher: str) -> RabbitMQSettings:
    """Return how to have RabbitMQ: at a URL, or by a launcher."""
    management, timeout = asked["mooq_management"], asked["mooq_timeout"]
    return RabbitMQSettings(
        launcher=_one_of("mooq_launcher", launcher or "docker", {one: one for one in LAUNCHERS}),
        is_launcher_named=bool(launcher),
        address=_meant(asked["mooq_address"].name, _address, url) if url else None,
        management=_meant(management.name, _host_and_port, management.value)
        if management.value
        else None,
        images=tuple(asked["mooq_image"].value.replace(",", " ").split()) or ("rabbitmq:4",),
        unit=asked["mooq_unit"].value or UNIT,
        timeout=_meant(timeout.name, _seconds, timeout.value)
        if timeout.value
        else RUNNING_TIMEOUT
        if url
        else LAUNCHED_TIMEOUT,
    )


def _is_on(config: pytest.Config, switch: str) -> bool:
    try:
        return bool(config.getoption(switch) or config.getini(switch))
    except (TypeError, ValueError, pytest.UsageError) as error:  # they name only the value
        raise pytest.UsageError(f"{switch} must be true or false: {error}") from None


def _from_environment() -> dict[str, str]:
    environment = os.environ.get
    distribution = environment("TEST_DISTRIBUTION", "")
    return {
        **{name: environment(variable, "") for name, variable in VARIABLES.items()},
        "mooq_launcher": _one_of("TEST_DISTRIBUTION", distribution, DISTRIBUTIONS)
        if distribution and not environment("MOOQ_RABBITMQ_URL")
        else "",
    }


def _one_of(name: str, value: str, choices: dict[str, T]) -> T:
    if value not in choices:
        raise pytest.UsageError(f"{name} must be one of {', '.join(choices)}, not {_shown(value)}")
    return choices[value]


def _shown(value: str) -> str:
    """Return a value for an error, without a password that it may contain."""
    from mooq.basics.address import mask  # waits, since pytest loads this file in every run

    return repr(mask(value))


def _meant(name: str, read: Callable[[str], T], value: str) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise pytest.UsageError(f"{name}: {error}") from None  # the value may contain a password


def _address(value: str) -> Address:
    from mooq.basics.address import parse_address  # waits, as above

    address = parse_address(value)
    if address.ssl:
        raise ValueError("must not be amqps://, because the harness does not support TLS")
    return address


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"must be a positive number of seconds, not {_shown(value)}")
    return seconds


def _regular_expression(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error:
        raise ValueError(f"{value!r} is not a regular expression") from None


def _folder(value: str) -> Path:
    """Return a folder, creating it if needed."""
    path = Path(value)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot create folder {value!r}: {error.strerror}") from None
    return path


def _host_and_port(value: str) -> tuple[str, int]:
    from mooq.basics.address import check_port

    host, _, port = value.rpartition(":") if ":" in value else (value, "", str(MANAGEMENT_PORT))
    if not host or not port.isdecimal():
        raise ValueError(f"must be host:port, not {_shown(value)}")
    return host.strip("[]"), check_port(int(port))
