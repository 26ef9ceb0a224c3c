"""`segkit doctor` on this machine, and on states that it must find."""

import hashlib
import json
from importlib import metadata

import pytest

from segkit.bfloat16 import is_fast_on
from segkit.doctor import Finding, examine
from segkit.doctor.files import builtin_model, codecs, credentials, recorded_digest, weights
from segkit.doctor.libraries import extras, mim_script, misfit, owner_of, required
from segkit.doctor.machine import disk_finding, free_memory_gb, variables


@pytest.fixture(scope="module")
def findings():
    return examine()


def named(found, name):
    (one,) = [finding for finding in found if finding.name == name]
    return one


def test_this_machine_is_told(findings):
    import av
    import torch

    assert named(findings, "torch").value == torch.__version__.partition("+")[0]
    assert named(findings, "torch family").todo is None
    assert av.__version__ in named(findings, "FFmpeg").value
    assert f"{torch.get_num_threads()} threads" in named(findings, "processors").value
    fast = is_fast_on(torch.device("cpu"))
    assert ("no units" in named(findings, "bfloat16").value) != fast
    assert {"libraries", "machine", "media", "files"} == {one.topic for one in findings}


def test_the_command_ends_as_it_found(command_line, monkeypatch):
    fine = Finding("files", "model", "there", hint="convert it")
    bad = Finding("media", "encoder aac", "missing", todo="reinstall av")
    monkeypatch.setattr("segkit.doctor.examine", lambda: [fine])
    ready = command_line("doctor")
    assert (ready.exit_code, ready.stdout.splitlines()[-1]) == (0, "ready")
    assert "- model" in ready.stdout
    monkeypatch.setattr("segkit.doctor.examine", lambda: [fine, bad])
    broken = command_line("doctor")
    assert broken.exit_code == 1
    assert broken.stdout.splitlines()[-2:] == ["What to do first:", "  reinstall av"]
    assert "! encoder aac" in broken.stdout
    said = command_line("doctor", "--json")
    assert said.exit_code == 1
    assert json.loads(said.stdout)["ready"] is False
    assert json.loads(said.stdout)["findings"][1]["todo"] == "reinstall av"


def test_a_check_that_fails_is_a_finding(monkeypatch):
    def broken():
        raise RuntimeError("no such thing")

    monkeypatch.setattr("segkit.doctor._CHECKS", (("files", broken),))
    (one,) = examine()
    assert "RuntimeError: no such thing" in one.todo


# From the tables of releases that the three projects publish.
@pytest.mark.parametrize(
    ("torch", "audio", "vision", "fits"),
    [
        ("2.8.0", "2.8.0", "0.23.0", True),
        ("2.9.1", "2.9.1", "0.24.1", True),
        ("2.11.0+cpu", "2.11.0+cpu", "0.26.0+cpu", True),
        ("2.11.0", "2.10.0", "0.26.0", False),
        ("2.11.0", "2.11.0", "0.25.0", False),
        ("2.11.0+cpu", "2.11.0+cu128", "0.26.0+cpu", False),
        ("2.11.0", None, "0.26.0", True),
    ],
)
def test_torch_and_its_family(torch, audio, vision, fits):
    assert (misfit(torch, audio, vision) is None) == fits


def test_missing_and_old_libraries_are_to_be_installed(monkeypatch):
    lines = ["present>=1.0", "old>=2,<3", "absent>=1", "tool>=1; extra == 'web'"]
    versions = {"present": "1.5", "old": "1.9"}
    monkeypatch.setattr("segkit.doctor.libraries.metadata.requires", lambda _name: lines)
    monkeypatch.setattr("segkit.doctor.libraries.installed", versions.get)
    todo = {one.name: one.todo for one in required()}
    assert todo == {
        "present": None,
        "old": "pip install 'old<3,>=2'",
        "absent": "pip install 'absent>=1'",
    }
    (extra,) = extras()
    assert (extra.name, extra.value) == ("extra web", "lacks tool")
    assert extra.hint.endswith("'segkit[web]'")


def test_whose_mim_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    (absent,) = mim_script()
    assert absent.value.startswith("not in")
    script = tmp_path / "mim"
    script.write_text("from mim.cli import cli\ncli()\n")
    assert owner_of(script) == "openmim"
    (theirs,) = mim_script()
    assert "reinstall --no-deps segkit" in theirs.hint
    script.write_text("from segkit.mim_entry import main\nmain()\n")
    (ours,) = mim_script()
    assert ours.hint is None


def test_a_missing_encoder_is_found(monkeypatch):
    monkeypatch.setattr("segkit.doctor.files.WRITTEN", ("libx264", "no_such_encoder"))
    todo = {one.name: one.todo for one in codecs()}
    assert todo["encoder libx264"] is None
    assert "av" in todo["encoder no_such_encoder"]


def test_a_damaged_or_missing_built_in_model_is_found(tmp_path, monkeypatch):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    monkeypatch.setattr("segkit.talk.bundle.builtin_bundle_path", lambda: model)
    digest = hashlib.sha256(b"weights").digest()
    monkeypatch.setattr("segkit.doctor.files.recorded_digest", lambda _path: digest)
    (one,) = builtin_model()
    assert one.todo is None
    assert "as installed" in one.value
    model.write_bytes(b"weightz")
    (one,) = builtin_model()
    assert "damaged" in one.value
    assert "reinstall" in one.todo

    def absent():
        raise FileNotFoundError("not in this installation")

    monkeypatch.setattr("segkit.talk.bundle.builtin_bundle_path", absent)
    (one,) = builtin_model()
    assert (one.value, bool(one.todo)) == ("missing", True)


def test_the_record_of_an_installation_is_read(tmp_path):
    entry = next(file for file in metadata.files("segkit") if file.name == "METADATA")
    assert recorded_digest(tmp_path / "METADATA") == hashlib.sha256(entry.read_binary()).digest()
    assert recorded_digest(tmp_path / "no_such_file") is None


def test_credentials_in_every_state(tmp_path, monkeypatch):
    from segkit.provenance import local_certificate

    monkeypatch.setenv("SEGKIT_CONFIG", str(tmp_path / "config"))
    (first,) = credentials()
    assert first.value.startswith("the first video makes")
    local_certificate()
    (made,) = credentials()
    assert (made.value.startswith("signed by"), made.hint) == (True, None)
    (tmp_path / "config" / "credentials" / "key.pem").write_text("gone")
    (damaged,) = credentials()
    assert "delete" in damaged.hint


def test_weight_files_are_counted(tmp_path, monkeypatch):
    from segkit.weight_catalogue import known_file

    monkeypatch.setenv("SEGKIT_WEIGHTS", str(tmp_path))
    for name in ("bisenet", "hubert_base"):
        path = known_file(name).published(tmp_path)
        path.parent.mkdir(parents=True)
        path.touch()
    found = list(weights())
    assert named(found, "weights").value.startswith("1 of ")
    assert named(found, "weights hubert_base").value == "ready"
    assert "segkit weights bisenet" in named(found, "weights bisenet").hint
    assert named(found, "weights e4s").value == "missing"


def test_disk_and_memory_are_judged():
    assert disk_finding(100).todo is disk_finding(100).hint is None
    assert disk_finding(2).hint
    assert disk_finding(0.1).todo
    memory_gb = free_memory_gb()
    assert memory_gb is None or 0 < memory_gb < 100_000


def test_variables_are_listed(monkeypatch):
    monkeypatch.setenv("SEGKIT_OWN", "7")
    assert named(list(variables()), "SEGKIT_OWN").value == "7"
