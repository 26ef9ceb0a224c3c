"""What the picture of style codes says in numbers: plain data for JSON, and their definitions."""

from __future__ import annotations

import math
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from segkit.plots.style_codes import (
    Separation,
    StyleCodes,
    perplexity_of,
    separation_across_clips,
    separation_by_person,
    separations,
)
from segkit.regions import RegionScheme

DEFINITIONS = {
    "silhouette": (
        "how much nearer codes are to their own class than to the next one, from -1 (mixed) over "
        "0 (touching) to 1 (far apart)"
    ),
    "1-NN purity": "share of codes whose nearest other code is of the same class, from 0 to 1",
    "chance": "1-NN purity, 0 to 1, if the nearest code were drawn blindly",
    "untrained": (
        "the same encoder with random weights: its masks and its network for every region tell "
        "regions and people apart too, so only what goes beyond this row is learnt"
    ),
    "by person": (
        "worked out within each region and averaged over the regions that two people or more "
        "show, for codes of different regions are not comparable"
    ),
    "another clip": (
        "frames of one clip are near copies; here the nearest code has to come from another clip"
    ),
    "distances": "Euclidean, between the codes themselves, not between points of the picture",
}
"""What each number is, and its range."""

ROWS = {
    "region": "by region",
    "person": "by person",
    "person_across_clips": "by person, another clip",
}
"""Which classes a row of numbers tells apart."""


def style_settings(codes: StyleCodes, *, seed: int) -> dict[str, Any]:
    """Return what the numbers and the plane of some codes depend on."""
    return {
        "layers": list(codes.layers),
        "num_layers": codes.num_layers,
        "values_per_layer": codes.vectors.shape[1] // len(codes.layers),
        "num_codes": len(codes),
        "seed": seed,
        "tsne": {"init": "pca", "perplexity": perplexity_of(len(codes)), "threads": 1},
        "versions": {name: version(name) for name in ("scikit-learn", "numpy", "torch")},
    }


def style_numbers(
    codes: StyleCodes, untrained: StyleCodes, *, scheme: RegionScheme
) -> dict[str, Any]:
    """Return all numbers of a model's codes and of those of its untrained twin.

    Args:
        codes: of the trained encoder.
        untrained: of the same frames, by an encoder with random weights.
        scheme: names of the regions.

    Returns:
        ``numbers``: trained or untrained -> row -> number; ``regions``: name -> its codes and the
        numbers by person; ``definitions``. None where a number is not defined.
    """
    by_person, across = separation_by_person(codes), separation_across_clips(codes)
    return {
        "numbers": {
            name: {row: plain(item) for row, item in separations(points).items()}
            for name, points in (("trained", codes), ("untrained", untrained))
        },
        "regions": {
            scheme.regions[label]: {
                "num_codes": int((codes.regions == label).sum()),
                "num_people": len(set(codes.people[codes.regions == label].tolist())),
                "person": plain(by_person[label]),
                "person_across_clips": plain(across[label]),
            }
            for label in by_person
        },
        "definitions": DEFINITIONS,
    }


def plain(item: Separation) -> dict[str, float | None]:
    """Return the numbers by name, rounded; None where one is not defined."""
    return {
        name: round(value, 4) if math.isfinite(value) else None
        for name, value in asdict(item).items()
    }


def title_of(record: dict[str, Any]) -> str:
    """Say in a line whose codes the picture shows, and which layers."""
    settings = record["settings"]
    layers, total = settings["layers"], settings["num_layers"]
    which = (
        f"all {total} layers"
        if len(layers) == total
        else f"layers {', '.join(map(str, layers))} of 0..{total - 1}"
    )
    return (
        f"Style codes of {len(settings['people'])} people, up to {settings['frames_per_person']} "
        f"frames each: {which}, {settings['values_per_layer']} values per layer"
    )


def note_of(record: dict[str, Any]) -> str:
    """Say how the plane was made, and what an untrained encoder reaches."""
    settings, blind = record["settings"], record["numbers"]["untrained"]
    said = ", ".join(
        f"{shown(blind[row]['silhouette'])} and {shown(blind[row]['purity'])} {ROWS[row]}"
        for row in ("region", "person")
    )
    return (
        f"t-SNE, perplexity {settings['tsne']['perplexity']:g}, seed {settings['seed']}. Numbers "
        f"are of the codes, not of the plane. The same encoder with random weights has {said}."
    )


def shown(value: float | None) -> str:
    """Return a number with two digits, or a dash where it is not defined."""
    return "-" if value is None else f"{value:.2f}"
