"""`plot_styles`: how well the style codes of a clip folder separate, drawn and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit.clips import ClipFolder
from segkit.plots.clip_codes import check_scheme, clips_of_people, collect_codes, untrained
from segkit.plots.figures import check_outputs, require_plot_libraries, save_figure
from segkit.plots.style_codes import check_enough, plane
from segkit.plots.style_picture import style_figure
from segkit.plots.style_record import note_of, style_numbers, style_settings, title_of
from segkit.talk.bundle import load_bundle


def plot_styles(
    data: str | Path,
    *,
    out: str | Path,
    split: str | None = "test",
    model: str | Path | None = None,
    num_people: int = 10,
    num_frames: int = 8,
    layers: Sequence[int] | None = None,
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Draw figure 5 for a model, and write its numbers beside it.

    Args:
        data: clip folder.
        out: picture to write (.png, .svg or .pdf); the numbers get its name with .json.
        split: of the clips; None takes all.
        model: bundle; None takes the built-in one.
        num_people: the first persons by name; fewer where there are fewer.
        num_frames: frames of each person, spread over the clips.
        layers: of the codes; None takes all.
        seed: of the layout, and of the weights of the untrained encoder to compare with.
        force: replace existing files.

    Returns:
        What the JSON holds: ``settings``, ``numbers``, ``regions``, ``definitions``.

    Raises:
        FileExistsError: the picture or the JSON is there and ``force`` is not set.
        FileNotFoundError: no clip folder, split or model.
        ValueError: too few people or codes, an unknown layer, or masks of another scheme.
        ImportError: matplotlib or scikit-learn is not installed.
    """
    require_plot_libraries()
    check_outputs(Path(out), record=True, force=force)
    folder = ClipFolder(data)
    people = clips_of_people(folder.clips(split), num_people=num_people)
    bundle = load_bundle(model)
    check_scheme(bundle, folder)
    codes = collect_codes(bundle, people, num_frames=num_frames, layers=layers)
    check_enough(codes)
    twin = untrained(bundle, seed=seed)
    blind = collect_codes(twin, people, num_frames=num_frames, layers=layers)
    record: dict[str, Any] = {
        "settings": {
            "data": str(data),
            "split": split,
            "model": "built-in" if model is None else str(model),
            "size": bundle.size,
            "people": list(people),
            "frames_per_person": num_frames,
            **style_settings(codes, seed=seed),
        },
        **style_numbers(codes, blind, scheme=bundle.scheme),
    }
    figure = style_figure(
        plane(codes.vectors, seed=seed), codes, scheme=bundle.scheme, people=list(people),
        title=title_of(record), numbers=record["numbers"]["trained"], note=note_of(record),
    )  # fmt: skip
    save_figure(figure, out, record=record, force=force)
    return record
