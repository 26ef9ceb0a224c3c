"""SEAN and SPADE as generators: contract, what styles reach, training, bundles."""

import pytest
import torch

from segkit.contracts import Generator
from segkit.regions import one_hot
from segkit.registry import GENERATORS
from segkit.talk.bundle import load_bundle, new_bundle, save_bundle
from segkit.talk.fit_images import PersonGenerator
from segkit_models.generators import SEANGenerator, SPADEGenerator
from segkit_models.talking.sgi import SGI

SMALL = dict(size=64, num_regions=4, style_dim=6, width=2, hidden=8)
BOTH = pytest.mark.parametrize("kind", [SEANGenerator, SPADEGenerator])


def make(kind, **changes):
    torch.manual_seed(0)
    return kind(**(SMALL | changes)).eval()


def masks(batch=2, regions=(0, 1, 2), side=32):
    labels = torch.tensor(regions)[torch.randint(len(regions), (batch, side // 8, side // 8))]
    return one_hot(labels.repeat_interleave(8, 1).repeat_interleave(8, 2), 4)


@BOTH
def test_styles_and_mask_become_an_image_in_range(kind):
    generator = make(kind)
    assert isinstance(generator, Generator)
    assert type(GENERATORS.build(dict(type=kind.__name__, **SMALL))) is kind
    image = generator(torch.randn(2, 4, 3, 6), masks())
    assert image.shape == (2, 3, 64, 64)
    assert image.abs().max() <= 1
    # The faces of a batch do not see each other.
    styles, mask = torch.randn(2, 4, 1, 6), masks()
    torch.testing.assert_close(
        generator(styles[:1], mask[:1]), generator(styles, mask)[:1], atol=1e-5, rtol=1e-4
    )


@BOTH
def test_only_the_mean_over_layers_of_regions_in_the_mask_counts(kind):
    generator, mask = make(kind), masks()
    styles = torch.randn(2, 4, 3, 6, requires_grad=True)
    image = generator(styles, mask)
    image.square().sum().backward()
    assert (styles.grad[:, 3] == 0).all()
    assert (styles.grad[:, :3] != 0).any(-1).all()
    torch.testing.assert_close(generator(styles.mean(2, keepdim=True), mask), image)


@BOTH
def test_another_mask_is_another_image(kind):
    generator, mask = make(kind), masks()
    styles = torch.randn(1, 4, 1, 6).expand(2, -1, -1, -1)
    assert not torch.allclose(generator(styles, mask), generator(styles, mask.flip(1)))


def test_spade_can_ignore_the_styles():
    generator, mask = make(SPADEGenerator, style_planes=0), masks()
    first, second = (generator(torch.randn(2, 4, 1, 6), mask) for _ in range(2))
    assert torch.equal(first, second)
    kept, dropped = make(SPADEGenerator), generator
    assert kept.decoder.stem.weight.shape[1] == 20
    assert dropped.decoder.stem.weight.shape[1] == 4


def test_noise_of_sean_stands_still_in_evaluation():
    generator, mask = make(SEANGenerator), masks()
    with torch.no_grad():
        for block in generator.decoder.blocks:
            block.norm1.noise_strength.fill_(0.5)
    styles = torch.randn(2, 4, 1, 6)
    assert torch.equal(generator(styles, mask), generator(styles, mask))
    generator.train()
    assert not torch.equal(generator(styles, mask), generator(styles, mask))


@BOTH
def test_sgi_trains_them_with_seans_encoder(kind):
    from mmengine.optim import OptimWrapper, OptimWrapperDict

    torch.manual_seed(0)
    encoder = dict(type="SEANRegionEncoder", num_regions=4, style_dim=6, input_size=32, width=4)
    model = SGI(encoder, dict(type=kind, **SMALL), average_decay=0.9).train()
    labels = masks(4, side=64).argmax(1)
    colours = torch.randint(256, (4, 3), dtype=torch.uint8)
    image = colours[labels].permute(0, 3, 1, 2).contiguous()
    data = dict(image=image, mask=labels, target_image=image, target_mask=labels)
    adam = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.0, 0.99))
    optimiser = OptimWrapperDict(generator=OptimWrapper(adam))
    log = [model.train_step(data, optimiser)["l2"].item() for _ in range(30)]
    assert sum(log[-5:]) < 0.5 * sum(log[:5])
    model(image, labels).square().mean().backward()
    trained = [*model.region_encoder.parameters(), *model.generator.parameters()]
    assert all(x.grad is not None for x in trained)
    drawn = model(**data, mode="predict")
    assert drawn[0]["prediction"].shape == (3, 64, 64)


@BOTH
def test_bundles_and_fitting_take_them(kind, tmp_path):
    regions = dict(num_regions=12, style_dim=6)
    configs = {
        "audio_encoder": dict(type="MelCNN", out_dim=8, widths=[8, 8, 8, 8, 8], norm="group"),
        "mask_decoder": dict(
            type="UNetMaskDecoder", size=64, audio_dim=8, width=0.0625, norm="group"
        ),
        "region_encoder": dict(type="SEANRegionEncoder", input_size=32, width=4, **regions),
        "generator": dict(type=kind, size=64, width=2, **regions),
    }
    bundle = new_bundle(configs, size=64)
    save_bundle(tmp_path / "model.safetensors", bundle)
    again = load_bundle(tmp_path / "model.safetensors")
    image, mask = torch.randn(1, 3, 64, 64), one_hot(torch.randint(12, (1, 64, 64)), 12)
    with torch.no_grad():
        drawn = []
        for parts in (bundle.modules, again.modules):
            styles = parts["region_encoder"](image, mask)
            drawn.append(parts["generator"](styles, mask))
        person = PersonGenerator(bundle.modules["generator"], styles)
    assert torch.equal(*drawn)
    assert person(mask.expand(3, -1, -1, -1)).shape == (3, 3, 64, 64)


@BOTH
def test_other_sizes_and_shapes_are_told(kind):
    with pytest.raises(ValueError, match="size: expected a multiple of 32, got 100"):
        make(kind, size=100)
    with pytest.raises(ValueError, match=r"styles: expected shape \(B=2, R=4, L, D=6\)"):
        make(kind)(torch.zeros(2, 4, 1, 7), masks())
    with pytest.raises(ValueError, match=r"mask: expected shape \(B, R=4, H, H\)"):
        make(kind)(torch.zeros(2, 4, 1, 6), torch.zeros(2, 5, 8, 8))
