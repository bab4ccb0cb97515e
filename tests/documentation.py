"""Every code block of the pages, and what is to be done with each: nothing is left out."""

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
"""With it begins what is no code: Sphinx carries it out, and takes code from files that are run."""


@dataclass(frozen=True)
class Block:
    """A code block: ``name`` is its page, and which of its language it is there."""

    name: str
    language: str
    code: str


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, those within lists and indented ones too."""
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
    """Return the blocks in one language, of all pages."""
    return [block for block in BLOCKS if block.language == language]


def is_script(block: Block) -> bool:
    """Whether a shell block is of one piece, since its commands hand things on."""
    return "$(" in block.code


def workflow_blocks() -> list[Block]:
    """Return what the pages show of GitHub's workflows; GitLab's files have no steps."""
    return [block for block in blocks_in("yaml") if "steps:" in block.code]


def commands() -> list[str]:
    """Return each command that the pages tell the reader, or a workflow, to run."""
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
    """Return a whole workflow of GitHub's for a part of one: steps, or a job with services."""
    code = textwrap.dedent(code)
    if code.startswith("on:"):
        return code
    job = f"steps:\n{code}" if code.startswith("-") else code
    head = "on: push\npermissions: {}\njobs:\n  tests:\n    runs-on: ubuntu-24.04\n"
    return head + textwrap.indent(job, "    ")


def settings_for(program: str) -> str:
    """Return the documented pytest.ini for a test: with one event loop if fixtures outlast it."""
    own_loop, shared_loop = sorted(
        {block.code for block in blocks_in("ini")}, key=lambda code: "= session" in code
    )
    return shared_loop if 'scope="session"' in program else own_loop
