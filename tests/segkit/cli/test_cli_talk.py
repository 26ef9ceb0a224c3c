"""`segkit talk`: a small real run, and every way in which a user can get it wrong."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def talk(command_line, smallest_bundle, portrait, voice, tmp_path):
    """Call `segkit talk` with a good line, changed by keywords (None leaves an option out)."""

    def call(*more, **changed):
        options = {
            "image": portrait,
            "audio": voice,
            "out": tmp_path / "out.mp4",
            "model": smallest_bundle,
        } | changed
        words = [
            word
            for name, value in options.items()
            if value is not None
            for word in (f"--{name}", value)
        ]
        return command_line("talk", *words, *more)

    return call


def refused(result, *parts):
    """One line on stderr with these parts, exit code 2, no traceback."""
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    for part in parts:
        assert str(part) in result.stderr


def test_a_photograph_talks(talk, tmp_path):
    from segkit.video import VideoReader

    result = talk("--blink", "1.0@0.2")
    assert result.exit_code == 0, result.output
    assert "10 frames of 300 x 300 at 25 fps" in result.stdout
    assert "\n+ encode " in result.stdout
    assert "segkit fit" not in result.stdout  # which learns from films
    with VideoReader(tmp_path / "out.mp4") as video:
        assert video.has_audio
        assert sum(1 for _ in video) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_neither_or_both_sources(talk, portrait):
    refused(talk(image=None), "either --video or --image")
    refused(talk(video=portrait), "either --video or --image")


@pytest.mark.parametrize("option", ["image", "audio", "model", "background"])
def test_missing_file(talk, tmp_path, option):
    refused(talk(**{option: tmp_path / "absent.bin"}), f"--{option}", "absent.bin does not exist")


@pytest.mark.parametrize("option", ["image", "audio", "model", "background"])
def test_folder_or_empty_file(talk, tmp_path, option):
    empty = tmp_path / "empty.bin"
    empty.touch()
    refused(talk(**{option: empty}), f"--{option}", "is empty")
    refused(talk(**{option: tmp_path}), f"--{option}", "is a folder")


@pytest.mark.parametrize("option", ["image", "audio", "model", "background"])
def test_file_of_another_kind(talk, tmp_path, option):
    text = tmp_path / "letter.txt"
    text.write_text("Dear reader, this is not what you were looking for. " * 20)
    refused(talk(**{option: text}), text)


def test_text_instead_of_a_film(talk, tmp_path):
    text = tmp_path / "letter.mp4"
    text.write_text("Dear reader, this is not what you were looking for. " * 20)
    refused(talk(image=None, video=text), text)


def test_existing_output_needs_force(talk, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"dear to me")
    refused(talk(), out, "--force")
    assert out.read_bytes() == b"dear to me"


def test_output_of_unknown_kind_or_nowhere(talk, tmp_path):
    refused(talk(out=tmp_path / "out.gif"), "out.gif", ".mp4")
    refused(talk(out=tmp_path / "absent" / "out.mp4"), "absent")


def test_failed_run_keeps_the_old_output(talk, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"dear to me")
    blank = tmp_path / "blank.png"
    Image.fromarray(np.full((256, 256, 3), 127, np.uint8)).save(blank)
    refused(talk("--force", image=blank), "face")
    assert out.read_bytes() == b"dear to me"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blank.png", "out.mp4"]


def test_several_faces_name_the_option(talk, tmp_path, portrait):
    picture = np.asarray(Image.open(portrait))
    two = tmp_path / "two.png"
    Image.fromarray(np.hstack([picture, picture])).save(two)
    refused(talk(image=two), "2 faces", "--face")
    refused(talk("--face", "5", image=two), "5")
    refused(talk("--face", "0", "--point", "9,9"), "--face N and --point X,Y; leave one")
    refused(talk("--point", "there"), "--point", "X,Y", "there")
    refused(talk("--ref-image", tmp_path / "absent.png"), "--ref-image", "absent.png")
    chosen = talk("--ref-image", portrait, image=two)
    refused(chosen, "two faces look as much like", "--face")
    assert "compared by hair, colours and light" in chosen.stderr


def test_swaps(talk, portrait, tmp_path):
    refused(talk("--swap", f"moustache={portrait}"), "moustache", "known", "eyebrows")
    refused(talk("--swap", "lip"), "lip", "=")
    refused(talk("--swap", f"lip={tmp_path / 'absent.png'}"), "absent.png")


@pytest.mark.parametrize("blink", ["1.5@2", "-1@2", "1@-2", "often", "1", "@", "nan@1"])
def test_blinks(talk, blink):
    refused(talk(f"--blink={blink}"), blink)


def test_how_to_play_a_short_film(talk):
    refused(talk("--on-short-video", "rewind"), "rewind", "pingpong")


def test_what_to_do_with_a_long_film(talk):
    refused(talk("--on-long-video", "speed-up"), "speed-up", "trim, keep")


def test_the_masks_of_all_frames(talk, tmp_path):
    result = talk("--masks", tmp_path / "masks.zip")
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(tmp_path / "masks.zip") as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 10
    (tmp_path / "out.mp4").unlink()
    refused(talk("--masks", tmp_path / "masks.zip"), "masks.zip exists; add --force")


def test_the_preset_decides_the_size(talk, tmp_path):
    sizes = []
    for preset in ("ultrafast", "medium"):
        assert talk("--preset", preset, "--force").exit_code == 0
        sizes.append((tmp_path / "out.mp4").stat().st_size)
    assert sizes[0] > 1.1 * sizes[1]
    refused(talk("--preset", "quick", "--force"), "preset: expected one of ultrafast", "'quick'")


def test_the_table_of_stages_adds_up():
    from segkit.cli.talk_summary import stages

    made = {
        "frames": 50,
        "resumed_frames": 30,
        "seconds": {"track": 1.0, "faces": 2.5, "total": 4.0},
        "meanwhile": {"encode": 1.2},
        "peak_memory_mb": 812.4,
    }
    assert stages(made).splitlines() == [
        "stage             s  ms/frame",
        "track           1.0      50.0",
        "faces           2.5     125.0",
        "other           0.5      25.0",
        "total           4.0     200.0",
        "+ encode        1.2      60.0",
        "stages with a + ran beside the others",
        "peak memory 812 MB",
        "30 frames were there from before the stop",
    ]


@pytest.mark.parametrize("unlearned", [None, Path("my films/me.mp4")])
def test_who_was_not_learned_is_told_how_to_be(unlearned):
    from segkit.cli.talk_summary import summary

    made = dict.fromkeys(("frames", "width", "height", "fps", "peak_memory_mb"), 25)
    made |= {"seconds": {"total": 4.0}, "meanwhile": {}, "resumed_frames": 0}
    made |= {"passed_through": [], "signed": False}
    told = summary(Path("out.mp4"), made, unlearned=unlearned)
    command = "\n  segkit fit 'my films/me.mp4' --out person.safetensors\n"
    assert (command in told) == (unlearned is not None)


def test_only_films_without_a_model_of_ones_own_are_said_to_be_unlearned(
    talk, portrait, monkeypatch
):
    told = []
    monkeypatch.setattr("segkit.talk.pipeline.talk", lambda **_given: {})
    monkeypatch.setattr(
        "segkit.cli.talk.summary", lambda _out, _made, unlearned: told.append(unlearned) or ""
    )
    for changed in ({}, {"model": None}, {"image": None, "video": portrait, "model": None}):
        assert talk(**changed).exit_code == 0
    assert told == [None, None, portrait]


def test_interrupt(talk, monkeypatch, tmp_path):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("segkit.talk.pipeline.embed_speech", interrupted)
    result = talk()
    assert result.exit_code == 130
    assert "nothing half-written" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_talk_keeps_the_memory_it_frees(talk, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    kept = []
    monkeypatch.setattr("segkit.memory.keep_freed_memory", lambda: kept.append("before the work"))
    monkeypatch.setattr("segkit.talk.pipeline.embed_speech", interrupted)
    talk()
    assert kept == ["before the work"]
