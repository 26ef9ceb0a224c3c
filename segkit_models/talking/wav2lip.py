"""Training of Wav2Lip: absolute error, later with a frozen SyncNet of pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.halves import lower_half
from segkit_models.baselines.wav2lip import Wav2Lip, Wav2LipSyncNet, bgr_of, face_planes
from segkit_models.experts.building import build_expert
from segkit_models.losses.sync import SyncLoss
from segkit_models.talking.sync_taught import SyncTaught

_WATCHED_SHARE = 0.01
"""Of one iteration in the running mean of a sync loss that is only watched."""


class Wav2LipTraining(SyncTaught):
    """Train Wav2Lip's generator, without the discriminator of its later version.

    The loss is ``(1 - w) l1 + w sync``; w is 0 at first.

    Args:
        generator: a `Wav2Lip`, or the dict of its arguments.
        sync_expert: a trained `Wav2LipSyncNet`, or its arguments where its weights are loaded later
            (`segkit.engine.experts.LoadExpert`); None trains without. It stays frozen, and in
            evaluation: the published code leaves its batch statistics in training mode.
        sync_weight: w once the SyncNet has joined. Published: 0.03 (0.01 in the version without a
            discriminator).
        sync_begin: iterations of absolute error alone, 50 000 as TSG's.
        join_below: the SyncNet joins only once its loss has fallen below this, as a running mean
            over about a hundred iterations: an expert that finds nothing in sync teaches nothing
            but tricks. Published: 0.75 of the held-out loss, looked at every 3000 iterations. None
            joins at ``sync_begin``.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Source: Prajwal et al. 2020 (Wav2Lip), section 3.2.
    """

    has_joined: Tensor
    sync_level: Tensor

    def __init__(
        self,
        generator: Wav2Lip | dict[str, Any],
        *,
        sync_expert: Wav2LipSyncNet | dict[str, Any] | None = None,
        sync_weight: float = 0.03,
        sync_begin: int = 50_000,
        join_below: float | None = 0.75,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        if not 0 <= sync_weight <= 1:
            raise ValueError(f"sync_weight: expected a share from 0 to 1, got {sync_weight}")
        self.sync_weight = sync_weight
        self.generator = build_expert(generator, default=Wav2Lip)
        self.sync_loss = SyncLoss()
        expert = None if sync_expert is None else build_expert(sync_expert, default=Wav2LipSyncNet)
        self.take_expert(expert, begin=sync_begin)
        self.join_below = join_below
        # In the checkpoint, so that a resumed training knows whether the SyncNet has joined.
        self.register_buffer("has_joined", torch.tensor(join_below is None))
        self.register_buffer("sync_level", torch.tensor(-1.0))

    def forward(
        self, frames: Tensor, reference: Tensor, mel: Tensor, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Draw windows of frames.

        Args:
            frames: ``B T 3 H W`` uint8 RGB: the truth, whose upper half is the pose.
            reference: the same shape, another window of the clip.
            mel: ``B T 80 16``, the speech of each frame.
            mode: ``"loss"``, ``"predict"`` (a dict of ``prediction`` and ``target``, uint8 RGB ``3
                H W``, per frame) or ``"tensor"``.

        Returns:
            The terms and their weighted sum ``loss``; predictions; or images ``B T 3 H W``, RGB in
            [0, 1].

        Raises:
            ValueError: shapes that do not fit.
        """
        side = self.generator.size
        size = check_shape(frames, f"B T 3 H={side} W={side}", name="frames")
        window = f"B={size['B']} T={size['T']}"
        check_shape(reference, f"{window} 3 H={side} W={side}", name="reference")
        check_shape(mel, f"{window} 80 16", name="mel")
        face = face_planes(frames.flatten(0, 1), reference.flatten(0, 1))
        # Not under autocast from here on: a step of bfloat16 is larger than one of a picture.
        drawn = self.generator(mel.flatten(0, 1).unsqueeze(1), face).float()
        if mode == "tensor":
            return drawn.flip(1).unflatten(0, (-1, size["T"]))
        if mode == "predict":
            pixels = (drawn.flip(1) * 255).round().to(torch.uint8)
            return [
                {"prediction": p, "target": y}
                for p, y in zip(pixels, frames.flatten(0, 1), strict=True)
            ]
        terms = {"l1": (drawn - bgr_of(frames.flatten(0, 1))).abs().mean()}
        total = terms["l1"]
        if self.sync_has_begun():
            joined = bool(self.has_joined)
            with torch.set_grad_enabled(joined and torch.is_grad_enabled()):
                terms["sync"] = self._sync_term(self.sync_expert, drawn, mel)
            if joined:
                total = (1 - self.sync_weight) * terms["l1"] + self.sync_weight * terms["sync"]
            elif self.training:
                self._watch(terms["sync"])
        return {"loss": total, **{name: term.detach() for name, term in terms.items()}}

    def _watch(self, sync: Tensor) -> None:
        """Let the SyncNet join once the running mean of its loss is low enough."""
        assert self.join_below is not None
        first = bool(self.sync_level < 0)
        self.sync_level.copy_(sync if first else torch.lerp(self.sync_level, sync, _WATCHED_SHARE))
        self.has_joined |= self.sync_level < self.join_below

    def _sync_term(self, expert: Wav2LipSyncNet, drawn: Tensor, mel: Tensor) -> Tensor:
        num_frames = mel.shape[1]
        planes = lower_half(drawn).unflatten(0, (-1, num_frames)).flatten(1, 2)
        # The window of frames k .. k+4 is centred on frame k+2.
        return self.sync_loss(
            expert.embed_face(planes), expert.embed_audio(mel[:, num_frames // 2])
        )
