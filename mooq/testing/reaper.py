"""The process that removes what an owner leaves behind, as soon as the owner is dead.

It holds the end of a pipe whose other end only the owner has. Whatever ends the owner closes it,
SIGKILL too; an owner that has cleaned up by itself says so first. Run as
``python -m mooq.testing.reaper``, it reads from its standard input what it is to remove.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.launchers.owner import Owner
    from mooq.testing.virtual_hosts import Management

ALL_IS_WELL = "all is well"
LONGEST_DEATH = 60.0  # seconds from the end of the pipe to that of its owner
BETWEEN_LOOKS = 0.05


class Reaper:
    """Started, and sent away, by the owner."""

    def __init__(self, owner: Owner, launcher: str, management: Management | None) -> None:
        packages = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mooq.testing.reaper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # out of reach of a terminal's Ctrl-C, and of a kill of a group
            text=True,
        )
        self._say(json.dumps([owner, launcher, management]))

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def send_away(self) -> None:
        """Let it end: nothing is left behind."""
        self._say(ALL_IS_WELL)
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # somebody has killed it
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def main() -> None:
    """Wait for the owner's end, and remove what it leaves behind."""
    owner, launcher, management = json.loads(sys.stdin.readline())
    if sys.stdin.readline().strip() == ALL_IS_WELL:
        return
    # Imported here because nothing of it is wanted after a run that ends well.
    from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

    from mooq.launchers.owner import Owner
    from mooq.testing import orphans
    from mooq.testing.virtual_hosts import Management

    Retrying(
        retry=retry_if_result(lambda is_dead: not is_dead),
        wait=wait_fixed(BETWEEN_LOOKS),
        stop=stop_after_delay(LONGEST_DEATH),
    )(lambda: Owner(*owner).is_dead)
    orphans.remove(launcher, Management(*management) if management else None)


if __name__ == "__main__":
    main()
