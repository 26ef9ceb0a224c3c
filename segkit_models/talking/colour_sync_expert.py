"""Training of Wav2Lip's SyncNet on pictures: in sync or off sync, by binary cross entropy."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.halves import lower_half
from segkit_models.baselines.wav2lip import Wav2LipSyncNet, bgr_of
from segkit_models.experts.building import build_expert
from segkit_models.talking.sync_pairs import SyncPairs


class ColourSyncExpert(SyncPairs):
    """Train a SyncNet to tell pictures and speech in sync from pictures and speech that are not.

    Args:
        syncnet: a `Wav2LipSyncNet`, or the dict of its arguments.
        loss_weights: of ``bce``, the binary cross entropy, and ``contrast``, the search for a
            window's own speech in the batch. Published: binary cross entropy alone (1 and 0), of
            which each sample gets one of the two sounds by chance; ours: both.
        mel_gain_db: random loudness of the speech in training.
        mel_tilt_db: random tilt of its spectrum.
        mel_noise_db: noise on its mel cells. Published: no augmentation (0, 0 and 0).
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Raises:
        ValueError: an unknown loss weight.

    Source: Prajwal et al. 2020 (Wav2Lip), section 3.1.
    """

    def __init__(
        self,
        syncnet: Wav2LipSyncNet | dict[str, Any],
        *,
        loss_weights: dict[str, float] | None = None,
        mel_gain_db: float = 0.0,
        mel_tilt_db: float = 0.0,
        mel_noise_db: float = 0.0,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            build_expert(syncnet, default=Wav2LipSyncNet),
            loss_weights={"bce": 1.0, "contrast": 0.0} | dict(loss_weights or {}),
            mel_changes={"gain_db": mel_gain_db, "tilt_db": mel_tilt_db, "noise_db": mel_noise_db},
            data_preprocessor=data_preprocessor,
        )

    def forward(
        self, frames: Tensor, mel: Tensor, other_mel: Tensor | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Judge pairs.

        Args:
            frames: ``B T 3 H W`` uint8 RGB.
            mel: ``B 80 16``, the speech of the frames.
            other_mel: ``B 80 16``, speech that does not belong to them; not needed for
                ``"tensor"``.
            mode: ``"loss"``, ``"predict"`` (a dict of ``probability`` and ``in_sync`` for each of
                the 2 B pairs) or ``"tensor"``.

        Returns:
            The weighted ``loss``, its terms and the accuracy; predictions; or the probabilities
            ``B`` that frames and ``mel`` are in sync.

        Raises:
            ValueError: shapes that do not fit.
        """
        side = self.syncnet.size
        check_shape(frames, f"B T={self.syncnet.num_frames} 3 H={side} W={side}", name="frames")
        planes = bgr_of(lower_half(frames)).flatten(1, 2)
        return self.judge(self.syncnet.embed_face(planes), mel, other_mel, mode)
