"""SGI's training step: what it updates, the sum of eq. 13, its schedule, and that it learns."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict

from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.talking.sgi import SGI

NUM_REGIONS = 4
ENCODER = dict(
    type="FPNRegionEncoder", num_regions=NUM_REGIONS, num_layers=6, style_dim=8, input_size=16,
    width=(8, 8, 8, 8, 8), units=(1, 1, 1, 1), fpn_dim=8, norm="group",
)  # fmt: skip
GENERATOR = dict(
    type="RegionStyleGAN2", size=16, num_regions=NUM_REGIONS, style_dim=8, channels=(8, 8, 8),
    mask_mode="area",
)  # fmt: skip
DISCRIMINATOR = dict(type=StyleGAN2Discriminator, size=16, channels=(8, 8, 8))


def make(**changes):
    torch.manual_seed(0)
    settings = dict(discriminator=DISCRIMINATOR, discriminator_interval=1)
    return SGI(ENCODER, GENERATOR, **(settings | changes))


def optimisers(model, lr=2e-3):
    drawing = [*model.region_encoder.parameters(), *model.generator.parameters()]
    groups = {"generator": OptimWrapper(torch.optim.Adam(drawing, lr=lr, betas=(0.0, 0.99)))}
    if model.discriminator is not None:
        adam = torch.optim.Adam(model.discriminator.parameters(), lr=lr, betas=(0.0, 0.99))
        groups["discriminator"] = OptimWrapper(adam)
    return OptimWrapperDict(**groups)


def batch(size=4):
    random = torch.Generator().manual_seed(0)
    mask = torch.randint(NUM_REGIONS, (size, 4, 4), generator=random, dtype=torch.uint8)
    mask = mask.repeat_interleave(4, 1).repeat_interleave(4, 2)
    colours = torch.randint(256, (NUM_REGIONS, 3), generator=random, dtype=torch.uint8)
    image = colours[mask.long()].permute(0, 3, 1, 2).contiguous()
    shifted = (image.roll(4, 3), mask.roll(4, 2))
    return dict(image=image, mask=mask, target_image=shifted[0], target_mask=shifted[1])


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def changed(module, before):
    return any(not torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_total_is_the_weighted_sum_of_eq_13():
    model = make(losses=dict(l2=dict(type="L2"), pyramid=dict(type="PyramidL1"), lpips=None))
    log = model.train_step(batch(), optimisers(model))
    expected = 1.0 * log["l2"] + 1.0 * log["pyramid"] + 0.01 * log["adversarial"]
    torch.testing.assert_close(log["loss"], expected)
    assert [key for key in log if "loss" in key] == ["loss"]
    assert set(log) == {"loss", "l2", "pyramid", "adversarial", "discriminator"}


def test_paper_weights_are_the_defaults_and_unknown_names_are_refused():
    model = make()
    assert model.loss_weights == {"l2": 1.0, "adversarial": 0.01}
    with pytest.raises(ValueError, match="no loss named lpisp"):
        make(loss_weights=dict(lpisp=0.8))


def test_target_is_the_frame_of_the_mask_not_the_encoded_one():
    model, data = make(discriminator=None), batch()
    fake = model(data["image"], data["mask"], target_mask=data["target_mask"])
    target = data["target_image"].float() / 127.5 - 1
    log = model.train_step(data, optimisers(model))
    torch.testing.assert_close(log["l2"], (fake - target).square().mean())


def test_generator_step_leaves_no_gradient_in_the_discriminator():
    model = make(discriminator_interval=2)
    wrappers = optimisers(model)
    model.train_step(batch(), wrappers)
    before = state(model.discriminator)
    log = model.train_step(batch(), wrappers)
    assert "discriminator" not in log
    assert not changed(model.discriminator, before)
    gradients = [p.grad for p in model.discriminator.parameters() if p.grad is not None]
    assert all((gradient == 0).all() for gradient in gradients)
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_penalty_comes_at_its_own_interval():
    model = make(discriminator_interval=2, penalty_gamma=10.0, penalty_interval=2)
    wrappers = optimisers(model)
    logs = [model.train_step(batch(), wrappers) for _ in range(8)]
    assert [step for step, log in enumerate(logs) if "discriminator" in log] == [0, 2, 4, 6]
    assert [step for step, log in enumerate(logs) if "penalty" in log] == [0, 4]


def test_schedule_and_average_go_on_after_a_resume():
    model = make(discriminator_interval=3)
    wrappers = optimisers(model)
    for _ in range(2):
        model.train_step(batch(), wrappers)
    resumed = make(discriminator_interval=3)
    resumed.load_state_dict(model.state_dict())
    again = optimisers(resumed)
    again.load_state_dict(copy.deepcopy(wrappers.state_dict()))
    for _ in range(2):
        a, b = model.train_step(batch(), wrappers), resumed.train_step(batch(), again)
        assert set(a) == set(b)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[key], value, msg=key)


def test_average_lies_between_old_and_new_weights():
    model = make(discriminator=None, average_decay=0.99)
    weight = model.generator.constant
    before = weight.detach().clone()
    model.train_step(batch(), optimisers(model))
    # The first step forgets nine tenths: (1 + 0) / (10 + 0) is kept.
    expected = 0.1 * before + 0.9 * weight
    torch.testing.assert_close(model.average["generator"].constant, expected.detach())
    assert not any(p.requires_grad for p in model.average.parameters())


def test_it_learns_the_colours_of_the_regions():
    model = make(discriminator=None, average_decay=0.9)
    wrappers, data = optimisers(model, lr=1e-2), batch()
    losses = [model.train_step(data, wrappers)["l2"].item() for _ in range(120)]
    assert losses[-1] < 0.1 * losses[0]
    pairs = model.eval().val_step(data)
    assert len(pairs) == 4
    error = (pairs[0]["prediction"].float() - pairs[0]["target"].float()).abs().mean()
    assert pairs[0]["prediction"].dtype == torch.uint8
    assert error < 25


def test_mask_without_batch_and_unknown_mode_are_refused():
    model, data = make(discriminator=None), batch()
    with pytest.raises(ValueError, match=r"mask: expected shape \(B=4, H, W\)"):
        model(data["image"], data["mask"][0])
    with pytest.raises(ValueError, match="mode: expected 'tensor', or 'predict'"):
        model(data["image"], data["mask"], mode="loss")
