"""The command line: ``mooq``, and ``python -m mooq``."""

import sys


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        from mooq.cli.commands import mooq

        mooq(prog_name="mooq")
    except ModuleNotFoundError as error:
        library = str(error.name).partition(".")[0]
        if library not in {"click", "rich"}:
            raise
        sys.exit(f"Error: the command line of mooq needs {library}; pip install 'mooq[cli]'")


if __name__ == "__main__":
    main()
