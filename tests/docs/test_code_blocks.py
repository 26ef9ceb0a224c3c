"""Every code block of the documents runs, or is a line that the command line would take."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").glob("*.md"),
        *(REPOSITORY / "projects").rglob("*.md"),
        *(REPOSITORY / "segkit/assets").rglob("*.md"),
    ]
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUICK = {
    "segkit weights",
    "segkit weights bisenet",
    "segkit edits example > edits.yaml",
    "segkit edits check edits.yaml",
}
"""Lines that are run as they stand, in an empty folder and in this order."""

Block = tuple[Path, str]


def blocks(language: str) -> list[Block]:
    return [
        (document, code)
        for document in DOCUMENTS
        for found, code in BLOCK.findall(document.read_text())
        if found == language
    ]


def name_of(block: object) -> str | None:
    return block[0].stem if isinstance(block, tuple) else None


def lines_of(code: str) -> list[str]:
    """Return the commands of a block, without comments, pipes and what follows them."""
    lines = []
    for line in code.replace("\\\n", " ").splitlines():
        said = re.sub(r"(^|\s)#.*", "", line)
        lines += [part.strip() for part in re.split(r"\s[|>]\s|;|&&", said)]
    return [line for line in lines if line]


def commands() -> list[tuple[str, list[str]]]:
    return [
        (document.name, shlex.split(line))
        for document, code in blocks("bash")
        for line in lines_of(code)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds what the documents call ``data/mine``."""
    from tests.talking_ellipse import ellipse_folder

    root = tmp_path_factory.mktemp("reader")
    ellipse_folder(root / "data/mine", [("anna", "train"), ("ben", "train")], num_frames=8)
    return root


def test_no_block_is_of_a_language_that_nobody_checks():
    known = {"python", "bash", "json", "yaml", "text", "toml"}
    found = {language for path in DOCUMENTS for language, _ in BLOCK.findall(path.read_text())}
    assert found <= known


@pytest.mark.parametrize("block", blocks("python"), ids=name_of)
def test_python_runs(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch):
    document, code = block
    monkeypatch.chdir(folder)
    exec(compile(code, str(document), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", blocks("yaml"), ids=name_of)
def test_yaml_is_read(block: Block):
    assert yaml.safe_load(block[1])


@pytest.mark.parametrize("block", blocks("json"), ids=name_of)
def test_json_is_read(block: Block):
    for line in block[1].splitlines():
        assert json.loads(line)


@pytest.mark.parametrize("block", blocks("yaml"), ids=name_of)
def test_edit_files_have_known_fields(block: Block, tmp_path: Path):
    from segkit.edits.edit_file import read_edits

    path = tmp_path / "edits.yaml"
    path.write_text(block[1])
    for name in re.findall(r"[\w/]+\.(?:jpg|png)", block[1]):
        _picture(tmp_path / name)
    function = "def wider_smile(labels, time_s, scheme):\n    return labels\n"
    (tmp_path / "mine.py").write_text(function)
    assert read_edits(path).swaps


def _picture(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(path)


def test_every_line_of_segkit_is_one_that_it_takes():
    """Names, options, their types and what is required: click's own parser decides."""
    import click
    import typer.main

    from segkit.cli.app import app
    from segkit.cli.train import build_parser
    from segkit.engine.config import find_config

    root = typer.main.get_command(app)
    lines = [(name, words) for name, words in commands() if words[0] == "segkit"]
    assert len(lines) > 40
    for name, words in lines:
        where = f"{name}: {' '.join(words)}"
        if words[1].startswith("-"):
            known = {option for parameter in root.params for option in parameter.opts}
            assert set(words[1:]) <= known, where
            continue
        command, rest = root.commands.get(words[1]), words[2:]
        assert command is not None, where
        if words[1] == "train":
            parsed = build_parser().parse_args(rest)
            assert parsed.config.endswith(".py") or find_config(parsed.config).is_file(), where
            continue
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, where
            command, rest = command.commands[rest[0]], rest[1:]
        try:
            command.make_context(words[1], rest)
        except click.ClickException as error:
            pytest.fail(f"{where}: {error.format_message()}")


def test_lines_of_other_programs_name_what_is_there():
    section = _section("project.optional-dependencies")
    extras = set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for name, words in commands():
        where = f"{name}: {' '.join(words)}"
        if words[0] == "make":
            assert words[1] in targets, where
        for asked in re.findall(r"segkit\[([\w,]+)\]", " ".join(words)):
            assert set(asked.split(",")) <= extras, where
        for path in words:
            if re.match(r"(projects|tools|benchmarks|docs)/\S+\.py$", path):
                assert (REPOSITORY / path).is_file(), where


def _section(title: str) -> str:
    text = (REPOSITORY / "pyproject.toml").read_text()
    return text.partition(f"[{title}]")[2].partition("\n[")[0]


def test_the_quick_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from typer.testing import CliRunner

    from segkit.cli.app import app

    code = "\n".join(code for _, code in blocks("bash"))
    written = {line.strip() for line in re.sub(r"\s+#.*", "", code).splitlines()}
    monkeypatch.chdir(tmp_path)
    _picture(tmp_path / "ref.jpg")
    for line in sorted(QUICK & written, key=lambda line: "check" in line):
        words, _, target = line.partition(" > ")
        result = CliRunner().invoke(app, shlex.split(words)[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"
        assert result.stdout, line
        if target:
            (tmp_path / target).write_text(result.stdout)
    assert len(QUICK & written) >= 2


def modules_with_doctests() -> list[str]:
    return sorted(
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for package in ("segkit", "segkit_models", "segkit_metrics")
        for path in (REPOSITORY / package).rglob("*.py")
        if ">>> " in path.read_text()
    )


@pytest.mark.parametrize("name", modules_with_doctests())
def test_doctests_hold(name: str):
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert tried
    assert not failed
