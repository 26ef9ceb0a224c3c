"""Run the carried LiteRT models on numpy arrays, checking each file before use."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

FACE_DETECTOR = "face_detection_short_range.tflite"
FACE_MESH = "face_landmark.tflite"
PERSON_MASK = "selfie_segmentation.tflite"

_SHA256 = {
    FACE_DETECTOR: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    FACE_MESH: "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    PERSON_MASK: "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
}


class LiteRTModel:
    """A carried model, loaded at its first call, so that it can be made and pickled for free.

    Args:
        name: file name in ``segkit/assets/mediapipe``.
        num_threads: CPU threads of the interpreter.
    """

    def __init__(self, name: str, *, num_threads: int = 1) -> None:
        self.name = name
        self.num_threads = num_threads
        self._interpreter: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the interpreter behind: the copy loads its own."""
        return {**self.__dict__, "_interpreter": None}

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """Run the model.

        Args:
            batch: one input ``1 H W 3`` in the range the model wants.

        Returns:
            The outputs in file order, as arrays of their own.

        Raises:
            FileNotFoundError: the package lacks the model file.
            ValueError: the file is not the one that was carried.
        """
        if self._interpreter is None:
            self._interpreter = _load(self.name, self.num_threads)
        interpreter = self._interpreter
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], np.ascontiguousarray(batch, np.float32)
        )
        interpreter.invoke()
        return [
            interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()
        ]


def _load(name: str, num_threads: int) -> Any:
    from ai_edge_litert.interpreter import (
        Interpreter,
    )  # slow to import; only a running model needs it

    path = Path(str(files("segkit"))) / "assets" / "mediapipe" / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} not found; the installation is incomplete, install segkit again"
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256[name]:
        raise ValueError(
            f"{path}: expected sha256 {_SHA256[name]}, got {found}; install segkit again"
        )
    interpreter = Interpreter(model_content=content, num_threads=num_threads)
    interpreter.allocate_tensors()
    return interpreter
