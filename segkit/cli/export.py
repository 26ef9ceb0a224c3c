"""`segkit export`: the networks of a bundle as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.errors import require_file, user_errors


@user_errors()
def export(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            help="Model; default: the built-in one.", metavar="BUNDLE", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to make.", metavar="DIR", show_default=False),
    ] = None,
    parts: Annotated[
        str,
        typer.Option(
            "--parts",
            help="Comma-separated: audio_encoder, mask_decoder, region_encoder, generator; "
            "default: all.",
            metavar="NAMES",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be written, and write nothing.")
    ] = False,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not compare the graphs with torch.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier export in the folder.")
    ] = False,
) -> None:
    r"""Write the networks of a model as ONNX, to run them without torch.

    Each graph takes any batch and is compared with torch by ONNX Runtime, to
    1e-4 of its range at several batch sizes and masks, before the folder
    appears. manifest.json tells inputs, outputs, shapes, opset and the
    fingerprint of the weights. An exact generator stays exact at the borders
    of one-hot masks. Needs: pip install "segkit\[export]".

    Example: [bold]segkit export mine.safetensors --out mine_onnx[/bold]
    """
    if out is None and not dry_run:
        raise ValueError("give the folder to make with --out, or --dry-run to list the parts")
    if bundle is not None:
        require_file(bundle, option="BUNDLE")

    from segkit.export.bundle import check_folder, export_bundle, listed_parts
    from segkit.talk.bundle import load_bundle

    if out is not None:
        check_folder(out, force=force)
    names = [name.strip() for name in parts.split(",") if name.strip()]
    model = load_bundle(bundle)
    if dry_run or out is None:
        for part in listed_parts(model, names):
            typer.echo(f"{part['file']}: {part['type']} {part['inputs']} -> {part['outputs']}")
        return
    made = export_bundle(
        model, out, parts=names, check=not no_check, force=force,
        tell=lambda line: typer.echo(line, err=True),
    )  # fmt: skip
    typer.echo(f"{out}: {len(made['parts'])} graphs, opset {made['opset']}")
