"""The evaluation SyncNet as plain functions over a state dict with the published names.

Written from the layer table; knows nothing of segkit_models.
"""

from torch.nn import functional

LIP_WIDTHS = (96, 256, 256, 256, 256, 512)
AUDIO_WIDTHS = (64, 192, 384, 256, 256, 512)
PLACES = (0, 4, 8, 11, 14, 18)
LIP_KERNELS = ((5, 7, 7), (1, 5, 5), (1, 3, 3), (1, 3, 3), (1, 3, 3), (1, 6, 6))
AUDIO_KERNELS = (3, 3, 3, 3, 3, (5, 4))


def shapes(lip=LIP_WIDTHS, audio=AUDIO_WIDTHS, dim=1024):
    """Names and shapes of the published file."""
    found = {}

    def norm(name, channels):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{leaf}"] = (channels,)
        found[f"{name}.num_batches_tracked"] = ()

    for branch, widths, into in (("lip", lip, 3), ("aud", audio, 1)):
        kernels = (
            LIP_KERNELS if branch == "lip" else [(k, k) if k == 3 else k for k in AUDIO_KERNELS]
        )
        for place, out, kernel in zip(PLACES, widths, kernels, strict=True):
            found[f"netcnn{branch}.{place}.weight"] = (out, into, *kernel)
            found[f"netcnn{branch}.{place}.bias"] = (out,)
            norm(f"netcnn{branch}.{place + 1}", out)
            into = out
        head = "netfclip" if branch == "lip" else "netfcaud"
        found |= {f"{head}.0.weight": (into, into), f"{head}.0.bias": (into,)}
        norm(f"{head}.1", into)
        found |= {f"{head}.3.weight": (dim, into), f"{head}.3.bias": (dim,)}
    return found


def norm(state, name, x):
    shape = (-1, *[1] * (x.ndim - 2))
    weight, bias, mean, variance = (
        state[f"{name}.{leaf}"].view(shape)
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def head(state, name, x):
    x = functional.linear(x.flatten(1), state[f"{name}.0.weight"], state[f"{name}.0.bias"])
    x = norm(state, f"{name}.1", x).relu()
    return functional.linear(x, state[f"{name}.3.weight"], state[f"{name}.3.bias"])


def embed_frames(state, frames):
    """``B 3 5 224 224`` -> ``B D``."""

    def block(place, x, stride=1, padding=0):
        name = f"netcnnlip.{place}"
        x = functional.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, padding)
        return norm(state, f"netcnnlip.{place + 1}", x).relu()

    x = block(0, frames, (1, 2, 2))
    x = functional.max_pool3d(x, (1, 3, 3), (1, 2, 2))
    x = block(4, x, (1, 2, 2), (0, 1, 1))
    x = functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for place in (8, 11, 14):
        x = block(place, x, padding=(0, 1, 1))
    x = functional.max_pool3d(x, (1, 3, 3), (1, 2, 2))
    return head(state, "netfclip", block(18, x))


def embed_audio(state, mfcc):
    """``B 1 13 20`` -> ``B D``."""

    def block(place, x, padding=1):
        name = f"netcnnaud.{place}"
        x = functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], 1, padding)
        return norm(state, f"netcnnaud.{place + 1}", x).relu()

    x = block(4, block(0, mfcc))
    x = functional.max_pool2d(x, 3, (1, 2))
    for place in (8, 11, 14):
        x = block(place, x)
    x = functional.max_pool2d(x, 3, 2)
    return head(state, "netfcaud", block(18, x, padding=0))
