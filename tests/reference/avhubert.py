"""AV-HuBERT's audio path as plain functions over a state dict with the published names.

Written from the table of keys; knows nothing of segkit_models.
"""

import torch
from torch.nn import functional


def shapes(*, dim=32, num_layers=2, ff_dim=48, kernel=16, groups=4, video=True):
    """Names and shapes of a pre-trained network; of the video path a few stand for all."""
    found = {
        "feature_extractor_audio.proj.weight": (dim, 104),
        "feature_extractor_audio.proj.bias": (dim,),
        "layer_norm.weight": (2 * dim,),
        "layer_norm.bias": (2 * dim,),
        "post_extract_proj.weight": (dim, 2 * dim),
        "post_extract_proj.bias": (dim,),
        "encoder.pos_conv.0.weight_g": (1, 1, kernel),
        "encoder.pos_conv.0.weight_v": (dim, dim // groups, kernel),
        "encoder.pos_conv.0.bias": (dim,),
        "encoder.layer_norm.weight": (dim,),
        "encoder.layer_norm.bias": (dim,),
    }
    linear = {f"self_attn.{which}_proj": (dim, dim) for which in "qkv"}
    linear |= {"self_attn.out_proj": (dim, dim), "fc1": (ff_dim, dim), "fc2": (dim, ff_dim)}
    for layer in range(num_layers):
        name = f"encoder.layers.{layer}"
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            found |= {f"{name}.{norm}.{leaf}": (dim,) for leaf in ("weight", "bias")}
        for part, shape in linear.items():
            found[f"{name}.{part}.weight"] = shape
            found[f"{name}.{part}.bias"] = shape[:1]
    if video:
        found |= {
            "mask_emb": (104,),
            "label_embs_concat": (20, 16),
            "final_proj.weight": (16, dim),
            "final_proj.bias": (16,),
            "feature_extractor_video.proj.weight": (dim, 24),
            "feature_extractor_video.resnet.frontend3D.0.weight": (4, 1, 5, 7, 7),
        }
    return found


def norm(state, name, x):
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def linear(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def attend(state, name, x, num_heads, seen):
    """``x T E`` of one sequence; ``seen T`` tells which steps may be looked at."""
    dim = x.shape[-1] // num_heads
    q, k, v = (linear(state, f"{name}.{which}_proj", x) for which in "qkv")
    gathered = []
    for head in range(num_heads):
        part = slice(head * dim, (head + 1) * dim)
        scores = q[:, part] @ k[:, part].T / dim**0.5
        scores = scores.masked_fill(~seen, -torch.inf)
        gathered.append(scores.softmax(-1) @ v[:, part])
    return linear(state, f"{name}.out_proj", torch.cat(gathered, -1))


def forward(state, features, *, num_heads, length=None, layer=None):
    """``104 T`` of one sequence -> ``T E``; steps from ``length`` on are padding."""
    audio = linear(state, "feature_extractor_audio.proj", features.T)
    x = norm(state, "layer_norm", torch.cat([audio, torch.zeros_like(audio)], -1))
    x = linear(state, "post_extract_proj", x)
    num_steps = len(x)
    seen = torch.arange(num_steps) < (num_steps if length is None else length)
    x = x * seen[:, None]
    direction, gain = (state[f"encoder.pos_conv.0.weight_{which}"] for which in "vg")
    weight = gain * direction / direction.square().sum((0, 1), keepdim=True).sqrt()
    groups, kernel = x.shape[1] // weight.shape[1], weight.shape[2]
    padded = functional.pad(x.T, (kernel // 2, kernel // 2 - 1 + kernel % 2))
    places = functional.conv1d(
        padded[None], weight, state["encoder.pos_conv.0.bias"], groups=groups
    )[0]
    x = x + gelu(places.T)
    count = len({key.split(".")[2] for key in state if key.startswith("encoder.layers.")})
    for index in range(count if layer is None else layer):
        name = f"encoder.layers.{index}"
        inside = norm(state, f"{name}.self_attn_layer_norm", x)
        x = x + attend(state, f"{name}.self_attn", inside, num_heads, seen)
        inside = linear(state, f"{name}.fc1", norm(state, f"{name}.final_layer_norm", x))
        x = x + linear(state, f"{name}.fc2", gelu(inside))
    return norm(state, "encoder.layer_norm", x) if layer is None else x


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))
