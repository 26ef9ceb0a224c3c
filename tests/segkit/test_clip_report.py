"""The report on a clip folder: numbers worked by hand, one clip for every warning."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.cli.clip_sheet import clip_sheet
from segkit.clip_report import moments_of, report_on
from segkit.clip_shards import pack_clips
from segkit.clips import write_clip, write_manifest
from segkit.preparing.quarantine import Quarantine

SIZE, NUM = 16, 50


def clip(root: Path, name: str, **changes):
    """A quarter skin; a mouth of 2 pixels of lip and 2 inside, open in the second half."""
    masks = np.zeros((NUM, SIZE, SIZE), int)
    masks[:, :8, :8] = 6
    masks[:, 10, 4:8] = 1
    masks[NUM // 2 :, 10, 5:7] = 9
    rng = np.random.default_rng(0)
    material = {
        "frames": rng.integers(0, 255, (NUM, SIZE, SIZE, 3), np.uint8), "masks": masks,
        "waveform": 0.1 * torch.sin(torch.arange(640 * NUM) * 0.1),
        "person_id": name, "split": "train",
    }  # fmt: skip
    return write_clip(root, name, **{**material, **changes})


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    scale = np.tile(np.array([[[3.0, 0, 0], [0, 3, 0]]]), (NUM, 1, 1))
    still = np.full((NUM, SIZE, SIZE, 3), 90, np.uint8)
    lipless = np.zeros((NUM, SIZE, SIZE), int)
    lipless[:, :8, :8] = 6
    entries = [
        clip(root, "good", extra={"transforms": scale / 3}),
        clip(root, "held", split="val", person_id="else"),
        clip(root, "quiet", waveform=1e-3 * torch.sin(torch.arange(640 * NUM) * 0.1)),
        clip(root, "still", frames=still),
        clip(root, "lipless", masks=lipless),
        clip(root, "gone", valid_ranges=[(0, 10), (20, 35)]),
        clip(root, "tiny", extra={"transforms": scale}),
        clip(root, "worst", frames=still, masks=lipless),
    ]
    write_manifest(root, entries)
    Quarantine(root).add("bad", video="bad.mp4", reason="no face", sha256=None)
    return root


@pytest.fixture(scope="module")
def report(root):
    return report_on(root, progress=False)


def test_totals(report):
    assert report.splits == {
        "train": {"clips": 7, "persons": 7, "seconds": 14.0},
        "val": {"clips": 1, "persons": 1, "seconds": 2.0},
    }
    assert (report.sizes, report.scheme, report.quarantined) == ([16], "celeba12", 1)
    assert report.class_shares["skin"] == pytest.approx(0.25)
    assert report.class_shares["lip"] == pytest.approx(6 / 8 * (4 * 25 + 2 * 25) / (50 * 256))
    assert report.unseen_share == pytest.approx(0.5 / 8)
    # Closed in the first half, half of the mouth is its inside in the second.
    assert report.openings == pytest.approx([0.5, 0, 0, 0, 0, 0.5])


def test_each_warning_has_its_clip(report):
    found = {notes.clip_id: notes.warnings for notes in report.clips if notes.warnings}
    assert set(found) == {"quiet", "still", "lipless", "gone", "tiny", "worst"}
    assert found["quiet"] == ["near-silent sound (-63 dB)"]  # 1e-3 / sqrt(2)
    assert found["still"] == ["frozen picture (100% of the moments)"]
    assert found["lipless"] == ["masks without lips (100%)"]
    assert found["gone"] == ["no face in 50% of the frames"]
    assert found["tiny"] == ["tiny face, enlarged 3.0 times"]
    assert len(found["worst"]) == 2
    assert report.suspects[0].clip_id == "worst"


def test_a_pack_gives_the_same_report(root, report, tmp_path):
    pack_clips(root, tmp_path / "packed", progress=False)
    packed = report_on(tmp_path / "packed", progress=False)
    assert packed.clips == report.clips
    assert packed.class_shares == report.class_shares


def test_moments_are_spread_and_end_with_the_clip():
    assert moments_of(9, 3) == [0, 4, 8]
    assert moments_of(2, 24) == [0, 1]


def test_the_sheet_covers_regions_and_leaves_the_background(root, report):
    sheet = clip_sheet(root, report, num_clips=2, tile=SIZE)
    title, gap = 22, 4
    assert sheet.shape[0] == 2 * (SIZE + title) + gap
    first = sheet[title : title + SIZE, gap : gap + SIZE]  # of the clip with most warnings
    assert (first[8:] == 90).all()
    skin = np.array([246, 205, 172])
    assert np.abs(first[:8, :8] - (0.55 * 90 + 0.45 * skin)).max() < 1
