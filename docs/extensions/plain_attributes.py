"""Docstrings of attributes are sentences: napoleon would take words before a colon for a type."""

from __future__ import annotations

from typing import Any

from sphinx.ext.napoleon.docstring import GoogleDocstring


def _whole_text(docstring: GoogleDocstring) -> tuple[str, list[str]]:
    """Return no type, and all lines."""
    return "", docstring._consume_to_end()


def setup(app: Any) -> dict[str, bool]:
    """Replace napoleon's reading of an attribute's docstring."""
    GoogleDocstring._consume_inline_attribute = _whole_text
    return {"parallel_read_safe": True}
