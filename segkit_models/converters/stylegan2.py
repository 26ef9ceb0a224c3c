"""StyleGAN2 checkpoints: rosinality's files, NVIDIA's exported state dicts, pSp's decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, ConversionError, ForeignState
from segkit.weights.kinds import Part, Parts, converter
from segkit_models.converters.stylegan2_names import NVLABS, ROSINALITY, Layout
from segkit_models.experts.discriminator import StyleGAN2Discriminator
from segkit_models.generators import RegionStyleGAN2
from segkit_models.generators.mapping import MappingNetwork

_GENERATORS = ("g_ema", "G_ema", "g", "G", "state_dict")
_DISCRIMINATORS = ("d", "D")
_NOISE_SEED = 0
_FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0])


@converter(
    "stylegan2", fingerprint=("conv1.conv.modulation.weight", "to_rgb1.conv.modulation.weight")
)
def convert_stylegan2(checkpoint: Checkpoint) -> Parts:
    """Convert the generator (the average one, where there are two) and its critic.

    Its mapping network, which SGI has no use for, comes as extra tensors (`MappingNetwork`).
    The generator comes as the paper's: 12 regions by ``"spatial"``. Its tensors depend on neither;
    with equal codes for all regions it draws what StyleGAN2 draws.
    """
    parts: Parts = {}
    generator = checkpoint.state(containers=_GENERATORS, prefixes=("module.",), required=False)
    critic = checkpoint.state(containers=_DISCRIMINATORS, prefixes=("module.",), required=False)
    if generator is None and critic is None:
        flat = checkpoint.state(prefixes=("module.",))
        is_critic = any(layout.num_critic_blocks(flat) for layout in (NVLABS, ROSINALITY))
        generator, critic = (None, flat) if is_critic else (flat, None)
    if generator is not None:
        prefix = "decoder." if "decoder.input.input" in generator else ""
        generator.ignore("encoder.*", why="pSp's encoder: `segkit convert psp`")
        layout = NVLABS if "synthesis.b4.const" in generator else ROSINALITY
        parts["generator"] = generator_part(checkpoint, generator, layout=layout, prefix=prefix)
        mapping = mapping_part(generator, layout=layout, prefix=prefix)
        if mapping is not None:
            for key, tensor in mapping[1].items():
                checkpoint.extra(f"{MappingNetwork.EXTRA}.{key}", tensor)
        average = average_code(checkpoint, generator, mapping)
        if average is not None:
            num_layers = 2 * len(parts["generator"][0]["channels"])
            checkpoint.extra("latent_average", repeated(average, num_layers))
        for averaged, raw in (("g_ema", "g"), ("G_ema", "G")):
            if averaged in checkpoint.top and raw in checkpoint.top:
                checkpoint.note(f"took {averaged!r}, the running average of {raw!r}")
    if critic is not None:
        parts["discriminator"] = discriminator_part(critic)
    return parts


def generator_part(
    checkpoint: Checkpoint, state: ForeignState, *, layout: Layout, prefix: str = "", **more: Any
) -> Part:
    """Convert a generator; sizes and widths are those of its tensors.

    Args:
        checkpoint: gets the notes.
        state: holds the generator's tensors.
        layout: of their names.
        prefix: of their names.
        more: arguments of `RegionStyleGAN2`, over the paper's 12 regions by ``"spatial"``.
    """
    num_blocks = layout.num_blocks(state, prefix=prefix)
    stored_noise = f"{prefix}{layout.noise(0)}" in state
    table = layout.generator(max(num_blocks, 1), prefix=prefix, noise=stored_noise)
    tensors = state.rename(table)
    check_filters(state, layout)
    channels = tuple(len(tensors[f"convs.{2 * block}.conv.weight"]) for block in range(num_blocks))
    size = 4 * 2 ** (num_blocks - 1)
    config = dict(
        type=RegionStyleGAN2,
        size=size,
        num_regions=12,
        style_dim=tensors["convs.0.conv.modulation.weight"].shape[1],
        channels=channels,
        region_conv="spatial",
    )
    if not stored_noise:
        checkpoint.note(f"the file stores no noise: drawn once with seed {_NOISE_SEED}")
        tensors |= _drawn_noise(num_blocks)
    return config | more, tensors


def mapping_part(state: ForeignState, *, layout: Layout, prefix: str = "") -> Part | None:
    """Convert the mapping network; None where the file holds none."""
    names = [f"{prefix}{layout.mapping(index)}.weight" for index in range(16)]
    num_layers = sum(name in state for name in names)
    if not num_layers:
        return None
    tensors = state.rename(
        {
            f"layers.{index}.{kind}": f"{prefix}{layout.mapping(index)}.{kind}"
            for index in range(num_layers)
            for kind in ("weight", "bias")
        }
    )
    style_dim, dim = tensors["layers.0.weight"].shape
    return dict(type=MappingNetwork, dim=dim, style_dim=style_dim, num_layers=num_layers), tensors


def average_code(
    checkpoint: Checkpoint, state: ForeignState, mapping: Part | None
) -> Tensor | None:
    """Return the average style code ``D`` or ``L D``: stored, or estimated by the mapping network.

    Args:
        checkpoint: may hold it as ``latent_avg``; gets the notes.
        state: the generator's; may hold it too, as ``latent_avg`` or ``mapping.w_avg``.
        mapping: estimates it otherwise.
    """
    stored = next((key for key in ("latent_avg", "mapping.w_avg") if key in state), None)
    if stored is not None:
        return state.take(stored)
    if isinstance(checkpoint.top.get("latent_avg"), Tensor):
        return checkpoint.top["latent_avg"]
    if mapping is None:
        checkpoint.note("no average code in the file, and no mapping network to estimate it")
        return None
    config, tensors = mapping
    network = MappingNetwork(**{key: value for key, value in config.items() if key != "type"})
    network.load_state_dict(tensors)
    checkpoint.note("no average code in the file: estimated from 100000 samples with seed 0")
    return network.average(num_samples=100_000, seed=0)


def repeated(average: Tensor, num_layers: int) -> Tensor:
    """Bring an average code ``D``, ``1 D`` or ``L D`` to ``num_layers D``.

    Raises:
        ConversionError: it has fewer layers.
    """
    rows = average.reshape(-1, average.shape[-1])
    if len(rows) == 1:
        return rows.expand(num_layers, -1).clone()
    if len(rows) < num_layers:
        raise ConversionError(
            f"latent_avg: expected 1 row or at least {num_layers}, one per layer of the "
            f"generator, got {len(rows)}"
        )
    return rows[:num_layers].clone()


def discriminator_part(state: ForeignState) -> Part:
    """Convert a discriminator; its size and widths are those of its tensors."""
    layout = NVLABS if NVLABS.num_critic_blocks(state) else ROSINALITY
    num_blocks = layout.num_critic_blocks(state)
    tensors = state.rename(layout.discriminator(max(num_blocks, 2)))
    check_filters(state, layout)
    channels = [tensors["from_rgb.weight"].shape[0]]
    channels += [len(tensors[f"blocks.{block}.skip.weight"]) for block in range(num_blocks - 1)]
    config = dict(
        type=StyleGAN2Discriminator,
        size=4 * 2 ** (num_blocks - 1),
        channels=tuple(reversed(channels)),
    )
    return config, tensors


def check_filters(state: ForeignState, layout: Layout) -> None:
    """Make sure that the low-pass filters of a file, if it holds any, are the one of our layers.

    Raises:
        ConversionError: another filter.
    """
    wanted = torch.outer(_FILTER, _FILTER) / _FILTER.sum() ** 2
    for key in state.keys():  # noqa: SIM118 - a ForeignState is no mapping
        if key.rpartition(".")[2] != layout.filter_name:
            continue
        # Where it enlarges, it is stored four times as strong.
        found = state.take(key).float()
        if found.shape != wanted.shape or not torch.allclose(found / found.sum(), wanted):
            raise ConversionError(
                f"{key}: expected the low-pass filter [1, 3, 3, 1], got {found.tolist()}; segkit "
                "has no generator with another one"
            )


def _drawn_noise(num_blocks: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(_NOISE_SEED)
    sides = [4 * 2 ** ((index + 1) // 2) for index in range(2 * num_blocks - 1)]
    return {
        f"convs.{index}.noise": torch.randn(1, 1, side, side, generator=random)
        for index, side in enumerate(sides)
    }
