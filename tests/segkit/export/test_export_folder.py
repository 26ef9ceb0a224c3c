"""Only what an earlier export left is ever replaced by another one."""

import json
import os

import pytest

from segkit.export.bundle import MANIFEST, _put, check_folder


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "graphs"
    folder.mkdir()
    manifest = {"segkit": "0.1.0", "parts": [{"file": "generator.onnx"}]}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / "generator.onnx").write_bytes(b"graph")
    return folder


def test_an_export_may_be_replaced(export, tmp_path):
    check_folder(export, force=True)
    making = tmp_path / "making"
    making.mkdir()
    _put(making, export)
    assert list(tmp_path.iterdir()) == [export]
    assert list(export.iterdir()) == []


@pytest.mark.parametrize("content", ['{"name": "a page"}', "[]", "no json", '{"parts": [1]}'])
def test_a_manifest_of_another_program_is_no_export(export, content):
    (export / MANIFEST).write_text(content)
    with pytest.raises(FileExistsError, match="another program's"):
        check_folder(export, force=True)


def test_an_export_that_holds_something_else_is_kept(export):
    (export / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds thesis\.txt, which no export made"):
        check_folder(export, force=True)


def test_what_cannot_be_put_in_place_leaves_the_old_one(export, tmp_path, monkeypatch):
    making, replace = tmp_path / "making", os.replace
    making.mkdir()

    def fails(source, target):
        if source == making:
            raise PermissionError("in use")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(PermissionError, match="in use"):
        _put(making, export)
    assert (export / "generator.onnx").read_bytes() == b"graph"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graphs", "making"]
