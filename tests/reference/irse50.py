"""InsightFace_Pytorch's IR-SE-50 as plain functions over a state with its own key names."""

from torch.nn import functional

from tests.reference.seeded import norm_shapes

WIDTH, UNITS = (64, 64, 128, 256, 512), (3, 4, 14, 3)


def shapes(width=WIDTH, units=UNITS, dim=512, side=7):
    """Names and shapes of a state whose last map has the given side."""
    found = backbone_shapes(width, units)
    found |= norm_shapes("output_layer.0", width[4])
    found["output_layer.3.weight"] = (dim, width[4] * side**2)
    found["output_layer.3.bias"] = (dim,)
    return found | norm_shapes("output_layer.4", dim)


def backbone_shapes(width, units):
    """Names and shapes of stem and body."""
    found = {"input_layer.0.weight": (width[0], 3, 3, 3), "input_layer.2.weight": (width[0],)}
    found |= norm_shapes("input_layer.1", width[0])
    before, index = width[0], 0
    for channels, count in zip(width[1:], units, strict=True):
        for _ in range(count):
            name = f"body.{index}.res_layer"
            found |= norm_shapes(f"{name}.0", before) | norm_shapes(f"{name}.4", channels)
            found[f"{name}.1.weight"] = (channels, before, 3, 3)
            found[f"{name}.2.weight"] = (channels,)
            found[f"{name}.3.weight"] = (channels, channels, 3, 3)
            hidden = max(4, channels // 16)
            found[f"{name}.5.fc1.weight"] = (hidden, channels, 1, 1)
            found[f"{name}.5.fc2.weight"] = (channels, hidden, 1, 1)
            if before != channels:
                found[f"body.{index}.shortcut_layer.0.weight"] = (channels, before, 1, 1)
                found |= norm_shapes(f"body.{index}.shortcut_layer.1", channels)
            before, index = channels, index + 1
    return found


def forward(state, face, units=UNITS):
    """Return the maps after each stage, then the embedding, of an aligned face."""
    maps = body(state, face, units)
    x = norm(state, "output_layer.0", maps[-1]).flatten(1)
    x = functional.linear(x, state["output_layer.3.weight"], state["output_layer.3.bias"])
    x = norm(state, "output_layer.4", x)
    return [*maps, x / x.norm(dim=1, keepdim=True)]


def body(state, image, units=UNITS):
    """Return the maps after each stage."""
    x = functional.conv2d(image, state["input_layer.0.weight"], padding=1)
    x = functional.prelu(norm(state, "input_layer.1", x), state["input_layer.2.weight"])
    maps, index = [], 0
    for count in units:
        for unit in range(count):
            x = _unit(state, f"body.{index}", x, 1 if unit else 2)
            index += 1
        maps.append(x)
    return maps


def norm(state, name, x):
    """Apply a batch norm in evaluation mode."""
    numbers = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, *numbers)


def _unit(state, name, x, stride):
    y = functional.conv2d(
        norm(state, f"{name}.res_layer.0", x), state[f"{name}.res_layer.1.weight"], padding=1
    )
    y = functional.prelu(y, state[f"{name}.res_layer.2.weight"])
    y = functional.conv2d(y, state[f"{name}.res_layer.3.weight"], None, stride, 1)
    y = norm(state, f"{name}.res_layer.4", y)
    gate = functional.adaptive_avg_pool2d(y, 1)
    gate = functional.conv2d(gate, state[f"{name}.res_layer.5.fc1.weight"]).relu()
    y = y * functional.conv2d(gate, state[f"{name}.res_layer.5.fc2.weight"]).sigmoid()
    if f"{name}.shortcut_layer.0.weight" in state:
        x = functional.conv2d(x, state[f"{name}.shortcut_layer.0.weight"], None, stride)
        return y + norm(state, f"{name}.shortcut_layer.1", x)
    return y + functional.max_pool2d(x, 1, stride)
