"""One talking clip: a person, a voice, something to say, and the frames and sound of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segkit.contracts import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from segkit.synthetic.articulation import mouth_motion
from segkit.synthetic.identity import Identity, sample_identity, sample_scene
from segkit.synthetic.motion import Motion, sample_motion
from segkit.synthetic.render import FaceRenderer
from segkit.synthetic.room import Room, record, sample_room
from segkit.synthetic.sentences import sample_sentence
from segkit.synthetic.voice import LANGUAGES, VARIANTS, Phone, Speech, Voice, speak

_FEMININE_VARIANTS = frozenset(
    (
        "f1",
        "f4",
        "Andrea",
        "Annie",
        "anika",
        "aunty",
        "grandma",
        "linda",
        "steph",
        "steph3",
        "belinda",
    )
)


@dataclass(frozen=True)
class Person:
    """A face and a voice that belong together."""

    identity: Identity
    voice: Voice


def timbres(seed: int) -> list[tuple[str, str]]:
    """Return every pair of language and variant once, shuffled; two in three speak English."""
    rng = np.random.default_rng([seed, 0x7013])
    english = [
        (language, variant)
        for language in LANGUAGES
        if language.startswith("en")
        for variant in VARIANTS
    ]
    foreign = [
        (language, variant)
        for language in LANGUAGES
        if not language.startswith("en")
        for variant in VARIANTS
    ]
    english = [english[index] for index in rng.permutation(len(english))]
    foreign = [foreign[index] for index in rng.permutation(len(foreign))]
    mixed = []
    while english or foreign:
        mixed += english[:2] + foreign[:1]
        english, foreign = english[2:], foreign[1:]
    return mixed


def sample_person(seed: int, *, timbre: tuple[str, str] | None = None) -> Person:
    """Draw a person from a seed.

    Args:
        seed: any non-negative integer.
        timbre: language and variant of the voice; None draws them too.
    """
    rng = np.random.default_rng([seed, 0x9E75])
    pairs = timbres(seed)
    language, variant = timbre or pairs[0]
    feminine = variant in _FEMININE_VARIANTS
    voice = Voice(
        language=language,
        variant=variant,
        pitch=int(rng.integers(30, 80) if feminine else rng.integers(15, 65)),
        pitch_range=int(rng.integers(30, 75)),
        words_per_minute=int(rng.integers(120, 205)),
    )
    return Person(sample_identity(seed, feminine=feminine), voice)


@dataclass(frozen=True)
class TalkingClip:
    """A finished clip; frames are drawn when asked for.

    Args:
        renderer: draws the person.
        motion: of every frame.
        waveform: float32 ``N`` at 16 kHz, 640 samples per frame.
        phones: what is said when.
        text: the sentences.
    """

    renderer: FaceRenderer
    motion: Motion
    waveform: np.ndarray
    phones: tuple[Phone, ...]
    text: str

    def __len__(self) -> int:
        return len(self.motion)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield what ``FaceRenderer.frame`` returns for every frame."""
        for index in range(len(self)):
            yield self.renderer.frame(self.motion, index)


def compose_speech(
    voice: Voice,
    rng: np.random.Generator,
    *,
    num_samples: int | None = None,
    text: str | None = None,
    held_out: bool = False,
) -> tuple[Speech, str]:
    """Say a text, or as many drawn sentences as fill a length, with pauses around them.

    Args:
        voice: whose.
        rng: draws sentences and pauses.
        num_samples: exact length; None lets the text decide, rounded up to whole frames.
        text: what to say; None draws sentences.
        held_out: draw sentences that training never hears.

    Returns:
        The speech and its text.
    """
    if text is None and num_samples is None:
        raise ValueError("compose_speech: give a text or a length")
    pieces: list[np.ndarray] = []
    phones: list[Phone] = []
    texts: list[str] = []
    total = 0

    def pause(seconds: float) -> None:
        nonlocal total
        pieces.append(np.zeros(int(seconds * SAMPLE_RATE), np.float32))
        phones.append(Phone("", total / SAMPLE_RATE, (total + len(pieces[-1])) / SAMPLE_RATE))
        total += len(pieces[-1])

    pause(rng.uniform(0.2, 0.8) if rng.random() < 0.6 else rng.uniform(0, 0.15))
    while not texts or (text is None and num_samples is not None and total < num_samples):
        sentence = text or sample_sentence(rng, held_out=held_out)
        speech = speak(sentence, voice)
        offset_s = total / SAMPLE_RATE
        phones += [
            Phone(phone.ipa, phone.start_s + offset_s, phone.end_s + offset_s)
            for phone in speech.phones
        ]
        pieces.append(speech.waveform)
        texts.append(sentence)
        total += len(speech.waveform)
        pause(rng.uniform(0.2, 0.8))
    if num_samples is None:
        num_samples = -(-total // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME
    waveform = np.zeros(max(num_samples, total), np.float32)
    waveform[:total] = np.concatenate(pieces)
    return Speech(waveform[:num_samples], tuple(phones)), " ".join(texts)


def talking_clip(
    seed: int,
    text: str | None = None,
    *,
    size: int = 128,
    seconds: float | None = None,
    person: Person | None = None,
    room: Room | None = None,
    held_out: bool = False,
    liveliness: float = 1.0,
) -> TalkingClip:
    """Make a talking clip.

    Args:
        seed: of scene, motion, sentences and recording, and of the person if none is given.
        text: what is said; None draws sentences for ``seconds``.
        size: width and height of the frames.
        seconds: exact length; None lets the text decide (4 s without a text).
        person: who speaks.
        room: how it is recorded; None draws it.
        held_out: draw sentences that training never hears.
        liveliness: scales head motion.

    Returns:
        The clip; equal for equal arguments.

    Raises:
        ImportError: the speech synthesiser is not installed.
    """
    rng = np.random.default_rng([seed, 0xC119])
    who = person or sample_person(seed)
    if text is None and seconds is None:
        seconds = 4.0
    num_samples = None if seconds is None else round(seconds * FPS) * SAMPLES_PER_FRAME
    speech, said = compose_speech(
        who.voice, rng, num_samples=num_samples, text=text, held_out=held_out
    )
    num_frames = len(speech.waveform) // SAMPLES_PER_FRAME
    mouth = mouth_motion(speech.phones, num_frames, amplitude=who.identity.mouth_amplitude)
    motion = sample_motion(mouth, rng, liveliness=liveliness)
    waveform = record(speech.waveform, room or sample_room(rng), rng)
    renderer = FaceRenderer(who.identity, sample_scene(seed), size=size)
    return TalkingClip(renderer, motion, waveform, speech.phones, said)


def portrait(seed: int, *, size: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Draw a still face with its mouth closed and its eyes open; needs no synthesiser.

    Args:
        seed: of person and scene.
        size: width and height in pixels.

    Returns:
        Image uint8 ``H W 3`` and labels uint8 ``H W``.
    """
    motion = sample_motion(np.zeros((1, 8)), np.random.default_rng([seed, 0xB057]), liveliness=0.6)
    image, labels, _ = FaceRenderer(sample_identity(seed), sample_scene(seed), size=size).frame(
        motion, 0
    )
    return image, labels
