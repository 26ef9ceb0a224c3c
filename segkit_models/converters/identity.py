"""dlib's face recognition ResNet, as the npm package ``@vladmandic/face-api`` carries it."""

from __future__ import annotations

from torch import Tensor

from segkit.weights.checkpoint import Checkpoint, Rename
from segkit.weights.kinds import Parts, converter
from segkit_models.experts.identity import FaceResNet

# In the order of the network; the first is the stem, the others are its residual blocks.
_NAMES = (
    "conv32_down", "conv32_1", "conv32_2", "conv32_3",
    "conv64_down", "conv64_1", "conv64_2", "conv64_3",
    "conv128_down", "conv128_1", "conv128_2",
    "conv256_down", "conv256_1", "conv256_2", "conv256_down_out",
)  # fmt: skip


@converter(
    "identity", fingerprint=("conv32_down/conv/filters", "conv256_down_out/conv1/scale/biases")
)
def convert_identity(checkpoint: Checkpoint) -> Parts:
    """Rename the weights of a TensorFlow.js manifest and turn its axes.

    Args:
        checkpoint: flat, the names as in ``face_recognition_model-weights_manifest.json``.
    """
    state = checkpoint.state()
    table: dict[str, Rename] = {"embed.weight": ("fc", _transposed)}
    for index, name in enumerate(_NAMES):
        if index == 0:
            table |= _scaled_conv("stem", name)
            continue
        for number in (1, 2):
            table |= _scaled_conv(f"blocks.{index - 1}.conv{number}", f"{name}/conv{number}")
    return {"identity": (dict(type=FaceResNet), state.rename(table))}


def _scaled_conv(ours: str, theirs: str) -> dict[str, Rename]:
    return {
        f"{ours}.conv.weight": (f"{theirs}/conv/filters", _channels_first),
        f"{ours}.conv.bias": f"{theirs}/conv/bias",
        f"{ours}.factor": f"{theirs}/scale/weights",
        f"{ours}.offset": f"{theirs}/scale/biases",
    }


def _channels_first(filters: Tensor) -> Tensor:
    """Turn ``H W I O`` into ``O I H W``."""
    return filters.permute(3, 2, 0, 1)


def _transposed(matrix: Tensor) -> Tensor:
    return matrix.T
