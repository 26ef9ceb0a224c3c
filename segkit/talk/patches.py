"""A small critic of skin, lips and teeth, trained beside one person's generator."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

_TOP = 0.52
_LEFT, _RIGHT = 0.2, 0.8
_BOTTOM = 0.9


def judged_box(side: int) -> tuple[int, int, int, int]:
    """Return the judged part of crops: ``(top, bottom, left, right)``, ends outside."""
    return round(_TOP * side), round(_BOTTOM * side), round(_LEFT * side), round(_RIGHT * side)


class PatchCritic(nn.Module):
    """Judge every patch of the lower face, real or drawn.

    Paper: one discriminator of the whole picture (eq. 12), far too large for minutes on one clip;
        ours: patches of the region that speech drives, and the critic's features as a perceptual
        distance.

    Args:
        width: channels of its first layer.

    Attributes:
        least_side: of what it can judge, in pixels.
    """

    def __init__(self, *, width: int = 24) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1))
            for before, after in itertools.pairwise(channels)
        )
        self.least_side = 2 ** len(self.layers)
        self.head = spectral_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))

    def window(self, image: Tensor, *, side: int, origin: tuple[int, int] = (0, 0)) -> Tensor:
        """Cut the judged part out of crops.

        Args:
            image: ``B 3 H W``, crops or a part of them; of the window it gives what it holds.
            side: of the crops.
            origin: row and column of the crop where ``image`` begins.
        """
        top, bottom, left, right = judged_box(side)
        row, column = origin
        rows = slice(max(0, top - row), max(0, bottom - row))
        columns = slice(max(0, left - column), max(0, right - column))
        return image[..., rows, columns]

    def features(self, window: Tensor) -> list[Tensor]:
        """Return the activations of all layers, the scores last."""
        found = []
        for layer in self.layers:
            window = functional.leaky_relu(layer(window), 0.2)
            found.append(window)
        return [*found, self.head(window)]

    def loss(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the critic's own objective (hinge)."""
        fake_scores, real_scores = self.features(fake)[-1], self.features(real)[-1]
        return functional.relu(1 + fake_scores).mean() + functional.relu(1 - real_scores).mean()

    def fooled(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the generator's objective: scores, and features like those of the true picture."""
        drawn = self.features(fake)
        with torch.no_grad():
            true = self.features(real)
        matching = sum(functional.l1_loss(a, b) for a, b in zip(drawn[:-1], true[:-1], strict=True))
        return -drawn[-1].mean() + 10 * matching
