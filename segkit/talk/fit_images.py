"""Adapt SGI to one person: the generator's weights and a code of their own for every region."""

from __future__ import annotations

import inspect
import time
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from segkit.regions import RegionScheme, one_hot
from segkit.registry import LOSSES
from segkit.shapes import box_around
from segkit.talk.budget import BestWeights, Budget, fast_precision
from segkit.talk.bundle import Bundle
from segkit.talk.looks import draws_parts
from segkit.talk.paste import shown_box
from segkit.talk.patches import PatchCritic, judged_box

if TYPE_CHECKING:
    from segkit.talk.person_clip import PersonClip

_NUM_CHECKS = 10
LEARNING = (0, 2, 1, 2, 1, 2, 1, 2)
"""Which of `ImageFit.parts` the steps draw in turn: once the whole crop, three times what is shown
of it, four times what is judged. At 256 px these took 0.71, 0.48 and 0.31 s a step."""

SHARPENING = (0, 3, 2, 3, 3, 1, 3, 2, 3, 3, 1, 3, 2, 3, 3, 3)
"""The same for one who has been learned already: ten of sixteen steps draw the lips. At 512 px the
parts took 1.8, 0.79, 0.45 and 0.27 s, so ten minutes have 870 steps instead of 526."""

_AROUND = np.ones((7, 7), np.uint8)
"""How far beyond face and mouth pixels count like them."""

_AROUND_LIPS = 1 / 16
"""How far around lips they are drawn, in sides of the crop."""

_SMOOTH_FROM = 512
"""Side from which borders in the drawn mask are soft. Hard ones, which the critic meets more often
the finer the pixels, became dotted lines around the lips."""

ADVERSARIAL = 0.02
"""Weight of the patch critic."""

ADVERSARIAL_FROM = 0.35
"""Share of the budget after which sharpness joins: before, there is nothing to sharpen."""

Box = tuple[int, int, int, int]
"""``(top, bottom, left, right)`` in pixels of the crop, ends outside."""


class PersonGenerator(nn.Module):
    """A generator together with the style codes of one person.

    Args:
        generator: of the bundle.
        styles: ``1 R L D``.
    """

    def __init__(self, generator: nn.Module, styles: Tensor) -> None:
        super().__init__()
        self.generator = generator
        self.styles = nn.Parameter(styles.clone())

    def forward(self, mask: Tensor, box: Box | None = None) -> Tensor:
        """Draw the person in the shape of masks ``B R H W``.

        Args:
            mask: one-hot.
            box: the part that is drawn; only where the generator knows parts.
        """
        if hasattr(self.generator, "prepare"):
            prepared = self.generator.prepare(self.styles)  # type: ignore[operator]
            part = {} if box is None else {"box": box}
            return self.generator.render(prepared, mask, **part)  # type: ignore[operator]
        return self.generator(self.styles.expand(len(mask), -1, -1, -1), mask)


class ImageFit:
    """The data and the objective.

    Args:
        generator: is adapted.
        scheme: of the masks.
        clip: the person.
        styles: ``1 R L D``, where the codes start.
        spoken: ``T S S`` uint8, the masks that TSG predicts for the clip; None draws from the true
            masks alone.
        held_out: number of frames at the end that only choose the best weights.
        seed: of all draws.
        device: of the model.
        order: which of ``parts`` the steps draw, `LEARNING` or `SHARPENING`.
    """

    def __init__(
        self,
        generator: nn.Module,
        scheme: RegionScheme,
        clip: PersonClip,
        styles: Tensor,
        spoken: Tensor | None,
        *,
        held_out: int,
        seed: int,
        device: torch.device,
        order: tuple[int, ...] = LEARNING,
    ) -> None:
        self.model = PersonGenerator(generator, styles).to(device)
        self.num_regions = len(scheme)
        self.images, self.labels = clip.images, clip.labels
        self.spoken = spoken
        self.num_train = len(clip) - held_out
        self.device = device
        self.random = torch.Generator().manual_seed(seed)
        self.pyramid = LOSSES.build({"type": "PyramidL1"}).to(device)
        labels = np.arange(self.num_regions)
        self._is_face = np.isin(labels, scheme.face_labels).astype(np.uint8)
        self._is_mouth = np.isin(labels, scheme.mouth_labels).astype(np.uint8)
        self.side = clip.images.shape[-1]
        whole = (0, self.side, 0, self.side)
        self.parts: tuple[Box, ...] = (whole,)
        if draws_parts(self.model.generator):
            lips = self._lips()
            speaking = _around(judged_box(self.side), lips)
            self.parts = (whole, self._shown(scheme), speaking, lips)
        self.order = order
        seen = torch.stack([self._covers(self.part_at(step)) for step in range(len(order))])
        self._rarity = (1 / seen.mean(0)).to(device)

    def part_at(self, step: int) -> Box:
        """Return the part of the crop that a step draws."""
        return self.parts[self.order[step % len(self.order)] if len(self.parts) > 1 else 0]

    def batch(self, index: Tensor, box: Box) -> tuple[Tensor, Tensor, Tensor]:
        """Return masks ``B R S S`` to draw, images ``B 3 H W`` to reach, weights ``B 1 H W``.

        Args:
            index: frames.
            box: one of ``parts``, which is drawn. What is drawn in few steps counts more in them,
                so that together all steps weigh every pixel by its use.
        """
        labels = self._varied(index).to(self.device)
        image = self.images[index].to(self.device).float() / 127.5 - 1
        weight = self._importance(index).to(self.device) * self._rarity
        seen = _part(box)
        share = weight[seen].numel() / weight.numel()
        return one_hot(labels, self.num_regions), image[seen], share * weight[seen]

    def _shown(self, scheme: RegionScheme) -> Box:
        """Return what is ever shown of the crop, or judged, while nothing is edited."""
        spoken = self.labels if self.spoken is None else self.spoken
        return _around(
            judged_box(self.side),
            *(
                shown_box(true.numpy(), said.numpy(), scheme=scheme)
                for true, said in zip(self.labels, spoken, strict=True)
            ),
        )

    def _lips(self) -> Box:
        """Return where lips and mouth ever are, and a little around; what is judged, if nowhere."""
        spoken = self.labels if self.spoken is None else self.spoken
        ever = np.zeros((self.side, self.side), np.uint8)
        for labels in (*self.labels.numpy(), *spoken.numpy()):
            ever |= self._is_mouth[labels]
        box = box_around(ever, round(_AROUND_LIPS * self.side))
        if box is None:
            return judged_box(self.side)
        (top, bottom, _), (left, right, _) = (each.indices(self.side) for each in box)
        return top, bottom, left, right

    def _covers(self, box: Box) -> Tensor:
        plane = torch.zeros(self.side, self.side)
        plane[_part(box)] = 1
        return plane

    def draw(self, batch_size: int) -> Tensor:
        """Return random training frames."""
        return torch.randint(self.num_train, (batch_size,), generator=self.random)

    def loss(self, fake: Tensor, image: Tensor, weight: Tensor) -> Tensor:
        """Return the errors and their pyramid, where the picture will be used."""
        difference = fake - image
        plain = ((difference.abs() + difference.square()) * weight).mean()
        return plain + self.pyramid(fake * weight, image * weight)

    @torch.no_grad()
    def check(self, model: nn.Module, first: int, stop: int) -> tuple[float, float]:
        """Return the weighted error, and the PSNR of the lower half, from true masks."""
        errors, squares = [], []
        for index in torch.arange(first, stop).split(8):
            image = self.images[index].to(self.device).float() / 127.5 - 1
            labels = self.labels[index].to(self.device)
            fake = model(one_hot(labels, self.num_regions)).clamp(-1, 1)
            weight = self._importance(index).to(self.device)
            half = image.shape[2] // 2
            errors.append(((fake - image).abs() * weight).mean((1, 2, 3)))
            squares.append((fake - image)[:, :, half:].square().mean((1, 2, 3)))
        psnr = 10 * torch.log10(4 / torch.cat(squares).clamp_min(1e-9))
        return float(torch.cat(errors).mean()), float(psnr.mean())

    def _varied(self, index: Tensor) -> Tensor:
        """Mix the true masks with those it will meet: predicted and slightly late mouths."""
        labels = self.labels[index].clone()
        half = labels.shape[1] // 2
        luck = torch.rand(len(index), generator=self.random)
        for place, (number, draw) in enumerate(zip(index.tolist(), luck.tolist(), strict=True)):
            if self.spoken is not None and draw < 0.3:
                labels[place, half:] = self.spoken[number, half:]
            elif draw > 0.9:
                near = min(max(number + (1 if draw > 0.95 else -1), 0), self.num_train - 1)
                labels[place, half:] = self.labels[near, half:]
        return labels

    def _importance(self, index: Tensor) -> Tensor:
        """Weigh pixels by their use: the speaking face most, the rest of the crop a little."""
        labels = self.labels[index].numpy()
        half = labels.shape[1] // 2
        weight = np.full(labels.shape, 0.3, np.float32)
        for each, of_face, of_mouth in zip(
            weight, self._is_face[labels], self._is_mouth[labels], strict=True
        ):
            each[half:] += cv2.dilate(of_face, _AROUND)[half:]
            each += cv2.dilate(of_mouth, _AROUND)
        return torch.from_numpy(weight)[:, None]


def _around(*boxes: Box) -> Box:
    tops, bottoms, lefts, rights = zip(*boxes, strict=True)
    return min(tops), max(bottoms), min(lefts), max(rights)


def _part(box: Box) -> tuple[EllipsisType, slice, slice]:
    top, bottom, left, right = box
    return ..., slice(top, bottom), slice(left, right)


def fit_images(
    fit: ImageFit,
    budget: Budget,
    *,
    batch_size: int = 4,
    learning_rate: float = 2e-3,
    adversarial: float = ADVERSARIAL,
    adversarial_from: float = ADVERSARIAL_FROM,
) -> dict[str, Any]:
    """Fine-tune the generator and the codes.

    Args:
        fit: data and objective.
        budget: how long.
        batch_size: frames per step.
        learning_rate: at its highest.
        adversarial: weight of the patch critic; 0 leaves it out.
        adversarial_from: share of the budget after which it joins.

    Returns:
        ``steps``, the held-out weighted ``error`` and ``psnr_lower`` before and after, and
        ``curve``: (second, ``psnr_lower``) on the way.
    """
    model = fit.model.eval().requires_grad_(True)
    best = BestWeights(model, decay=0.99)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(0.5, 0.99))
    critic = PatchCritic().to(fit.device)
    critic_optimiser = torch.optim.Adam(critic.parameters(), lr=learning_rate, betas=(0.0, 0.99))
    held = (
        (fit.num_train, len(fit.labels)) if fit.num_train < len(fit.labels) else (0, fit.num_train)
    )
    before = fit.check(best.average, *held)
    begun, curve, checked = time.perf_counter(), [], 0
    try:
        for _ in budget:
            for group in (*optimiser.param_groups, *critic_optimiser.param_groups):
                group["lr"] = learning_rate * budget.cosine()
            box = fit.part_at(budget.step)
            mask, image, weight = fit.batch(fit.draw(batch_size), box)
            with fast_precision(fit.device):
                fake = model(mask, None if box == fit.parts[0] else box)
            fake = fake.float()
            loss = fit.loss(fake, image, weight)
            shown, real = (
                critic.window(each, side=fit.side, origin=(box[0], box[2]))
                for each in (fake, image)
            )
            large = min(real.shape[-2:]) >= critic.least_side
            if adversarial and budget.share > adversarial_from and large:
                critic_optimiser.zero_grad()
                critic.loss(shown.detach(), real).backward()
                critic_optimiser.step()
                loss = loss + adversarial * critic.fooled(shown, real)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            best.follow()
            if int(budget.share * _NUM_CHECKS) > checked:
                checked = int(budget.share * _NUM_CHECKS)
                error, psnr = fit.check(best.average, *held)
                # With the critic the error rises a little while the picture improves: only real
                # harm counts.
                best.consider(error if budget.share <= adversarial_from else 0.97 * error)
                budget.note(f"loss {loss.item():.3f}, held out {psnr:.1f} dB")
                curve.append([round(time.perf_counter() - begun), round(psnr, 2)])
    finally:  # what was learned is kept when Ctrl-C ends the training, too
        best.consider(0.95 * fit.check(best.average, *held)[0])
        best.restore()
        model.requires_grad_(False)
    after = fit.check(model, *held)
    return {
        "steps": budget.step,
        "error": [round(before[0], 4), round(after[0], 4)],
        "psnr_lower": [round(before[1], 2), round(after[1], 2)],
        "curve": curve,
    }


def enlarge(bundle: Bundle, size: int) -> Bundle:
    """Let a bundle draw larger pictures, where its components know how to grow.

    A component grows if its module offers ``grown``; the masks stay as they are. Soft borders
    become soft at the largest size too, from 512 px on.

    Args:
        bundle: changed in place.
        size: wanted side.

    Returns:
        The same bundle; unchanged if its generator cannot grow.
    """
    generator, encoder = bundle.modules["generator"], bundle.modules["region_encoder"]
    grow = getattr(inspect.getmodule(type(generator)), "grown", None)
    grow_encoder = getattr(inspect.getmodule(type(encoder)), "grown", None)
    if size <= bundle.size or grow is None or grow_encoder is None:
        return bundle
    larger = grow(generator, size)
    if size >= _SMOOTH_FROM and getattr(larger, "mask_mode", None) == "area":
        larger.mask_mode = bundle.configs["generator"]["mask_mode"] = "smooth"
    bundle.modules["generator"] = larger.eval()
    bundle.modules["region_encoder"] = grow_encoder(encoder, larger.num_layers).eval()
    bundle.configs["generator"] |= {"size": size, "channels": list(larger.channels)}
    bundle.configs["region_encoder"] |= {"num_layers": larger.num_layers}
    bundle.size = size
    return bundle
