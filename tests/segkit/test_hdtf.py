"""HDTF's annotation files with every trap of theirs: marks, blanks, holes, dead links, heights."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from segkit.clips import ClipFolder
from segkit.hdtf import read_annotations
from segkit.prepare import prepare_folder
from segkit.preparing.quarantine import Quarantine
from segkit.video import VideoWriter

BOM = b"\xef\xbb\xbf"


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.txt").write_bytes(content)
    return folder


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write(
        tmp_path / "notes",
        WDA_video_url=BOM
        + b"Carol2 https://y.be/watch?v=aaa\r\nCarol1 https://y.be/watch?v=bbb  \r\n\r\n"
        b"Gone https://y.be/watch?v=ccc&t=138s\r\n",
        WDA_annotion_time=BOM
        + b"Carol1.mp4 00:35-02:45 03:25-04:00 \r\nCarol2.mp4  00:05-00:10\r\n"
        b"Gone.mp4 00:05-01:00\r\n \r\n",
        WDA_resolution=b"Carol1.mp4 720\nCarol2.mp4 1080\n",
        WDA_crop_wh=b"Carol1_0.mp4 399 497 14 470\nCarol2_0.mp4 399 497 14 497\n",
    )


def test_stretches_crops_and_persons_are_read(notes: Path, tmp_path: Path) -> None:
    videos = touch(tmp_path / "videos", "Carol1.mp4", "deep/WDA_Carol2.MKV")
    footage, missing = read_annotations(notes, videos)
    assert [piece.clip_id for piece in footage] == [
        "WDA_Carol1_000", "WDA_Carol1_001", "WDA_Carol2_000",
    ]  # fmt: skip
    first, second, third = footage
    assert (first.span_s, second.span_s, third.span_s) == ((35, 165), (205, 240), (5, 10))
    # x, width, y, height in the file; left, top, width, height here; the second clip has none.
    assert (first.box, first.box_height) == ((399, 14, 497, 470), 720)
    assert second.box is None
    assert third.box_height == 1080
    assert {piece.person_id for piece in footage} == {"Carol"}
    assert first.about == {
        "file": "Carol1.mp4", "subset": "WDA", "start_s": 35, "stop_s": 165,
        "url": "https://y.be/watch?v=bbb",
    }  # fmt: skip
    assert list(missing) == ["WDA_Gone"]
    video, reason = missing["WDA_Gone"]
    assert video.name == "Gone.mp4"
    assert "https://y.be/watch?v=ccc&t=138s" in reason


def test_a_crop_without_its_height_is_no_hint(tmp_path: Path) -> None:
    notes = write(
        tmp_path / "notes",
        RD_annotion_time=b"Radio1.mp4 00:20-01:35",
        RD_crop_wh=b"Radio1_0.mp4 1 2 3 4",
    )
    ((piece,), _) = read_annotations(notes, touch(tmp_path / "videos", "Radio1.mp4"))
    assert (piece.box, piece.box_height) == (None, 0)


def test_names_that_files_write_differently_are_one(tmp_path: Path) -> None:
    notes = write(
        tmp_path / "notes",
        WRA_video_url=BOM + b"mikepence0 https://y.be/watch?v=aaa \t\r\n",
        WRA_annotion_time=b"MikePence0.mp4 \t00:01-00:03  \r\n",
        WRA_resolution=b"Mikepence0 720\n",
        WRA_crop_wh=b"\nMIKEPENCE0_0.MP4 10 20 30 40\n",
    )
    (piece,), missing = read_annotations(notes, touch(tmp_path / "v", "wra_MIKEPENCE0.webm"))
    assert (piece.clip_id, missing) == ("WRA_MikePence0_000", {})
    assert (piece.box, piece.box_height) == ((10, 30, 20, 40), 720)
    assert piece.about["url"] == "https://y.be/watch?v=aaa"


def test_a_set_with_every_trap_becomes_clips_of_the_annotated_face(tmp_path: Path) -> None:
    """Two faces side by side; the crop, drawn in a picture twice as high, names the right one."""
    face = skimage.data.astronaut()[20:260, 100:340]
    bright = np.clip(face[:, ::-1] * 1.25, 0, 255).astype(np.uint8)
    (tmp_path / "films").mkdir()
    with VideoWriter(
        tmp_path / "films" / "WDA_Anna1.mp4", width=480, height=240, fps=25,
        waveform=torch.zeros(640 * 50) + 0.1, preset="ultrafast",
    ) as writer:  # fmt: skip
        for _ in range(50):
            writer.write(np.concatenate([face, bright], 1))
    notes = write(
        tmp_path / "notes",
        WDA_video_url=BOM + b"Anna1 https://y.be/watch?v=aaa\r\nGone https://y.be/watch?v=bbb \r\n",
        WDA_annotion_time=BOM + b"Anna1.mp4 00:01-00:02 00:00-never \r\nGone.mp4 00:05-01:00\r\n",
        WDA_resolution=b"anna1.mp4 480",
        WDA_crop_wh=b"Anna1_0.mp4 480 480 0 480",
    )
    report = prepare_folder(
        tmp_path / "films", tmp_path / "out", annotations=notes, size=96, min_frames=10,
        progress=False, storage="png",
    )  # fmt: skip
    assert report.clips == ["WDA_Anna1_000"]
    (clip,) = ClipFolder(tmp_path / "out").clips(None)
    assert clip.entry["source"]["first_frame"] == 25
    assert clip.num_frames == 25
    assert (clip.extra()["landmarks"][..., 0] > 240).all()
    listed = Quarantine(tmp_path / "out").entries
    assert sorted(listed) == ["WDA_Anna1_001", "WDA_Gone"]
    assert "'00:00-never' is no time" in listed["WDA_Anna1_001"]["reason"]
    assert "https://y.be/watch?v=bbb" in listed["WDA_Gone"]["reason"]


def test_damaged_lines_cost_their_clip_only(tmp_path: Path) -> None:
    notes = write(
        tmp_path / "notes",
        RD_annotion_time=b"A.mp4 00:20-01:35 soon 01:00-00:50 1:00:05-1:00:07\nB.mp4",
        RD_resolution=b"A.mp4 720",
        RD_crop_wh=b"A_0.mp4 1 2 3\nA_3.mp4 1 two 3 4",
    )
    videos = touch(tmp_path / "videos", "A.mp4", "B.mp4")
    footage, missing = read_annotations(notes, videos)
    assert [piece.clip_id for piece in footage] == ["RD_A_000", "RD_A_003"]
    assert [piece.box for piece in footage] == [None, None]
    assert footage[1].span_s == (3605, 3607)
    assert sorted(missing) == ["RD_A_001", "RD_A_002", "RD_B"]
    assert "'soon' is no time" in missing["RD_A_001"][1]
    assert "no times for 'B'" in missing["RD_B"][1]


def test_two_names_of_one_film_are_one_person(tmp_path: Path) -> None:
    notes = write(
        tmp_path / "notes",
        WDA_video_url=b"WhipJim https://y.be/watch?v=gh3\nJames1 https://y.be/watch?v=gh3&t=5s\n"
        b"James0 https://y.be/watch?v=other\nEve https://y.be/watch?v=eve\n",
        WDA_annotion_time=b"WhipJim.mp4 00:05-04:40\nJames1.mp4 00:05-04:40\n"
        b"James0.mp4 00:05-04:40\nEve.mp4 00:05-04:40\n",
    )
    videos = touch(tmp_path / "v", "WhipJim.mp4", "James1.mp4", "James0.mp4", "Eve.mp4")
    footage, _ = read_annotations(notes, videos)
    people = {piece.video.stem: piece.person_id for piece in footage}
    assert people["WhipJim"] == people["James1"] == people["James0"] != people["Eve"]


def test_what_is_not_there_is_said(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none of the 3 videos.*not downloaded here"):
        read_annotations(notes, touch(tmp_path / "others", "holiday.mp4"))
    with pytest.raises(FileNotFoundError, match="no times"):
        read_annotations(touch(tmp_path / "empty", "x.txt"), tmp_path)
    with pytest.raises(FileNotFoundError, match="folder of HDTF's videos"):
        read_annotations(notes, tmp_path / "nowhere")
