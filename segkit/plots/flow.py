"""`plot_flow`: the flow of data through a model, with real pictures in every place (figure 2)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from segkit.plots.figures import check_outputs, require_plot_libraries, save_figure

# Not seeds of the training data: nobody in the picture was seen in training.
_PERSON, _DONOR = 990_007, 990_000
_WORDS = "Every word that you hear now is new to my face."
_SIZE = 256


def plot_flow(
    *,
    out: str | Path,
    image: str | Path | None = None,
    audio: str | Path | None = None,
    donor: str | Path | None = None,
    region: str = "hair",
    model: str | Path | None = None,
    force: bool = False,
) -> None:
    """Draw figure 2 for a model: what goes in, what goes on, what comes out.

    Args:
        out: picture to write (.png, .svg or .pdf).
        image: picture of a face; None draws a person.
        audio: speech; None lets eSpeak NG say a sentence.
        donor: picture of another face, which gives a region its look; None draws a person.
        region: which one.
        model: bundle; None takes the built-in one.
        force: replace an existing picture.

    Raises:
        FileExistsError: the picture is there and ``force`` is not set.
        FileNotFoundError: a picture, the speech or the model is not there.
        ValueError: a picture without a face or with several, or a donor without the region.
        KeyError: an unknown region.
        ImportError: matplotlib is not installed; or the speech synthesiser, without ``audio``.
    """
    require_plot_libraries()
    check_outputs(Path(out), record=False, force=force)
    from segkit.parser_choice import build_parser
    from segkit.plots.flow_material import flow_material
    from segkit.plots.flow_picture import flow_figure
    from segkit.synthetic import portrait
    from segkit.talk.bundle import load_bundle
    from segkit.talk.sources import read_picture

    bundle = load_bundle(model)
    bundle.scheme.index(region)
    material = flow_material(
        bundle,
        build_parser(scheme=bundle.scheme),
        picture=portrait(_PERSON, size=_SIZE)[0] if image is None else read_picture(image),
        waveform=_speech(audio),
        donor=portrait(_DONOR, size=_SIZE)[0] if donor is None else read_picture(donor),
        region=region,
    )
    save_figure(flow_figure(material, scheme=bundle.scheme), out, dpi=130, force=force)


def _speech(path: str | Path | None) -> Tensor:
    if path is not None:
        from segkit.audio import load_audio

        return load_audio(path)
    import torch

    from segkit.synthetic import sample_person, speak

    return torch.from_numpy(speak(_WORDS, sample_person(_PERSON).voice).waveform)
