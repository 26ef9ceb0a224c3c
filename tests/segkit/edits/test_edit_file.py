"""Edit files: what they say is planned exactly, and what is wrong is told with its place."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.edits import EXAMPLE, EditFileError, EditPlan, Span, merged, parse_options, read_edits

TEXT = """version: 1
blinks:
  - {at: 2.0, amount: 0.3}
  - {at: 4.5}
swaps:
  - {region: lips, image: ref.png, strength: 0.6, from: 1.0, to: 3.0, fade: 0.2}
  - {region: hair, image: ref.png}
background: {colour: "#204060"}
masks:
  - {function: "mine.py:wider", from: 0, to: 2}
"""


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "ref.png")
    (tmp_path / "mine.py").write_text("def wider(labels, time_s, scheme):\n    return labels\n")
    return tmp_path


def written(folder, text, name="edits.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_timeline_is_read_as_it_stands(folder):
    plan = read_edits(written(folder, TEXT))
    assert plan.blinks.blinks == ((0.3, 2.0), (1.0, 4.5))
    assert plan.automatic is None
    lip, hair = plan.swaps
    assert (lip.region, lip.strength, lip.span) == ("lip", 0.6, Span(1.0, 3.0, 0.2))
    assert (hair.region, hair.strength, hair.span) == ("hair", 1.0, Span(0, math.inf))
    assert lip.picture == folder / "ref.png"
    assert plan.background.colour == (0x20, 0x40, 0x60)
    assert [(edit.module.name, edit.function) for edit in plan.masks] == [("mine.py", "wider")]
    assert {path.name for path in plan.files()} == {"ref.png", "mine.py"}


def test_json_says_the_same(folder):
    import yaml

    as_json = json.dumps(yaml.safe_load(TEXT))
    assert read_edits(written(folder, as_json, "e.json")) == read_edits(written(folder, TEXT))


def test_the_printed_example_is_an_edit_file(folder):
    (folder / "ref.png").rename(folder / "ref.jpg")
    (folder / "mine.py").write_text("def wider_smile(labels, time_s, scheme):\n    return labels\n")
    plan = read_edits(written(folder, EXAMPLE))
    assert plan.automatic.seed == 3
    assert len(plan.swaps) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1:1: expected edits, got an empty file"),
        ("blinks: []\n", "1:1: key 'version' is missing"),
        ("version: 2\n", "1:10: version: expected 1, got 2"),
        ("version: 1\nblink: 3\n", "2:1: unknown key 'blink'; did you mean 'blinks'?"),
        ("version: 1\nversion: 1\n", "2:1: key 'version' is given twice"),
        ("version: 1\nblinks: 3\n", "2:9: blinks"),
        ("version: 1\nblinks: [{at: -1}]\n", "2:15: blinks[0].at: expected a time in seconds"),
        ("version: 1\nblinks: [{at: 1, amount: 2}]\n", "2:26: blinks[0].amount: expected a number"),
        ("version: 1\nblinks: [{at: 1}, {at: 1}]\n", "2:19: blinks[1]: blink at 1 s: given twice"),
        ("version: 1\nswaps: [{region: lop, image: ref.png}]\n", "did you mean 'lip'?"),
        ("version: 1\nswaps: [{region: lip, image: no.png}]\n", "no.png does not exist"),
        ("version: 1\nswaps: [{region: lip}]\n", "key 'image' is missing"),
        (
            "version: 1\nswaps: [{region: lip, image: ref.png, from: 2, to: 1}]\n",
            "expected a time after 'from' (2 s), got 1",
        ),
        (
            "version: 1\nswaps: [{region: lip, image: ref.png, to: 1, fade: 2}]\n",
            "expected at most 1 s in this span, got 2",
        ),
        ("version: 1\nbackground: {blur: 3, colour: red}\n", "expected exactly one of image"),
        ("version: 1\nbackground: {colour: redd}\n", "2:22: background.colour"),
        ("version: 1\nmasks: [{function: mine.py:wide}]\n", "did you mean 'wider'?"),
        ("version: 1\nmasks: [{function: mine.py}]\n", "expected FILE.py:FUNCTION"),
        ("version: 1\n  x: [\n", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(folder, text, told):
    path = written(folder, text)
    with pytest.raises(EditFileError) as caught:
        read_edits(path)
    assert str(caught.value).startswith(f"{path}:")
    assert told in str(caught.value)


def test_nothing_of_a_user_s_file_is_run_by_reading(folder):
    (folder / "mine.py").write_text(
        "raise SystemExit('ran')\ndef wider(labels, time_s, scheme):\n    return labels\n"
    )
    assert read_edits(written(folder, TEXT)).masks[0].function == "wider"


def test_options_and_a_file_are_one_plan_unless_they_say_the_same(folder):
    plan = read_edits(written(folder, TEXT))
    more = parse_options(swaps=[f"eyes={folder / 'ref.png'}@0.5"], blinks=["0.8@9"])
    both = merged(plan, more, names=("edits.yaml", "the options"))
    assert [swap.region for swap in both.swaps] == ["lip", "hair", "eyes"]
    assert both.swaps[2].strength == 0.5
    assert (0.8, 9.0) in both.blinks.blinks
    assert merged(plan, EditPlan(), names=("a", "b")) == plan
    for again in (
        parse_options(swaps=[f"hair={folder / 'ref.png'}"]),
        parse_options(background="blur"),
    ):
        with pytest.raises(ValueError, match=r"given by edits\.yaml and by the options"):
            merged(plan, again, names=("edits.yaml", "the options"))


def test_a_whole_talk_follows_its_timeline(folder, tmp_path):
    """The background of a colour is there in every frame, the mask edit only while it lasts."""
    from skimage.data import astronaut

    from segkit.talk.pipeline import talk
    from segkit.video import VideoReader

    Image.fromarray(astronaut()[0:256, 96:352]).save(folder / "face.png")
    (folder / "mine.py").write_text(
        "def sealed(labels, time_s, scheme):\n"
        "    for name in ('lip', 'mouth'):\n"
        "        labels[labels == scheme.index(name)] = scheme.index('skin')\n"
        "    return labels\n"
    )
    text = 'version: 1\nbackground: {colour: "#00ff00"}\n'
    text += "masks: [{function: mine.py:sealed, from: 0.2, to: 9}]\n"
    import soundfile

    soundfile.write(folder / "hum.wav", 0.2 * np.sin(np.arange(6400) / 20), 16_000)
    made = talk(
        out=tmp_path / "out.mp4", image=folder / "face.png", audio=folder / "hum.wav",
        edits=written(folder, text), credentials=False, progress=False,
    )  # fmt: skip
    assert made["frames"] == 10
    with VideoReader(tmp_path / "out.mp4") as reader:
        frames = [frame.image.astype(int) for frame in reader]
    assert all(frame[4, 4, 1] > 200 and frame[4, 4, 0] < 60 for frame in frames)
    # The lips are red until they are sealed by skin; the voice is the same throughout.
    redness = [(frame[..., 0] - frame[..., 1])[100:150, 100:156].max() for frame in frames]
    assert min(redness[:5]) > max(redness[6:]) + 10


def test_paths_are_relative_to_the_file(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    assert read_edits(written(folder, TEXT)).swaps[0].picture.is_file()
