"""Adapt TSG to one person: a few hundred masks and their speech, stretched by augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.contracts import SAMPLES_PER_FRAME, encode_audio
from segkit.decisions import PRIOR_CORRECTION, decide
from segkit.halves import pose_of
from segkit.listening import cut_features
from segkit.regions import one_hot
from segkit.talk.budget import BestWeights, Budget, fast_precision
from segkit.talk.bundle import Bundle
from segkit.talk.masks import enlarged_lower, shrunk
from segkit.talk.speech import listened

if TYPE_CHECKING:
    from segkit.talk.person_clip import PersonClip

_CONTEXT_FRAMES = 8
"""Speech cut out on each side of a frame: more than any local encoder hears."""

_NUM_CHECKS = 12


class MaskFit:
    """The data and the objective.

    Args:
        bundle: whose audio encoder and mask decoder are adapted.
        clip: the person.
        held_out: number of frames at the end that only choose the best weights.
        seed: of all draws.
        device: of the model.
    """

    def __init__(
        self, bundle: Bundle, clip: PersonClip, *, held_out: int, seed: int, device: torch.device
    ) -> None:
        self.bundle = bundle
        self.parts = nn.ModuleList(
            [bundle.modules["audio_encoder"], bundle.modules["mask_decoder"]]
        )
        self.num_regions = len(bundle.scheme)
        self.device = device
        self.labels = shrunk(clip.labels, bundle.mask_size).to(device)
        self.num_train = len(clip) - held_out
        self.reference = clip.closed_mouth()
        self.speech = _segments(clip.waveform, clip.numbers).to(device)
        self.features = self._features_of(clip)
        self.generator = torch.Generator().manual_seed(seed)
        self.weights = class_weights(self.labels[: self.num_train], self.num_regions)
        self.speaking = torch.tensor(bundle.scheme.mouth_labels, device=device)
        sides = ("left_", "right_")
        self.mirrors = not any(name.startswith(sides) for name in bundle.scheme.regions)
        self.focus = self._where_lips_move()

    def loss(self, index: Tensor) -> Tensor:
        """Draw augmented samples of some frames and compare the predicted lower halves."""
        pick = torch.randint(self.num_train, (len(index),), generator=self.generator)
        # Half of the time the reference of later use, else any frame: its mouth must not be copied.
        fixed = torch.rand(len(index), generator=self.generator) < 0.5
        pick = torch.where(fixed, torch.full_like(pick, self.reference), pick)
        labels, reference = self.labels[index], self.labels[pick]
        labels, reference = self._shifted(labels, reference)
        speech = self._augmented(self.speech[index])
        logits = self.predict(self.parts, labels, reference, speech, self._features(index))
        half = labels.shape[1] // 2
        pixels = functional.cross_entropy(
            logits[:, :, half:].float(),
            labels[:, half:].long(),
            weight=self.weights,
            reduction="none",
        )
        return (pixels * self.focus[half:]).mean()

    @torch.no_grad()
    def check(self, parts: nn.Module, first: int, stop: int) -> tuple[float, float]:
        """Return the loss and the lip-and-mouth IoU of some frames, without augmentation."""
        labels = self.labels[first:stop]
        reference = self.labels[self.reference].expand_as(labels)
        features = self._features(slice(first, stop))
        logits = self.predict(parts, labels, reference, self.speech[first:stop], features)
        half = labels.shape[1] // 2
        found, truth = logits[:, :, half:], labels[:, half:].long()
        loss = functional.cross_entropy(found, truth, weight=self.weights)
        predicted = torch.isin(decide(found, self.bundle.scheme), self.speaking)
        true = torch.isin(truth, self.speaking)
        union = (predicted | true).sum().clamp_min(1)
        return float(loss), float((predicted & true).sum() / union)

    def draw(self, batch_size: int) -> Tensor:
        """Return random training frames."""
        return torch.randint(self.num_train, (batch_size,), generator=self.generator)

    def predict(
        self,
        parts: nn.Module,
        labels: Tensor,
        reference: Tensor,
        speech: Tensor,
        features: Tensor | None,
    ) -> Tensor:
        """Return logits ``B R M M`` from labels ``B M M``, whose lower halves are hidden."""
        audio_encoder, mask_decoder = parts.children()
        audio = encode_audio(audio_encoder, speech, 1, _CONTEXT_FRAMES, features)[:, 0]
        pose = pose_of(one_hot(labels, self.num_regions))
        return mask_decoder(pose, one_hot(reference, self.num_regions), audio)

    def _features_of(self, clip: PersonClip) -> Tensor | None:
        """Listen to the whole clip once and cut out what lies around each frame, ``T F C``."""
        features = listened(self.parts[0], clip.waveform)
        if features is None:
            return None
        length = 2 * _CONTEXT_FRAMES + 1
        per_frame = self.parts[0].features_per_frame
        assert isinstance(per_frame, int)
        pieces = [
            cut_features(features[0], number - _CONTEXT_FRAMES, length, per_frame=per_frame)
            for number in clip.numbers.tolist()
        ]
        return torch.stack(pieces).to(self.device)

    def _features(self, index: Tensor | slice) -> Tensor | None:
        return None if self.features is None else self.features[index]

    def _where_lips_move(self) -> Tensor:
        """Weigh the few pixels that speech changes five times the rest, which pose decides."""
        moved = torch.isin(self.labels[: self.num_train], self.speaking).any(0).float()
        reach = self.bundle.mask_size // 32
        grown = functional.max_pool2d(moved[None], 2 * reach + 1, 1, reach)[0]
        if self.mirrors:
            grown = torch.maximum(grown, grown.flip(-1))
        return (1 + 4 * grown) / (1 + 4 * grown).mean()

    def _shifted(self, labels: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Move both masks by a few pixels, as another crop would; mirror them half of the time."""
        reach = max(1, self.bundle.mask_size // 40)
        shift = torch.randint(-reach, reach + 1, (2,), generator=self.generator).tolist()
        if self.mirrors and torch.rand((), generator=self.generator) < 0.5:
            labels, reference = labels.flip(-1), reference.flip(-1)
        return torch.roll(labels, shift, (1, 2)), torch.roll(reference, shift, (1, 2))

    def _augmented(self, speech: Tensor) -> Tensor:
        """Change what does not change the mouth: exact time, loudness, colour, noise."""
        count, num_samples = speech.shape

        def uniform(*shape: int) -> Tensor:
            return (torch.rand(*shape, generator=self.generator) * 2 - 1).to(self.device)

        start = (uniform(count) * 0.4 * SAMPLES_PER_FRAME).long()
        place = torch.arange(num_samples, device=self.device) + start[:, None]
        speech = speech.gather(1, place.clamp(0, num_samples - 1))
        spectrum = torch.fft.rfft(speech)
        bands_db = 5 * uniform(count, 1, 10)
        gain_db = functional.interpolate(
            bands_db, spectrum.shape[1], mode="linear", align_corners=True
        )[:, 0]
        speech = torch.fft.irfft(spectrum * 10 ** (gain_db / 20), n=num_samples)
        speech = speech * 10 ** (6 * uniform(count, 1) / 20)
        level = speech.square().mean(1, keepdim=True).sqrt()
        snr_db = 25 + 15 * uniform(count, 1)
        noise = torch.randn(count, num_samples, generator=self.generator).to(self.device)
        return (speech + noise * level * 10 ** (-snr_db / 20)).clamp(-1, 1)


def fit_masks(
    fit: MaskFit,
    budget: Budget,
    *,
    batch_size: int = 8,
    learning_rate: float = 5e-4,
) -> dict[str, Any]:
    """Fine-tune the audio encoder and the mask decoder.

    Args:
        fit: data and objective.
        budget: how long.
        batch_size: frames per step.
        learning_rate: at its highest.

    Returns:
        ``steps``, and the held-out ``loss`` and ``mouth_iou`` before and after.
    """
    # Evaluation mode: batch statistics of one person's few frames would replace those of many.
    parts = fit.parts.eval().requires_grad_(True)
    for module in parts.modules():
        freeze = getattr(module, "freeze", None)
        if callable(freeze):
            freeze()  # a published network within stays as it is
    recalibrate(fit)
    best = BestWeights(parts, decay=0.98)
    optimiser = torch.optim.AdamW(parts.parameters(), lr=learning_rate, weight_decay=0.05)
    held = (
        (fit.num_train, len(fit.labels)) if fit.num_train < len(fit.labels) else (0, fit.num_train)
    )
    before = fit.check(parts, *held)
    best.consider(before[0])
    checked = 0
    try:
        for _ in budget:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * budget.cosine()
            with fast_precision(fit.device):
                loss = fit.loss(fit.draw(batch_size))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
            optimiser.step()
            best.follow()
            if int(budget.share * _NUM_CHECKS) > checked:
                checked = int(budget.share * _NUM_CHECKS)
                best.consider(fit.check(best.average, *held)[0])
                budget.note(f"loss {loss.item():.3f}, held out {best.score:.3f}")
    finally:  # what was learned is kept when Ctrl-C ends the training, too
        best.consider(fit.check(best.average, *held)[0])
        best.restore()
        parts.requires_grad_(False)
        after = fit.check(parts, *held)
        decoder = fit.bundle.modules["mask_decoder"]
        if hasattr(decoder, "shift_logits"):
            decoder.shift_logits(-PRIOR_CORRECTION * fit.weights.log())  # type: ignore[operator]
    _, mouth_iou = fit.check(parts, *held)
    return {
        "steps": budget.step,
        "loss": [round(before[0], 4), round(after[0], 4)],
        "mouth_iou": [round(before[1], 4), round(mouth_iou, 4)],
    }


@torch.no_grad()
def recalibrate(fit: MaskFit, *, num_batches: int = 3, batch_size: int = 16) -> None:
    """Replace the statistics of batch norms by those of this person's masks and voice.

    They were gathered from other people's; kept, every layer would begin off centre.

    Args:
        fit: data, and the networks to change; without batch norms nothing happens.
        num_batches: batches to average over.
        batch_size: frames per batch.
    """
    norms = [module for module in fit.parts.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
        norm.train()
    for _ in range(num_batches):
        fit.loss(fit.draw(batch_size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def predicted_labels(fit: MaskFit, labels: Tensor, *, batch_size: int = 16) -> Tensor:
    """Predict the masks of all frames as `talk` will: the spoken lower half under the true upper.

    Args:
        fit: after `fit_masks`.
        labels: ``T S S`` of the clip; the logits are enlarged to this size before the decision.
        batch_size: frames at once.

    Returns:
        ``T S S`` uint8 on the CPU.
    """
    side = labels.shape[-1]
    found = labels.cpu().clone()
    for first in range(0, len(fit.labels), batch_size):
        small = fit.labels[first : first + batch_size]
        reference = fit.labels[fit.reference].expand_as(small)
        picked = slice(first, first + batch_size)
        features = None if fit.features is None else fit.features[picked]
        logits = fit.predict(fit.parts, small, reference, fit.speech[picked], features)
        lower = enlarged_lower(logits, side)
        found[picked, side // 2 :] = decide(lower, fit.bundle.scheme).to(found)
    return found


def class_weights(labels: Tensor, num_regions: int) -> Tensor:
    """Weigh small regions more, by the root of their rarity.

    Paper: inverse to the area (eq. 2). Ours, for one person's few frames: its square root, since
        the full weight blows up the lips beyond their true border.
    """
    share = torch.bincount(labels.flatten().long(), minlength=num_regions).float()
    share = share / share.sum()
    weights = share.clamp_min(1e-4).rsqrt()
    return (weights / (weights * share).sum()).clamp_max(20)


def _segments(waveform: Tensor, numbers: Tensor) -> Tensor:
    """Cut the speech around each frame: ``T N``; the frame is number ``_CONTEXT_FRAMES`` in it."""
    length = (2 * _CONTEXT_FRAMES + 1) * SAMPLES_PER_FRAME
    margin = _CONTEXT_FRAMES * SAMPLES_PER_FRAME
    end = int(numbers.max() + 1) * SAMPLES_PER_FRAME + margin
    padded = functional.pad(waveform, (margin, max(0, end - len(waveform))))
    starts = numbers * SAMPLES_PER_FRAME
    return torch.stack([padded[start : start + length] for start in starts.tolist()])
