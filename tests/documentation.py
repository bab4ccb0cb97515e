"""Code blocks of the documentation pages, selected by language for the tests."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
DIRECTIVE = "{"
"""Prefix of Sphinx directives, which are not code; their code is in files that are tested."""


@dataclass(frozen=True)
class Block:
    """A code block; ``name`` is its page and its number among the blocks of its language."""

    name: str
    language: str
    code: str


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, including indented ones."""
    found = [
        Block("", token.info.strip(), token.content)
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8"))
        if token.type in {"fence", "code_block"}
    ]
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(f"{name}-{number}", block.language, block.code)
        for _, some in groupby(sorted(found, key=_language), _language)
        for number, block in enumerate(some, 1)
    ]


def _language(block: Block) -> str:
    return block.language


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def blocks_in(language: str) -> list[Block]:
    """Return the blocks of all pages in one language."""
    return [block for block in BLOCKS if block.language == language]


def is_script(block: Block) -> bool:
    """Return whether a shell block must run as one script, since its commands share variables."""
    return "$(" in block.code


def workflow_blocks() -> list[Block]:
    """Return the blocks of GitHub workflows; GitLab's files have no steps."""
    return [block for block in blocks_in("yaml") if "steps:" in block.code]


def commands() -> list[str]:
    """Return each documented command, for readers and for workflows."""
    lines = [
        line
        for block in blocks_in("sh")
        if not is_script(block)
        for line in block.code.splitlines()
    ]
    lines += [
        line
        for block in workflow_blocks()
        for job in yaml.safe_load(as_workflow(block.code))["jobs"].values()
        for step in job.get("steps", ())
        for line in step.get("run", "").splitlines()
    ]
    words = [shlex.split(command, comments=True) for line in lines for command in line.split("&&")]
    return sorted({shlex.join(some) for some in words if some})


def as_workflow(code: str) -> str:
    """Complete a part of a GitHub workflow, such as steps or a job with services."""
    code = textwrap.dedent(code)
    if code.startswith("on:"):
        return code
    job = f"steps:\n{code}" if code.startswith("-") else code
    head = "on: push\npermissions: {}\njobs:\n  tests:\n    runs-on: ubuntu-24.04\n"
    return head + textwrap.indent(job, "    ")


def settings_for(program: str) -> str:
    """Return the documented pytest.ini for a test; fixtures of wider scope share one event loop."""
    own_loop, shared_loop = sorted(
        {block.code for block in blocks_in("ini")}, key=lambda code: "= session" in code
    )
    return shared_loop if 'scope="session"' in program else own_loop
