"""Local audio encoder: a CNN over the 0.2 s mel window centred on each frame."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.audio import MelFrontEnd, mel_windows
from segkit.contracts import SAMPLES_PER_FRAME, check_shape
from segkit.registry import AUDIO_ENCODERS
from segkit_models.layers.convolution import NormName
from segkit_models.layers.mel_tower import MEL_WIDTHS, make_mel_tower

_GRID_FRAMES = 5
"""Every fifth frame begins on a mel column (the 16th, sample 3200): where a cut changes nothing."""


@AUDIO_ENCODERS.register
class MelCNN(nn.Module):
    """Embed the 0.2 s of speech around each frame.

    Args:
        out_dim: width of the embedding.
        widths: channels of the five stages.
        norm: ``"batch"`` or ``"group"``.

    Attributes:
        out_dim: width of the embedding.

    Source: section 3.2 ("a CNN-based network to extract embedding of a 0.2-second audio segment
    whose centre is synchronized with the pose source"); layers of Prajwal et al. 2020 (Wav2Lip).
    """

    def __init__(
        self,
        *,
        out_dim: int = 512,
        widths: Sequence[int] = MEL_WIDTHS,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        self.out_dim = out_dim
        self.front_end = MelFrontEnd()
        self.layers = make_mel_tower(widths, out_dim=out_dim, norm=norm)

    def forward(self, waveform: Tensor, num_frames: int, first: int = 0) -> Tensor:
        """Embed frames ``first .. first + num_frames - 1``.

        Args:
            waveform: ``B N``, 16 kHz in [-1, 1]; frame 0 begins at sample 0.
            num_frames: T; frames past the end of the waveform hear silence.
            first: index of the first frame wanted.

        Returns:
            ``B T D``, not negative.

        Raises:
            ValueError: a waveform of another shape, or no frame wanted.
        """
        check_shape(waveform, "B N", name="waveform")
        if num_frames < 1 or first < 0:
            raise ValueError(
                f"frames: expected num_frames >= 1 and first >= 0, got {num_frames} and {first}"
            )
        return self.embed_windows(self._windows(waveform, num_frames, first))

    def embed_windows(self, windows: Tensor) -> Tensor:
        """Embed mel windows ``B T 80 16`` as ``B T D``."""
        size = check_shape(windows, "B T 80 16", name="mel windows")
        embedding = self.layers(windows.flatten(0, 1).unsqueeze(1))
        return embedding.view(size["B"], size["T"], self.out_dim)

    def _windows(self, waveform: Tensor, num_frames: int, first: int) -> Tensor:
        """Cut the mel windows, transforming only the stretch of the waveform they lie in.

        A talking video asks for a few frames at a time out of minutes of speech. The margins hold
        the window's own reach (2.5 frames) and half a transform, so the result is that of the whole
        waveform.
        """
        start = max(0, first // _GRID_FRAMES - 2) * _GRID_FRAMES
        stop = first + num_frames + 2 * _GRID_FRAMES
        # A stretch must not begin at the very end: the transform needs more than half a window.
        start = min(
            start,
            max(0, waveform.shape[1] // SAMPLES_PER_FRAME // _GRID_FRAMES - 2) * _GRID_FRAMES,
        )
        stretch = waveform[:, start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        return mel_windows(self.front_end(stretch), num_frames, first - start)
