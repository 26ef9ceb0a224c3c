"""A model and a dataset that train in milliseconds, for configs that the engine's tests write."""

from __future__ import annotations

import signal
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset


class ToyData(Dataset):
    """Sum eight numbers; sample ``index`` depends on the index alone.

    Args:
        size: number of samples.
        interrupt_at: draw that raises SIGINT, as a user's Ctrl-C would.
    """

    def __init__(self, *, size: int = 40, interrupt_at: int = -1) -> None:
        self.size, self.interrupt_at = size, interrupt_at
        self.drawn: list[int] = []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if len(self.drawn) == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        self.drawn.append(index)
        x = torch.randn(8, generator=torch.Generator().manual_seed(index))
        return {"x": x, "y": x.sum(0, keepdim=True)}


class ToyModel(BaseModel):
    """A small network with what makes a resume hard: dropout, batch statistics, noise.

    Args:
        width: hidden units.
        noisy: use dropout, batch norm and noise.
    """

    def __init__(self, *, width: int = 16, noisy: bool = True) -> None:
        super().__init__()
        extra = [nn.BatchNorm1d(width), nn.Dropout(0.2)] if noisy else []
        self.net = nn.Sequential(nn.Linear(8, width), *extra, nn.ReLU(), nn.Linear(width, 1))
        self.noisy = noisy

    def forward(self, x: Tensor, y: Tensor, mode: str = "tensor") -> Any:
        """Return the squared error as ``loss``, or predictions."""
        if self.training and self.noisy:
            x = x + 0.1 * torch.randn_like(x)
        guess = self.net(x)
        if mode == "predict":
            return [{"guess": g, "y": t} for g, t in zip(guess, y, strict=True)]
        return {"loss": (guess - y).square().mean()}


class ToyGAN(BaseModel):
    """Two submodules with an optimiser each, and a frozen third."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = nn.Linear(8, 1), nn.Linear(1, 1)
        self.expert = nn.Linear(1, 1).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Generate."""
        return self.generator(x)

    def train_step(self, data: dict[str, Tensor], optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the discriminator, then the generator."""
        with optim_wrapper["generator"].optim_context(self):
            fake = self.generator(data["x"])
        judged = self.discriminator(data["y"]).mean() - self.discriminator(fake.detach()).mean()
        optim_wrapper["discriminator"].update_params(judged.square())
        # Frozen, or gradients for the discriminator would stay for its next step.
        self.discriminator.requires_grad_(False)
        total = (fake - data["y"]).square().mean() - 0.01 * self.discriminator(fake).mean()
        optim_wrapper["generator"].update_params(total)
        self.discriminator.requires_grad_(True)
        return {"loss": total.detach()}


def mean_guess(predictions: list[dict[str, Tensor]]) -> dict[str, float]:
    """Average what the model predicts."""
    return {"guess": float(torch.stack([p["guess"] for p in predictions]).mean())}
