"""What the documents beside the site say is there; `tests/docs` runs their code."""

import re

import pytest
import yaml

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def commands():
    """Return the commands by name; a group has commands of its own."""
    import typer.main

    from segkit.cli.app import app

    return typer.main.get_command(app).commands


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


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "projects/segtalker/README.md",
    ],
)
def test_links_lead_somewhere(repository, document):
    path = repository / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_the_citation_is_of_this_version(repository):
    from segkit import __version__

    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    # What the Citation File Format 1.2.0 requires, and what we promise beyond it.
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"
    for author in citation["authors"]:
        assert author.get("name") or author.get("family-names")
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_the_changelog_keeps_its_form(repository):
    text = (repository / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", heading) for heading in headings[1:])
    kinds = set(re.findall(r"^### (\w+)", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known"}


def test_commands_of_the_other_documents_exist(repository):
    known = set(commands())
    for document in ("CHANGELOG.md", "docs/responsible-use.md"):
        text = (repository / document).read_text()
        code = "\n".join(block for _, block in BLOCK.findall(text))
        used = re.findall(r"`segkit ([a-z]+)", text)
        used += re.findall(r"^segkit ([a-z]+)", code, re.MULTILINE)
        assert used
        assert set(used) <= known


def test_the_source_archive_names_what_is_there(repository):
    text = (repository / "pyproject.toml").read_text()
    listed = re.findall(r'"(/[\w./-]+)"', text.partition("targets.sdist]")[2].partition("[tool")[0])
    assert "/CITATION.cff" in listed
    assert all((repository / name[1:]).exists() for name in listed)


def test_the_complaints_name_tests_that_exist(repository):
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (repository / "docs/complaints.md").read_text().splitlines()
        if line.startswith("|")
    ]
    header, _, *table = rows
    assert header == ["#", "complaint", "how to reproduce", "elsewhere", "here", "test"]
    assert [row[0] for row in table] == [str(number) for number in range(1, 17)]
    for row in table:
        assert len(row) == len(header), row
        assert all(row), row
        named = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)", row[-1])
        assert named, row
        for file, test in named:
            assert re.search(rf"def {test}\(", (repository / file).read_text()), f"{file}::{test}"
    assert "\ncomplaints\n" in (repository / "docs/index.md").read_text()
