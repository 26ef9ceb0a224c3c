"""The stages of a talking video as chained generators, each of which holds a few frames."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from segkit.crop_labels import batched, parse_crops
from segkit.edits import BlinkSchedule, blink, changed_regions, close_mouth, turn_mouth
from segkit.faces import apply_transform, warp_crop
from segkit.halves import pose_of
from segkit.regions import RegionScheme, one_hot
from segkit.talk.bundle import Bundle
from segkit.talk.gaps import film_shares, towards_film
from segkit.talk.identity import Identity
from segkit.talk.lashes import with_lashes
from segkit.talk.looks import Looks, State
from segkit.talk.mask_edits import TimedMask
from segkit.talk.masks import compose_labels, lower_logits, shrunk, to_pixels
from segkit.talk.paste import shown_box
from segkit.talk.sources import Played
from segkit.talk.speech import Speech

# Paper: no smoothing; ours: a light vote of the neighbours, which removes single-frame flicker of
# borders and keeps a lip closure of two frames.
_VOTE = (0.15, 0.7, 0.15)


@dataclass(eq=False)
class Shot:
    """One frame on its way through the stages.

    Attributes:
        frame: uint8 RGB ``H W 3``.
        time_s: when it appears in the output.
        transform: ``2 3`` frame to crop; None where no face is known, and the frame passes through.
        crop: uint8 RGB ``S S 3``.
        labels: ``S S`` uint8, of the source's crop.
        logits: ``R M M``, of the speaking mask.
        spoken: ``S S`` uint8, of the generated crop.
        generated: uint8 RGB ``S S 3``; without edits only in its `shown_box`, the source around.
        edited: regions covered beyond the lower face.
        fading: such regions that show only in part, and how much, in (0, 1).
        film_share: how much of the mouth is the film's own, see `film_shares`.
        shut: how far a pause closes the mouth, in [0, 1].
        finished: the frame of the output, uint8 RGB ``H W 3``, once it is made.
    """

    frame: np.ndarray
    time_s: float
    transform: np.ndarray | None = None
    crop: np.ndarray | None = None
    labels: np.ndarray | None = None
    logits: Tensor | None = None
    spoken: np.ndarray | None = None
    generated: np.ndarray | None = None
    edited: tuple[str, ...] = field(default=())
    fading: tuple[tuple[str, float], ...] = field(default=())
    film_share: float = 0.0
    shut: float = 0.0
    finished: Future[np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the face is in every frame of the source.

    Args:
        transforms: ``T 2 3`` frame to crop.
        valid: ``T`` bool.
        landmarks: ``T 468 2`` in the frame's pixels.
        fps: of the source.
    """

    transforms: np.ndarray
    valid: np.ndarray
    landmarks: np.ndarray
    fps: float

    @cached_property
    def film_shares(self) -> np.ndarray:
        """How much of each frame's mouth is the film's own, ``T``."""
        return film_shares(self.valid, fps=self.fps)


def cropped(
    played: Iterable[Played], placement: Placement, size: int
) -> Iterator[tuple[int, Shot]]:
    """Cut the crop out of every frame that has a face; yields (source index, shot)."""
    for image, time_s, index in played:
        if not placement.valid[index]:
            yield index, Shot(image, time_s)
            continue
        transform = placement.transforms[index]
        crop, share = warp_crop(image, transform, size), float(placement.film_shares[index])
        yield index, Shot(image, time_s, transform, crop, film_share=share)


def parsed(
    shots: Iterable[tuple[int, Shot]], placement: Placement, parser: nn.Module
) -> Iterator[Shot]:
    """Label the crops; runs without a face pass through."""
    for has_face, run in itertools.groupby(shots, key=lambda item: item[1].transform is not None):
        if not has_face:
            yield from (shot for _, shot in run)
            continue
        waiting: deque[Shot] = deque()
        for labels in parse_crops(parser, _feed(run, waiting, placement)):
            shot = waiting.popleft()
            shot.labels = labels
            yield shot


def _feed(
    run: Iterable[tuple[int, Shot]], waiting: deque[Shot], placement: Placement
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hand crops and landmarks to the parser, which may look ahead, and remember their shots."""
    for index, shot in run:
        waiting.append(shot)
        assert shot.crop is not None
        assert shot.transform is not None
        yield shot.crop, apply_transform(shot.transform, placement.landmarks[index])


@torch.no_grad()
def speaking(
    shots: Iterable[Shot],
    bundle: Bundle,
    identity: Identity,
    speech: Speech,
    *,
    batch_size: int,
    decoder: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Iterator[Shot]:
    """Predict the mask of each frame from its upper half and the speech (TSG).

    Args:
        shots: with labels where there is a face.
        bundle: the model.
        identity: the person.
        speech: the voice.
        batch_size: frames per step.
        decoder: what predicts; None takes the bundle's.
    """
    if decoder is None:
        network = bundle.modules["mask_decoder"]
        decoder = lower_logits(network, of=network.forward, side=bundle.mask_size)
    reference = one_hot(identity.reference_labels, len(bundle.scheme))[None]
    for batch in batched(shots, batch_size):
        faces = [shot for shot in batch if shot.labels is not None]
        if faces:
            audio, silence = speech.at([shot.time_s for shot in faces])
            # Silence sounds like silence, whatever noise the recording has there.
            audio = torch.lerp(audio, speech.silent_vector.expand_as(audio), silence[:, None])
            labels = _stacked(shot.labels for shot in faces).to(audio.device)
            film = one_hot(shrunk(labels, bundle.mask_size), len(bundle.scheme))
            pose = pose_of(film)
            logits = decoder(pose, reference.expand(len(faces), -1, -1, -1), audio)
            for shot, planes, own, pause in zip(faces, logits, film, silence.tolist(), strict=True):
                share = shot.film_share
                shot.logits = towards_film(planes, own, share) if share else planes
                shot.shut = pause * (1 - share)
        yield from batch


def voted(shots: Iterable[Shot]) -> Iterator[Shot]:
    """Mix each frame's logits with those of its neighbours; nothing lags, nothing crosses a gap."""
    window: deque[tuple[Shot, Tensor | None]] = deque(maxlen=3)
    padded = itertools.chain(((shot, shot.logits) for shot in shots), [None])
    for item in padded:
        if item is not None:
            window.append(item)
            if len(window) == 1:
                continue
            place = len(window) - 2
        else:
            if not window:
                return
            place = len(window) - 1
        shot, own = window[place]
        if own is not None:
            before = window[place - 1][1] if place > 0 else None
            after = window[place + 1][1] if place + 1 < len(window) else None
            total = _VOTE[1] * own
            total = total + _VOTE[0] * (own if before is None else before)
            shot.logits = total + _VOTE[2] * (own if after is None else after)
        yield shot


@torch.no_grad()
def drawn(
    shots: Iterable[Shot],
    bundle: Bundle,
    identity: Identity,
    *,
    blinks: BlinkSchedule,
    masks: Sequence[TimedMask] = (),
    looks: Looks | None = None,
    batch_size: int,
) -> Iterator[Shot]:
    """Edit the masks and generate the faces (SGI).

    Args:
        shots: with logits where there is a face.
        bundle: the model.
        identity: the person.
        blinks: when the eyes close.
        masks: the user's functions, called in this order before the eyes blink.
        looks: style codes over time; None takes those of the identity for all frames.
        batch_size: frames per step.
    """
    if looks is None:
        generator, scheme = bundle.modules["generator"], bundle.scheme
        looks = Looks(generator, identity.styles, donors=(), scheme=scheme)
    for batch in batched(shots, batch_size):
        faces = [shot for shot in batch if shot.logits is not None]
        for shot in faces:
            blinking = blinks.amount_at(shot.time_s)
            remade = finish_labels(
                shot,
                bundle.scheme,
                closed_mouth=identity.closed_mouth,
                blinking=blinking,
                masks=masks,
            )
            timed = looks.levels(looks.state_at(shot.time_s))
            settled = [region for region, level in timed if level == 1]
            shot.edited = tuple(dict.fromkeys([*looks.lasting, *settled, *remade]))
            shot.fading = tuple(item for item in timed if item[0] not in shot.edited)
        for (state, box), run in itertools.groupby(faces, partial(_way, looks, bundle.scheme)):
            alike = list(run)
            labels = _stacked(shot.spoken for shot in alike).to(identity.styles.device)
            images = looks.draw(state, one_hot(labels, len(bundle.scheme)), box=box)
            for shot, image in zip(alike, to_pixels(images), strict=True):
                shot.generated = _picture(shot, image, box, bundle.scheme)
        yield from batch


def _way(
    looks: Looks, scheme: RegionScheme, shot: Shot
) -> tuple[State, tuple[int, int, int, int] | None]:
    """Tell which codes a frame is drawn with, and which part of it; None is the whole."""
    assert shot.labels is not None
    assert shot.spoken is not None
    state = looks.state_at(shot.time_s)
    if shot.edited or shot.fading:
        return state, None
    return state, shown_box(shot.labels, shot.spoken, scheme=scheme)


def _picture(
    shot: Shot, image: np.ndarray, box: tuple[int, int, int, int] | None, scheme: RegionScheme
) -> np.ndarray:
    """Make the generated crop of what was drawn; what was not is the source's, and never shows."""
    assert shot.crop is not None
    assert shot.labels is not None
    assert shot.spoken is not None
    if box is not None:
        whole = shot.crop.copy()
        whole[box[0] : box[1], box[2] : box[3]] = image
        return whole
    return with_lashes(image, shot.crop, shot.labels, shot.spoken, scheme=scheme)


def finish_labels(
    shot: Shot,
    scheme: RegionScheme,
    *,
    closed_mouth: np.ndarray | None = None,
    blinking: float = 0.0,
    masks: Sequence[TimedMask] = (),
) -> tuple[str, ...]:
    """Put the spoken lower half under the source's upper half, and edit it.

    In a pause the mouth turns into ``closed_mouth``, or closes without one; then come the user's
    edits and the blinks.

    Returns:
        The regions that the edits changed.
    """
    assert shot.labels is not None
    assert shot.logits is not None
    spoken = compose_labels(shot.labels, shot.logits, scheme)
    if shot.shut > 0:
        half = len(spoken) // 2
        spoken[half:] = (
            close_mouth(spoken, shot.shut, scheme=scheme)
            if closed_mouth is None
            else turn_mouth(spoken, closed_mouth, shot.shut, scheme=scheme)
        )[half:]
    changed: tuple[str, ...] = ()
    for mask in masks:
        edited = mask(spoken, shot.time_s, scheme)
        changed += changed_regions(spoken, edited, scheme=scheme)
        spoken = edited
    if blinking > 0:
        spoken = blink(spoken, blinking, scheme=scheme)
        changed += scheme.eyes
    shot.spoken, shot.logits = spoken, None
    return changed


def _stacked(maps: Iterable[np.ndarray | None]) -> Tensor:
    """Stack label maps that are all there."""
    return torch.from_numpy(np.stack([labels for labels in maps if labels is not None]))
