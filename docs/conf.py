"""Sphinx settings: `make docs`. Nothing is fetched, neither by the build nor by its pages."""

import os
import sys
from pathlib import Path

from segkit import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
os.environ.setdefault("MPLBACKEND", "Agg")

project = "segkit"
author = "the segkit authors"
copyright = "2026, the segkit authors"
release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "component_tables",
    "plain_attributes",
]
exclude_patterns = [
    "_build",
    "gallery",
    "sg_execution_times.rst",
    "examples/sg_execution_times.rst",
]
templates_path = ["_templates"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "capture_repr": (),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
}

html_theme = "furo"
html_title = f"segkit {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

# Every class has one home: the module that defines it. Commands and servers are no library.
autosummary_context = {
    "skipped_modules": [
        *("segkit.__main__", "segkit.assets", "segkit.benchmark", "segkit.cli", "segkit.doctor"),
        "segkit.serve",
        *("segkit.mim_download", "segkit.mim_entry", "segkit.preparing", "segkit.web"),
        *("segkit_metrics.converters", "segkit_models.converters"),
        # They import triton, which is not everywhere.
        *("segkit_models.layers.region_kernels", "segkit_models.layers.region_border_kernels"),
    ]
}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source"]

# Types of other libraries, whose pages would have to be fetched to be linked; names that only a
# type checker sees; and what Sphinx cuts out of a signature that it cannot read.
nitpick_ignore_regex = [
    (r"py:.*", pattern)
    for pattern in (
        r"(torch|torchvision|torchaudio|numpy|np|nn|av|PIL|mmengine|matplotlib|cryptography)\..*",
        r"(collections|concurrent|typing|pathlib|fractions|types|logging|argparse|datetime|pickle|yaml)\..*",
        r"(InputContainer|OutputContainer|VideoStream|AudioStream|VideoFrame|Packet|Node|Console)",
        r"(Figure|Progress|Tensor|Path|Any|Callable|Iterator|Iterable|Sequence|Mapping|T|P)",
        r"(dict|list|set|tuple)\[.*",
        r"segkit.*\.(T|P|Encoder|Accumulator|_\w+)",
        r"segkit\.preparing\..*",
    )
]
# Two classes of one name in different modules: unqualified names in docstrings are not links.
suppress_warnings = ["ref.python"]
