"""Weight files: foreign ones read safely and converted to safetensors; a list of known ones."""

from segkit.weights.checkpoint import ConversionError
from segkit.weights.conversion import Conversion, convert_state_dict
from segkit.weights.converted import (
    convert_file,
    load_component,
    load_extra,
    load_extras,
    load_weights,
)
from segkit.weights.foreign import read_foreign
from segkit.weights.kinds import kinds
from segkit.weights.reading import (
    check_file,
    read_numpy_pickle,
    read_tensors,
    read_tfjs,
)

__all__ = [
    "Conversion",
    "ConversionError",
    "check_file",
    "convert_file",
    "convert_state_dict",
    "kinds",
    "load_component",
    "load_extra",
    "load_extras",
    "load_weights",
    "read_foreign",
    "read_numpy_pickle",
    "read_tensors",
    "read_tfjs",
]
