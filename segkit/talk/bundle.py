"""Bundles: everything `segkit talk` needs of a trained model, in one safetensors file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit.regions import SCHEMES, RegionScheme
from segkit.registry import AUDIO_ENCODERS, GENERATORS, MASK_DECODERS, REGION_ENCODERS, Registry
from segkit.talk.bundle_configs import BundleError, plain_config, without_training
from segkit.weights.fitting import misfits

FORMAT = 1
"""Version of the file's layout; a newer one is refused."""

PARTS: dict[str, Registry] = {
    "audio_encoder": AUDIO_ENCODERS,
    "mask_decoder": MASK_DECODERS,
    "region_encoder": REGION_ENCODERS,
    "generator": GENERATORS,
}
"""Component -> family. TSG is the first two, SGI the last two."""

PERSON = ("reference_labels", "reference_image", "styles", "presence")
"""What a bundle fitted to one person carries beside the weights."""

_SMALL = 2048
"""Tensors below this many values stay in full precision: norms and biases, which weigh nothing."""


@dataclass
class Bundle:
    """A complete talking-face model.

    Args:
        configs: part -> ``dict(type=name, **arguments)``, plain data.
        modules: part -> the built component, in evaluation mode.
        size: side of the generated crop in pixels.
        mask_size: side of the masks that the mask decoder reads and writes.
        scheme: region scheme of the masks.
        card: provenance: data, commands, seed, numbers; plain data, free form.
        person: tensors of one person (see ``PERSON``); empty in a bundle for everybody.
            ``reference_labels`` ``H W`` uint8 of a closed mouth, ``reference_image`` ``3 H W``
            uint8, ``styles`` ``R L D``, ``presence`` ``R`` bool, and maybe ``sound_delay_s``.
    """

    configs: dict[str, dict[str, Any]]
    modules: dict[str, nn.Module]
    size: int
    mask_size: int
    scheme: RegionScheme
    card: dict[str, Any] = field(default_factory=dict)
    person: dict[str, Tensor] = field(default_factory=dict)

    @property
    def own_sound_delay_s(self) -> float:
        """How much later than the mouth the sound came in the film of the fit."""
        return float(self.person.get("sound_delay_s", 0.0))

    def to(self, device: torch.device | str) -> Bundle:
        """Move every component to a device."""
        for module in self.modules.values():
            module.to(device)
        return self


def new_bundle(
    configs: Mapping[str, Mapping[str, Any]],
    *,
    size: int,
    mask_size: int | None = None,
    scheme: str = "celeba12",
    card: dict[str, Any] | None = None,
) -> Bundle:
    """Build the parts of a bundle, with fresh weights or those of the files their configs name.

    The bundle's own configs are without what only training needs (a file of pretrained weights,
    which layers learn): it holds all weights itself.

    Args:
        configs: part -> config dict; ``type`` is a registered name or class.
        size: side of the generated crop.
        mask_size: side of the masks; the same by default.
        scheme: name of the region scheme.
        card: provenance.

    Raises:
        KeyError: an unknown component or scheme.
        BundleError: a part is missing or not known.
    """
    if set(configs) != set(PARTS):
        raise BundleError(
            f"bundle: expected the parts {', '.join(PARTS)}, got {', '.join(configs) or 'none'}"
        )
    if scheme not in SCHEMES:
        raise KeyError(f"no region scheme {scheme!r}; known: {', '.join(SCHEMES)}")
    plain = {
        part: plain_config(PARTS[part], without_training(PARTS[part], configs[part]))
        for part in PARTS
    }
    modules = {part: PARTS[part].build(dict(configs[part])).eval() for part in PARTS}
    return Bundle(plain, modules, size, mask_size or size, SCHEMES[scheme], card or {})


def save_bundle(
    path: str | Path, bundle: Bundle, *, half: bool = False, force: bool = False
) -> None:
    """Write a bundle; the file appears whole or not at all.

    Args:
        path: of the safetensors file.
        bundle: what to write.
        half: store large weights as 16-bit floats (half the file); computing stays in 32 bits.
        force: replace an existing file.

    Raises:
        FileExistsError: the file is there and ``force`` is not set.
    """
    from safetensors.torch import save_file

    path = Path(path)
    check_writable(path, force=force)
    tensors: dict[str, Tensor] = {}
    for part, module in bundle.modules.items():
        for key, value in module.state_dict().items():
            tensors[f"{part}.{key}"] = _stored(value, half=half)
    for key, value in bundle.person.items():
        tensors[f"person.{key}"] = value.detach().cpu().contiguous()
    head = {
        "format": FORMAT,
        "configs": bundle.configs,
        "size": bundle.size,
        "mask_size": bundle.mask_size,
        "scheme": bundle.scheme.name,
        "card": bundle.card,
    }
    part_path = path.with_name(f".{path.name}.part")
    try:
        # safetensors keeps its files private; a bundle is as readable as any file made here.
        part_path.touch()
        mode = part_path.stat().st_mode
        save_file(tensors, str(part_path), metadata={"segkit": json.dumps(head)})
        part_path.chmod(mode)
        os.replace(part_path, path)
    finally:
        part_path.unlink(missing_ok=True)


def load_bundle(path: str | Path | None = None) -> Bundle:
    """Read a bundle and build its parts; every weight must be there and fit.

    Args:
        path: of the file; None takes the built-in model.

    Raises:
        FileNotFoundError: no such file.
        BundleError: not a bundle, an unknown component, or weights of another shape.
    """
    path = builtin_bundle_path() if path is None else Path(path)
    head, tensors = _read(path)
    try:
        bundle = new_bundle(
            head["configs"],
            size=int(head["size"]),
            mask_size=int(head["mask_size"]),
            scheme=head["scheme"],
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = error.args[0] if error.args else error
        raise BundleError(f"{path}: this bundle needs what is not there: {reason}") from error
    bundle.card = head.get("card", {})
    for part, module in bundle.modules.items():
        prefix = f"{part}."
        state = {
            key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)
        }
        load_exactly(module, state, name=f"{path}: {part}")
    bundle.person = {key[7:]: value for key, value in tensors.items() if key.startswith("person.")}
    _check_person(bundle, path)
    return bundle


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], *, name: str) -> None:
    """Load weights that must fit key for key and shape for shape.

    Raises:
        BundleError: naming the first keys that do not fit, with the wanted and the given shape.
    """
    problems = misfits(module.state_dict(), state)
    if problems:
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise BundleError(
            f"{name}: its weights do not fit {type(module).__name__}; "
            "were they made with other arguments?\n  " + "\n  ".join(problems[:5]) + more
        )
    module.load_state_dict(dict(state))


def builtin_bundle_path() -> Path:
    """Return the model that comes with the package.

    Raises:
        FileNotFoundError: this copy of the package carries none.
    """
    path = Path(str(files("segkit") / "assets" / "builtin" / "segtalker_128.safetensors"))
    if not path.is_file():
        raise FileNotFoundError(
            f"the built-in model {path} is not in this installation; reinstall segkit, "
            "or give a model of your own with --model"
        )
    return path


def check_writable(path: Path, *, force: bool) -> None:
    """Refuse an output path before any work is done for it.

    Raises:
        FileExistsError: the file is there and ``force`` is not set.
        FileNotFoundError: its folder is not there.
        IsADirectoryError: it is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the path of the file to write")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists already; give another path, or --force to replace it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; make it first")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"model {path} not found; give a bundle made by `segkit fit`")
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("segkit")
            tensors = {key: file.get_tensor(key) for key in file.keys()} if text else {}  # noqa: SIM118
    except SafetensorError as error:
        raise BundleError(
            f"{path} is no readable safetensors file ({error}); "
            "it is damaged, truncated or of another kind"
        ) from error
    if not text:
        raise BundleError(
            f"{path} is a safetensors file but no segkit bundle; make one with `segkit fit`"
        )
    head = json.loads(text)
    if head.get("format") != FORMAT:
        raise BundleError(
            f"{path}: bundle format {head.get('format')}, this version reads {FORMAT}; "
            "update segkit or fit again"
        )
    return head, tensors


def _stored(value: Tensor, *, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not half or value.dtype != torch.float32 or value.numel() < _SMALL:
        return value
    narrow = value.half()
    return narrow if bool(torch.isfinite(narrow).all()) else value


def _check_person(bundle: Bundle, path: Path) -> None:
    if not bundle.person:
        return
    missing = [key for key in PERSON if key not in bundle.person]
    if missing:
        raise BundleError(
            f"{path}: a fitted bundle must hold person.{', person.'.join(missing)}; fit again"
        )
    labels = bundle.person["reference_labels"]
    if labels.ndim != 2 or int(labels.max()) >= len(bundle.scheme):
        raise BundleError(
            f"{path}: person.reference_labels: expected (H, W) with labels "
            f"0..{len(bundle.scheme) - 1}, got shape "
            f"{tuple(labels.shape)} with a label {int(labels.max())}"
        )
