"""Style codes of people as points, and how far apart regions and people are among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MIN_POINTS = 10
"""Fewer codes than this give neither a layout nor numbers worth looking at."""

_BLOCK = 512
"""Rows of a distance matrix held at once."""


@dataclass(frozen=True, eq=False)
class StyleCodes:
    """Style codes as n points, each with its region, its person and its clip.

    Args:
        vectors: ``n V`` float, V = chosen layers x D.
        regions: ``n`` labels of the scheme.
        people: ``n`` numbers of persons, from 0.
        clips: ``n`` numbers of clips, from 0.
        layers: which layers of the codes the vectors hold.
        num_layers: L, how many there are.
    """

    vectors: np.ndarray
    regions: np.ndarray
    people: np.ndarray
    clips: np.ndarray
    layers: tuple[int, ...] = (0,)
    num_layers: int = 1

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class Separation:
    """How far apart classes are.

    Args:
        silhouette: in [-1, 1]; 1: classes far apart, 0: they touch, below: they are mixed.
        purity: in [0, 1], share of points whose nearest neighbour has their class.
        chance: in [0, 1], purity of a neighbour drawn blindly.
    """

    silhouette: float
    purity: float
    chance: float


def flatten_codes(
    styles: np.ndarray,
    presence: np.ndarray,
    *,
    people: Sequence[int],
    clips: Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
) -> StyleCodes:
    """Turn the codes of frames into points; regions that a frame does not show are left out.

    Args:
        styles: ``B R L D`` codes of B frames.
        presence: ``B R`` bool, regions that a frame shows.
        people: B numbers of persons.
        clips: B numbers of clips; None takes every person for one clip.
        layers: which of the L layers; None takes all.

    Raises:
        ValueError: shapes that do not fit, or a layer that is not there.
    """
    if styles.ndim != 4 or presence.shape != styles.shape[:2] or len(people) != len(styles):
        raise ValueError(
            "styles: expected codes (B, R, L, D), presence (B, R) and B people, got "
            f"{styles.shape}, {presence.shape} and {len(people)}"
        )
    total = styles.shape[2]
    chosen = list(range(total) if layers is None else layers)
    wrong = [layer for layer in chosen if not 0 <= layer < total]
    if wrong or not chosen:
        got = wrong[0] if wrong else "none"
        raise ValueError(f"layers: expected some of 0..{total - 1}, got {got}")
    frames, regions = np.nonzero(presence)
    vectors = styles[frames, regions][:, chosen].reshape(len(frames), -1)
    owners = np.asarray(people)
    sources = owners if clips is None else np.asarray(clips)
    return StyleCodes(vectors, regions, owners[frames], sources[frames], tuple(chosen), total)


def check_enough(codes: StyleCodes) -> None:
    """Refuse codes that are too few to say anything.

    Raises:
        ValueError: fewer than ``MIN_POINTS`` codes, or of a single person or region.
    """
    num_people, num_regions = len(np.unique(codes.people)), len(np.unique(codes.regions))
    if len(codes) < MIN_POINTS or num_people < 2 or num_regions < 2:
        raise ValueError(
            f"style codes: expected at least {MIN_POINTS}, of two people and two regions or more, "
            f"got {len(codes)} of {num_people} people and {num_regions} regions; "
            "give more people or more frames"
        )


def separation_by_region(codes: StyleCodes) -> Separation:
    """Measure how far apart the regions are, all people together."""
    purity, chance = nearest_neighbour_purity(codes.vectors, codes.regions)
    return Separation(silhouette(codes.vectors, codes.regions), purity, chance)


def separation_by_person(codes: StyleCodes) -> dict[int, Separation]:
    """Measure how far apart people are, inside each region.

    Codes of different regions are not comparable, so each region is measured by itself.

    Returns:
        Label of a region -> its numbers, NaN where fewer than two people show it.
    """
    found = {}
    for region in np.unique(codes.regions):
        inside = codes.regions == region
        vectors, people = codes.vectors[inside], codes.people[inside]
        purity, chance = nearest_neighbour_purity(vectors, people)
        found[int(region)] = Separation(silhouette(vectors, people), purity, chance)
    return found


def separation_across_clips(codes: StyleCodes) -> dict[int, Separation]:
    """Measure 1-NN purity by person inside each region, between clips only.

    Frames of one clip are near copies, so a neighbour within a clip says little. Here the clip of
    a point is left out of its neighbours: the nearest code has to come from another recording.

    Returns:
        Label of a region -> its numbers (silhouette NaN), NaN where no person shows it in two
        clips.
    """
    found = {}
    for region in np.unique(codes.regions):
        inside = codes.regions == region
        purity, chance = nearest_neighbour_purity(
            codes.vectors[inside], codes.people[inside], apart=codes.clips[inside]
        )
        found[int(region)] = Separation(float("nan"), purity, chance)
    return found


def separations(codes: StyleCodes) -> dict[str, Separation]:
    """Return all numbers of a set of codes: ``region``, ``person`` and ``person_across_clips``.

    Those by person are averages over the regions.
    """
    return {
        "region": separation_by_region(codes),
        "person": mean_separation(separation_by_person(codes)),
        "person_across_clips": mean_separation(separation_across_clips(codes)),
    }


def mean_separation(found: dict[int, Separation]) -> Separation:
    """Average over regions; those without a number do not count."""

    def mean(pick: Callable[[Separation], float]) -> float:
        values = np.array([pick(item) for item in found.values()])
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) else float("nan")

    return Separation(
        mean(lambda item: item.silhouette),
        mean(lambda item: item.purity),
        mean(lambda item: item.chance),
    )


def nearest_neighbour_purity(
    vectors: np.ndarray, classes: np.ndarray, *, apart: np.ndarray | None = None
) -> tuple[float, float]:
    """Return how often the nearest other point has a point's own class, and how often by chance.

    Points that no other point shares the class with are left out: they could never be right.

    Args:
        vectors: ``n V``; distances are Euclidean.
        classes: ``n``.
        apart: ``n``; points of equal value are no neighbours of each other. None keeps a point
            from itself alone.

    Returns:
        Purity and chance in [0, 1]; both NaN where no point is left or where there is one class.
    """
    from scipy.spatial.distance import cdist

    if len(np.unique(classes)) < 2:
        return float("nan"), float("nan")
    groups = np.arange(len(vectors)) if apart is None else np.asarray(apart)
    hits, chances = [], []
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        allowed = groups[rows, None] != groups[None]
        same = (classes[rows, None] == classes[None]) & allowed
        counted = same.any(1)
        distances = np.where(allowed, cdist(vectors[rows], vectors, "sqeuclidean"), np.inf)
        nearest = distances.argmin(1)
        hits.append(same[np.arange(len(same)), nearest][counted])
        chances.append((same.sum(1) / allowed.sum(1).clip(1))[counted])
    hit = np.concatenate(hits)
    if not len(hit):
        return float("nan"), float("nan")
    return float(hit.mean()), float(np.concatenate(chances).mean())


def silhouette(vectors: np.ndarray, classes: np.ndarray) -> float:
    """Return the mean silhouette coefficient, or NaN where it is not defined.

    Args:
        vectors: ``n V``; distances are Euclidean.
        classes: ``n``; defined for two classes or more, one of them with two points or more.

    Raises:
        ImportError: scikit-learn is not installed.

    Source: Rousseeuw (1987); computed by scikit-learn.
    """
    from segkit.plots.figures import require_plot_libraries

    require_plot_libraries()
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    if not 2 <= len(np.unique(classes)) < len(vectors):
        return float("nan")
    with threadpool_limits(limits=1):
        return float(silhouette_score(vectors.astype(np.float64), classes))


def perplexity_of(num_points: int) -> float:
    """Return the perplexity of a layout: 30, or a third of the other points where those are few."""
    return min(30.0, (num_points - 1) / 3)


def plane(vectors: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Lay points out in a plane with t-SNE; equal bit for bit when repeated.

    Neighbours are kept, distances between clusters and their sizes are not: read the numbers for
    those.

    Args:
        vectors: ``n V``.
        seed: of the layout.

    Returns:
        ``n 2`` float32.

    Raises:
        ValueError: fewer than ``MIN_POINTS`` points.
        ImportError: scikit-learn is not installed.

    Source: figure 5; van der Maaten and Hinton (2008), computed by scikit-learn. Paper: settings
    not given; ours: begun from the first two principal components.
    """
    from segkit.plots.figures import require_plot_libraries

    require_plot_libraries()
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(vectors) < MIN_POINTS:
        raise ValueError(f"t-SNE: expected at least {MIN_POINTS} points, got {len(vectors)}")
    # On one thread: sums in a fixed order, and small problems are faster so.
    with threadpool_limits(limits=1):
        layout = TSNE(
            init="pca", random_state=seed, perplexity=perplexity_of(len(vectors)), n_jobs=1
        )
        return np.asarray(layout.fit_transform(vectors), np.float32)
