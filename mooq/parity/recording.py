"""Recorded traces of the programs in ``reference`` on each version of RabbitMQ, and their replay.

``python -m mooq.parity.recording --against amqp://… --restart "docker restart NAME"`` runs the
programs on RabbitMQ and adds its traces to those of other versions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mooq.basics.address import Address
from mooq.basics.wording import counted
from mooq.errors import BrokerConnectionError
from mooq.parity import trace as traces
from mooq.parity.comparison import Difference, differences
from mooq.parity.conditions import until
from mooq.parity.reference import REFERENCE_PROGRAMS, ReferenceProgram
from mooq.parity.run import run
from mooq.parity.targets import InMemory, RabbitMQ, Restarting, Target
from mooq.parity.trace import Trace
from mooq.parity.versions import numbers_of

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Answer:
    """A trace of a program; ``seen`` has the date for each version of RabbitMQ that produced it."""

    seen: dict[str, str]
    trace: Trace


@dataclass(frozen=True)
class ProgramRecord:
    """A program and its traces, that of the oldest version of RabbitMQ first."""

    reference: ReferenceProgram
    answers: tuple[Answer, ...]

    def as_of(self, version: str) -> Answer | None:
        """Return the answer of the same release series as ``version``, if there is one."""
        for answer in self.answers:
            if any(numbers_of(seen) == numbers_of(version) for seen in answer.seen):
                return answer
        return None


def load(reference: ReferenceProgram, folder: Path = RECORDED) -> ProgramRecord:
    """Return the record of a program. Raises ``ValueError`` if the program has changed."""
    path = folder / f"{reference.name}.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    calls = [repr(step) for step in reference.program]
    answers = []
    for answer in data["answers"]:
        recorded = [step["call"] for step in answer["steps"]]
        if recorded != calls:
            raise ValueError(
                f"{path.name} records another program than {reference.name!r}; record it again: "
                " python -m mooq.parity.recording"
            )
        answers.append(Answer(answer["rabbitmq"], traces.from_json(answer)))
    return ProgramRecord(reference, tuple(answers))


def save(record: ProgramRecord, folder: Path = RECORDED) -> None:
    """Write a record to its file."""
    answers = []
    for answer in record.answers:
        data = traces.to_json(answer.trace)
        steps = [
            _on_few_lines({"call": repr(call), **step})
            for call, step in zip(record.reference.program, data["steps"], strict=True)
        ]
        answers.append(
            f' {{"rabbitmq": {_json(answer.seen)},\n'
            f'  "steps": [\n{_indented(steps, 3)}],\n'
            f'  "left": {{\n{_indented(_on_lines(data["left"]), 3)}}}}}'
        )
    text = f'{{"about": {_json(record.reference.about)},\n "answers": [\n{",".join(answers)}]}}\n'
    (folder / f"{record.reference.name}.json").write_text(text, encoding="utf-8")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _on_few_lines(step: dict[str, Any]) -> str:
    """Return a step as JSON, with one line for each delivery."""
    parts = [f"{_json(name)}: {_json(step[name])}" for name in step if name != "deliveries"]
    if "deliveries" in step:
        lines = ",\n".join(f"     {_json(line)}" for line in step["deliveries"])
        parts.append(f'"deliveries": [\n{lines}]')
    return f"{{{(',' + chr(10) + '    ').join(parts)}}}"


def _on_lines(left: dict[str, list[str]]) -> list[str]:
    return [f"{_json(queue)}: {_json(texts)}" for queue, texts in left.items()]


def _indented(lines: list[str], width: int) -> str:
    return ",\n".join(" " * width + line for line in lines)


async def replay(record: ProgramRecord) -> dict[str, list[Difference]]:
    """Return the differences of the in-memory broker from a record, by version."""
    return {
        version: await compare(record.reference, answer.trace, InMemory(version))
        for answer in record.answers
        for version in answer.seen
    }


async def compare(
    reference: ReferenceProgram, recorded: Trace, memory: InMemory
) -> list[Difference]:
    """Return the differences of the in-memory broker from a trace of a program."""
    ours = await run(reference.program, memory)
    return await differences(
        reference.program, ours, recorded, lambda choices: run(reference.program, memory, choices)
    )


async def ask(reference: ReferenceProgram, rabbitmq: Target) -> Trace:
    """Run a program on RabbitMQ; return its trace."""
    return await run(reference.program, rabbitmq)


def merged(record: ProgramRecord, version: str, date: str, trace: Trace) -> ProgramRecord:
    """Return a record with a new trace, which replaces that of an earlier patch version."""
    seen = [(dict(answer.seen), answer.trace) for answer in record.answers]
    for versions, _ in seen:
        for other in [one for one in versions if numbers_of(one) == numbers_of(version)]:
            del versions[other]
    same = next((versions for versions, known in seen if known == trace), None)
    if same is None:
        seen.append(({version: date}, trace))
    else:
        same[version] = date
    answers = [
        Answer(dict(sorted(versions.items(), key=lambda one: numbers_of(one[0]))), known)
        for versions, known in seen
        if versions
    ]
    answers.sort(key=lambda answer: numbers_of(next(iter(answer.seen))))
    return ProgramRecord(record.reference, tuple(answers))


async def record(rabbitmq: RabbitMQ, folder: Path = RECORDED) -> Iterable[str]:
    """Run every program on RabbitMQ and write the records; return a line of output for each."""
    lines = []
    for reference in REFERENCE_PROGRAMS:
        trace = await ask(reference, rabbitmq)
        try:
            known = load(reference, folder)
        except (FileNotFoundError, ValueError):
            known = ProgramRecord(reference, ())
        date = datetime.now(UTC).date().isoformat()
        save(merged(known, rabbitmq.version, date, trace), folder)
        found = await compare(reference, trace, InMemory(rabbitmq.version))
        verdict = counted(len(found), "difference") if found else "as in memory"
        lines.append(f"{reference.name}: recorded of RabbitMQ {rabbitmq.version}, {verdict}")
    return lines


def restarting(command: str, address: Address) -> Restarting:
    """Return a function that restarts RabbitMQ with a command and waits until it is ready."""

    async def restart() -> None:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command), stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            raise BrokerConnectionError(f"{command!r} failed with exit code {process.returncode}")
        await until(lambda: answers(address), f"the RabbitMQ at {address} to answer again")

    return restart


async def answers(address: Address) -> bool:
    """Return whether RabbitMQ accepts connections at an address."""
    probe = RabbitMQ(address)
    try:
        await probe.begin()
    except BrokerConnectionError:
        return False
    await probe.close()
    return True


def main(arguments: list[str] | None = None) -> int:
    """Record every program again, with options from the command line."""
    parser = argparse.ArgumentParser(prog="python -m mooq.parity.recording")
    parser.add_argument("--against", required=True, help="amqp://user:password@host:port/")
    parser.add_argument("--restart", required=True, help="command that restarts it")
    parser.add_argument("--into", type=Path, default=RECORDED, help="folder for the records")
    options = parser.parse_args(arguments)
    address = Address.from_url(options.against)

    async def record_all() -> Iterable[str]:
        await until(lambda: answers(address), f"a RabbitMQ at {address}")
        rabbitmq = RabbitMQ(address, restarting(options.restart, address))
        try:
            return await record(rabbitmq, options.into)
        finally:
            await rabbitmq.close()

    for line in asyncio.run(record_all()):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
