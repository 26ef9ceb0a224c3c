"""One frame of a talk, worked out alone: what a preview shows before anything is rendered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from segkit.audio import load_audio
from segkit.contracts import FPS, SAMPLE_RATE
from segkit.edits import EditPlan
from segkit.faces import (
    FaceChoice,
    NoFaceError,
    apply_transform,
    crop_transforms,
    track_face,
    warp_crop,
)
from segkit.media import open_media, seconds, video_stream
from segkit.pixels import ToRGB
from segkit.talk.backdrop import open_backdrop
from segkit.talk.bundle import Bundle
from segkit.talk.finishing import Finisher
from segkit.talk.frame_labels import labels_in_frame
from segkit.talk.identity import (
    Identity,
    donors_of,
    identity_of_crops,
    identity_of_person,
)
from segkit.talk.looks import Looks
from segkit.talk.mask_edits import load_masks
from segkit.talk.sources import Played, read_picture
from segkit.talk.speech import Speech, embed_speech
from segkit.talk.stream import Placement, Shot, cropped, drawn, parsed, speaking, voted
from segkit.video import VideoReader

_AROUND = 2
"""Neighbours on each side, which steady the crop and vote on the mask."""

_IDENTITY_TIMES = 6
_IDENTITY_SPAN_S = 20.0


@dataclass(frozen=True, eq=False)
class Still:
    """A drawn frame.

    Args:
        frame: uint8 RGB ``H W 3``, as the video will show it.
        source: uint8 RGB ``H W 3``, as it was.
        crop: uint8 RGB ``S S 3``, the aligned face of the source.
        labels: uint8 ``S S``, the mask that the crop was drawn by.
        frame_labels: uint8 ``H W``, the same laid over the frame, see `labels_in_frame`.
    """

    frame: np.ndarray
    source: np.ndarray
    crop: np.ndarray
    labels: np.ndarray
    frame_labels: np.ndarray


class Sitting:
    """A face and a voice, from which single frames are drawn with any edits.

    The frames differ slightly from those of `talk`, which steadies the face over the whole film.

    Args:
        face: film or picture.
        is_film: which of the two.
        audio: the voice; None takes the film's own, or silence.
        bundle: the model, on ``device``.
        parser: labels the face.
        device: where the model computes.
        face_choice: which face, as in `track_face`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that cannot be used, no face, or several.
    """

    def __init__(
        self,
        face: str | Path,
        *,
        is_film: bool,
        bundle: Bundle,
        parser: nn.Module,
        device: torch.device,
        audio: str | Path | None = None,
        face_choice: FaceChoice | int | None = None,
    ) -> None:
        self._face, self._is_film, self._choice = Path(face), is_film, face_choice
        self._bundle, self._parser, self._device = bundle, parser, device
        self.scheme = bundle.scheme
        self._picture = None if is_film else read_picture(face)
        self.film_s, has_sound = 0.0, False
        if is_film:
            with VideoReader(face) as reader:
                self.film_s, has_sound = float(reader.duration_s), reader.has_audio
        sound = audio if audio is not None else (face if has_sound else None)
        waveform = torch.zeros(SAMPLE_RATE) if sound is None else load_audio(sound)
        self.duration_s = self.film_s if sound is None else len(waveform) / SAMPLE_RATE
        self.loudness = loudness(waveform)
        speaks_itself = is_film and audio is None
        self._speech: Speech = embed_speech(
            bundle.modules["audio_encoder"],
            waveform.to(device),
            delay_s=bundle.own_sound_delay_s if speaks_itself else 0.0,
        )
        self._identity = self._known_person()
        self._shots: tuple[float, list[Shot]] | None = None

    def still(self, time_s: float, plan: EditPlan | None = None) -> Still:
        """Draw the frame of a moment; times after the film's end show its last frames.

        Raises:
            ValueError: no face at that moment, or an edit that cannot be made.
        """
        plan = plan or EditPlan()
        if self._shots is None or self._shots[0] != time_s:
            self._shots = (time_s, list(self._speaking(time_s)))
        shots = [replace(shot) for shot in self._shots[1]]
        middle = min(range(len(shots)), key=lambda k: abs(shots[k].time_s - time_s))
        shot = list(voted(shots))[middle]
        if shot.logits is None:
            raise NoFaceError(f"there is no face at {time_s:.2f} s; choose another moment")
        scheme = self._bundle.scheme
        looks = Looks(
            self._bundle.modules["generator"],
            self._identity.styles,
            donors=donors_of(plan.swaps, self._bundle, self._parser, self._device),
            scheme=scheme,
        )
        (made,) = drawn(
            [shot],
            self._bundle,
            self._identity,
            blinks=plan.schedule(self.duration_s),
            masks=load_masks(plan.masks, scheme=scheme),
            looks=looks,
            batch_size=1,
        )
        frame = Finisher(open_backdrop(plan.background), scheme=scheme)(made)
        assert made.crop is not None
        assert made.spoken is not None
        assert made.transform is not None
        height, width = made.frame.shape[:2]
        laid = labels_in_frame(made.spoken, made.transform, height=height, width=width)
        return Still(frame, made.frame, made.crop, made.spoken, laid)

    def _known_person(self) -> Identity:
        if self._bundle.person:
            return identity_of_person(self._bundle, self._device)
        end_s = min(self.film_s, _IDENTITY_SPAN_S)
        times_s = np.linspace(0, 0.95 * end_s, _IDENTITY_TIMES) if self._is_film else [0.0]
        crops, landmarks = [], []
        for time_s in times_s:
            (played,) = self._frames(float(time_s), around=0)
            try:
                track = track_face([played.image], face=self._choice)
            except NoFaceError:
                continue
            transform = crop_transforms(track, self._bundle.size)[0]
            crops.append(warp_crop(played.image, transform, self._bundle.size))
            landmarks.append(apply_transform(transform, track.landmarks[0]))
        if not crops:
            raise NoFaceError(f"{self._face.name}: no face was found; show one from the front")
        return identity_of_crops(self._bundle, self._parser, crops, landmarks, self._device)

    def _speaking(self, time_s: float) -> Iterator[Shot]:
        """Follow the frames around a moment as far as their masks."""
        played = self._frames(time_s, around=_AROUND)
        fps = 1 / max(1e-3, float(np.median(np.diff([p.time_s for p in played]))))
        # A picture is looked at once, as `talk` does it.
        seen = played if self._picture is None else played[:1]
        track = track_face((item.image for item in seen), face=self._choice, fps=fps)
        transforms = crop_transforms(track, self._bundle.size, fps=fps)
        placement = Placement(transforms, track.valid, track.landmarks, fps)
        last = len(seen) - 1
        numbered = [Played(item.image, item.time_s, min(k, last)) for k, item in enumerate(played)]
        shots = parsed(cropped(numbered, placement, self._bundle.size), placement, self._parser)
        yield from speaking(shots, self._bundle, self._identity, self._speech, batch_size=8)

    def _frames(self, time_s: float, *, around: int) -> list[Played]:
        """Return ``2 around + 1`` frames about a moment, timed by the voice."""
        if self._picture is not None:
            first = max(0, round(time_s * FPS) - around)
            return [Played(self._picture, (first + k) / FPS, 0) for k in range(2 * around + 1)]
        return film_frames(self._face, time_s, around=around)


def film_frames(path: str | Path, time_s: float, *, around: int) -> list[Played]:
    """Read the frames about a moment of a film, decoding from the key frame before it.

    Args:
        path: of the film.
        time_s: of the middle one.
        around: frames on each side; fewer before the beginning and after the end.

    Raises:
        MediaError: not a readable film.
    """
    with VideoReader(path) as reader, open_media(path) as container:
        stream = video_stream(container)
        assert stream is not None
        assert stream.time_base is not None
        begin = stream.start_time or 0
        step_s = float(1 / reader.fps)
        if reader.duration_s:
            time_s = min(time_s, max(0.0, reader.duration_s - step_s))
        before_s = max(0.0, time_s - (around + 1) * step_s)
        container.seek(begin + int(before_s / stream.time_base), stream=stream)
        window: deque[Played] = deque(maxlen=2 * around + 1)
        to_rgb = ToRGB()
        for frame in container.decode(stream):
            at_s = 0.0 if frame.pts is None else seconds(frame.pts - begin, frame.time_base)
            if at_s < before_s - step_s:
                continue
            image = np.ascontiguousarray(np.rot90(to_rgb(frame), reader.rotation // 90))
            window.append(Played(image, at_s, 0))
            if at_s >= time_s + (around - 0.5) * step_s and len(window) == window.maxlen:
                break
    return list(window)


def loudness(waveform: torch.Tensor, *, fps: float = FPS) -> np.ndarray:
    """Return how loud a voice ``N`` is in each frame, in [0, 1]; for a picture of it."""
    step = round(SAMPLE_RATE / fps)
    missing = -len(waveform) % step
    pieces = nn.functional.pad(waveform, (0, missing)).view(-1, step)
    level = pieces.square().mean(1).sqrt()
    return (level / level.max().clamp_min(1e-6)).numpy()
