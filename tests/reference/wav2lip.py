"""Wav2Lip's networks as plain functions over a state dict with the published names.

Written from the layer tables; knows nothing of segkit_models.
"""

import torch
from torch.nn import functional

MEL_STRIDES = {0: 1, 3: (3, 1), 6: 3, 9: (3, 2)}


def shapes(width=1.0, kind="generator"):
    """Names and shapes of a network whose channels are scaled (to multiples of 8)."""
    scale = lambda channels: max(8, round(channels * width / 8) * 8)  # noqa: E731
    found = {}

    def block(name, out, into, kernel, transposed=False):
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        found[f"{name}.conv_block.0.weight"] = ((into, out) if transposed else (out, into)) + kernel
        for leaf in ("0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"):
            found[f"{name}.conv_block.{leaf}"] = (out,)
        found[f"{name}.conv_block.1.num_batches_tracked"] = ()

    last = 2 if kind == "syncnet" else 1
    mel = [(1, 32), *[(32, 32)] * 2, (32, 64), *[(64, 64)] * 2, (64, 128), *[(128, 128)] * 2]
    mel += [(128, 256), *[(256, 256)] * last, (256, 512), (512, 512)]
    for index, (into, out) in enumerate(mel):
        kernel = 1 if index == len(mel) - 1 else 3
        block(f"audio_encoder.{index}", scale(out), 1 if index == 0 else scale(into), kernel)
    if kind == "syncnet":
        face = [(32, 64), *[(64, 64)] * 2, (64, 128), *[(128, 128)] * 3, (128, 256)]
        face += [*[(256, 256)] * 2, (256, 512), *[(512, 512)] * 5]
        block("face_encoder.0", scale(32), 15, 7)
        for index, (into, out) in enumerate(face, 1):
            kernel = 5 if index == 1 else 1 if index == len(face) else 3
            block(f"face_encoder.{index}", scale(out), scale(into), kernel)
        return found
    down = [(16, 0), (32, 2), (64, 3), (128, 2), (256, 2), (512, 1), (512, 1)]
    into = 6
    for stage, (channels, residuals) in enumerate(down):
        for index in range(1 + residuals):
            kernel = 7 if stage == 0 else 1 if (stage, index) == (6, 1) else 3
            block(f"face_encoder_blocks.{stage}.{index}", scale(channels), into, kernel)
            into = scale(channels)
    up = [(512, 0), (512, 1), (512, 2), (384, 2), (256, 2), (128, 2), (64, 2)]
    into = scale(512)
    for stage, (channels, residuals) in enumerate(up):
        name = f"face_decoder_blocks.{stage}"
        block(f"{name}.0", scale(channels), into, 3 if stage else 1, transposed=stage > 0)
        for index in range(residuals):
            block(f"{name}.{index + 1}", scale(channels), scale(channels), 3)
        into = scale(channels) + scale(down[6 - stage][0])
    block("output_block.0", scale(32), into, 3)
    return found | {"output_block.1.weight": (3, scale(32), 1, 1), "output_block.1.bias": (3,)}


def block(state, name, x, stride=1, padding=1, residual=False, up=False, output_padding=0):
    weight, bias = (state[f"{name}.conv_block.0.{leaf}"] for leaf in ("weight", "bias"))
    out = (
        functional.conv_transpose2d(x, weight, bias, stride, padding, output_padding)
        if up
        else functional.conv2d(x, weight, bias, stride, padding)
    )
    gain, offset, mean, variance = (
        state[f"{name}.conv_block.1.{leaf}"].view(-1, 1, 1)
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    out = (out - mean) / (variance + 1e-5).sqrt() * gain + offset
    return (out + x if residual else out).relu()


def embed_mel(state, mel):
    last = max(int(key.split(".")[1]) for key in state if key.startswith("audio_encoder."))
    x = mel
    for index in range(last - 1):
        stride = MEL_STRIDES.get(index)
        x = block(state, f"audio_encoder.{index}", x, stride or 1, residual=stride is None)
    for index in (last - 1, last):
        x = block(state, f"audio_encoder.{index}", x, padding=0)
    return x


def generate(state, mel, face):
    """``B 1 80 16`` and ``B 6 96 96`` -> ``B 3 96 96``."""
    x, features = face, []
    for stage, residuals in enumerate((0, 2, 3, 2, 2, 1)):
        name = f"face_encoder_blocks.{stage}"
        x = block(state, f"{name}.0", x, 2 if stage else 1, 1 if stage else 3)
        for index in range(residuals):
            x = block(state, f"{name}.{index + 1}", x, residual=True)
        features.append(x)
    for index in (0, 1):
        x = block(state, f"face_encoder_blocks.6.{index}", x, padding=0)
    features.append(x)
    x = embed_mel(state, mel)
    for stage, residuals in enumerate((0, 1, 2, 2, 2, 2, 2)):
        name = f"face_decoder_blocks.{stage}"
        if stage < 2:
            x = block(state, f"{name}.0", x, padding=0, up=stage == 1)
        else:
            x = block(state, f"{name}.0", x, 2, up=True, output_padding=1)
        for index in range(residuals):
            x = block(state, f"{name}.{index + 1}", x, residual=True)
        x = torch.cat([x, features.pop()], 1)
    x = block(state, "output_block.0", x)
    last = functional.conv2d(x, state["output_block.1.weight"], state["output_block.1.bias"])
    return last.sigmoid()


def embed_face(state, face):
    """``B 15 48 96`` -> ``B D 1 1``."""
    x = block(state, "face_encoder.0", face, padding=3)
    x = block(state, "face_encoder.1", x, (1, 2), 1)
    for index in range(2, 15):
        strided = index in (4, 8, 11, 14)
        x = block(state, f"face_encoder.{index}", x, 2 if strided else 1, residual=not strided)
    for index in (15, 16):
        x = block(state, f"face_encoder.{index}", x, padding=0)
    return x


def embed(state, mel, face):
    """Audio and face embeddings, ``B D`` of length 1."""
    vectors = (embed_mel(state, mel), embed_face(state, face))
    return tuple(functional.normalize(x.flatten(1), dim=1) for x in vectors)


def seeded(wanted, seed=0):
    """A state of these shapes, the same on every machine of one PyTorch."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in wanted.items():
        draw = torch.randn(shape, generator=generator, dtype=torch.float64)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif key.endswith("running_var"):
            state[key] = (0.2 * draw).exp()
        elif len(shape) > 1:
            state[key] = 1.2 * draw / draw[0].numel() ** 0.5
        else:
            state[key] = 0.1 * draw + (1 if key.endswith("1.weight") else 0)
    return state
