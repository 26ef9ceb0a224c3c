"""Training of a face parser on a clip folder's own masks: a fast network learns from a slow one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.registry import PARSERS
from segkit_models.losses.mask import WeightedCrossEntropy
from segkit_models.talking.class_weights import read_class_weights


class FaceParsing(BaseModel):
    """Train a parser by weighted cross entropy.

    Paper: a published BiSeNet, not trained; ours: that too, or this, where its licence is no use or
    the masks have other classes.

    Args:
        parser: built, or its config; its logits have the classes of the masks.
        num_regions: R.
        class_weights: numbers, or the clip folder whose statistics hold them; None weighs all
            alike.
        data_preprocessor: mmengine's, which moves a batch to the device by default.

    Raises:
        FileNotFoundError: no statistics in the clip folder given.
    """

    def __init__(
        self,
        parser: nn.Module | dict[str, Any],
        *,
        num_regions: int = 12,
        class_weights: Sequence[float] | str | Path | None = None,
        data_preprocessor: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        self.parser = PARSERS.build(parser)
        self.mask_loss = WeightedCrossEntropy(
            weights=read_class_weights(class_weights), num_regions=num_regions
        )

    def forward(
        self,
        image: Tensor,
        mask: Tensor,
        target_image: Tensor | None = None,
        target_mask: Tensor | None = None,
        mode: str = "tensor",
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Parse pictures.

        Args:
            image: ``B 3 H W`` uint8.
            mask: labels ``B H W`` uint8.
            target_image: more pictures (`PriorLearningPairs` gives two of each clip); None for no
                more.
            target_mask: their labels.
            mode: ``"loss"``, ``"predict"`` (a dict of ``labels`` and ``target``, ``H W`` each, per
                picture) or ``"tensor"``.

        Returns:
            The ``loss``; predictions; or logits ``B R H W``, those of ``image`` first.

        Raises:
            ValueError: shapes that do not fit.
        """
        if target_image is not None and target_mask is not None:
            image, mask = torch.cat([image, target_image]), torch.cat([mask, target_mask])
        batch = check_shape(image, "B 3 H W", name="image")["B"]
        check_shape(mask, f"B={batch} H W", name="mask")
        logits = self.parser(image.float() / 127.5 - 1)
        if mode == "tensor":
            return logits
        if mode == "predict":
            labels = logits.argmax(1).to(mask.dtype)
            return [{"labels": p, "target": y} for p, y in zip(labels, mask, strict=True)]
        return {"loss": self.mask_loss(logits.float(), mask)}
