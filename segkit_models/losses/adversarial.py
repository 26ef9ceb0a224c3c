"""The adversarial objective (eq. 12) and the gradient penalty of its discriminator."""

from __future__ import annotations

from torch import Tensor, autograd, nn
from torch.nn import functional


def generator_adversarial(fake_logits: Tensor) -> Tensor:
    """Return the generator's term: low when the discriminator takes its images for real.

    Paper: ``E[1 - log D(fake)]``, a misprint of the minimax value; ours: the non-saturating form of
        StyleGAN2.

    Args:
        fake_logits: ``B 1``, the discriminator's logits of generated images.

    Source:
        Section 3.3, eq. 12.
    """
    return functional.softplus(-fake_logits).mean()


def discriminator_adversarial(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return the discriminator's term: low when it tells real from generated.

    Args:
        real_logits: ``B 1``.
        fake_logits: ``B 1``, of detached generated images.

    Source:
        Section 3.3, eq. 12.
    """
    return functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()


def gradient_penalty(discriminator: nn.Module, image: Tensor) -> Tensor:
    """Return the mean squared gradient norm of the logits of real images (R1).

    Args:
        discriminator: image -> logits.
        image: real images, ``B 3 H W``.

    Source:
        Mescheder et al. 2018, eq. 9 (without its factor gamma / 2).
    """
    image = image.detach().requires_grad_()
    (gradient,) = autograd.grad(discriminator(image).sum(), image, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
