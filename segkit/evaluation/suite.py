"""The metrics of a report: those that can be built here, and why the others are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.evaluation.faces import UNKNOWN
from segkit.registry import METRICS
from segkit.weight_catalogue import known_file, weights_root


@dataclass(frozen=True)
class Entry:
    """A metric of the default report.

    Attributes:
        key: by which a user names it.
        component: registered name of its class.
        arguments: of the constructor.
        weights: argument that takes a weight file -> name of that file in the catalogue.
    """

    key: str
    component: str
    arguments: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


_LPIPS = {"trunk": "lpips_alex"}

DEFAULT_SUITE = (
    Entry("psnr", "PSNR"),
    Entry("ssim", "SSIM"),
    Entry("lpips", "LPIPSScore", weights=_LPIPS),
    Entry("mouth-psnr", "PSNR", {"region": "mouth"}),
    Entry("mouth-ssim", "SSIM", {"region": "mouth"}),
    Entry("mouth-lpips", "LPIPSScore", {"region": "mouth"}, _LPIPS),
    Entry("lmd", "LandmarkDistance"),
    Entry("lmd-centred", "LandmarkDistance", {"preset": "nerf", "prefix": "LMD-centred"}),
    Entry("mouth-motion", "MouthMotion"),
    Entry("masks", "MaskOverlap", {"ignore": UNKNOWN}),
    Entry("boundary", "BoundaryF"),
    Entry("fid", "FrechetInceptionDistance", {"kid": True}, {"weights": "inception"}),
    Entry(
        "fid-pytorch", "FrechetInceptionDistance",
        {"mode": "legacy_pytorch", "prefix": "FID-pytorch"}, {"weights": "inception_pytorch"},
    ),
    Entry("fvd", "FrechetVideoDistance", weights={"weights": "i3d_kinetics"}),
    Entry("sync", "SyncNetScore", {"crop": "resize"}, {"weights": "syncnet_v2"}),
    Entry(
        "csim", "IdentitySimilarity", {"crop": "landmarks"}, {"weights": "arcface_irse50"},
    ),
    Entry(
        "csim-dlib", "IdentitySimilarity",
        {"crop": "landmarks", "network": "dlib_identity", "prefix": "CSIM-dlib"},
        {"weights": "dlib_identity"},
    ),
    Entry("temporal", "TemporalDifference"),
    Entry("tof", "TOF"),
    Entry("tlp", "TLP", weights=_LPIPS),
)  # fmt: skip
"""What is measured unless a user names metrics."""

OF_MASKS = ("masks", "boundary")
"""Metrics that a method without masks of its own cannot have."""


@dataclass
class Suite:
    """Metrics that were built, and the reasons of those that were not.

    Attributes:
        metrics: key -> metric.
        skipped: key -> why it is not measured.
    """

    metrics: dict[str, Any]
    skipped: dict[str, str]


def build_suite(
    keys: Iterable[str] | None = None,
    *,
    root: str | Path | None = None,
    entries: tuple[Entry, ...] = DEFAULT_SUITE,
) -> Suite:
    """Build metrics; one whose weights are missing is skipped with the reason.

    Args:
        keys: which; all when not given.
        root: folder of weight files, see `segkit.weight_catalogue.weights_root`.
        entries: to choose from.

    Raises:
        KeyError: an unknown key.
        FileNotFoundError: a metric that was named cannot be built for lack of its weights.
    """
    known = {entry.key: entry for entry in entries}
    named = None if keys is None else list(keys)
    for key in named or ():
        if key not in known:
            raise KeyError(f"no metric {key!r}; known: {', '.join(known)}")
    suite = Suite({}, {})
    for key in known if named is None else named:
        entry = known[key]
        arguments = dict(entry.arguments)
        for argument, name in entry.weights.items():
            arguments[argument] = str(known_file(name).usable(weights_root(root)))
        try:
            suite.metrics[key] = METRICS.build({"type": entry.component, **arguments})
        except (FileNotFoundError, ImportError, ValueError) as error:
            if named is not None:
                raise
            suite.skipped[key] = str(error)
    return suite
