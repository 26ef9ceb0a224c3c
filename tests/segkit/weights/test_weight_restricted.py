"""Checkpoints that carry settings of training code: the tensors come out, nothing runs."""

import argparse
import enum
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from segkit.weights import read_foreign
from segkit.weights.restricted import Inert, plain, read_restricted


class Danger:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.fixture
def fairseq_like():
    """A checkpoint as fairseq writes it: omegaconf settings and enums beside the tensors."""
    modules = {name: types.ModuleType(name) for name in ("omegaconf", "omegaconf.dictconfig",
               "fairseq", "fairseq.dataclass", "fairseq.dataclass.constants")}  # fmt: skip

    class DictConfig(dict):
        def __init__(self, content=None):
            super().__init__(content or {})
            self.flags = {"readonly": True}

    class Backend(enum.Enum):
        C10D = "c10d"

    for cls, module in ((DictConfig, "omegaconf.dictconfig"),
                        (Backend, "fairseq.dataclass.constants")):  # fmt: skip
        cls.__module__, cls.__qualname__ = module, cls.__name__
        setattr(modules[module], cls.__name__, cls)
    sys.modules.update(modules)
    content = {
        "cfg": DictConfig({"model": {"name": "av_hubert"}, "backend": Backend.C10D}),
        "args": argparse.Namespace(seed=1),
        "model": {"weight": torch.arange(6.0).view(2, 3), "half": torch.ones(2).half()},
        "optimizer_history": [{"loss": np.float64(0.5), "lr": np.ones(2)}],
    }
    yield content
    for name in modules:
        del sys.modules[name]


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_out_and_settings_stay_behind(tmp_path, fairseq_like, zipped):
    path = tmp_path / "base.pt"
    torch.save(fairseq_like, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    found = read_foreign(path)
    assert torch.equal(found["model"]["weight"], torch.arange(6.0).view(2, 3))
    assert found["model"]["half"].dtype == torch.float16
    assert found["cfg"] is None
    assert found["args"] is None
    assert found["optimizer_history"][0]["lr"].tolist() == [1.0, 1.0]


def test_settings_are_not_imported(tmp_path, fairseq_like):
    path = tmp_path / "base.pt"
    torch.save(fairseq_like, path)
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("omega")}
    read_restricted(path)
    assert not [name for name in sys.modules if name.startswith("omegaconf")]
    sys.modules.update(saved)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_by_name_and_never_run(tmp_path, capsys, zipped):
    path = tmp_path / "evil.pt"
    torch.save({"model": {"w": torch.ones(1)}, "cfg": Danger()}, path,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    with pytest.raises(ValueError, match=r"wants to call builtins\.print, which is code"):
        read_foreign(path)
    assert capsys.readouterr().out == ""


GADGETS = {
    "getattr": b"cbuiltins\ngetattr\n.",
    "eval": b"cbuiltins\neval\n.",
    "system": b"cposix\nsystem\n.",
    "importlib": b"cimportlib\nimport_module\n.",
    "torch.load": b"ctorch\nload\n.",
    "load_from_bytes": b"ctorch.storage\n_load_from_bytes\n.",
    "dotted": b"\x80\x04\x8c\x05torch\x8c\x0chub.load_url\x93.",
    "numpy.load": b"cnumpy\nload\n.",
    "jit": b"ctorch.jit\nload\n.",
}


@pytest.mark.parametrize("name", GADGETS)
def test_known_gadgets_are_refused(name):
    import io

    from segkit.weights.restricted import RestrictedUnpickler

    with pytest.raises(pickle.UnpicklingError, match="is code, not weights"):
        RestrictedUnpickler(io.BytesIO(GADGETS[name])).load()


def test_shells_call_nothing():
    # A REDUCE of an inert name makes a shell, whatever the arguments.
    shell = Inert("rm -rf", 1)
    shell["a"] = 1
    shell.append(2)
    shell.extend([3])
    shell.__setstate__({"a": 1})
    assert not vars(shell)


def test_numpy_objects_are_refused(tmp_path):
    path = tmp_path / "objects.pt"
    array = np.empty(1, object)
    array[0] = "text"
    torch.save({"model": {"w": torch.ones(1)}, "a": array}, path)
    assert read_foreign(path)["a"] is None


def test_a_container_in_itself_ends():
    loop = {"w": torch.ones(1)}
    loop["self"] = loop
    assert plain(loop)["self"] is None


def test_a_program_is_refused(tmp_path):
    path = tmp_path / "scripted.pt"
    # Any archive with TorchScript's constants is a program, whatever else it holds.
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scripted/constants.pkl", b"\x80\x02).")
        archive.writestr("scripted/data.pkl", b"\x80\x02).")
        archive.writestr("scripted/version", b"3")
    with pytest.raises(ValueError, match=r"is a program; save its `state_dict\(\)`"):
        read_foreign(path)


def test_nvidias_pickles_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "ffhq.pkl"
    path.write_bytes(b"\x80\x03}q\x00X\x05\x00\x00\x00G_emactorch_utils.persistence\n"
                     b"_reconstruct_persistent_obj\n.")  # fmt: skip
    with pytest.raises(ValueError, match=r"Python source that loading executes.*state_dict\(\)"):
        read_foreign(path)


def test_broken_files_are_told(tmp_path):
    whole = tmp_path / "whole.pt"
    torch.save({"w": torch.randn(1000)}, whole)
    data = whole.read_bytes()
    cases = {
        "cut.pt": (data[: len(data) // 2], "truncated"),
        "page.pt": (b"<!DOCTYPE html><html>Sign in", "a web page, not weights"),
        "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        "text.pt": (b"hello world", "not a weight file"),
        "empty.pt": (b"", "not a weight file"),
        "a.safetensors": (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "not a readable safetensors"),
        "cut.ckpt": (pickle.dumps({"a": np.ones(1000)})[:500], "perhaps truncated|refused"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_foreign(tmp_path / name)
    legacy = tmp_path / "legacy.pt"
    torch.save({"w": torch.randn(1000)}, legacy, _use_new_zipfile_serialization=False)
    legacy.write_bytes(legacy.read_bytes()[:1500])
    with pytest.raises(ValueError, match="perhaps truncated"):
        read_foreign(legacy)


def test_parameters_and_ordered_dicts_are_plain_tensors(tmp_path):
    path = tmp_path / "net.pt"
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    torch.save({"state_dict": net.state_dict(), "raw": dict(net.named_parameters())}, path)
    found = read_foreign(path)
    assert torch.equal(found["state_dict"]["0.weight"], net[0].weight)
    assert not found["raw"]["0.weight"].requires_grad
