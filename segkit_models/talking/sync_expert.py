"""Training of the SyncNet on masks: in sync or off sync, by binary cross entropy."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.regions import one_hot
from segkit_models.experts.syncnet import SegmentationSyncNet, sync_probability
from segkit_models.layers.halves import lower_half
from segkit_models.losses.sync import SyncBinaryCrossEntropy
from segkit_models.talking.augment import augment_mel, soften_masks


class SyncExpert(BaseModel):
    """Train a SyncNet to tell masks and speech in sync from masks and speech that are not.

    Args:
        syncnet: a `SegmentationSyncNet`, or the dict of its arguments.
        soften: how far borders of the one-hot masks are blurred in training, 0 to 1. Paper: not
            given; ours: 0.5, since the generator will show it borders that no one-hot mask has.
        mel_gain_db: random loudness of the speech in training.
        mel_tilt_db: random tilt of its spectrum.
        mel_noise_db: noise on its mel cells. Paper: no augmentation told; ours: 6, 6 and 1 dB.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Source: section 3.2, SyncNet loss.
    """

    def __init__(
        self,
        syncnet: SegmentationSyncNet | dict[str, Any],
        *,
        soften: float = 0.5,
        mel_gain_db: float = 6.0,
        mel_tilt_db: float = 6.0,
        mel_noise_db: float = 1.0,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.syncnet = build_syncnet(syncnet)
        self.objective = SyncBinaryCrossEntropy()
        self.soften = soften
        self.mel_changes = {
            "gain_db": mel_gain_db,
            "tilt_db": mel_tilt_db,
            "noise_db": mel_noise_db,
        }

    def forward(
        self, masks: Tensor, mel: Tensor, in_sync: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Judge pairs.

        Args:
            masks: labels ``B T H W`` (uint8).
            mel: ``B 80 16``.
            in_sync: ``B``, 1 where they belong together; not needed for ``"tensor"``.
            mode: ``"loss"``, ``"predict"`` (a dict of ``probability`` and ``in_sync`` per pair) or
                ``"tensor"``.

        Returns:
            The loss and the accuracy; predictions; or probabilities ``B``.

        Raises:
            ValueError: shapes that do not fit.
        """
        check_shape(masks, f"B T={self.syncnet.num_frames} H W", name="masks")
        mask = one_hot(lower_half(masks), self.syncnet.num_regions)
        if self.training:
            mask = soften_masks(mask, amount=self.soften) if self.soften else mask
            mel = augment_mel(mel, **self.mel_changes)
        probability = sync_probability(*self.syncnet(mask, mel))
        if mode == "tensor":
            return probability
        if in_sync is None:
            raise ValueError(f"in_sync: mode {mode!r} needs the truth, got None")
        if mode == "predict":
            return [
                {"probability": p, "in_sync": y} for p, y in zip(probability, in_sync, strict=True)
            ]
        correct = (probability > 0.5) == (in_sync > 0.5)
        return {
            "loss": self.objective(probability, in_sync),
            "accuracy": correct.float().mean(),
        }


def build_syncnet(syncnet: SegmentationSyncNet | dict[str, Any]) -> SegmentationSyncNet:
    """Build a SyncNet from its arguments (``type`` may be left out), or pass a built one."""
    if not isinstance(syncnet, dict):
        return syncnet
    arguments = dict(syncnet)
    kind = arguments.pop("type", SegmentationSyncNet)
    return kind(**arguments)
