"""Training of TSG: talking segmentation from a pose mask, a reference mask and speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segkit.audio import MelFrontEnd, mel_windows
from segkit.contracts import SAMPLES_PER_FRAME, check_shape, encode_audio
from segkit.decisions import PRIOR_CORRECTION
from segkit.halves import lower_half, pose_of, with_upper_half_of
from segkit.regions import one_hot
from segkit.registry import AUDIO_ENCODERS, LOSSES, MASK_DECODERS
from segkit_models.experts.syncnet import SegmentationSyncNet
from segkit_models.losses.mask import WeightedCrossEntropy
from segkit_models.losses.sync import SyncLoss
from segkit_models.talking.augment import augment_waveform
from segkit_models.talking.class_weights import read_class_weights
from segkit_models.talking.sync_expert import build_syncnet
from segkit_models.talking.sync_taught import SyncTaught


class TSG(SyncTaught):
    """Train an audio encoder and a mask decoder by cross entropy, later with a frozen SyncNet.

    Args:
        audio_encoder: built, or its config.
        mask_decoder: built, or its config.
        num_regions: R.
        class_weights: of the cross entropy (eq. 2): numbers, or the clip folder whose statistics
            hold them. None is eq. 1.
        mask_loss: replaces the weighted cross entropy.
        compose: ``"full"`` trains on every pixel; ``"lower"`` on the half that speech drives alone.
            Paper: all pixels; at inference ours always keeps the pose source's upper half.
        sync_expert: a trained `SegmentationSyncNet`, or its arguments where its weights are loaded
            later (`segkit.engine.experts.LoadExpert`); None trains without. It stays frozen.
        loss_weights: of ``ce`` and ``sync``. Paper: not given; ours: 1 and 0.03 (Wav2Lip's).
        sync_begin: iterations of cross entropy alone before the SyncNet joins (section 4.1).
        sync_input: what the expert sees. Paper: not given; ours: the label map it was trained on,
            with the gradient of the softmax (``"straight_through"``); or the ``"softmax"`` itself.
        prior_correction: share of the log class weights taken off the logits before labels are
            decided (not in the cross entropy). A weighted loss makes rare regions spread: of a lip
            that weighs 20 the decoder is as sure at 5 % as at even odds. 1 takes all of it back.
            Paper: none; ours: 0.75, which gave the best overlap of lips on held-out people.
        speech_changes: arguments of `augment_waveform` for the speech in training. Paper: none;
            ours: none.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Raises:
        FileNotFoundError: no statistics in the clip folder given.

    Source: section 3.2; eq. 1-4.
    """

    def __init__(
        self,
        audio_encoder: nn.Module | dict[str, Any],
        mask_decoder: nn.Module | dict[str, Any],
        *,
        num_regions: int = 12,
        class_weights: Sequence[float] | str | Path | None = None,
        mask_loss: nn.Module | dict[str, Any] | None = None,
        compose: Literal["full", "lower"] = "full",
        sync_expert: SegmentationSyncNet | dict[str, Any] | None = None,
        loss_weights: dict[str, float] | None = None,
        sync_begin: int = 50_000,
        sync_input: Literal["straight_through", "softmax"] = "straight_through",
        prior_correction: float = PRIOR_CORRECTION,
        speech_changes: dict[str, Any] | None = None,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        _check_choice("compose", compose, ("full", "lower"))
        _check_choice("sync_input", sync_input, ("straight_through", "softmax"))
        self.num_regions = num_regions
        self.compose = compose
        self.sync_input = sync_input
        self.prior_correction = prior_correction
        self.speech_changes = dict(speech_changes or {})
        self.loss_weights = {"ce": 1.0, "sync": 0.03} | dict(loss_weights or {})
        for name in self.loss_weights:
            _check_choice("loss_weights", name, ("ce", "sync"))

        self.audio_encoder = AUDIO_ENCODERS.build(audio_encoder)
        self.mask_decoder = MASK_DECODERS.build(mask_decoder)
        self.mask_loss = LOSSES.build(mask_loss) or WeightedCrossEntropy(
            weights=read_class_weights(class_weights), num_regions=num_regions
        )
        self.sync_loss = SyncLoss()
        self.take_expert(
            None if sync_expert is None else build_syncnet(sync_expert), begin=sync_begin
        )
        self.front_end = MelFrontEnd()

    def forward(
        self,
        masks: Tensor,
        reference: Tensor,
        waveform: Tensor,
        features: Tensor | None = None,
        mode: str = "tensor",
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Predict windows of masks.

        Args:
            masks: labels ``B T H W`` (uint8): the truth, whose upper half is the pose.
            reference: labels ``B H W`` (uint8) of another frame of the clip.
            waveform: ``B N``, the speech around the window, which begins at frame ``(N // 640 - T)
                // 2`` of it.
            features: ``B F C`` of the same stretch, for an audio encoder that listens to whole
                clips.
            mode: ``"loss"``, ``"predict"`` (a dict of ``labels`` and ``target``, ``T H W`` each,
                per clip) or ``"tensor"``.

        Returns:
            The terms and their weighted sum ``loss``; predictions; or logits ``B T R H W``.

        Raises:
            ValueError: shapes that do not fit.
        """
        size = check_shape(masks, "B T H W", name="masks")
        check_shape(reference, f"B={size['B']} H={size['H']} W={size['W']}", name="reference")
        num_frames = size["T"]
        first = (waveform.shape[1] // SAMPLES_PER_FRAME - num_frames) // 2

        heard = (
            augment_waveform(waveform, **self.speech_changes)
            if self.training and self.speech_changes
            else waveform
        )
        audio = encode_audio(self.audio_encoder, heard, num_frames, first, features)
        pose = pose_of(one_hot(masks, self.num_regions)).flatten(0, 1)
        reference_mask = one_hot(reference, self.num_regions).repeat_interleave(num_frames, 0)
        logits = self.mask_decoder(pose, reference_mask, audio.flatten(0, 1))

        if mode == "tensor":
            return logits.unflatten(0, (-1, num_frames))
        if mode == "predict":
            labels = self._decide(logits, 1).to(masks.dtype).view_as(masks)
            labels = with_upper_half_of(labels, masks)
            return [{"labels": p, "target": y} for p, y in zip(labels, masks, strict=True)]
        terms = {"ce": self._mask_term(logits, masks.flatten(0, 1))}
        if self.sync_has_begun():
            window = logits.unflatten(0, (-1, num_frames))
            terms["sync"] = self._sync_term(self.sync_expert, window, waveform, first)
        total = torch.stack([self.loss_weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": total, **{name: term.detach() for name, term in terms.items()}}

    @torch.no_grad()
    def predict_labels(
        self, pose_labels: Tensor, reference_labels: Tensor, audio: Tensor
    ) -> Tensor:
        """Predict frames whose speech is already embedded.

        Args:
            pose_labels: ``B H W`` (uint8), whose upper half is kept and whose lower half is not
                looked at.
            reference_labels: ``B H W`` (uint8).
            audio: ``B D`` from the audio encoder.

        Returns:
            Labels ``B H W`` (uint8).
        """
        pose = pose_of(one_hot(pose_labels, self.num_regions))
        logits = self.mask_decoder(pose, one_hot(reference_labels, self.num_regions), audio)
        return with_upper_half_of(self._decide(logits, 1).to(pose_labels.dtype), pose_labels)

    def _offsets(self) -> Tensor | None:
        """Return what is added to the logits before a decision, ``R``; None for nothing."""
        weights = getattr(self.mask_loss, "weights", None)
        if weights is None or not self.prior_correction:
            return None
        return -self.prior_correction * weights.log()

    def _corrected(self, logits: Tensor, axis: int) -> Tensor:
        offsets = self._offsets()
        if offsets is None:
            return logits
        return logits + offsets.view(-1, *[1] * (logits.ndim - axis - 1))

    def _decide(self, logits: Tensor, axis: int) -> Tensor:
        """Choose a label per pixel, as at inference."""
        return self._corrected(logits, axis).argmax(axis)

    def _mask_term(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Eq. 2, over all pixels or the lower half."""
        if self.compose == "lower":
            logits, labels = lower_half(logits), lower_half(labels)
        return self.mask_loss(logits, labels)

    def _sync_term(
        self, expert: SegmentationSyncNet, logits: Tensor, waveform: Tensor, first: int
    ) -> Tensor:
        """Eq. 4, on the lower halves of the window and its 0.2 s of speech."""
        probability = self._corrected(lower_half(logits).float(), 2).softmax(2)
        if self.sync_input == "straight_through":
            hard = one_hot(probability.argmax(2), self.num_regions)
            probability = hard + probability - probability.detach()
        # The window of frames k .. k+4 is centred on frame k+2.
        middle = first + logits.shape[1] // 2
        mel = mel_windows(self.front_end(waveform), 1, middle)[:, 0]
        return self.sync_loss(*expert(probability, mel))


def _check_choice(name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {given!r}")
