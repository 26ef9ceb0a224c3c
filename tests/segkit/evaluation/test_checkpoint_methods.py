"""Checkpoints become the method that they make together, or it is said why not."""

import pytest
import torch

from segkit.evaluation.checkpoints import method_of, newest
from segkit.evaluation.methods import SegTalkerMethod, Wav2LipMethod
from segkit.talk.bundle import load_bundle
from segkit_models.baselines.wav2lip import Wav2Lip


@pytest.fixture(scope="module")
def builtin():
    return load_bundle()


def checkpoint(path, model, modules):
    """Write what the engine writes: weights, and the config as text."""
    state = {
        f"{part}.{key}": value
        for part, module in modules.items()
        for key, value in module.state_dict().items()
    }
    torch.save({"state_dict": state, "meta": {"cfg": f"model = {model!r}\n", "iter": 5}}, path)
    return path


def half(path, bundle, *parts):
    model = {part: bundle.configs[part] for part in parts}
    return checkpoint(
        path, {**model, "type": "segkit_models.talking.Some"}, {p: bundle.modules[p] for p in parts}
    )


def weights(bundle, part):
    return bundle.modules[part].state_dict()


def test_a_missing_half_is_the_built_in_model_s(tmp_path, builtin):
    tsg = half(tmp_path / "tsg.pth", builtin, "audio_encoder", "mask_decoder")
    sgi = half(tmp_path / "sgi.pth", builtin, "region_encoder", "generator")
    content = torch.load(sgi, weights_only=True)
    content["state_dict"] = {k: v * 0 for k, v in content["state_dict"].items()}
    torch.save(content, sgi)
    method = method_of([sgi])
    assert isinstance(method, SegTalkerMethod)
    assert all((v == 0).all() for v in weights(method.bundle, "generator").values())
    for key, value in weights(method.bundle, "mask_decoder").items():
        assert torch.equal(value, weights(builtin, "mask_decoder")[key])
    both = method_of([sgi, tsg], name="mine")
    assert both.name == "mine"
    assert all((v == 0).all() for v in weights(both.bundle, "region_encoder").values())
    assert method_of().bundle.size == builtin.size


def test_wav2lip_is_known_by_its_generator(tmp_path):
    generator = Wav2Lip(size=96, width=0.0625)
    model = {
        "generator": {"type": "segkit_models.baselines.wav2lip.Wav2Lip", "size": 96,
                      "width": 0.0625},
        "type": "segkit_models.talking.wav2lip.Wav2LipTraining",
    }  # fmt: skip
    path = checkpoint(tmp_path / "iter_5.pth", model, {"generator": generator})
    method = method_of([tmp_path], compose="face")
    assert isinstance(method, Wav2LipMethod)
    assert method.compose == "face"
    for key, value in method.generator.state_dict().items():
        assert torch.equal(value, generator.state_dict()[key])
    with pytest.raises(ValueError, match="Wav2Lip is measured by itself"):
        method_of([path, path])


def test_what_makes_no_method_is_told(tmp_path, builtin):
    tsg = half(tmp_path / "tsg.pth", builtin, "audio_encoder", "mask_decoder")
    with pytest.raises(ValueError, match="are both of TSG; give one"):
        method_of([tsg, tsg])
    other = checkpoint(tmp_path / "p.pth", {"type": "a.SyncExpert"}, {})
    with pytest.raises(
        ValueError, match=r"expected a checkpoint of TSG, SGI or Wav2Lip.*SyncExpert"
    ):
        method_of([other])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        newest(tmp_path / "empty")
