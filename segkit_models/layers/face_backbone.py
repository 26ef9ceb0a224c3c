"""IR-SE-50, the residual backbone of ArcFace and pSp; its parts carry the same names everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from torch import Tensor, nn

from segkit.weights import read_tensors
from segkit.weights.converted import head_of
from segkit.weights.fitting import misfits
from segkit_models.layers.checkpointing import run_part
from segkit_models.layers.residual_se import NormName, ResidualUnit, face_norm

WIDTH = (64, 64, 128, 256, 512)
"""Channels of the stem and of the four stages."""

UNITS = (3, 4, 14, 3)
"""Residual units of the stages."""


def make_stem(width: tuple[int, ...] = WIDTH, *, norm: NormName = "batch") -> nn.Sequential:
    """Return the first convolution, which keeps the size.

    Args:
        width: channels of the stem and of the four stages.
        norm: see `face_norm`.
    """
    return nn.Sequential(
        nn.Conv2d(3, width[0], 3, padding=1, bias=False),
        face_norm(norm, width[0]),
        nn.PReLU(width[0]),
    )


def make_stages(
    width: tuple[int, ...] = WIDTH, units: tuple[int, ...] = UNITS, *, norm: NormName = "batch"
) -> nn.ModuleList:
    """Return the four stages, each of which halves the size.

    Args:
        width: channels of the stem and of the four stages.
        units: residual units of each stage.
        norm: see `face_norm`.

    Source:
        ArcFace (Deng et al. 2019) as in InsightFace_Pytorch; pSp (Richardson et al. 2021).
    """
    return nn.ModuleList(
        nn.Sequential(
            ResidualUnit(width[stage], width[stage + 1], stride=2, norm=norm),
            *(
                ResidualUnit(width[stage + 1], width[stage + 1], stride=1, norm=norm)
                for _ in range(count - 1)
            ),
        )
        for stage, count in enumerate(units)
    )


def stage_maps(
    stem: nn.Module, stages: nn.ModuleList, image: Tensor, *, forget: bool = False
) -> list[Tensor]:
    """Return the map at the end of each stage, at 1/2, 1/4, 1/8 and 1/16 of the size.

    Args:
        stem: see `make_stem`.
        stages: see `make_stages`.
        image: ``B 3 H W`` in [-1, 1].
        forget: keep the maps between units alone, and make those inside again in the backward pass.
    """
    x = run_part(stem, stem, image, forget=forget)
    maps = []
    for stage in stages:
        for unit in cast(nn.Sequential, stage):
            x = run_part(unit, unit, x, forget=forget)
        maps.append(x)
    return maps


def load_backbone(module: nn.Module, weights: str | Path) -> None:
    """Load what a converted file has of stem, stages and the pyramid's lateral convolutions.

    Args:
        module: has ``stem``, ``stages`` and, to take a pyramid, ``lateral_medium`` and
            ``lateral_fine``.
        weights: made by ``segkit convert irse50`` or ``segkit convert psp``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file, or a backbone of other shapes or norms.
    """
    kind = (head_of(weights) or {}).get("kind")
    if kind not in ("irse50", "psp"):
        raise ValueError(
            f"{weights}: expected a file made by `segkit convert irse50` or `segkit convert psp`, "
            f"got {'another file' if kind is None else f'a {kind!r}'}"
        )
    tensors = {key.removeprefix(f"{kind}."): value for key, value in read_tensors(weights).items()}
    parts = ("stem.", "stages.", "lateral_") if kind == "psp" else ("stem.", "stages.")
    own = {key: value for key, value in module.state_dict().items() if key.startswith(parts)}
    given = {key: value for key, value in tensors.items() if key.startswith(parts)}
    problems = misfits(own, given)
    if problems:
        raise ValueError(
            f"{weights}: {len(problems)} weights do not fit the backbone of this "
            f"{type(module).__name__}; it needs norm='batch' and the file's width, units and "
            "fpn_dim\n  " + "\n  ".join(problems[:5])
        )
    module.load_state_dict(given, strict=False)
