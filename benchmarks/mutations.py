"""Mutants of the in-memory broker and its AMQP, each with one small change.

A change removes a statement, inverts a comparison, changes a constant or negates a condition. Type
annotations are not changed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent / "mooq"
PACKAGES = ("broker", "amqp")
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
    """A change of a module."""

    module: str
    line: int
    change: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.change}"


class _Mutator(ast.NodeTransformer):
    """Applies the change with a number, and describes it; without a number, counts the changes."""

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
        arguments = node.args
        arguments.defaults = [self.visit(default) for default in arguments.defaults]
        arguments.kw_defaults = [one and self.visit(one) for one in arguments.kw_defaults]
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
        return node if ast.unparse(node.test) == "TYPE_CHECKING" else self._negated(node)

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
        for place, operator in enumerate(node.ops):
            other = TURNED[type(operator)]
            which = f" {place + 1}" if place else ""
            if self._is_it(node, f"{other.__name__}{which} in {ast.unparse(node)[:60]}"):
                node.ops[place] = other()
                return node
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = ast.unparse(node.func)
        if function == "cast":
            node.args[1] = self.visit(node.args[1])
            return node
        return node if function == "TypeVar" else self.generic_visit(node)

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


def modules() -> list[str]:
    """Return the names of the modules that have mutants, as ``broker.queue``."""
    return [
        f"{package}.{path.stem}"
        for package in PACKAGES
        for path in sorted((ROOT / package).glob("*.py"))
        if path.stem != "__init__"
    ]


def numbered(module: str) -> Iterator[tuple[str, int]]:
    """Return the arguments of :func:`mutant` for every mutant of a module."""
    counting = _Mutator()
    counting.visit(_parsed(module))
    return ((module, number) for number in range(counting.count))


def mutant(module: str, number: int) -> Mutant:
    """Return one mutant of a module."""
    mutator = _Mutator(number)
    tree = ast.fix_missing_locations(mutator.visit(_parsed(module)))
    return Mutant(module, mutator.line, mutator.change, tree)


def original(module: str) -> Mutant:
    """Return an unchanged module."""
    return Mutant(module, 0, "nothing", _parsed(module))


def _parsed(module: str) -> ast.Module:
    path = ROOT / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text(encoding="utf-8"))
