"""Synthetic voices: eSpeak NG through ctypes, with the time of every phone.

The synthesiser is a separately installed tool (extra ``synth``); nothing of it is part of this
package.
"""

from __future__ import annotations

import _ctypes
import ctypes
import sys
import threading
from dataclasses import dataclass
from math import gcd

import numpy as np

from segkit.contracts import SAMPLE_RATE

LANGUAGES = (
    "en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
    "en-us-nyc", "de", "nl", "es", "it", "pt", "sv", "fr", "pl",
)  # fmt: skip
"""Accents: eSpeak languages; foreign ones read English text with their own sounds."""

VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f4", "klatt", "klatt2", "klatt3",
    "Andy", "Andrea", "Annie", "Lee", "Mario", "Michael", "anika", "aunty", "grandma", "linda",
    "steph", "steph3", "belinda", "adam", "robert",
)  # fmt: skip
"""Timbres: eSpeak voice variants.

Breathy ones (f2, f3, f5) are left out: the clock seeds their noise.
"""

_SYNCHRONOUS, _UTF8, _POSITION_IS_CHARACTER = 2, 1, 1
_PHONEME_EVENTS, _PHONEME_IPA, _DO_NOT_EXIT = 0x0001, 0x0002, 0x8000
_EVENT_LIST_END, _EVENT_PHONEME = 0, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Voice:
    """How one person sounds.

    Args:
        language: eSpeak language, for instance one of ``LANGUAGES``.
        variant: eSpeak voice variant, for instance one of ``VARIANTS``; empty for the plain voice.
        pitch: 0..100.
        pitch_range: liveliness of the intonation, 0..100.
        words_per_minute: 80..450.
    """

    language: str = "en-us"
    variant: str = ""
    pitch: int = 50
    pitch_range: int = 50
    words_per_minute: int = 165

    @property
    def name(self) -> str:
        """ESpeak's name of language and variant."""
        return f"{self.language}+{self.variant}" if self.variant else self.language


@dataclass(frozen=True)
class Phone:
    """One speech sound; a pause has the empty string as its symbol."""

    ipa: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Speech:
    """Speech and what is said when.

    Args:
        waveform: float32 ``N`` at 16 kHz in [-1, 1].
        phones: in order, without gaps between the first start and the last end.
    """

    waveform: np.ndarray
    phones: tuple[Phone, ...]

    @property
    def duration_s(self) -> float:
        """Length of the waveform in seconds."""
        return len(self.waveform) / SAMPLE_RATE


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Espeak:
    """One loaded copy of the library, whose state lives in globals.

    The library is unloaded afterwards: a fresh start of the same copy would still remember the
    phase and the noise of
    the sentence before, and the same call would not give the same bytes.
    """

    def __init__(self, library_path: str, data_path: str) -> None:
        self._library = ctypes.CDLL(library_path)
        self._library.espeak_Synth.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self._callback = _CALLBACK(self._collect)  # the library keeps only a bare pointer to it
        self._pcm: list[np.ndarray] = []
        self._events: list[tuple[str, int]] = []
        options = _PHONEME_EVENTS | _PHONEME_IPA | _DO_NOT_EXIT
        self.sample_rate = int(
            self._library.espeak_Initialize(_SYNCHRONOUS, 0, data_path.encode(), options)
        )
        if self.sample_rate <= 0:
            raise RuntimeError(
                f"espeak-ng did not start with the data in {data_path}; "
                "reinstall it: pip install --force-reinstall espeakng-loader"
            )
        self._library.espeak_SetSynthCallback(self._callback)
        # Some voices take noise from C's generator.
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).srand(1)

    def close(self) -> None:
        """Stop and unload the library."""
        self._library.espeak_Terminate()
        if sys.platform == "win32":
            _ctypes.FreeLibrary(self._library._handle)
        else:
            _ctypes.dlclose(self._library._handle)

    def _collect(
        self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if count > 0:
            self._pcm.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                symbol = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "ignore")
                self._events.append((symbol, event.sample))
            index += 1
        return 0

    def synthesise(self, text: str, voice: Voice) -> tuple[np.ndarray, list[tuple[str, int]]]:
        """Return int16 samples at the library's rate and (symbol, first sample) of every phone."""
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise ValueError(
                f"espeak-ng knows no voice {voice.name!r}; known languages: {', '.join(LANGUAGES)}"
            )
        settings = (
            (_RATE, voice.words_per_minute),
            (_VOLUME, 90),
            (_PITCH, voice.pitch),
            (_RANGE, voice.pitch_range),
        )
        for parameter, value in settings:
            self._library.espeak_SetParameter(parameter, int(value), 0)
        encoded = text.encode()
        failed = self._library.espeak_Synth(
            encoded, len(encoded) + 1, 0, _POSITION_IS_CHARACTER, 0, _UTF8, None, None
        )
        if failed:
            raise RuntimeError(f"espeak-ng could not speak {text!r} with voice {voice.name!r}")
        self._library.espeak_Synchronize()
        pcm = np.concatenate(self._pcm) if self._pcm else np.zeros(0, np.int16)
        return pcm, self._events


def _load() -> _Espeak:
    try:
        import espeakng_loader
    except ImportError as error:
        raise ImportError(
            "speech synthesis needs espeak-ng: pip install 'segkit[synth]'"
        ) from error
    try:
        return _Espeak(
            str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())
        )
    except OSError as error:
        raise RuntimeError(
            f"espeak-ng could not be loaded ({error}): pip install 'segkit[synth]'"
        ) from error


def speak(text: str, voice: Voice | None = None) -> Speech:
    """Say a text.

    Args:
        text: any text in the voice's language.
        voice: how it sounds; default an American voice.

    Returns:
        The speech, with the time of every phone; equal bytes for equal arguments.

    Raises:
        ImportError: the synthesiser is not installed.
        ValueError: nothing to say, or an unknown voice.
    """
    from scipy.signal import resample_poly

    if not text.strip():
        raise ValueError("text: expected words to say, got an empty text")
    with _ONE_AT_A_TIME:
        espeak = _load()
        try:
            pcm, events = espeak.synthesise(text, voice or Voice())
        finally:
            espeak.close()
    # "(en)" announces a change of language inside a text: it is not a sound.
    events = [event for event in events if not event[0].startswith("(")]
    ends = [start for _, start in events[1:]] + [len(pcm)]
    phones = tuple(
        Phone(symbol, start / espeak.sample_rate, end / espeak.sample_rate)
        for (symbol, start), end in zip(events, ends, strict=True)
        if end > start
    )
    divisor = gcd(SAMPLE_RATE, espeak.sample_rate)
    up, down = SAMPLE_RATE // divisor, espeak.sample_rate // divisor
    waveform = resample_poly(pcm.astype(np.float64) / 32768.0, up, down).astype(np.float32)
    return Speech(np.clip(waveform, -1, 1), phones)
