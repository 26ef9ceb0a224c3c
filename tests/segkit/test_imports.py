"""The arrows of the design: who may import whom, read from the sources without running them."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("segkit", "segkit_models", "segkit_metrics")
ENGINE_PARTS = ("model", "runner", "hooks", "optim", "dist")

# Inside segkit_models: layers <- families; experts <- losses; talking, converters <- all.
SHARED = "layers"
EXTRA = {"losses": {"experts"}}
ASSEMBLIES = ("talking", "baselines", "converters")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Return the dotted names a file imports, at its top or inside functions."""
    package = path.relative_to(ROOT).parent.parts
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


ALL = [path for package in PACKAGES for path in files(package)]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("segkit", ("segkit_models", "segkit_metrics")),
        ("segkit_models", ("segkit_metrics",)),
        ("segkit_metrics", ("segkit_models",)),
    ],
)
def test_packages_point_one_way(package, forbidden):
    wrong = {
        label(path): found
        for path in files(package)
        if (found := sorted(name for name in imports_of(path) if name.split(".")[0] in forbidden))
    }
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_shipped_imports_what_is_not_shipped(package):
    outside = {"projects", "tests", "tools", "benchmarks", "docs"}
    assert not {
        label(path)
        for path in files(package)
        if {n.split(".")[0] for n in imports_of(path)} & outside
    }


def test_families_do_not_know_each_other():
    wrong = {}
    for path in files("segkit_models"):
        parts = path.relative_to(ROOT / "segkit_models").parts
        family = parts[0]
        if len(parts) == 1 or family in ASSEMBLIES:
            continue
        allowed = {family, SHARED, *EXTRA.get(family, ())}
        used = {
            name.split(".")[1] for name in imports_of(path) if name.startswith("segkit_models.")
        }
        if extra := sorted(used - allowed):
            wrong[label(path)] = extra
    assert not wrong


def test_only_the_seam_touches_mmengine_machinery():
    wrong = {}
    for path in ALL:
        relative = label(path)
        if relative.startswith(("segkit/engine/", "segkit_models/talking/")):
            continue
        touched = sorted(
            name
            for name in imports_of(path)
            if name.startswith(tuple(f"mmengine.{part}" for part in ENGINE_PARTS))
        )
        if touched:
            wrong[relative] = touched
    assert not wrong


def test_heavy_libraries_are_imported_where_they_are_used():
    heavy = {"timm", "segmentation_models_pytorch", "lpips", "skimage", "cleanfid", "torchaudio"}
    wrong = {}
    for path in ALL:
        top_level = {
            name.partition(".")[0]
            for node in tree_of(path).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
        }
        if found := sorted(top_level & heavy):
            wrong[label(path)] = found
    assert not wrong


def test_every_file_tells_its_duty_first():
    silent = [
        label(path)
        for path in ALL
        if path.read_text().strip() and not (ast.get_docstring(tree_of(path)) or "").strip()
    ]
    assert not silent


def test_no_names_that_say_nothing():
    assert not [
        label(path)
        for path in ALL
        if path.stem in ("utils", "util", "helpers", "helper", "common", "misc")
    ]


def test_no_module_is_named_like_a_config():
    # openmim looks a config up by its base name below the installed package.
    configs = {path.name for path in (ROOT / "projects").rglob("*.py")}
    assert not [label(path) for path in files("segkit") if path.name in configs]
    assert len(configs) == len(list((ROOT / "projects").rglob("*.py"))), (
        "two configs share a base name"
    )


def test_the_command_line_answers_without_torch():
    import subprocess
    import sys

    script = (
        "import sys, segkit.cli.app\n"
        "loaded = {'torch', 'numpy', 'mmengine', 'cv2', 'av', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(loaded)}' if loaded else 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
