"""The site says what is there: pages, links, the paper's table, the table of components."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from segkit.registry import FAMILIES

DOCS = Path(__file__).resolve().parents[2] / "docs"
REPOSITORY = DOCS.parent
GENERATED = ("examples/", "api/")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    pytest.importorskip("sphinx", reason="needs the extra `docs`")
    return load(DOCS / "extensions/component_tables.py")


def gallery() -> set[str]:
    return {path.stem for path in (DOCS / "gallery").glob("plot_*.py")}


def test_every_page_is_in_a_toctree_and_every_entry_is_a_page():
    index = (DOCS / "index.md").read_text()
    entries = {
        line
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
        for line in tree.splitlines()
        if line and not line.startswith(":")
    }
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert entries == pages | {"examples/index"}


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[`*]|\[|\]\(.*?\)", "", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        if path.startswith(GENERATED):
            assert path == "examples/index" or path.removeprefix("examples/") in gallery(), target
            continue
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{page.name}: {target}"


def test_files_named_in_pages_exist():
    """Paths in single backticks that begin with a folder of the repository."""
    folders = "segkit|segkit_models|segkit_metrics|projects|tools|benchmarks|docs|tests"
    named = re.compile(rf"`((?:{folders})/[\w./-]+\.(?:py|md|json|yml))(?:::\w+)*`")
    for page in DOCS.glob("*.md"):
        for path in named.findall(page.read_text()):
            if "mine" not in path:
                assert (REPOSITORY / path).is_file(), f"{page.name}: {path}"


def rows(section: str) -> list[list[str]]:
    text = (DOCS / "paper.md").read_text()
    part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_paper_table_names_everything_of_the_paper():
    assert [row[0] for row in rows("Equations")] == [str(number) for number in range(1, 14)]
    shown = [row[0] for row in rows("Tables and figures")]
    assert shown == ["table 1", "table 2", *(f"figure {number}" for number in range(1, 8))]
    sections = {row[0] for row in rows("Sections")}
    assert sections == {"3.1", "3.2", "3.3", "4.1", "4.2", "4.3"}
    for row in [*rows("Sections"), *rows("Equations"), *rows("Tables and figures")]:
        assert re.search(r"`[\w/]+\.py`", " ".join(row)), row


def test_each_equation_stands_in_the_code_that_the_table_names():
    for number, _, code, _ in rows("Equations"):
        texts = [(REPOSITORY / path).read_text() for path in re.findall(r"`([\w/]+\.py)`", code)]
        mentioned = set()
        for text in texts:
            for first, last in re.findall(r"(?:eq\.|equations?) (\d+)(?:(?:-| and )(\d+))?", text):
                mentioned |= set(range(int(first), int(last or first) + 1))
        assert int(number) in mentioned, f"equation {number}: {code}"


def test_each_gap_is_marked_where_the_choice_is_made():
    for *_, code in rows("Gaps, and our reading"):
        for path in re.findall(r"`([\w/]+\.py)`", code):
            assert (REPOSITORY / path).is_file(), path


@pytest.mark.parametrize("family", FAMILIES)
def test_the_component_table_names_every_registered_component(tables: ModuleType, family: str):
    header, table = tables.family_table(family)
    named = [re.search(r"\.(\w+)`", row[0]).group(1) for row in table]
    assert named == FAMILIES[family].names()
    assert all(len(row) == len(header) and row[1] for row in table)
    assert f"{{component-table}} {family}" in (DOCS / "components.md").read_text()


def test_networks_have_costs(tables: ModuleType):
    """All but those that are made of others, or of no weights of their own."""
    for family in set(FAMILIES) - tables.WEIGHTLESS:
        without = {row[0] for row in tables.family_table(family)[1] if not row[2]}
        assert {re.search(r"\.(\w+)`", one).group(1) for one in without} <= {
            "Concat",
            "MeshParser",
            "PhonemeCNN",
        }


def test_experts_are_found(tables: ModuleType):
    assert len(tables.family_table("experts")[1]) >= 10


@pytest.mark.parametrize(
    "case",
    [
        "BiSeNet, 512",
        "MelCNN, 3 s",
        "UNetMaskDecoder B, 512",
        "SEANRegionEncoder, 256",
        "RegionStyleGAN2 512, spatial",
        "EvaluationSyncNet, video",
    ],
)
def test_counted_costs_are_those_of_the_code(case: str):
    costs = load(DOCS / "component_costs.py")
    assert costs.count(*costs.known_cases()[case]) == json.loads(costs.COSTS.read_text())[case]


def test_every_case_is_counted():
    costs = load(DOCS / "component_costs.py")
    cases = {name for name in costs.known_cases() if "bbox" not in name}
    assert cases == set(json.loads(costs.COSTS.read_text()))


def test_the_licences_of_weights_are_those_of_the_catalogue(tables: ModuleType):
    assert "NVIDIA non-commercial" in tables.licences("RegionStyleGAN2")
    assert "e4s" in tables.licences("RegionStyleGAN2")
    assert tables.licences("UNetMaskDecoder") == ""


@pytest.mark.parametrize("name", sorted(gallery()))
def test_examples_compile_and_say_what_they_show(name: str):
    text = (DOCS / "gallery" / f"{name}.py").read_text()
    compile(text, name, "exec")
    assert re.match(r'"""\n.+\n=+\n\n.', text)
    imported = re.findall(r"^from (segkit[\w.]*) import (.+)$", text, re.MULTILINE)
    assert imported
    for module, names in imported:
        found = importlib.import_module(module)
        assert all(hasattr(found, one.strip()) for one in names.split(",")), module


def test_the_pages_ask_for_nothing_from_the_network():
    """No font, script or style sheet of another host, and no inventory to be fetched."""
    settings = (DOCS / "conf.py").read_text()
    assert "intersphinx" not in settings
    assert "http" not in settings
