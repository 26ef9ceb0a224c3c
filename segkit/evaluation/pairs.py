"""Which predicted video is compared with which real one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segkit.prepare import VIDEO_ENDINGS


@dataclass(frozen=True)
class Pair:
    """A predicted video and the real one it is measured by.

    Attributes:
        name: of the clip, in reports.
        pred: the predicted video.
        real: the real video.
    """

    name: str
    pred: Path
    real: Path


@dataclass(frozen=True)
class Pairing:
    """What was found in two folders.

    Attributes:
        pairs: by name.
        unpaired: videos without a partner.
        strays: files that are no videos.
    """

    pairs: list[Pair]
    unpaired: list[Path]
    strays: list[Path]


def find_pairs(pred: str | Path, real: str | Path) -> Pairing:
    """Pair two videos, or the videos of two folders by their names without ending.

    Args:
        pred: a video, or a folder of them.
        real: the same.

    Raises:
        FileNotFoundError: one of them is not there.
        ValueError: a video and a folder, two videos of one name in a folder, or no pair at all.
    """
    pred, real = Path(pred), Path(real)
    for path, option in ((pred, "--pred"), (real, "--real")):
        if not path.exists():
            raise FileNotFoundError(f"{option}: {path} does not exist")
    if pred.is_dir() != real.is_dir():
        raise ValueError(
            f"expected two videos or two folders, got {_kind(pred)} {pred} and {_kind(real)} {real}"
        )
    if pred.is_file():
        return Pairing([Pair(pred.stem, pred, real)], [], [])
    pred_videos, pred_strays = _videos(pred)
    real_videos, real_strays = _videos(real)
    names = sorted(pred_videos.keys() & real_videos.keys())
    if not names:
        raise ValueError(
            f"no video in {pred} has the name of one in {real}; found "
            f"{_some(pred_videos)} and {_some(real_videos)} ({', '.join(VIDEO_ENDINGS)})"
        )
    unpaired = [
        videos[name]
        for videos in (pred_videos, real_videos)
        for name in sorted(videos)
        if name not in names
    ]
    pairs = [Pair(name, pred_videos[name], real_videos[name]) for name in names]
    return Pairing(pairs, unpaired, pred_strays + real_strays)


def _videos(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    videos: dict[str, Path] = {}
    strays = []
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix.lower() not in VIDEO_ENDINGS:
            strays.append(path)
        elif path.stem in videos:
            raise ValueError(
                f"{folder}: {videos[path.stem].name} and {path.name} have one name; rename one"
            )
        else:
            videos[path.stem] = path
    return videos, strays


def _kind(path: Path) -> str:
    return "the folder" if path.is_dir() else "the file"


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more if listed else "none"
