"""What every SyncNet's training shares: pairs in sync and off sync, and the terms over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from segkit_models.experts.syncnet import sync_probability
from segkit_models.losses.sync import SyncBinaryCrossEntropy, SyncContrast
from segkit_models.talking.augment import augment_mel


class SyncPairs(BaseModel):
    """Judge each sample with its own speech and with speech of another moment.

    Args:
        syncnet: has ``embed_audio(mel B 80 16)``, giving ``B D`` of length 1.
        loss_weights: of ``bce`` and ``contrast``.
        mel_changes: arguments of `augment_mel`, in training.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Raises:
        ValueError: an unknown loss weight.
    """

    def __init__(
        self,
        syncnet: Any,
        *,
        loss_weights: Mapping[str, float],
        mel_changes: Mapping[str, float],
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.syncnet = syncnet
        self.loss_weights = dict(loss_weights)
        for name in self.loss_weights:
            if name not in ("bce", "contrast"):
                raise ValueError(f"loss_weights: expected bce and contrast, got {name!r}")
        self.objective = SyncBinaryCrossEntropy()
        self.contrast = SyncContrast()
        self.mel_changes = dict(mel_changes)

    def judge(
        self, embedding: Tensor, mel: Tensor, other_mel: Tensor | None, mode: str
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Compare what is seen with what is heard.

        Args:
            embedding: of masks or pictures, ``B D`` of length 1.
            mel: ``B 80 16``, the speech that belongs to them.
            other_mel: ``B 80 16``, speech that does not; not needed for ``"tensor"``.
            mode: ``"loss"``, ``"predict"`` (a dict of ``probability`` and ``in_sync`` for each of
                the 2 B pairs) or ``"tensor"``.

        Returns:
            The weighted ``loss``, its terms and the accuracy; predictions; or the probabilities
            ``B`` that what is seen and ``mel`` are in sync.

        Raises:
            ValueError: speech off sync is missing.
        """
        if mode == "tensor":
            return sync_probability(embedding, self.syncnet.embed_audio(mel))
        if other_mel is None:
            raise ValueError(f"other_mel: mode {mode!r} needs speech off sync too, got None")
        sounds = torch.cat([mel, other_mel])
        if self.training:
            sounds = augment_mel(sounds, **self.mel_changes)
        audio_embedding = self.syncnet.embed_audio(sounds)
        probability = sync_probability(embedding.repeat(2, 1), audio_embedding)
        in_sync = (torch.arange(2 * len(mel), device=mel.device) < len(mel)).float()
        if mode == "predict":
            return [
                {"probability": p, "in_sync": y} for p, y in zip(probability, in_sync, strict=True)
            ]
        terms = {
            "bce": self.objective(probability, in_sync),
            "contrast": self.contrast(embedding, audio_embedding),
        }
        total = torch.stack([self.loss_weights[name] * term for name, term in terms.items()]).sum()
        correct = (probability > 0.5) == (in_sync > 0.5)
        detached = {name: term.detach() for name, term in terms.items()}
        return {"loss": total, **detached, "accuracy": correct.float().mean()}
