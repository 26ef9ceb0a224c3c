"""Region schemes: the names, colours and merge tables of a face segmentation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RegionScheme:
    """The classes of a face segmentation, in label order.

    Args:
        name: identifier stored beside masks and weights.
        regions: region names; the index is the label.
        colours: one RGB triple (0..255) per region, for pictures and palettes.
        merges: for each known foreign labelling, the label of ours that each foreign label becomes.
    """

    name: str
    regions: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    merges: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if len(self.regions) != len(self.colours):
            raise ValueError(
                f"{self.name}: {len(self.regions)} regions but {len(self.colours)} colours"
            )

    def __len__(self) -> int:
        return len(self.regions)

    def index(self, region: str) -> int:
        """Return the label of a region.

        Raises:
            KeyError: unknown region; the message lists the known ones.
        """
        if region not in self.regions:
            raise KeyError(
                f"no region {region!r} in scheme {self.name!r}; known: {', '.join(self.regions)}"
            )
        return self.regions.index(region)

    def extends(self, other: RegionScheme) -> bool:
        """Tell whether labels of another scheme mean the same here, which may have more."""
        return other.regions == self.regions[: len(other)]

    @property
    def lip_labels(self) -> tuple[int, ...]:
        """Labels of the lips, which are one region or two."""
        return tuple(k for k, name in enumerate(self.regions) if name.endswith("lip"))

    @property
    def mouth_labels(self) -> tuple[int, ...]:
        """Labels of the lips and of what lies between them."""
        return tuple(k for k, name in enumerate(self.regions) if name.endswith(("lip", "mouth")))

    @property
    def eyes(self) -> tuple[str, ...]:
        """Names of the eyes, which are one region or two."""
        return tuple(name for name in self.regions if name.endswith(("eyes", "_eye")))

    @property
    def face_labels(self) -> tuple[int, ...]:
        """Labels of what is drawn anew in the lower half: skin, nose, lips and mouth."""
        plain = tuple(k for k, name in enumerate(self.regions) if name in ("skin", "nose"))
        return tuple(sorted((*plain, *self.mouth_labels)))

    def merge(self, labels: Tensor, source: str) -> Tensor:
        """Translate a foreign label map into this scheme.

        Args:
            labels: integer labels of any shape.
            source: name of the foreign labelling, a key of ``merges``.

        Raises:
            KeyError: unknown labelling.
            ValueError: a label outside the foreign labelling.
        """
        table = torch.tensor(self._table(source), device=labels.device, dtype=torch.uint8)
        if labels.numel() and (labels.min() < 0 or labels.max() >= len(table)):
            raise ValueError(
                f"{source} labels: expected 0..{len(table) - 1}, "
                f"got {labels.min().item()}..{labels.max().item()}"
            )
        return table[labels.long()]

    def merge_logits(self, logits: Tensor, source: str) -> Tensor:
        """Translate a foreign parser's logits into this scheme.

        Softmax of the result gives each region the sum of the probabilities of its classes; the
        likeliest region need not be that of the likeliest class, which is what `merge` of the
        labels gives.

        Args:
            logits: ``B C H W``, C classes of the foreign labelling.
            source: name of the foreign labelling, a key of ``merges``.

        Returns:
            ``B R H W``.

        Raises:
            KeyError: unknown labelling.
            ValueError: another number of classes.
        """
        table = self._table(source)
        if logits.ndim != 4 or logits.shape[1] != len(table):
            raise ValueError(
                f"{source} logits: expected shape (B, {len(table)}, H, W), got "
                f"{tuple(logits.shape)}"
            )
        groups = [
            [c for c, ours in enumerate(table) if ours == region] for region in range(len(self))
        ]
        # The log of the summed exponentials of the classes that become one.
        return torch.stack([logits[:, group].logsumexp(1) for group in groups], 1)

    def colourise(self, labels: np.ndarray) -> np.ndarray:
        """Paint a label map ``H W`` as an RGB picture ``H W 3`` uint8."""
        return np.asarray(self.colours, np.uint8)[labels]

    def _table(self, source: str) -> tuple[int, ...]:
        if source not in self.merges:
            raise KeyError(
                f"scheme {self.name!r} cannot read {source!r}; "
                f"known: {', '.join(self.merges) or 'none'}"
            )
        return self.merges[source]

    def palette(self) -> list[int]:
        """Return the flat 768-entry palette of an 8-bit palette PNG."""
        flat = [value for colour in self.colours for value in colour]
        return flat + [0] * (768 - len(flat))


_CELEBA_HQ_TO_12 = (0, 6, 5, 10, 3, 3, 2, 2, 7, 7, 9, 1, 1, 4, 0, 11, 0, 8, 0)
_BISENET_TO_12 = (0, 6, 2, 2, 3, 3, 10, 7, 7, 11, 5, 9, 1, 1, 8, 0, 0, 4, 0)
_CELEBA_HQ_TO_14 = (0, 6, 5, 10, 3, 3, 2, 2, 7, 7, 9, 1, 1, 4, 13, 11, 0, 8, 12)
_BISENET_TO_14 = (0, 6, 2, 2, 3, 3, 10, 7, 7, 11, 5, 9, 1, 1, 8, 0, 12, 4, 13)
_BISENET_TO_CELEBA_HQ = (0, 1, 6, 7, 4, 5, 3, 8, 9, 15, 2, 10, 11, 12, 17, 16, 18, 13, 14)

_NAMES_12 = (
    "background",
    "lip",
    "eyebrows",
    "eyes",
    "hair",
    "nose",
    "skin",
    "ears",
    "neck",
    "mouth",
    "glasses",
    "earrings",
)
_COLOURS_12 = (
    (24, 26, 30),
    (222, 62, 88),
    (118, 72, 34),
    (70, 150, 235),
    (122, 66, 160),
    (250, 160, 110),
    (246, 205, 172),
    (236, 140, 160),
    (176, 205, 112),
    (110, 12, 40),
    (60, 200, 200),
    (250, 220, 60),
)

# Paper: "merging the same class ... 12 final classes", not listed; ours: the 12 classes of its
# reference [19] (E4S).
SCHEME_12 = RegionScheme(
    "celeba12", _NAMES_12, _COLOURS_12, {"celeba_hq": _CELEBA_HQ_TO_12, "bisenet": _BISENET_TO_12}
)

# Clothes and hat kept apart from the background, for clean background swaps.
SCHEME_14 = RegionScheme(
    "celeba14",
    (*_NAMES_12, "cloth", "hat"),
    (*_COLOURS_12, (64, 120, 90), (200, 120, 40)),
    {"celeba_hq": _CELEBA_HQ_TO_14, "bisenet": _BISENET_TO_14},
)

SCHEME_19 = RegionScheme(
    "celeba_hq",
    (
        "background",
        "skin",
        "nose",
        "glasses",
        "left_eye",
        "right_eye",
        "left_brow",
        "right_brow",
        "left_ear",
        "right_ear",
        "mouth",
        "upper_lip",
        "lower_lip",
        "hair",
        "hat",
        "earrings",
        "necklace",
        "neck",
        "cloth",
    ),
    (
        (24, 26, 30),
        (246, 205, 172),
        (250, 160, 110),
        (60, 200, 200),
        (70, 150, 235),
        (40, 110, 200),
        (118, 72, 34),
        (150, 100, 50),
        (236, 140, 160),
        (210, 110, 140),
        (110, 12, 40),
        (222, 62, 88),
        (240, 110, 130),
        (122, 66, 160),
        (200, 120, 40),
        (250, 220, 60),
        (190, 190, 90),
        (176, 205, 112),
        (64, 120, 90),
    ),
    {"celeba_hq": tuple(range(19)), "bisenet": _BISENET_TO_CELEBA_HQ},
)

SCHEMES = {scheme.name: scheme for scheme in (SCHEME_12, SCHEME_14, SCHEME_19)}


def one_hot(labels: Tensor, num_regions: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Expand a label map into one plane per region, on the device that the labels are on.

    Labels stay uint8 from the file to there: planes of float32 are 4 R times as large.

    Args:
        labels: integer labels ``... H W`` (uint8 welcome).
        num_regions: R.
        dtype: of the planes.

    Returns:
        ``... R H W`` of zeros and ones.

    Raises:
        ValueError: a label is below 0, or not below ``num_regions``.
    """
    if labels.numel():
        least, most = torch.stack(labels.aminmax()).tolist()  # waits for a GPU only once
        if least < 0 or most >= num_regions:
            wrong = least if least < 0 else most
            raise ValueError(f"labels: expected 0..{num_regions - 1}, got a label {wrong}")
    shape = (*labels.shape[:-2], num_regions, *labels.shape[-2:])
    planes = torch.zeros(shape, dtype=dtype, device=labels.device)
    return planes.scatter_(-3, labels.long().unsqueeze(-3), 1)
