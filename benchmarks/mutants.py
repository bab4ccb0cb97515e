"""The proof of the proof: how many faults in the in-memory broker parity notices.

``python benchmarks/mutants.py --against amqp://127.0.0.1:5672`` changes ``mooq/broker`` in
one small way after the other: a statement left out, a comparison turned, a constant changed. Each
mutant has to face the recorded truth, and programs that hypothesis wrote, with what the RabbitMQ
at the address made of them. A mutant that does as RabbitMQ in all of that survives, and is listed.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import importlib.abc
import importlib.util
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import aio_pika  # noqa: F401 - so that each mutant's process has it already
import hypothesis  # noqa: F401
import tenacity  # noqa: F401

ROOT = Path(__file__).parent.parent / "mooq" / "broker"
MODULES = ("routing", "queue", "virtual_host", "broker")
TIMEOUT = 60  # seconds for one mutant: a loop without an end is a fault that shows
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


class Mutant(NamedTuple):
    """One change of one module."""

    module: str
    line: int
    change: str
    source: str


class Mutator(ast.NodeTransformer):
    """Makes the change of one number, and says which it was; without a number counts them."""

    def __init__(self, chosen: int = -1) -> None:
        self.count = 0
        self.change = ""
        self.line = 0
        self._chosen = chosen

    def _is_it(self, node: ast.AST, change: str) -> bool:
        self.count += 1
        if self.count - 1 != self._chosen:
            return False
        self.line, self.change = getattr(node, "lineno", 0), change
        return True

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        is_abstract = any("abstractmethod" in ast.unparse(one) for one in node.decorator_list)
        if not is_abstract:
            node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant):
            return node  # a docstring
        return self._left_out(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(isinstance(target, ast.Name) for target in node.targets):
            return node if "__slots__" in ast.unparse(node) else self.generic_visit(node)
        return self._left_out(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return self._left_out(node)

    def visit_Delete(self, node: ast.Delete) -> ast.AST:
        return self._left_out(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return self._left_out(node)

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return self._left_out(node)

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return self._left_out(node)

    def _left_out(self, node: ast.stmt) -> ast.AST:
        if self._is_it(node, f"left out: {ast.unparse(node)[:60]}"):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        returned = "None" if node.value is None else ast.unparse(node.value)
        if returned != "None" and self._is_it(node, f"None for {returned[:60]}"):
            node.value = ast.Constant(None)
            return node
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._negated(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._negated(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._negated(node)

    def _negated(self, node: ast.If | ast.IfExp | ast.While) -> ast.AST:
        if self._is_it(node, f"not {ast.unparse(node.test)[:60]}"):
            node.test = ast.UnaryOp(ast.Not(), node.test)
            return ast.fix_missing_locations(node)
        return self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if node.ifs and self._is_it(node.target, f"all, not {ast.unparse(node.ifs[0])[:60]}"):
            node.ifs = []
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        other = TURNED[type(node.ops[0])]
        if self._is_it(node, f"{other.__name__} in {ast.unparse(node)[:60]}"):
            node.ops[0] = other()
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        for place in range(len(node.values)):
            if self._is_it(node, f"without part {place + 1} of {ast.unparse(node)[:60]}"):
                del node.values[place]
                return node.values[0] if len(node.values) == 1 else node
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not) and self._is_it(node, f"without not: {ast.unparse(node)}"):
            return node.operand
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        turned = {ast.Add: ast.Sub, ast.Sub: ast.Add}.get(type(node.op))
        if turned is not None and self._is_it(node, f"{turned.__name__} in {ast.unparse(node)}"):
            node.op = turned()
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, int):
            value += 1
        elif isinstance(value, str):
            value += "!"
        if value != node.value and self._is_it(node, f"{value!r} for {node.value!r}"):
            return ast.copy_location(ast.Constant(value), node)
        return node


def mutants() -> Iterator[Mutant]:
    """Return every mutant of the in-memory broker."""
    for module in MODULES:
        source = (ROOT / f"{module}.py").read_text(encoding="utf-8")
        counting = Mutator()
        counting.visit(ast.parse(source))
        for number in range(counting.count):
            mutator = Mutator(number)
            tree = ast.fix_missing_locations(mutator.visit(ast.parse(source)))
            yield Mutant(module, mutator.line, mutator.change, ast.unparse(tree))


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"mooq.broker.{mutant.module}"
        self._source = mutant.source

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, self._name, "exec"), module.__dict__)


def facing(mutant: Mutant, corpus: Path) -> bool:
    """Whether a mutant is noticed; it is imported by a process of its own."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return status != 0
    signal.alarm(TIMEOUT)  # which ends the process, as a fault should
    sys.meta_path.insert(0, Loader(mutant))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    noticed = True
    try:
        noticed = asyncio.run(_is_noticed(corpus))
    finally:
        os._exit(1 if noticed else 0)


async def _is_noticed(corpus: Path) -> bool:
    from mooq.parity.compare import differences
    from mooq.parity.recording import load
    from mooq.parity.reference import REFERENCE_PROGRAMS
    from mooq.parity.run import run
    from mooq.parity.targets import InMemory

    known = []
    for reference in REFERENCE_PROGRAMS:
        answer = load(reference).as_of("4.0")
        assert answer is not None
        known.append((reference.program, answer.trace))
    known += pickle.loads(corpus.read_bytes())
    memory = InMemory()
    for program, trace in known:
        ours = await run(program, memory)
        again = lambda choices, program=program: run(program, memory, choices)  # noqa: E731
        if await differences(program, ours, trace, again):
            return True
    return False


def collect(against: str, count: int, corpus: Path) -> None:
    """Keep what a RabbitMQ 4.0 makes of programs that hypothesis writes."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from mooq.basics.address import Address
    from mooq.parity.programs import Program
    from mooq.parity.run import run
    from mooq.parity.strategies import programs
    from mooq.parity.targets import RabbitMQ

    kept: list[Any] = []
    with asyncio.Runner() as runner:
        rabbitmq = RabbitMQ(Address.from_url(against))

        @seed(4)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(programs())
        def keep(program: Program) -> None:
            kept.append((program, runner.run(run(program, rabbitmq))))

        keep()
        runner.run(rabbitmq.close())
    corpus.write_bytes(pickle.dumps(kept))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", help="a RabbitMQ 4.0, for programs that hypothesis writes")
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--corpus", type=Path, required=True, help="where its answers are kept")
    options = parser.parse_args(arguments)
    if options.against:
        child = os.fork()  # mutants must find a process that has not imported the broker
        if not child:
            collect(options.against, options.programs, options.corpus)
            os._exit(0)
        os.waitpid(child, 0)
    source = (ROOT / "queue.py").read_text(encoding="utf-8")
    if facing(Mutant("queue", 0, "nothing", source), options.corpus):
        sys.exit("the broker as it is differs from what is recorded: every mutant would, too")
    survivors = []
    total = 0
    for mutant in mutants():
        total += 1
        if not facing(mutant, options.corpus):
            survivors.append(mutant)
            print(f"survives: {mutant.module}.py:{mutant.line}: {mutant.change}", flush=True)
    killed = total - len(survivors)
    print(f"{killed} of {total} mutants noticed: {killed / total:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
