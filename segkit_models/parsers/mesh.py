"""Face parsing without parser weights: mesh polygons, a person mask and colours of each picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.contracts import check_shape
from segkit.regions import SCHEME_12
from segkit.registry import PARSERS

if TYPE_CHECKING:
    from segkit_models.parsers.mesh_video import VideoParser


@PARSERS.register
class MeshParser(nn.Module):
    """Parse real faces into the 12-class scheme with MediaPipe's models alone.

    Lips, mouth, eyes, brows and nose come from the face mesh; hair, ears, neck and the edge of the
    face from a person mask and colour models fitted to each picture. Clothes count as background;
    glasses and earrings are not found. Not differentiable, and always on the CPU: the models run in
    LiteRT, loaded at the first picture.

    Attributes:
        scheme: names of its labels.
    """

    scheme = SCHEME_12

    def __init__(self) -> None:
        super().__init__()
        self._parser: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded models behind: the copy loads its own."""
        return {**self.__dict__, "_parser": None}

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Parse a batch of unrelated pictures.

        Args:
            image: ``B 3 H W`` in [-1, 1], one clearly largest face each.

        Returns:
            Logits ``B 12 H W``: log-probabilities, on the image's device.

        Raises:
            NoFaceError: a picture without a face, named by its place in the batch.
            ValueError: not ``B 3 H W``.
        """
        from segkit.faces import NoFaceError
        from segkit_models.parsers.mesh_video import probabilities_of_picture

        check_shape(image, "B 3 H W", name="image")
        pixels = ((image.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        logits = []
        for index, picture in enumerate(pixels.permute(0, 2, 3, 1).cpu().numpy()):
            probabilities = probabilities_of_picture(self._loaded(), np.ascontiguousarray(picture))
            if probabilities is None:
                raise NoFaceError(
                    f"image {index} of the batch: no face found; give face crops or larger faces"
                )
            logits.append(torch.from_numpy(np.log(np.maximum(probabilities, 1e-4))))
        return (
            torch.stack(logits).to(image.device)
            if logits
            else image.new_zeros(0, 12, *image.shape[2:])
        )

    def parse_frames(
        self, frames: Iterable[np.ndarray], *, landmarks: Iterable[np.ndarray] | None = None
    ) -> Iterator[np.ndarray]:
        """Parse the frames of one clip steadily: each is decided together with its neighbours.

        Args:
            frames: uint8 RGB ``H W 3`` of one size; aligned face crops work best. Streamed, five at
                a time.
            landmarks: ``468 2`` pixels for each frame when they are known already; NaN holds the
                last ones. Found by tracking otherwise.

        Yields:
            Labels ``H W`` uint8 for each frame, in order.

        Raises:
            NoFaceError: no face in the first frame.
        """
        return self._loaded().parse(frames, landmarks=landmarks)

    def _loaded(self) -> VideoParser:
        if self._parser is None:
            from segkit_models.parsers.mesh_video import VideoParser  # brings in OpenCV and LiteRT

            self._parser = VideoParser()
        return self._parser
