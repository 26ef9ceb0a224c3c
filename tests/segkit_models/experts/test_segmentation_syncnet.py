"""The SyncNet of masks: counted against the table, equal to the reference, and its range."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from segkit_models.experts.syncnet import EPSILON, SegmentationSyncNet, sync_probability

# width of the masks -> parameters (millions) and GFLOP of the mask branch
COUNTS = {96: (13.1, 2.9), 128: (14.9, 5.2), 256: (17.3, 20.9), 512: (19.7, 83.7)}


def make(**changes):
    torch.manual_seed(0)
    arguments = dict(num_regions=4, size=64, num_frames=5, width=0.02, norm="group") | changes
    return SegmentationSyncNet(**arguments).eval()


def masks(batch=2, size=64, regions=4):
    labels = torch.randint(
        regions, (batch, 5, size // 2, size), generator=torch.Generator().manual_seed(1)
    )
    return functional.one_hot(labels, regions).permute(0, 1, 4, 2, 3).float()


@pytest.mark.parametrize(("size", "expected"), COUNTS.items())
def test_parameters_and_work_are_those_of_the_table(size, expected):
    with torch.device("meta"):
        syncnet = SegmentationSyncNet(size=size).eval()
        with FlopCounterMode(display=False) as work:
            syncnet.embed_mask(torch.zeros(1, 5, 12, size // 2, size))
    millions = sum(parameter.numel() for parameter in syncnet.mask_encoder.parameters()) / 1e6
    assert millions == pytest.approx(expected[0], abs=0.05)
    assert work.get_total_flops() / 1e9 == pytest.approx(expected[1], rel=0.012)
    assert len(syncnet.audio_encoder) == 14


def test_embeds_as_the_reference(shared):
    """Five colour frames in place of masks, and the reference's padding in its second layer."""
    sys.path.insert(0, str(shared / "parity"))
    try:
        from fill_tsg import value
    finally:
        sys.path.pop(0)
    stored = torch.load(shared / "parity" / "wav2lip.pt", weights_only=True)
    syncnet = SegmentationSyncNet(num_regions=3, size=96).eval()
    syncnet.mask_encoder[1].conv_block[0].padding = (1, 1)
    names = {"mask_encoder": "face_encoder", "audio_encoder": "audio_encoder"}
    state = {}
    for key, tensor in syncnet.state_dict().items():
        branch, _, rest = key.partition(".")
        array = value(f"{names[branch]}.{rest}", tensor.shape)
        state[key] = torch.from_numpy(array.copy()).to(tensor.dtype)
    syncnet.load_state_dict(state)
    with torch.no_grad():
        mask_embedding, audio_embedding = syncnet(
            stored["sync_face"].unflatten(1, (5, 3)), stored["mel4"].squeeze(1)
        )
    torch.testing.assert_close(mask_embedding, stored["sync_v"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(audio_embedding, stored["sync_a"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        sync_probability(mask_embedding, audio_embedding), stored["cos"], atol=1e-4, rtol=1e-4
    )


def test_embeddings_are_not_negative_and_of_length_one():
    for embedding in make()(masks(), torch.randn(2, 80, 16)):
        assert embedding.shape == (2, 8)
        assert (embedding >= 0).all()
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_larger_masks_are_averaged_down():
    syncnet, large = make(), masks(size=128)
    small = functional.avg_pool2d(large.flatten(1, 2), 2).view(2, 5, 4, 32, 64)
    torch.testing.assert_close(syncnet.embed_mask(large), syncnet.embed_mask(small))


def test_only_the_chosen_regions_are_seen():
    syncnet, mask = make(regions=(1, 3)), masks()
    changed = mask.clone()
    changed[:, :, [0, 2]] = 0
    assert torch.equal(syncnet.embed_mask(mask), syncnet.embed_mask(changed))
    changed[:, :, 3] = 0
    assert not torch.equal(syncnet.embed_mask(mask), syncnet.embed_mask(changed))


def test_the_gradient_reaches_the_masks():
    mask = masks(size=128).requires_grad_()
    sync_probability(*make()(mask, torch.randn(2, 80, 16))).sum().backward()
    assert mask.grad.abs().sum() > 0


@given(seed=st.integers(0, 99), dim=st.integers(1, 600))
def test_the_probability_is_a_cosine_that_never_touches_its_ends(seed, dim):
    generator = torch.Generator().manual_seed(seed)
    one, other = (
        functional.normalize(torch.rand(5, dim, generator=generator), dim=1) for _ in range(2)
    )
    expected = functional.cosine_similarity(one.double(), other.double())
    assert torch.allclose(sync_probability(one, other).double(), expected, atol=1e-6)
    same = sync_probability(one, one)
    assert (same <= 1 - EPSILON / 2).all()
    assert same.log1p().isfinite().all()
    opposite = sync_probability(torch.zeros(1, 3), torch.ones(1, 3))
    assert opposite.item() == pytest.approx(EPSILON)


def test_the_probability_stays_float32_under_autocast():
    syncnet, mel = make(width=0.1), torch.randn(2, 80, 16)
    exact = sync_probability(*syncnet(masks(), mel))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = sync_probability(*syncnet(masks(), mel))
        halves = sync_probability(torch.ones(1, 3).bfloat16(), torch.ones(1, 3).bfloat16())
    assert rounded.dtype == halves.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [32, 80, 160])
def test_an_impossible_size_is_told(size):
    with pytest.raises(ValueError, match=f"expected 64, 96, 128, 256 or 512, got {size}"):
        make(size=size)


def test_whole_masks_and_unknown_regions_are_told():
    with pytest.raises(ValueError, match="give the lower half only"):
        make().embed_mask(torch.zeros(1, 5, 4, 64, 64))
    with pytest.raises(ValueError, match=r"labels 0\.\.3, got \(1, 4\)"):
        make(regions=(1, 4))
