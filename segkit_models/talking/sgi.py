"""Training of SGI: an image, and the mask of a frame near it, to the image of that frame."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.regions import one_hot
from segkit.registry import GENERATORS, LOSSES, REGION_ENCODERS
from segkit_models.experts.building import build_expert
from segkit_models.layers.freezing import frozen
from segkit_models.losses.adversarial import (
    discriminator_adversarial,
    generator_adversarial,
    gradient_penalty,
)
from segkit_models.losses.image import L2

LOSS_WEIGHTS = {"l2": 1.0, "lpips": 0.8, "identity": 0.1, "parsing": 0.1, "adversarial": 0.01}
"""The weights of eq. 13."""


class SGI(BaseModel):
    """Train a region encoder and a mask-guided generator by the five terms of eq. 13.

    The optimisers are two groups: ``generator`` (modules ``region_encoder`` and ``generator``) and
    ``discriminator``.

    Args:
        region_encoder: built, or its config.
        generator: built, or its config.
        discriminator: built, or ``dict(type=Class, ...)``; without one there is no adversarial
            term.
        losses: name -> loss or its config, each compared as ``loss(fake, target)``; None entries
            are left out. Only L2 when not given.
        loss_weights: name -> weight, over the paper's 1, 0.8, 0.1, 0.1 and 0.01 for ``l2``,
            ``lpips``, ``identity``, ``parsing`` and ``adversarial``; any other loss weighs 1 unless
            told.
        discriminator_interval: steps from one update of the discriminator to the next. Paper: not
            given; ours: 15 (E4S).
        penalty_gamma: weight of the gradient penalty (R1) of the discriminator; 0 leaves it out, as
            E4S does.
        penalty_interval: updates of the discriminator from one penalty to the next.
        average_decay: of the running average of the weights that predicts; 0 leaves it out. Paper:
            not given; ours: E4S's half-life of 3125 steps.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Source:
        Section 3.3, "Prior Learning" and eq. 8-13.
    """

    iteration: Tensor

    def __init__(
        self,
        region_encoder: nn.Module | dict[str, Any],
        generator: nn.Module | dict[str, Any],
        *,
        discriminator: nn.Module | dict[str, Any] | None = None,
        losses: dict[str, nn.Module | dict[str, Any] | None] | None = None,
        loss_weights: dict[str, float] | None = None,
        discriminator_interval: int = 15,
        penalty_gamma: float = 0.0,
        penalty_interval: int = 16,
        average_decay: float = 0.99978,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.region_encoder = REGION_ENCODERS.build(region_encoder)
        self.generator = GENERATORS.build(generator)
        self.discriminator = build_expert(discriminator) if discriminator is not None else None
        chosen = {"l2": L2()} if losses is None else losses
        self.losses = nn.ModuleDict(
            {name: LOSSES.build(loss) for name, loss in chosen.items() if loss is not None}
        )
        weights = LOSS_WEIGHTS | (loss_weights or {})
        names = [*self.losses, *(["adversarial"] if self.discriminator is not None else [])]
        unknown = sorted(set(loss_weights or {}) - set(names) - set(LOSS_WEIGHTS))
        if unknown:
            raise ValueError(
                f"loss_weights: no loss named {', '.join(unknown)}; there are {', '.join(names)}"
            )
        self.loss_weights = {name: weights.get(name, 1.0) for name in names}
        self.discriminator_interval = discriminator_interval
        self.penalty_gamma = penalty_gamma
        self.penalty_interval = penalty_interval
        self.average_decay = average_decay
        self.average = _average_of(self.region_encoder, self.generator) if average_decay else None
        # In the checkpoint, so that a resumed training keeps its schedule.
        self.register_buffer("iteration", torch.zeros((), dtype=torch.long))

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the discriminator (when due) and the generator on one batch.

        Args:
            data: what `PriorLearningPairs` gives: ``image``, ``mask``, ``target_image``,
                ``target_mask``.
            optim_wrapper: mmengine's, with ``generator`` and, given a discriminator,
                ``discriminator``.

        Returns:
            The total as ``loss``, and every term of both steps unweighted.
        """
        batch = self.data_preprocessor(data, True)
        iteration = int(self.iteration)
        log: dict[str, Tensor] = {}

        # Predict: the texture of one frame in the shape of another (Prior Learning).
        with optim_wrapper["generator"].optim_context(self):
            fake = self(**batch)
        fake, target = fake.float(), _to_float(batch["target_image"])

        # Discriminator.
        if self.discriminator is not None and iteration % self.discriminator_interval == 0:
            update = iteration // self.discriminator_interval
            log |= self._discriminate(target, fake.detach(), update, optim_wrapper["discriminator"])

        # Generator: eq. 13.
        terms = {name: loss(fake, target) for name, loss in self.losses.items()}
        if self.discriminator is not None:
            with frozen(self.discriminator), optim_wrapper["generator"].optim_context(self):
                terms["adversarial"] = generator_adversarial(self.discriminator(fake).float())
        total = torch.stack([self.loss_weights[name] * term for name, term in terms.items()]).sum()
        optim_wrapper["generator"].update_params(total)

        self._update_average(iteration)
        self.iteration += 1
        return {
            "loss": total.detach(),
            **{name: term.detach() for name, term in terms.items()},
            **log,
        }

    def forward(
        self,
        image: Tensor,
        mask: Tensor,
        target_image: Tensor | None = None,
        target_mask: Tensor | None = None,
        mode: str = "tensor",
    ) -> Tensor | list[dict[str, Tensor]]:
        """Draw the person of ``image`` in the shape of ``target_mask``.

        Args:
            image: ``B 3 H W`` uint8.
            mask: its labels, ``B H W`` uint8.
            target_image: ``B 3 H W`` uint8, needed for ``"predict"``.
            target_mask: labels ``B H W`` uint8; ``mask`` when not given.
            mode: ``"tensor"``, or ``"predict"`` (by the average weights; a dict of ``prediction``
                and ``target``, ``3 H W`` uint8 each, per sample).

        Returns:
            Images ``B 3 H W`` in about [-1, 1], or predictions.
        """
        batch = check_shape(image, "B 3 H W", name="image")["B"]
        check_shape(mask, f"B={batch} H W", name="mask")
        num_regions = self.generator.num_regions
        encoder, generator = self.region_encoder, self.generator
        if mode == "predict" and self.average is not None:
            encoder, generator = self.average["region_encoder"], self.average["generator"]
        shape = mask if target_mask is None else target_mask
        styles = encoder(_to_float(image), one_hot(mask, num_regions))
        fake = generator(styles, one_hot(shape, num_regions))
        if mode == "tensor":
            return fake
        if mode != "predict" or target_image is None:
            raise ValueError(
                f"mode: expected 'tensor', or 'predict' with target_image, got {mode!r}"
            )
        drawn = ((fake.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        pairs = zip(drawn, target_image, strict=True)
        return [{"prediction": prediction, "target": target} for prediction, target in pairs]

    def _discriminate(
        self, real: Tensor, fake: Tensor, update: int, optim_wrapper: Any
    ) -> dict[str, Tensor]:
        """Update the discriminator once (eq. 12), with the lazy gradient penalty of StyleGAN2."""
        assert self.discriminator is not None
        with optim_wrapper.optim_context(self):
            real_logits, fake_logits = self.discriminator(real), self.discriminator(fake)
        total = discriminator_adversarial(real_logits.float(), fake_logits.float())
        log = {"discriminator": total.detach()}
        if self.penalty_gamma and update % self.penalty_interval == 0:
            penalty = gradient_penalty(self.discriminator, real)
            total = total + 0.5 * self.penalty_gamma * self.penalty_interval * penalty
            log["penalty"] = penalty.detach()
        optim_wrapper.update_params(total)
        return log

    @torch.no_grad()
    def _update_average(self, iteration: int) -> None:
        if self.average is None:
            return
        # Shorter memory at first, or the random start would stay in it for thousands of steps.
        decay = min(self.average_decay, (1 + iteration) / (10 + iteration))
        for name, averaged in self.average.items():
            current = getattr(self, name)
            for kept, new in zip(averaged.parameters(), current.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
            for buffer, latest in zip(averaged.buffers(), current.buffers(), strict=True):
                buffer.copy_(latest)


def _average_of(region_encoder: nn.Module, generator: nn.Module) -> nn.ModuleDict:
    parts = nn.ModuleDict({"region_encoder": region_encoder, "generator": generator})
    return copy.deepcopy(parts).requires_grad_(False).eval()


def _to_float(image: Tensor) -> Tensor:
    """Map uint8 to [-1, 1]; images stay small until they are on the device."""
    return image.float() / 127.5 - 1
