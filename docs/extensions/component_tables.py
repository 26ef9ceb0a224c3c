"""Tables of components and weights, made from the live registries when the site is built.

The directive ``component-table`` names every registered component of a family, and
``component-weights`` every published weight file.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from segkit.registry import FAMILIES
from segkit.weight_catalogue import KNOWN_FILES

COSTS = Path(__file__).parents[1] / "component_costs.json"
EXPERTS = (
    "segkit_models.experts.arcface",
    "segkit_models.experts.discriminator",
    "segkit_models.experts.evaluation_syncnet",
    "segkit_models.experts.identity",
    "segkit_models.experts.parsing_features",
    "segkit_models.experts.syncnet",
    "segkit_models.region_encoders.psp",
    "segkit_models.baselines.wav2lip",
    "segkit_metrics.i3d",
)
WEIGHTLESS = {"losses", "metrics"}
"""Families whose members have no weights of their own, or those of an expert."""


def family_table(family: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each registered component, as Markdown."""
    costs = json.loads(COSTS.read_text())
    rows = []
    for name, cls in members(family).items():
        link = f"{{py:class}}`~{cls.__module__}.{cls.__qualname__}`"
        row = [link, first_sentence(cls)]
        if family not in WEIGHTLESS:
            row += list(cost_cells(name, costs))
        rows.append([*row, licences(name)])
    header = ["component", "what it does"]
    if family not in WEIGHTLESS:
        header += ["million parameters", "GFLOP", "at"]
    return [*header, "licence of published weights"], rows


def members(family: str) -> dict[str, type]:
    """Return name -> class; experts and baselines are found below their folders."""
    if family != "experts":
        return {name: FAMILIES[family].get(name) for name in FAMILIES[family].names()}
    found = {}
    for module in EXPERTS:
        found |= vars(importlib.import_module(module))
    costs = json.loads(COSTS.read_text())
    wanted = sorted({re.split(r"[ ,]", key)[0] for key in costs})
    return {name: found[name] for name in wanted if name in found}


def cost_cells(name: str, costs: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield parameters, work and size, one line per counted variant."""
    found = {key: row for key, row in costs.items() if re.split(r"[ ,]", key)[0] == name}
    if not found:
        yield from ("", "", "")
        return
    yield " / ".join(dict.fromkeys(f"{row['millions']:.2f}" for row in found.values()))
    yield " / ".join(f"{row['gflop']:.1f}" for row in found.values())
    yield " / ".join(size_of(key, name) for key in found)


def size_of(case: str, name: str) -> str:
    """Return what a case says beside the component's name: ``B, 512 px``."""
    told = re.sub(r"[ ,]+", " ", case.removeprefix(name)).replace("spatial", "").strip()
    return re.sub(r"(\d{2,})$", r"\1 px", told)


def first_sentence(cls: type) -> str:
    """Return the first sentence of a docstring on one line."""
    text = " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".")


def licences(name: str) -> str:
    """Return the licences of the published files that a component can take."""
    used = [item for item in KNOWN_FILES if name in re.split(r"[ ,()]+", item.used_by)]
    return "; ".join(dict.fromkeys(f"`{item.name}`: {item.licence}" for item in used))


def weights_table() -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each published file."""
    rows = [
        [f"`{item.name}`", item.used_by, item.licence, f"{item.size_mb:g}"] for item in KNOWN_FILES
    ]
    return ["name", "used by", "licence", "MB"], rows


class TableDirective(SphinxDirective):
    """Base of both directives: a table from a header and rows."""

    def table(self, header: list[str], rows: list[list[str]]) -> list[nodes.Node]:
        lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, source="component_tables"), 0, holder)
        return holder.children


class ComponentTable(TableDirective):
    """``component-table FAMILY``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return self.table(*family_table(self.arguments[0]))


class ComponentWeights(TableDirective):
    """``component-weights``."""

    def run(self) -> list[nodes.Node]:
        return self.table(*weights_table())


def setup(app: Any) -> dict[str, bool]:
    """Register both directives."""
    app.add_directive("component-table", ComponentTable)
    app.add_directive("component-weights", ComponentWeights)
    return {"parallel_read_safe": True}
