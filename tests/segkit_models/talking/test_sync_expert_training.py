"""Training the SyncNet: it learns a rule that only both sides together tell."""

import pytest
import torch
from mmengine.optim import OptimWrapper

from segkit_models.talking.sync_expert import SyncExpert

TINY = {"num_regions": 2, "size": 64, "width": 0.06}


def batch(size=16):
    """Low or high mouths, soft or loud sounds; low goes with soft."""
    mouth = torch.randint(2, (size,))
    masks = torch.zeros(size, 5, 64, 64, dtype=torch.uint8)
    masks[mouth == 0, :, 36:44] = 1
    masks[mouth == 1, :, 52:60] = 1
    return {"masks": masks, "mel": sound_of(mouth), "other_mel": sound_of(1 - mouth)}


def sound_of(mouth):
    return torch.randn(len(mouth), 80, 16) * 0.1 + (mouth * 4 - 2)[:, None, None]


def test_learns_to_tell_pairs_apart():
    torch.manual_seed(0)
    # Half of a batch sounds alike: there is nothing to find in it.
    expert = SyncExpert(TINY, loss_weights={"contrast": 0})
    wrapper = OptimWrapper(torch.optim.Adam(expert.parameters(), 5e-3))
    expert.train()
    for _ in range(150):
        log = expert.train_step(batch(), wrapper)
    assert log["loss"] < 0.5, "chance is 0.69"
    expert.eval()
    with torch.no_grad():
        predictions = expert.val_step(batch(64))
    assert len(predictions) == 128
    truth = torch.stack([pair["in_sync"] for pair in predictions]) > 0.5
    called = torch.stack([pair["probability"] for pair in predictions]) > 0.5
    assert (called == truth).float().mean() > 0.95


def test_terms_are_weighed():
    expert, pairs = SyncExpert(TINY, loss_weights={"bce": 2.0, "contrast": 0.25}).eval(), batch(4)
    terms = expert(**pairs, mode="loss")
    torch.testing.assert_close(terms["loss"], 2 * terms["bce"] + 0.25 * terms["contrast"])
    with pytest.raises(ValueError, match="expected bce and contrast, got 'nce'"):
        SyncExpert(TINY, loss_weights={"nce": 1.0})


def test_changes_samples_in_training_only():
    torch.manual_seed(0)
    expert, pairs = SyncExpert(TINY | {"norm": "group"}), batch(4)
    expert.train()
    one, other = (expert(**pairs, mode="loss")["loss"] for _ in range(2))
    assert one != other
    expert.eval()
    one, other = (expert(**pairs, mode="loss")["loss"] for _ in range(2))
    assert one == other


def test_labels_stay_bytes_until_the_planes_are_made():
    expert, pairs = SyncExpert(TINY).eval(), batch(2)
    moved = expert.data_preprocessor(pairs)
    assert moved["masks"].dtype == torch.uint8
    probability = expert(moved["masks"], moved["mel"])
    assert probability.shape == (2,)
    assert ((probability > 0) & (probability < 1)).all()


def test_missing_speech_and_a_wrong_window_are_told():
    expert, pairs = SyncExpert(TINY).eval(), batch(2)
    with pytest.raises(ValueError, match="mode 'loss' needs speech off sync too"):
        expert(pairs["masks"], pairs["mel"], mode="loss")
    with pytest.raises(ValueError, match=r"masks: expected shape \(B, T=5, H, W\)"):
        expert(pairs["masks"][:, :3], pairs["mel"])
