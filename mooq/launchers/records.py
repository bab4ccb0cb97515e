"""Records of the brokers that `mooq up` left running, used by `mooq down` and by address."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mooq.errors import MooqError


@dataclass(frozen=True)
class NodeRecord:
    """One running node, recorded in a file of this user."""

    launcher: str
    host: str
    port: int
    unit: str = ""
    """systemctl only."""
    pid: int = 0
    """process only, as are the two below."""
    began: str = ""
    """When the process started: its id may belong to another process by now."""
    folder: str = ""
    """The node's folders on disk."""
    management_port: int = 0
    """The port of the management API; 0 if unknown."""

    def save(self) -> None:
        """Write the record atomically. Raises :class:`~mooq.MooqError`."""
        new = self._path.with_suffix(f".{os.getpid()}")
        try:
            new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_text(json.dumps(asdict(self)))
            new.replace(self._path)
        except OSError as error:
            raise MooqError(
                f"cannot write the file that `mooq down` needs ({error}); set XDG_STATE_HOME to a "
                "folder that you may write to"
            ) from error

    def forget(self) -> None:
        """Delete the record."""
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return _folder() / f"{self.launcher}-{self.port}-{self.pid}.json"


def records() -> Iterator[NodeRecord]:
    """Return all records. Raises :class:`~mooq.MooqError` for a damaged file."""
    for path in sorted(_folder().glob("*.json")):
        try:
            yield NodeRecord(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise MooqError(
                f"{path} is not a valid record of `mooq up`; stop that RabbitMQ yourself, then "
                "delete the file"
            ) from error


def management_port_of(host: str, port: int) -> int | None:
    """Return where the management API of a recorded node listens; None for any other node.

    Raises :class:`~mooq.MooqError` for a damaged record.
    """
    for record in records():
        if (record.host, record.port) == (host, port) and record.management_port:
            return record.management_port
    return None


def _folder() -> Path:
    """Return the folder of this user's records (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "mooq"
