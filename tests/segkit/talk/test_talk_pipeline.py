import mmap
import os
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from segkit.audio import load_audio, save_wav
from segkit.faces import NoFaceError, SeveralFacesError
from segkit.talk import pipeline, rendering
from segkit.talk.job import Job
from segkit.talk.pipeline import talk
from segkit.video import MediaError, VideoReader


def frames_of(path):
    with VideoReader(path) as reader:
        return [frame.image.astype(float) for frame in reader]


def packets_of(path, kind):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


@pytest.fixture
def make(tools):
    def make(out, model=None, **arguments):
        arguments = {"progress": False, "parser": tools.FixedParser(), "batch_size": 3} | arguments
        return talk(out=out, model=model or tools.make_tiny(), **arguments)

    return make


def test_a_film_speaks_with_its_own_voice(tmp_path, film, make):
    out = tmp_path / "out.mp4"
    report = make(out, video=film)
    assert (report["frames"], report["fps"], report["passed_through"]) == (27, 25, [])
    assert set(report["seconds"]) >= {
        "track",
        "speech",
        "parse",
        "masks",
        "faces",
        "total",
    }
    assert report["peak_memory_mb"] > 10
    source, made = frames_of(film), frames_of(out)
    assert len(made) == 27
    assert made[0].shape == source[0].shape
    # Above the eyes the film is untouched but for coding; around the mouth it is new.
    assert np.abs(made[9][:60] - source[9][:60]).mean() < 3
    assert np.abs(made[9][110:140, 110:160] - source[9][110:140, 110:160]).mean() > 8
    assert packets_of(out, "audio") == packets_of(film, "audio")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_freed_memory_goes_back_before_the_first_frame_and_now_and_then(
    tmp_path, film, tiny_path, make, monkeypatch
):
    seen, jobs, pages = [], [], []

    def record(module, name):
        called = getattr(module, name)

        def recorded(*arguments, **named):
            seen.append(name)
            jobs.extend(each for each in arguments if isinstance(each, Job))
            pages.extend(each.base for each in arguments if isinstance(each, np.ndarray))
            return called(*arguments, **named)

        monkeypatch.setattr(module, name, recorded)

    record(pipeline, "embed_speech")
    record(pipeline, "give_back_freed_memory")
    record(pipeline, "write_segments")
    record(rendering, "give_back_freed_memory")
    record(pipeline, "let_go_of_pages")
    record(rendering, "let_go_of_pages")
    monkeypatch.setattr(rendering, "_KEPT_FRAMES", 10)
    make(tmp_path / "out.mp4", tiny_path, video=film)
    # A film of 27 frames: after ten, after twenty, and when its only segment is encoded.
    pages_go, back = "let_go_of_pages", "give_back_freed_memory"
    assert seen[:4] == ["embed_speech", pages_go, back, "write_segments"]
    assert sorted(seen[4:]) == [back] * 3 + [pages_go]
    # The landmarks, which lie in a file.
    assert all(isinstance(each, mmap.mmap) for each in pages)
    assert len(pages) == 2
    # Nor is the voice kept, once it is embedded.
    assert [len(job.waveform) for job in jobs] == [0]


def test_the_same_call_makes_the_same_film(tmp_path, film, tiny_path, make):
    make(tmp_path / "a.mp4", tiny_path, video=film, batch_size=2)
    make(tmp_path / "b.mp4", tiny_path, video=film, batch_size=7)
    for first, second in zip(
        frames_of(tmp_path / "a.mp4"), frames_of(tmp_path / "b.mp4"), strict=True
    ):
        assert np.abs(first - second).mean() < 0.2


def test_a_photograph_speaks_for_as_long_as_the_voice(tmp_path, portrait_path, make, tools):
    save_wav(tmp_path / "voice.wav", tools.voice(0.5))
    out = tmp_path / "out.mp4"
    report = make(out, image=portrait_path, audio=tmp_path / "voice.wav", blinks=["1@0.2"])
    assert report["frames"] == 12
    made = frames_of(out)
    assert np.abs(made[5] - made[0])[95:110].mean() > np.abs(made[11] - made[0])[:40].mean() + 1
    assert len(load_audio(out)) / 16000 == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(
    ("rule", "frames"), [("pingpong", 40), ("loop", 40), ("freeze", 40), ("stop", 15)]
)
def test_a_short_film_goes_on_as_told(tmp_path, portrait, rule, frames, make, tools):
    film = tools.write_film(tmp_path / "film.mp4", portrait, num_frames=15, fps=25, silent=True)
    save_wav(tmp_path / "voice.wav", tools.voice(1.6))
    out = tmp_path / "out.mp4"
    report = make(out, video=film, audio=tmp_path / "voice.wav", on_short_video=rule)
    source, made = frames_of(film), frames_of(out)
    assert report["frames"] == len(made) == frames
    numbers = {
        "pingpong": [*range(15), *range(13, 0, -1), *range(12)],
        "loop": [*range(15), *range(15), *range(10)],
        "freeze": [*range(15), *[14] * 25],
        "stop": list(range(15)),
    }[rule]
    # The corner shows which frame of the sway it is.
    for number, frame in zip(numbers, made, strict=True):
        nearest = np.argmin([np.abs(frame[:50] - other[:50]).mean() for other in source])
        assert np.abs(source[nearest][:50] - source[number][:50]).mean() < 2
    assert len(load_audio(out)) / 16000 == pytest.approx(frames / 25, abs=0.07)


def test_rate_size_and_time_stamps_are_kept(tmp_path, portrait, make, tools):
    rate = Fraction(30000, 1001)
    film = tools.write_film(
        tmp_path / "film.mp4", portrait, num_frames=12, fps=rate, size=(301, 257)
    )
    out = tmp_path / "out.mp4"
    make(out, video=film)
    with VideoReader(film) as before, VideoReader(out) as after:
        assert after.fps == before.fps == rate
        assert (after.width, after.height) == (301, 257)
        times = [[frame.time_s for frame in reader] for reader in (before, after)]
    np.testing.assert_allclose(times[0], times[1], atol=1e-4)


def test_frames_without_a_face_pass_through_and_are_told(tmp_path, portrait, make, tools):
    film = tools.write_film(
        tmp_path / "film.mp4", portrait, num_frames=30, fps=25, hidden=range(8, 22)
    )
    out = tmp_path / "out.mp4"
    report = make(out, video=film)
    ((start_s, end_s),) = report["passed_through"]
    assert start_s == pytest.approx(0.32, abs=0.05)
    assert end_s == pytest.approx(0.88, abs=0.25)
    source, made = frames_of(film), frames_of(out)
    assert len(made) == 30
    assert np.abs(made[15] - source[15]).mean() < 12  # coded noise


def test_background_swap_and_blink_reach_the_picture(tmp_path, film, portrait_path, make, tools):
    from PIL import Image

    Image.new("RGB", (300, 200), (0, 255, 0)).save(tmp_path / "green.png")
    save_wav(tmp_path / "voice.wav", tools.voice(0.3))
    common = {"image": portrait_path, "audio": tmp_path / "voice.wav"}
    make(tmp_path / "plain.mp4", **common)
    make(
        tmp_path / "edited.mp4",
        **common,
        background=tmp_path / "green.png",
        swaps=[f"hair={portrait_path}", f"nose={portrait_path}"],
        blinks=["1@0.12"],
    )
    plain, edited = frames_of(tmp_path / "plain.mp4"), frames_of(tmp_path / "edited.mp4")
    corner = edited[2][:25, 225:].mean((0, 1))
    assert corner[1] > 180
    assert corner[0] < 90
    assert np.abs(edited[3] - plain[3])[90:110, 90:150].mean() > 4


def test_memory_does_not_grow_with_the_film(tmp_path, portrait, monkeypatch, tools):
    """No stage may hold more shots than its batch and the look-ahead of parser and vote."""
    from segkit.talk import pipeline, stream

    alive, most = set(), [0]

    class Counted(stream.Shot):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            alive.add(id(self))
            most[0] = max(most[0], len(alive))

        def __del__(self):
            alive.discard(id(self))

    monkeypatch.setattr(stream, "Shot", Counted)
    film = tools.write_film(tmp_path / "film.mp4", portrait, num_frames=60, fps=25, size=(128, 128))
    pipeline.talk(
        out=tmp_path / "o.mp4",
        video=film,
        model=tools.make_tiny(),
        parser=tools.FixedParser(),
        progress=False,
        batch_size=4,
    )
    assert most[0] <= 4 * 3 + 8


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no more memory")])
def test_interrupted_half_way_nothing_is_left(tmp_path, film, error, make, tools):
    with pytest.raises(type(error)):
        make(tmp_path / "out.mp4", video=film, parser=tools.BrokenParser(error))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_survives_unless_forced(tmp_path, film, make, tools):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="--force"):
        make(out, video=film)
    with pytest.raises(RuntimeError):
        make(out, video=film, force=True, parser=tools.BrokenParser(RuntimeError("x")))
    assert out.read_bytes() == b"mine"
    make(out, video=film, force=True)
    assert len(frames_of(out)) == 27


def bad_inputs(tmp_path, film, portrait_path, tools):
    """Return name -> (arguments, error, words)."""
    empty, text, cut = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "cut.mp4"
    empty.touch()
    text.write_text("this is no film, whatever its name says")
    cut.write_bytes(film.read_bytes()[: os.path.getsize(film) // 2])
    sound, short = tmp_path / "voice.wav", tmp_path / "short.wav"
    save_wav(sound, tools.voice(0.2))
    save_wav(short, torch.zeros(100))
    out = {"out": tmp_path / "o.mp4"}
    film_out = out | {"video": film}
    image_out = out | {"image": portrait_path}
    no_donor = {"swaps": ["lip=none.png"]}
    return {
        "no source": (out, ValueError, "either a video or an image"),
        "two sources": (film_out | {"image": portrait_path}, ValueError, "either"),
        "no film": (out | {"video": tmp_path / "none.mp4"}, FileNotFoundError, "none.mp4"),
        "empty film": (out | {"video": empty}, MediaError, "empty"),
        "no film inside": (out | {"video": text}, MediaError, "text.mp4"),
        "half a film": (out | {"video": cut}, MediaError, "cut.mp4"),
        "sound as film": (out | {"video": sound}, MediaError, "no moving pictures"),
        "no voice file": (film_out | {"audio": "none.wav"}, FileNotFoundError, "none"),
        "empty voice": (film_out | {"audio": empty}, MediaError, "empty"),
        "picture as voice": (film_out | {"audio": portrait_path}, MediaError, "audio"),
        "too short a voice": (film_out | {"audio": short}, MediaError, "100 samples"),
        "silent photograph": (image_out, MediaError, "--audio"),
        "film as photograph": (out | {"image": film, "audio": sound}, MediaError, "picture"),
        "no photograph": (out | {"image": "no.jpg", "audio": sound}, FileNotFoundError, "no.jpg"),
        "no background": (film_out | {"background": "no.png"}, FileNotFoundError, "no.png"),
        "unknown region": (film_out | {"swaps": [f"chin={portrait_path}"]}, KeyError, "chin"),
        "no donor": (film_out | no_donor, FileNotFoundError, "none.png"),
        "no swap": (film_out | {"swaps": ["lip"]}, ValueError, "REGION=PICTURE"),
        "bad blink": (film_out | {"blinks": ["2@1"]}, ValueError, "amount in 0"),
        "bad rule": (film_out | {"on_short_video": "wrap"}, ValueError, "pingpong"),
        "no folder": (film_out | {"out": tmp_path / "no" / "o.mp4"}, FileNotFoundError, "folder"),
        "no container": (film_out | {"out": tmp_path / "o.xyz"}, ValueError, "mp4"),
        "no parser": (film_out | {"parser": {"type": "MashParser"}}, KeyError, "MeshParser"),
        "no model": (film_out | {"model": "none.safetensors"}, FileNotFoundError, "model"),
        "no such face": (film_out | {"face": 4}, ValueError, "face"),
    }


def test_bad_input_is_named_and_nothing_is_written(tmp_path, film, portrait_path, tools):
    inputs = tmp_path / "in"
    inputs.mkdir()
    cases = bad_inputs(inputs, film, portrait_path, tools)
    before = sorted(path.name for path in inputs.iterdir())
    for name, (arguments, error, words) in cases.items():
        arguments = {
            "model": tools.make_tiny(),
            "parser": tools.FixedParser(),
            "progress": False,
        } | arguments
        with pytest.raises(error) as caught:
            talk(**arguments)
        assert words in str(caught.value), f"{name}: {caught.value}"
        assert sorted(path.name for path in inputs.iterdir()) == before, name


def test_no_face_and_several_faces_are_told_apart(tmp_path, portrait, make, tools):
    nobody = tools.write_film(
        tmp_path / "nobody.mp4", np.zeros_like(portrait), num_frames=5, fps=25
    )
    with pytest.raises(NoFaceError, match="no face in 5 frames"):
        make(tmp_path / "out.mp4", video=nobody)
    both = tools.write_film(tmp_path / "both.mp4", portrait, num_frames=5, fps=25, copies=2)
    with pytest.raises(SeveralFacesError, match="--face"):
        make(tmp_path / "out.mp4", video=both)
    make(tmp_path / "out.mp4", video=both, face=1)
    source, made = frames_of(both), frames_of(tmp_path / "out.mp4")
    change = np.abs(made[2] - source[2])
    assert change[100:150, :256].mean() + 2 < change[100:150, 256:].mean()


def test_the_mesh_parser_is_the_default(tmp_path, film, tools):
    report = talk(out=tmp_path / "out.mp4", video=film, model=tools.make_tiny(), progress=False)
    assert report["frames"] == 27
