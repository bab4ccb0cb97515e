"""Documented commands, scripts and workflows: run, or checked by their parsers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from mooq.cli.commands import mooq as command_line
from mooq.testing.lease import RunningRabbitMQ
from tests import documentation
from tests.command_line import LONGEST_COMMAND, environment
from tests.documentation import ROOT, Block, blocks_in
from tests.managed_docker import image_at_hand
from tests.shared_broker import leave_out

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the pages speak to the shells of Linux and macOS"
)

HERE = Path(sys.executable).parent  # where the commands of this environment are
DEFAULT_ADDRESS = re.compile(r"(amqp://guest:guest@)?127\.0\.0\.1:5672")
READ_ALONE = """
import argparse, runpy, sys

def read(parser, *arguments, parse=argparse.ArgumentParser.parse_args):
    parse(parser, *arguments)
    sys.exit()

argparse.ArgumentParser.parse_args = read
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""A program that lets a module parse its arguments and then exits."""
END_BROKER = """trap '[ "$?" = 0 ] || [ -z "${address-}" ] || mooq down "$address"' EXIT"""
"""Prefix of a script that stops the broker at ``$address`` if the script fails."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = documentation.commands()
ON_RABBITMQ = [
    one
    for one in COMMANDS
    if re.match(r"pytest|mooq (wait|demo)|python .* --broker rabbit|docker ", one)
]
SCRIPTS = [block for block in blocks_in("sh") if documentation.is_script(block)]


def run(command: list[str], folder: Path = ROOT, **variables: str) -> str:
    """Return the output of a command, which must succeed."""
    path = f"{HERE}:{environment()['PATH']}"
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment(PATH=path, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_COMMAND,
        check=False,
    )
    assert ended.returncode == 0, f"{shlex.join(command)}\n{ended.stdout}"
    return ended.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The tutorial's project: an example, its tests and the documented settings."""
    for name in ("in2com.py", "running.py", "tests/test_in2com.py"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    (tmp_path / "pytest.ini").write_text(documentation.settings_for(""))
    return tmp_path


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(ON_RABBITMQ)))
def test_documented_command_is_valid(command: str) -> None:
    match shlex.split(command):
        case ["pip", "install", "-r", file]:
            assert (ROOT / "examples" / file).is_file()
        case ["pip", "install", *wanted]:
            can_be_installed(wanted[-1])
        case ["git", "clone", url]:
            assert url == PROJECT["urls"]["Source"]
        case ["cd", folder]:
            assert folder == PROJECT["name"] or (ROOT / folder).is_dir()
        case ["mooq", name, *options]:
            is_read(name, options)
        case ["python", "-m", module, *arguments]:
            is_read_by_module(module, arguments)
        case ["python", *arguments]:
            assert run([sys.executable, *arguments])
        case ["check-jsonschema" | "zizmor", *_]:
            run(["bash", "-c", command.replace("'", "")])  # bash expands the file names
        case words:
            assert words in [step[: len(words)] for step in steps_of_the_gate()], (
                "neither this test nor .ci/run runs it"
            )


@pytest.mark.rabbit
@pytest.mark.parametrize("command", ON_RABBITMQ)
def test_documented_command_works_with_rabbitmq(
    command: str, project: Path, default_virtual_host: RunningRabbitMQ
) -> None:
    host, port = default_virtual_host["host"], default_virtual_host["port"]
    url = f"amqp://{default_virtual_host['username']}:{default_virtual_host['password']}@{host}:{port}"
    match shlex.split(DEFAULT_ADDRESS.sub(url, command)):
        case ["docker", "compose", *arguments]:
            dry_run(*arguments)
        case ["pytest", *_] as words:
            management = default_virtual_host["management"]
            printed = run(
                words, project, MOOQ_RABBITMQ_URL=url, MOOQ_RABBITMQ_MANAGEMENT=management
            )
            assert " passed" in printed
        case ["python", *_] as words:
            assert run([*words, "--host", host, "--port", str(port)])
        case words:
            assert run(words)


def test_clients_of_the_examples_are_installed_before_their_tests() -> None:
    scripts = [block.code for block in blocks_in("sh") if "cd examples\n" in block.code]
    assert scripts
    for script in scripts:
        commands = script.splitlines()
        assert commands.index("pip install -r requirements.txt") < commands.index("pytest -n auto")


def can_be_installed(requirement: str) -> None:
    """Check that a requirement names mooq and its extras; ``.ci/package.sh`` installs them."""
    wanted = Requirement(re.sub(r"^\.", "mooq", requirement))
    assert wanted.name == PROJECT["name"]
    assert wanted.extras <= set(PROJECT["optional-dependencies"])


def is_read(name: str, options: list[str]) -> None:
    """Check that a mooq command accepts these options, without running it."""
    with click.Context(command_line) as above:
        command = command_line.get_command(above, name)
        assert command is not None
        command.make_context(name, list(options), parent=above)


def is_read_by_module(module: str, arguments: list[str]) -> None:
    """Check that a module exists and accepts these arguments, without running it."""
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    if "argparse" in Path(found.origin).read_text(encoding="utf-8"):
        run([sys.executable, "-c", READ_ALONE, module, *arguments])


def steps_of_the_gate() -> list[list[str]]:
    """Return the commands in ``.ci/run``."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("step ")]


def dry_run(*arguments: str) -> None:
    """Run ``docker compose`` with ``--dry-run``."""
    if shutil.which("docker") is None:
        leave_out("`docker compose` needs Docker; `.ci/images.sh`, run as root, brings it in")
    words = ["docker", "compose", "--project-name", "mooq-pages", "--dry-run", *arguments]
    run(words, MOOQ_RABBITMQ_IMAGE=image_at_hand())


@pytest.mark.rabbit
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_documented_script_runs(script: Block) -> None:
    run(["bash", "-euc", f"{END_BROKER}\n{script.code}"], MOOQ_RABBITMQ_IMAGE=image_at_hand())


def test_documented_workflows_are_valid(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for block in documentation.workflow_blocks():
        file = folder / f"{block.name.replace('/', '-')}.yml"
        file.write_text(documentation.as_workflow(block.code))

    run(["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files_in(folder)])
    run(["zizmor", "--offline", "--quiet", str(tmp_path / ".github")])


def files_in(folder: Path) -> list[str]:
    """Return the files of a folder, which must not be empty."""
    found = [str(file) for file in folder.iterdir()]
    assert found
    return found
