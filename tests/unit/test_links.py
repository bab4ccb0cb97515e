"""Links between the documentation pages. Sphinx checks links to other sites every night."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.documentation import PAGES, ROOT


def links_of(page: Path) -> list[str]:
    """Return the targets of a page's links and images, except other sites."""
    attributes = [
        str(token.attrs.get("href", token.attrs.get("src", "https:")))
        for block in tokens_of(page)
        for token in block.children or ()
    ]
    return [target for target in attributes if not target.startswith(("https:", "http:"))]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    tokens = tokens_of(page)
    titles = [
        title.content for heading, title in pairwise(tokens) if heading.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def tokens_of(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


LINKS = [
    pytest.param(page, link, id=f"{page.relative_to(ROOT)}: {link}")
    for page in PAGES
    for link in dict.fromkeys(links_of(page))
    if not link.startswith("{")
]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_page_link_has_a_target(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page

    assert target.exists()
    if anchor:
        assert anchor in anchors_of(target)
