"""The site, made by Sphinx from these pages and the docstrings: ``sphinx-build -W docs site``."""

from importlib.metadata import metadata
from importlib.metadata import version as version_of

from docutils import nodes
from sphinx.application import Sphinx

project = "mooq"
author = "the authors of mooq"
project_copyright = "the authors of mooq"
release = version_of("mooq")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
]
nitpicky = True  # a name that leads nowhere is a warning, and warnings are errors
nitpick_ignore_regex = [
    # Python's own documentation is on another machine, which a build need not reach.
    (
        r"py:.*",
        r"_?(asyncio|collections|typing|types|datetime|decimal|enum|contextlib|pytest|ssl)\..*",
    ),
    (r"py:.*", r"[A-Z]\w*(Error|Exception|Group|Context|Protocol)|optional|SupportsIndex"),
    # Aliases, which the text beside the signature explains; and floors beneath the public ones.
    (
        r"py:.*",
        r"ByteTap|Callback|Headers|HeaderValue|MessageProperties|datetime|Decimal|TypeAliasForwardRef|mooq\.(transports\.message\.HeaderValue|basics\.address\.(Where|URL|Secret))",
    ),
    (
        r"py:.*",
        r"mooq\.(transports|client\.dispatcher|testing\.(arguments|broker|redelivering))(\..*)?",
    ),
]

source_suffix = {".md": "markdown"}
exclude_patterns = ["_static"]
myst_heading_anchors = 3
myst_html_meta = {"description": metadata("mooq")["Summary"]}
myst_enable_extensions = ["colon_fence"]

autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"Headers": "Headers", "Callback": "Callback"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# The nightly job: ``sphinx-build --builder linkcheck docs links``
linkcheck_retries = 3
linkcheck_rate_limit_timeout = 60.0  # seconds
linkcheck_anchors_ignore_for_url = [r"https://github\.com/"]  # GitHub draws them in the browser

html_theme = "furo"
html_title = f"mooq {release}"
html_short_title = "mooq"
html_theme_options = {
    "source_repository": "https://github.com/jeremyarr/mooq/",
    "source_branch": "HEAD",
    "source_directory": "docs/",
}
html_static_path = ["_static"]
html_css_files = ["mooq.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp"

LONGEST_NAME = 25  # characters that stay on one line of a table


def keep_names_whole(_: Sphinx, page: nodes.document) -> None:
    """Mark the names in tables, such as ``--mooq-backend``, so that no line breaks within one."""
    for cell in page.findall(nodes.entry):
        for literal in cell.findall(nodes.literal):
            text = literal.astext()
            if len(text) <= LONGEST_NAME and " " not in text:
                literal["classes"].append("name")


def setup(app: Sphinx) -> None:
    """Add what Sphinx cannot be told by a setting."""
    app.connect("doctree-read", keep_names_whole)
