"""Sphinx settings: `make docs`."""

from segkit import __version__

project = "segkit"
author = "the segkit authors"
copyright = "2026, the segkit authors"
release = __version__
extensions = ["myst_nb"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nb_execution_mode = "off"
