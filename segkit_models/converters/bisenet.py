"""BiSeNet of face-parsing.PyTorch (``79999_iter.pth``)."""

from __future__ import annotations

from segkit.weights.checkpoint import Checkpoint, ForeignState
from segkit.weights.kinds import Parts, converter
from segkit_models.parsers.bisenet import BiSeNet

NORM_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
"""What a batch norm keeps."""

_STEMS = {
    "backbone.conv": "cp.resnet.conv1",
    "context_mean.conv": "cp.conv_avg.conv",
    "refine16.conv.conv": "cp.arm16.conv.conv",
    "refine16.gate.0": "cp.arm16.conv_atten",
    "refine32.conv.conv": "cp.arm32.conv.conv",
    "refine32.gate.0": "cp.arm32.conv_atten",
    "smooth16.conv": "cp.conv_head16.conv",
    "smooth32.conv": "cp.conv_head32.conv",
    "fusion.conv.conv": "ffm.convblk.conv",
    "fusion.squeeze": "ffm.conv1",
    "fusion.excite": "ffm.conv2",
}
_NORMS = {
    "backbone.norm": "cp.resnet.bn1",
    "context_mean.norm": "cp.conv_avg.bn",
    "refine16.conv.norm": "cp.arm16.conv.bn",
    "refine16.gate.1": "cp.arm16.bn_atten",
    "refine32.conv.norm": "cp.arm32.conv.bn",
    "refine32.gate.1": "cp.arm32.bn_atten",
    "smooth16.norm": "cp.conv_head16.bn",
    "smooth32.norm": "cp.conv_head32.bn",
    "fusion.conv.norm": "ffm.convblk.bn",
}


@converter("bisenet", fingerprint=("cp.resnet.conv1.weight", "ffm.convblk.conv.weight"))
def convert_bisenet(checkpoint: Checkpoint) -> Parts:
    """Rename the weights; the training heads are kept when the file has them.

    Args:
        checkpoint: flat, with or without the ``module.`` of parallel training.
    """
    state = checkpoint.state(containers=("state_dict",), prefixes=("module.",))
    # The classification layer of a whole ResNet-18.
    state.ignore("cp.resnet.fc.*", why="ImageNet's classifier")
    convolutions, norms = dict(_STEMS), dict(_NORMS)
    heads = {"head": "conv_out"}
    aux_heads = "conv_out16.conv_out.weight" in state
    if aux_heads:
        heads |= {"aux_heads.0": "conv_out16", "aux_heads.1": "conv_out32"}
    for ours, theirs in heads.items():
        convolutions |= {f"{ours}.0.conv": f"{theirs}.conv.conv", f"{ours}.1": f"{theirs}.conv_out"}
        norms[f"{ours}.0.norm"] = f"{theirs}.conv.bn"
    _add_stages(state, convolutions, norms)
    table = {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in convolutions.items()}
    for ours, theirs in norms.items():
        table |= {f"{ours}.{key}": f"{theirs}.{key}" for key in NORM_KEYS}
    config = dict(
        type=BiSeNet,
        num_classes=state.shape("conv_out.conv_out.weight")[0],
        aux_heads=aux_heads,
        width=state.shape("cp.resnet.conv1.weight")[0],
    )
    return {"bisenet": (config, state.rename(table))}


def _add_stages(state: ForeignState, convolutions: dict[str, str], norms: dict[str, str]) -> None:
    """Add the residual blocks of ResNet-18."""
    for stage in range(4):
        for block in range(2):
            ours = f"backbone.stages.{stage}.{block}"
            theirs = f"cp.resnet.layer{stage + 1}.{block}"
            for number in (1, 2):
                convolutions[f"{ours}.conv{number}"] = f"{theirs}.conv{number}"
                norms[f"{ours}.norm{number}"] = f"{theirs}.bn{number}"
            if f"{theirs}.downsample.0.weight" in state:
                convolutions[f"{ours}.shortcut.0"] = f"{theirs}.downsample.0"
                norms[f"{ours}.shortcut.1"] = f"{theirs}.downsample.1"
