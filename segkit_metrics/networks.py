"""Networks of metrics, from files that are what they say they are."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from segkit.weight_catalogue import known_file
from segkit.weights import load_component
from segkit.weights.converted import head_of
from segkit_metrics.weight_files import find_weights

INJECTED = "a network of the caller's"
"""What a definition says of a network that came built."""


def default_device() -> torch.device:
    """Return the accelerator of this process if it has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def converted_network(
    weights: str | Path | nn.Module | None, *, known: str
) -> tuple[nn.Module, str]:
    """Build the network of a file made by `segkit convert`, or take a built one.

    Args:
        weights: the converted file, or the network itself.
        known: name of the published file in `segkit.weight_catalogue`.

    Returns:
        The network in evaluation mode, and words for a definition: which file it came from.

    Raises:
        MissingWeightsError: no such file.
        ValueError: not a file made by `segkit convert`, or one of another kind.
    """
    if isinstance(weights, nn.Module):
        return weights.eval(), INJECTED
    entry = known_file(known)
    path = find_weights(
        weights,
        name=f"{entry.name}.safetensors, made by `segkit convert {entry.kind} {entry.file}",
        sha256=entry.sha256, source=entry.source, check=False,
    )  # fmt: skip
    head = head_of(path)
    if head is not None and head["kind"] != entry.kind:
        raise ValueError(f"{path}: expected a converted {entry.kind!r}, got {head['kind']!r}")
    network = load_component(path).requires_grad_(False)
    source = head["source"] if head is not None else {"name": path.name, "sha256": ""}
    return network, f"{source['name']} {source['sha256'][:8]}"


def scripted_network(
    weights: str | Path | None, *, name: str, sha256: str, source: str, trust: bool = False
) -> tuple[nn.Module, str]:
    """Load a TorchScript file, which is code, once it is known to be the published one.

    Args:
        weights: the file.
        name: under which it is published.
        sha256: digest of the published file.
        source: where to get it.
        trust: run the code of any file instead.

    Returns:
        The network in evaluation mode, and words for a definition.

    Raises:
        MissingWeightsError: no such file.
        ValueError: another file, and not trusted.
    """
    path = checked_script(weights, name=name, sha256=sha256, source=source, trust=trust)
    with warnings.catch_warnings():
        # Deprecated, and the only way to read what is published.
        warnings.filterwarnings("ignore", message=".torch.jit", category=DeprecationWarning)
        network = torch.jit.load(str(path), map_location="cpu")
    return network.eval(), f"{name} {sha256[:8]}" if not trust else f"{path.name}, trusted"


def checked_script(
    weights: str | Path | None, *, name: str, sha256: str, source: str, trust: bool = False
) -> Path:
    """Return the path of a file that runs code, as `scripted_network` checks it.

    Raises:
        MissingWeightsError: no such file.
        ValueError: another file, and not trusted.
    """
    try:
        return find_weights(weights, name=name, sha256=sha256, source=source, check=not trust)
    except ValueError as error:
        raise ValueError(
            f"{error}; or set trust=True to run the code of this file all the same"
        ) from error
