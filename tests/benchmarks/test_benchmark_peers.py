"""Public checkouts are told apart, and the operators that stand in for theirs compute theirs."""

import numpy as np
import pytest
import torch
import typer
from scipy.signal import upfirdn

from benchmarks import run
from benchmarks.peers import _fused_leaky_relu, _upfirdn2d, parse_peers, public_wav2lip
from segkit_models.baselines.wav2lip import Wav2Lip


def test_a_checkout_is_known_by_its_file(tmp_path):
    (tmp_path / "model.py").touch()
    assert parse_peers([f"stylegan2={tmp_path}"]) == {"stylegan2": tmp_path}


@pytest.mark.parametrize("text", ["stylegan2", "gfpgan=x", "e4s="])
def test_another_name_or_form_is_refused_with_those_that_are_known(text):
    with pytest.raises(ValueError, match=r"stylegan2=PATH, e4s=PATH, wav2lip=PATH, got"):
        parse_peers([text])


def test_a_folder_of_something_else_is_refused_with_the_file_that_it_lacks(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"src/models/stylegan2/model\.py, which"):
        parse_peers([f"e4s={tmp_path}"])
    with pytest.raises(typer.BadParameter, match=r"models/wav2lip\.py"):
        run.main(quick=True, only="", rounds=1, peer=[f"wav2lip={tmp_path}"], out=None)


@pytest.mark.parametrize(("up", "down", "pad"), [(1, 1, (1, 1)), (2, 1, (2, 1)), (1, 2, (2, 2))])
def test_the_filter_is_that_of_scipy(up, down, pad):
    taps, x = np.array([1.0, 3, 3, 2]), np.random.default_rng(0).normal(size=(6, 5))
    kernel = torch.from_numpy(np.outer(taps, taps))
    found = _upfirdn2d(torch.from_numpy(x)[None, None], kernel, up=up, down=down, pad=pad)[0, 0]
    # scipy pads so that every tap meets every sample: three zeros before the first sample.
    whole = upfirdn(taps, upfirdn(taps, x, up=up, axis=0), up=up, axis=1)
    whole = np.pad(whole, ((0, up - 1), (0, up - 1)))
    rows, columns = (side * up + sum(pad) - 3 for side in x.shape)
    begin = 3 - pad[0]
    expected = whole[begin : begin + rows : down, begin : begin + columns : down]
    torch.testing.assert_close(found, torch.from_numpy(expected))


def test_the_activation_scales_the_variance_back():
    found = _fused_leaky_relu(torch.tensor([[1.0, -3.0]]), torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([[2.0, -0.4]]) * 2**0.5)


def test_a_checkout_gets_our_weights_and_leaves_no_module_behind(tmp_path):
    import sys

    package = tmp_path / "models"
    package.mkdir()
    (package / "conv.py").write_text("from torch import nn\n")
    (package / "wav2lip.py").write_text(
        "from .conv import nn\n"
        "class Wav2Lip(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.output_block = nn.Sequential(nn.Identity(), nn.Conv2d(32, 3, 1))\n"
    )
    ours = Wav2Lip()
    theirs = public_wav2lip(tmp_path, ours)
    assert torch.equal(theirs.output_block[1].weight, ours.output_block[1].weight)
    assert "models" not in sys.modules
