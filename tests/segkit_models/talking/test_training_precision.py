"""bfloat16 in training: near float32 in the loss, float32 in the weights, gradient penalty too."""

import pytest
import torch
from mmengine.optim import OptimWrapperDict

from segkit.engine.optim import AutocastOptimWrapper
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.talking.sgi import SGI
from segkit_models.talking.tsg import TSG

REGIONS, SIDE = 4, 32


def labels(*shape):
    coarse = torch.randint(REGIONS, (*shape, 4, 4), dtype=torch.uint8)
    return coarse.repeat_interleave(SIDE // 4, -1).repeat_interleave(SIDE // 4, -2)


def tsg(checkpoint):
    model = TSG(
        dict(type="MelCNN", out_dim=16, widths=(8, 8, 8, 8, 8)),
        dict(
            type="UNetMaskDecoder", num_regions=REGIONS, size=SIDE, audio_dim=16, width=0.05,
            checkpoint_activations=checkpoint,
        ),
        num_regions=REGIONS,
    )  # fmt: skip
    return model, dict(
        masks=labels(4, 5), reference=labels(4), waveform=torch.randn(4, 640 * 15) * 0.1
    )


def sgi(checkpoint):
    model = SGI(
        dict(
            type="FPNRegionEncoder", num_regions=REGIONS, num_layers=8, style_dim=8,
            input_size=SIDE, width=(8, 8, 8, 8, 8), units=(1, 1, 1, 1), fpn_dim=8, norm="group",
            checkpoint_activations=checkpoint,
        ),
        dict(
            type="RegionStyleGAN2", size=SIDE, num_regions=REGIONS, style_dim=8,
            channels=(8, 8, 8, 8), checkpoint_activations=checkpoint,
        ),
        discriminator=StyleGAN2Discriminator(size=SIDE, channels=(8, 8, 8, 8)),
        discriminator_interval=1,
        penalty_gamma=1.0,
        penalty_interval=1,
    )  # fmt: skip
    image = torch.randint(256, (4, 3, SIDE, SIDE), dtype=torch.uint8)
    return model, dict(image=image, mask=labels(4), target_image=image, target_mask=labels(4))


def step(make, precision, *, checkpoint):
    """Train two steps; return the logs and the model."""
    torch.manual_seed(0)
    model, batch = make(checkpoint)

    def wrap(*modules):
        weights = [each for module in modules for each in module.parameters()]
        return AutocastOptimWrapper(torch.optim.Adam(weights, 1e-3), precision=precision)

    optimiser = (
        OptimWrapperDict(
            generator=wrap(model.region_encoder, model.generator),
            discriminator=wrap(model.discriminator),
        )
        if make is sgi
        else wrap(model)
    )
    model.train()
    return [model.train_step(batch, optimiser) for _ in range(2)], model


@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "checkpointed"])
@pytest.mark.parametrize("make", [tsg, sgi])
def test_a_step_in_bfloat16_has_the_loss_of_float32_within_2_percent(make, checkpoint):
    exact, _ = step(make, "float32", checkpoint=False)
    found, model = step(make, "bfloat16", checkpoint=checkpoint)
    for name, value in exact[0].items():
        torch.testing.assert_close(found[0][name].float(), value.float(), rtol=0.02, atol=0)
    torch.testing.assert_close(found[1]["loss"], exact[1]["loss"], rtol=0.02, atol=0)
    assert not torch.equal(found[0]["loss"], exact[0]["loss"])
    if make is sgi:
        # A gradient of a gradient is no matter for 8 bits: R1 stays out of autocast.
        assert torch.equal(found[0]["penalty"], exact[0]["penalty"])
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32, name
        assert parameter.grad is None or parameter.grad.dtype == torch.float32, name
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), name


@pytest.mark.parametrize(
    ("config", "parts"),
    [("tsg", ["mask_decoder"]), ("sgi", ["region_encoder", "generator"])],
)
def test_the_papers_configs_take_checkpointing_from_the_command_line(config, parts):
    from segkit.engine.config import load_config

    keys = [f"model.{part}.checkpoint_activations" for part in parts]
    loaded = load_config(config, overrides=dict.fromkeys(keys, True))
    assert all(loaded.model[part].checkpoint_activations for part in parts)
    with pytest.raises(ValueError, match="Did you mean 'checkpoint_activations'"):
        load_config(config, overrides={keys[0][:-1]: True})
