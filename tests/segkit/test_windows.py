"""Training samples: picture and sound of one moment belong together, whatever the order."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segkit.audio import MelFrontEnd
from segkit.clips import Clip, ClipFolder, write_clip, write_manifest
from segkit.window_dataset import WindowDataset
from segkit.windows import PriorLearningPairs, SyncWindows, TalkingMaskWindows, cut

SIZE = 16
LENGTHS = {"a": 40, "b": 25, "short": 3}


def mask_of(clip: int, number: int) -> np.ndarray:
    """Labels that spell the frame's number and clip in the left half; mirrored, in the right."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, 0:2], mask[:, 2:4], mask[:, 4:6] = number % 10, number // 10, clip + 1
    return mask


def read(mask: torch.Tensor) -> tuple[int, int]:
    """Frame number and clip of a mask, mirrored or not."""
    row = mask[0] if mask[0, 4] else mask[0].flip(0)
    step = len(row) // 8
    return int(row[0] + 10 * row[step]), int(row[2 * step]) - 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips whose sound in frame k is a tone of its own."""
    folder = tmp_path_factory.mktemp("clips")
    entries = []
    for index, (name, length) in enumerate(LENGTHS.items()):
        masks = [mask_of(index, number) for number in range(length)]
        frames = [np.repeat(10 * mask[..., None], 3, -1) for mask in masks]
        time = torch.arange(640 * length)
        hertz = 200 + 97.0 * (time // 640) + 31 * index
        waveform = 0.5 * torch.sin(2 * torch.pi * hertz * time / 16_000)
        ranges = [(0, 18), (20, 40)] if name == "a" else None
        entries.append(
            write_clip(folder, name, frames=frames, masks=masks, waveform=waveform, person_id=name,
                       split="train", valid_ranges=ranges)
        )  # fmt: skip
    write_manifest(folder, entries)
    return folder


@pytest.fixture(scope="module")
def clips(root: Path) -> list[Clip]:
    return ClipFolder(root).clips("train")


def in_one_range(numbers: list[int], clip: int) -> bool:
    ranges = [(0, 18), (20, 40)] if clip == 0 else [(0, list(LENGTHS.values())[clip])]
    return any(first <= min(numbers) and max(numbers) < stop for first, stop in ranges)


ALL = pytest.mark.parametrize("kind", [SyncWindows, TalkingMaskWindows, PriorLearningPairs])


class TestSyncWindows:
    def test_one_sound_agrees_and_one_does_not(self, root: Path, clips: list[Clip]) -> None:
        windows = SyncWindows(root, num_samples=300)
        mels = [MelFrontEnd()(clip.waveform[None])[0] for clip in clips]
        starts = set()
        for index in range(300):
            sample = windows[index]
            assert sample["masks"].shape == (5, SIZE, SIZE)
            assert sample["masks"].dtype == torch.uint8
            numbers = [read(mask)[0] for mask in sample["masks"]]
            clip = read(sample["masks"][0])[1]
            assert numbers == list(range(numbers[0], numbers[0] + 5))
            assert in_one_range(numbers, clip)
            own, other = (
                self.first_frames_of(sample[name], mels[clip], LENGTHS["a" if clip == 0 else "b"])
                for name in ("mel", "other_mel")
            )
            assert own == [numbers[0]]
            assert len(other) == 1
            assert abs(other[0] - numbers[0]) >= 5
            assert in_one_range([other[0], other[0] + 4], clip)
            starts.add((clip, numbers[0]))
        # Every window occurs: 14 + 16 of clip a and 21 of clip b.
        assert len(starts) == 51

    @staticmethod
    def first_frames_of(window: torch.Tensor, mel: torch.Tensor, length: int) -> list[int]:
        assert window.shape == (80, 16)
        return [k for k in range(length - 4) if torch.equal(window, mel[:, int(3.2 * k) :][:, :16])]

    def test_other_voices_are_never_in_sync(self, root: Path, clips: list[Clip]) -> None:
        windows = SyncWindows(root, num_samples=60, other_clip_fraction=1.0)
        mels = [MelFrontEnd()(clip.waveform[None])[0] for clip in clips]
        foreign = 0
        for index in range(60):
            sample = windows[index]
            start, clip = read(sample["masks"][0])
            own = mels[clip][:, int(3.2 * start) :][:, :16]
            assert torch.equal(sample["mel"], own)
            assert not torch.equal(sample["other_mel"], own)
            foreign += not any(
                torch.equal(sample["other_mel"], mels[clip][:, k : k + 16]) for k in range(128)
            )
        assert foreign > 10


class TestTalkingMaskWindows:
    @pytest.mark.parametrize("context_s", [3.0, 0.2, 1.0])
    def test_waveform_lies_around_the_window(
        self, root: Path, clips: list[Clip], context_s: float
    ) -> None:
        windows = TalkingMaskWindows(root, context_s=context_s, num_samples=60)
        for index in range(60):
            sample = windows[index]
            num_samples = round(16_000 * context_s)
            assert sample["waveform"].shape == (num_samples,)
            start, clip = read(sample["masks"][0])
            first = (num_samples // 640 - 5) // 2
            whole = clips[clip].waveform
            for frame in range(num_samples // 640):
                number = start - first + frame
                piece = sample["waveform"][640 * frame : 640 * (frame + 1)]
                inside = 0 <= number < clips[clip].num_frames
                wanted = whole[640 * number :][:640] if inside else torch.zeros(640)
                assert torch.equal(piece, wanted)

    def test_reference_is_far_where_possible(self, root: Path) -> None:
        windows = TalkingMaskWindows(root, min_reference_distance=9, num_samples=200)
        for index in range(200):
            sample = windows[index]
            start, clip = read(sample["masks"][0])
            number, same = read(sample["reference"])
            assert same == clip
            distance = max(start - number, number - (start + 4))
            first, stop = next(
                span
                for span in ([(0, 18), (20, 40)] if clip == 0 else [(0, 25)])
                if span[0] <= start < span[1]
            )
            assert distance >= min(9, max(start - first, stop - 1 - (start + 4)))

    def test_context_must_hold_the_window(self, root: Path) -> None:
        with pytest.raises(ValueError, match=r"at least 0\.2 s for 5 frames"):
            TalkingMaskWindows(root, context_s=0.1)

    def test_features_are_those_of_the_same_stretch(self, root: Path) -> None:
        class Numbers:
            """Tells of every half frame which one it is, counted from 1."""

            name = "numbers"
            features_per_frame = 2

            def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
                return torch.arange(1.0, 1 + 2 * len(waveform) // 640)[:, None]

        windows = TalkingMaskWindows(
            root, context_s=0.6, listener={"type": Numbers}, num_samples=40
        )
        for index in range(40):
            sample = windows[index]
            first = read(sample["masks"][0])[0]
            assert sample["features"].shape == (30, 1)
            assert sample["features"][10:20, 0].tolist() == list(
                range(2 * first + 1, 2 * first + 11)
            )


class TestPriorLearningPairs:
    def test_pairs_are_near_and_match_their_masks(self, root: Path) -> None:
        pairs = PriorLearningPairs(root, frame_range=4, num_samples=200)
        distances = set()
        for index in range(200):
            sample = pairs[index]
            assert sample["image"].shape == (3, SIZE, SIZE)
            assert torch.equal(sample["image"][0], 10 * sample["mask"])
            assert torch.equal(sample["target_image"][2], 10 * sample["target_mask"])
            (one, clip), (two, same) = read(sample["mask"]), read(sample["target_mask"])
            assert clip == same
            assert in_one_range([one, two], clip)
            distances.add(one - two)
        assert distances == {-4, -3, -2, -1, 1, 2, 3, 4}

    def test_without_prior_learning_a_frame_is_its_own_pair(self, root: Path) -> None:
        pairs = PriorLearningPairs(root, frame_range=0, num_samples=20)
        for index in range(20):
            sample = pairs[index]
            assert torch.equal(sample["mask"], sample["target_mask"])
            assert torch.equal(sample["image"], sample["target_image"])


class TestAll:
    @ALL
    def test_a_sample_depends_on_seed_and_index_alone(
        self, root: Path, kind: type[WindowDataset]
    ) -> None:
        one, two = kind(root, seed=3), kind(root, seed=3, cache_gb=0.0)
        for index in (999_999, 5, 0, 5, 123):
            first, second = one[index], two[index]
            assert all(torch.equal(first[name], second[name]) for name in first)
        other = kind(root, seed=4)
        assert any(not torch.equal(one[i][n], other[i][n]) for i in range(4) for n in one[0])

    @ALL
    def test_flip_mirrors_all_pictures_of_a_sample_together(
        self, root: Path, kind: type[WindowDataset]
    ) -> None:
        mirrored = 0
        dataset = kind(root, flip=True, num_samples=40)
        for index in range(40):
            sample = dataset[index]
            pictures = [
                mask.reshape(-1, SIZE)
                for name, mask in sample.items()
                if mask.dtype == torch.uint8 and mask.shape[-1] == SIZE
            ]
            sides = {bool(rows[:, 4].any()) for rows in pictures}
            assert len(sides) == 1
            mirrored += sides == {False}
        assert 8 < mirrored < 32

    @ALL
    def test_resizing(self, root: Path, kind: type[WindowDataset]) -> None:
        small, large = kind(root, size=8, num_samples=9), kind(root, size=32, num_samples=9)
        plain = kind(root, num_samples=9)
        name = "mask" if kind is PriorLearningPairs else "masks"
        for index in range(9):
            assert torch.equal(small[index][name], plain[index][name][..., ::2, ::2])
            assert torch.equal(large[index][name][..., ::2, ::2], plain[index][name])
        if kind is PriorLearningPairs:
            shrunk = torch.nn.functional.avg_pool2d(plain[0]["image"].float(), 2)
            assert (small[0]["image"] - shrunk).abs().max() <= 0.5

    @ALL
    def test_works_in_workers(self, root: Path, kind: type[WindowDataset]) -> None:
        dataset = kind(root, num_samples=6)
        loader = torch.utils.data.DataLoader(dataset, batch_size=3, num_workers=1)
        batch = next(iter(loader))
        assert all(torch.equal(batch[name][1], dataset[1][name]) for name in batch)

    @ALL
    def test_missing_and_short_data(self, root: Path, tmp_path: Path, kind: type) -> None:
        with pytest.raises(FileNotFoundError, match=r"segkit prepare.*segkit synth"):
            kind(tmp_path)
        with pytest.raises(FileNotFoundError, match="split 'val'"):
            kind(root, split="val")
        with pytest.raises(IndexError):
            kind(root, num_samples=3)[3]
        if kind is not PriorLearningPairs:
            with pytest.raises(ValueError, match=r"no clip has \d+ frames in a row"):
                kind(root, num_frames=60)

    def test_a_cache_of_one_clip(self, root: Path) -> None:
        bound = SIZE * SIZE * 30 / 1e9  # clip b fits, clip a does not
        part, whole = SyncWindows(root, cache_gb=bound), SyncWindows(root)
        for index in range(30):
            assert torch.equal(part[index]["masks"], whole[index]["masks"])
        assert 0 <= part.cache.bytes_left < SIZE * SIZE * 30

    def test_videos_are_read_too(self, tmp_path: Path) -> None:
        frames = [np.full((32, 32, 3), 8 * n, np.uint8) for n in range(30)]
        entry = write_clip(
            tmp_path, "v", frames=frames, masks=np.zeros((30, 32, 32), int), storage="mp4",
            waveform=torch.zeros(640 * 30), person_id="p", split="train",
        )  # fmt: skip
        write_manifest(tmp_path, [entry])
        image = PriorLearningPairs(tmp_path)[0]["image"].float()
        assert image.std() < 2


def test_cut_pads_with_silence() -> None:
    waveform = torch.arange(1.0, 6.0)
    assert cut(waveform, -2, 4).tolist() == [0, 0, 1, 2]
    assert cut(waveform, 3, 4).tolist() == [4, 5, 0, 0]
    assert cut(waveform, 9, 2).tolist() == [0, 0]
    assert cut(waveform, -9, 2).tolist() == [0, 0]
