"""What the documents say is there and runs."""

import re

import pytest
import yaml

README = "README.md"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(repository, language):
    text = (repository / README).read_text()
    return [code for found, code in BLOCK.findall(text) if found == language]


def test_python_of_the_readme_runs(repository):
    code = blocks(repository, "python")
    assert code
    for block in code:
        exec(compile(block, README, "exec"), {})


def test_commands_of_the_readme_exist(repository):
    from segkit.cli.app import app

    known = {one.name for one in (*app.registered_commands, *app.registered_groups)}
    targets = re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(), re.MULTILINE)
    used = "\n".join(blocks(repository, "bash"))
    assert set(re.findall(r"^segkit (\w+)", used, re.MULTILINE)) <= known
    assert set(re.findall(r"^make (\w+)", used, re.MULTILINE)) <= set(targets)
    for config in re.findall(r"projects/\S+\.py", used):
        assert (repository / config).is_file()


def test_options_of_the_readme_exist(repository, monkeypatch):
    from typer.testing import CliRunner

    from segkit.cli.app import app

    monkeypatch.setenv("COLUMNS", "200")
    for line in "\n".join(blocks(repository, "bash")).replace("\\\n", " ").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["segkit"] and words[1] != "train":
            text = CliRunner().invoke(app, [words[1], "--help"]).stdout
            for option in (word for word in words if word.startswith("--")):
                assert option in text, f"{line}: {option}"


def test_the_model_index_leads_to_configs(repository):
    index = yaml.safe_load((repository / "model-index.yml").read_text())
    listed = set()
    for metafile in index["Import"]:
        content = yaml.safe_load((repository / metafile).read_text())
        assert content["Models"]
        for model in content["Models"]:
            assert (repository / model["Config"]).is_file()
            listed.add(repository / model["Config"])
        for collection in content["Collections"]:
            assert (repository / collection["README"]).is_file()
    assert listed == set((repository / "projects").rglob("*.py"))


@pytest.mark.parametrize("document", ["README.md", "projects/segtalker/README.md", "docs/index.md"])
def test_links_lead_somewhere(repository, document):
    path = repository / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
