"""Training of the SyncNet on masks: in sync or off sync, by binary cross entropy."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.halves import lower_half
from segkit.regions import one_hot
from segkit_models.experts.building import build_expert
from segkit_models.experts.syncnet import SegmentationSyncNet
from segkit_models.talking.augment import soften_masks
from segkit_models.talking.sync_pairs import SyncPairs


class SyncExpert(SyncPairs):
    """Train a SyncNet to tell masks and speech in sync from masks and speech that are not.

    Args:
        syncnet: a `SegmentationSyncNet`, or the dict of its arguments.
        loss_weights: of ``bce``, the binary cross entropy, and ``contrast``, the search for a
            mask's own speech in the batch. Paper: binary cross entropy alone (1 and 0); ours: 1 and
            0.5 (seen: 0.78 instead of 0.72 of held-out pairs right after 350 iterations).
        soften: how far borders of the one-hot masks are blurred in training, 0 to 1. Paper: not
            given; ours: 0.5, since the generator will show it borders that no one-hot mask has.
        mel_gain_db: random loudness of the speech in training.
        mel_tilt_db: random tilt of its spectrum.
        mel_noise_db: noise on its mel cells. Paper: no augmentation told; ours: 6, 6 and 1 dB.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Raises:
        ValueError: an unknown loss weight.

    Source: section 3.2, SyncNet loss.
    """

    def __init__(
        self,
        syncnet: SegmentationSyncNet | dict[str, Any],
        *,
        loss_weights: dict[str, float] | None = None,
        soften: float = 0.5,
        mel_gain_db: float = 6.0,
        mel_tilt_db: float = 6.0,
        mel_noise_db: float = 1.0,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            build_syncnet(syncnet),
            loss_weights={"bce": 1.0, "contrast": 0.5} | dict(loss_weights or {}),
            mel_changes={"gain_db": mel_gain_db, "tilt_db": mel_tilt_db, "noise_db": mel_noise_db},
            data_preprocessor=data_preprocessor,
        )
        self.soften = soften

    def forward(
        self, masks: Tensor, mel: Tensor, other_mel: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Judge pairs.

        Args:
            masks: labels ``B T H W`` (uint8).
            mel: ``B 80 16``, the speech of the masks.
            other_mel: ``B 80 16``, speech that does not belong to them; not needed for
                ``"tensor"``.
            mode: ``"loss"``, ``"predict"`` (a dict of ``probability`` and ``in_sync`` for each of
                the 2 B pairs) or ``"tensor"``.

        Returns:
            The weighted ``loss``, its terms and the accuracy; predictions; or the probabilities
            ``B`` that masks and ``mel`` are in sync.

        Raises:
            ValueError: shapes that do not fit.
        """
        check_shape(masks, f"B T={self.syncnet.num_frames} H W", name="masks")
        mask = self.syncnet.shrink(one_hot(lower_half(masks), self.syncnet.num_regions))
        if self.training and self.soften:
            mask = soften_masks(mask, amount=self.soften)
        return self.judge(self.syncnet.embed_mask(mask), mel, other_mel, mode)


def build_syncnet(syncnet: SegmentationSyncNet | dict[str, Any]) -> SegmentationSyncNet:
    """Build a SyncNet from its arguments (``type`` may be left out), or pass a built one."""
    return build_expert(syncnet, default=SegmentationSyncNet)
