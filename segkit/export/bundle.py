"""All parts of a bundle as ONNX files in a folder, with a manifest."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from segkit.export.module import OPSET, export_module, exportable, require_extra
from segkit.export.parts import Part, part_of
from segkit.listening import fingerprint
from segkit.talk.bundle import PARTS, Bundle

MANIFEST = "manifest.json"


def listed_parts(bundle: Bundle, parts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Describe what would be exported: name, file, inputs and outputs; nothing is written.

    Args:
        bundle: the model.
        parts: which; all by default.

    Raises:
        ValueError: an unknown part.
    """
    return [_described(name, part_of(bundle, name), bundle) for name in _chosen(parts)]


def export_bundle(
    bundle: Bundle,
    out: str | Path,
    *,
    parts: Sequence[str] = (),
    check: bool = True,
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Write parts of a bundle as ONNX, and a manifest; the folder appears whole or not at all.

    Args:
        bundle: the model, on the CPU.
        out: folder to make.
        parts: which; all by default.
        check: compare each graph with torch, see `export_module`.
        force: replace an earlier export.
        tell: is given a line as each part begins and ends.

    Returns:
        The manifest.

    Raises:
        ValueError: an unknown part.
        ExportError: a part has no graph, or one that differs; nothing is written then.
        FileExistsError: the folder is there, and ``force`` is not set or it is no export.
        FileNotFoundError: the folder above is not there.
        ImportError: the extra ``export`` is not installed.
    """
    out, names = Path(out), _chosen(parts)
    check_folder(out, force=force)
    require_extra("onnx", "onnxscript", "onnxruntime")
    from segkit import __version__

    making = out.with_name(f".{out.name}.{os.getpid()}.part")
    making.mkdir()
    try:
        written = []
        for name in names:
            tell(f"{name} ...")
            part = part_of(bundle, name)
            error = export_module(
                part.module, part.examples, making / f"{name}.onnx", input_names=part.inputs,
                output_names=part.outputs, others=part.others, check=check,
            )  # fmt: skip
            written.append({**_described(name, part, bundle), "difference": error})
            tell(f"{name}: " + ("not compared" if error is None else f"differs by {error:.0e}"))
        manifest = {
            "segkit": __version__, "torch": torch.__version__, "opset": OPSET,
            "size": bundle.size, "mask_size": bundle.mask_size,
            "regions": list(bundle.scheme.regions), "parts": written,
        }  # fmt: skip
        (making / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        _put(making, out)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return manifest


def check_folder(out: Path, *, force: bool) -> None:
    """Refuse a folder before any work is done for it.

    Raises:
        FileExistsError: it is there, and ``force`` is not set or it is no export.
        FileNotFoundError: the folder above is not there.
    """
    if out.exists() and not force:
        raise FileExistsError(
            f"{out} exists already; give another folder, or --force to replace it"
        )
    if out.exists() and (reason := _not_an_export(out)):
        raise FileExistsError(f"{out} is no export ({reason}); give another folder")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"the folder {out.parent} does not exist; make it first")


def _not_an_export(out: Path) -> str | None:
    """Say why a folder is not what an earlier export left, and nothing else; None if it is."""
    if not (out / MANIFEST).is_file():
        return f"no {MANIFEST}"
    try:
        manifest = json.loads((out / MANIFEST).read_text("utf-8"))
        own = {MANIFEST, *(part["file"] for part in manifest["parts"])}
        manifest["segkit"]
    except (ValueError, KeyError, TypeError):
        return f"its {MANIFEST} is another program's"
    others = sorted(path.name for path in out.iterdir() if path.name not in own)
    return f"it holds {', '.join(others[:3])}, which no export made" if others else None


def _chosen(parts: Sequence[str]) -> list[str]:
    unknown = [name for name in parts if name not in PARTS]
    if unknown:
        raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {', '.join(unknown)}")
    return [name for name in PARTS if not parts or name in parts]


def _described(name: str, part: Part, bundle: Bundle) -> dict[str, Any]:
    with torch.no_grad():
        found = part.module(*part.examples)
    outputs = found if isinstance(found, tuple) else (found,)
    described = {
        "name": name,
        "file": f"{name}.onnx",
        "type": bundle.configs[name]["type"],
        "fingerprint": fingerprint(bundle.modules[name]),
        "inputs": {
            key: ["batch", *value.shape[1:]]
            for key, value in zip(part.inputs, part.examples, strict=True)
        },
        "outputs": {
            key: ["batch", *value.shape[1:]]
            for key, value in zip(part.outputs, outputs, strict=True)
        },
        "note": part.note,
    }
    form = getattr(part.module, "region_conv", None)
    if form is not None:
        described["region_conv"] = form
        described["exported_as"] = exportable(part.module).region_conv
    return described


def _put(making: Path, out: Path) -> None:
    if not out.exists():
        os.replace(making, out)
        return
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    os.replace(out, old)
    try:
        os.replace(making, out)
    except OSError:
        os.replace(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)
