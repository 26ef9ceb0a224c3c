"""One run of `segkit prepare`: what is left to do, who does it, and the lists that tell of it."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.clip_manifest import write_manifest
from segkit.clip_writer import CLIPS, set_split, sha256_of
from segkit.people import split_people
from segkit.preparing.cluster import run_on_ray
from segkit.preparing.footage import Footage
from segkit.preparing.quarantine import Quarantine
from segkit.preparing.video_job import Outcome, VideoJob, VideoWork
from segkit.preparing.workers import Died, run_jobs

if TYPE_CHECKING:
    from rich.progress import Progress

MAKER = "segkit prepare"
_PUBLISH_EVERY_S = 10.0
_REFUSED_BY = ("face", "sync")
"""The settings that the sync filter's answer hangs on."""


@dataclass
class PrepareReport:
    """What became of the videos of a folder.

    Args:
        clips: ids of the clips that are ready, new and old.
        skipped: video, or clip of it -> why it could not be used.
        num_new: how many of the clips this run made.
        num_quarantined: how many of the skipped are in the quarantine.
        quarantine: file that lists them.
    """

    clips: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    num_new: int = 0
    num_quarantined: int = 0
    quarantine: Path | None = None


class PrepareRun:
    """The parent's side: decides what is left to do, keeps the manifest and the quarantine.

    Args:
        out: clip folder.
        entries: clip id -> manifest line of the clips that are there.
        bars: where progress is shown.
        settings: what decides whether a film is of use, see `VideoWork.settings`.
        val_fraction: share of the persons held out.
        retry: try again what is in the quarantine.
    """

    def __init__(
        self, out: Path, entries: dict[str, dict[str, Any]], bars: Progress, *,
        settings: Mapping[str, Any], val_fraction: float, retry: bool,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.out, self.entries, self.bars = out, entries, bars
        self._of_video: dict[str, list[str]] = {}
        for entry in entries.values():
            self._of_video.setdefault(_video_id(entry), []).append(entry["id"])
        self.val_fraction, self.retry = val_fraction, retry
        self.quarantine = Quarantine(out)
        self.report = PrepareReport(quarantine=self.quarantine.path)
        self._digests: dict[Path, str] = {}
        self._published_s = -1e9

    def note_missing(self, missing: Mapping[str, tuple[Path, str]]) -> None:
        """List videos that the annotations name and nobody has; those that came are taken off."""
        gone = [name for name, entry in self.quarantine.entries.items() if not entry["sha256"]]
        self.quarantine.release(*(name for name in gone if name not in missing))
        for clip_id, (video, reason) in missing.items():
            if self.quarantine.reason(clip_id, None) != reason:
                self.quarantine.add(clip_id, video=video, reason=reason, sha256=None)
            self.report.skipped[f"{video} ({clip_id})"] = reason
            self.report.num_quarantined += 1

    def make(
        self,
        footage: list[Footage],
        work: VideoWork,
        *,
        processes: int | None,
        shared: Sequence[Path] | None = None,
    ) -> None:
        """Make what is not there yet; whatever happens, the manifest lists what is.

        Args:
            footage: all of it.
            work: how clips are made.
            processes: at most so many at once; None for as many as the cluster has processors.
            shared: what every machine of the Ray cluster must see; None for no cluster.
        """
        videos = self.bars.add_task("videos", total=len(footage), note="")
        to_do = []
        for piece in footage:
            job = self._job(piece)
            if job is None:
                self.bars.advance(videos)
            else:
                to_do.append(job)
        rows = [
            self.bars.add_task("", total=None, note="", visible=False)
            for _ in range(min(processes or 1, len(to_do)) if shared is None else 1)
        ]

        def step(place: int, title: str, done: int, total: int) -> None:
            self.bars.update(
                rows[place], description=title, completed=done, total=max(done, total), visible=True
            )

        try:
            for number, outcome in self._outcomes(work, to_do, processes, shared, step):
                self._take_in(to_do[number].footage, outcome)
                self.bars.advance(videos)
        finally:
            self._publish()

    def _outcomes(
        self,
        work: VideoWork,
        to_do: list[VideoJob],
        processes: int | None,
        shared: Sequence[Path] | None,
        step: Callable[[int, str, int, int], None],
    ) -> Iterator[tuple[int, Any]]:
        if shared is None:
            return run_jobs(work, to_do, processes=processes or 1, step=step)
        self.out.mkdir(parents=True, exist_ok=True)
        return run_on_ray(
            work, to_do, at_once=processes, shared=shared, step=step,
            clear=lambda number: self._clear(to_do[number].footage.clip_id),
        )  # fmt: skip

    def finish(self, source: Path, num_videos: int) -> PrepareReport:
        """Return the report, or say that there is nothing to report."""
        self.report.clips.sort()
        if not self.report.clips:
            reasons = list(self.report.skipped.values())
            shown = "\n".join(f"  {reason}" for reason in reasons[:10])
            more = f"\n  and {len(reasons) - 10} more" if len(reasons) > 10 else ""
            raise ValueError(
                f"none of the {num_videos} videos in {source} could be used:\n{shown}{more}\n"
                f"see {self.quarantine.path}; --retry tries them again"
            )
        return self.report

    def _job(self, footage: Footage) -> VideoJob | None:
        """Return what is left to do for a video, None for nothing; old clips are reported."""
        clip_id, digest = footage.clip_id, self._digest(footage.video)
        there = {name: self.entries[name] for name in self._of_video.get(clip_id, ())}
        other = next((e for e in there.values() if e.get("video_sha256") != digest), None)
        if other is not None:
            self._skip(
                footage,
                f"{footage.video}: clip {other['id']!r} was made from another file; rename the "
                "video, or remove that clip's folder to make it again",
            )
            return None
        reason = None if self.retry else self.quarantine.reason(clip_id, digest, self.settings)
        self.report.clips += there
        if reason is not None:
            self._skip(footage, reason, quarantined=True)
            return None
        if there and not self._unfinished(there, digest):
            return None
        return VideoJob(footage, frozenset(there))

    def _unfinished(self, there: dict[str, dict[str, Any]], digest: str) -> bool:
        wanted = {name for entry in there.values() for name in _shots(entry)}
        missing = wanted - set(there)
        refused = {name: self.quarantine.reason(name, digest, self.settings) for name in missing}
        if self.retry or not all(refused.values()):
            return bool(missing)
        for name, reason in refused.items():
            self.report.skipped[name] = str(reason)
            self.report.num_quarantined += 1
        return False

    def _take_in(self, footage: Footage, outcome: Outcome | Died) -> None:
        """Keep what a worker says; the workers themselves write clips only."""
        if isinstance(outcome, Died):
            self._clear(footage.clip_id)
            outcome = Outcome(bad_video=f"{footage.video}: {outcome}")
        if outcome.conflict:
            self._skip(footage, outcome.conflict)
            return
        names = [entry["id"] for entry in outcome.entries]
        self.entries |= dict(zip(names, outcome.entries, strict=True))
        self._of_video.setdefault(footage.clip_id, []).extend(names)
        self.report.clips += names
        self.report.num_new += len(names)
        for name, reason in outcome.refused.items():
            self._quarantine(footage, reason, clip_id=name, hangs_on=_REFUSED_BY)
        bad, hangs_on = outcome.bad_video, outcome.hangs_on
        if outcome.refused and not self._of_video[footage.clip_id]:
            bad, hangs_on = next(iter(outcome.refused.values())), _REFUSED_BY
        if bad and footage.clip_id not in outcome.refused:
            self._quarantine(footage, bad, clip_id=footage.clip_id, hangs_on=hangs_on)
        if names:
            self.quarantine.release(footage.clip_id, *names)
            if time.monotonic() - self._published_s > _PUBLISH_EVERY_S:
                self._publish()

    def _clear(self, clip_id: str) -> None:
        """Remove what a killed worker left of a video."""
        for name in (clip_id, f"{clip_id}_s[0-9][0-9][0-9]*"):
            for folder in (self.out / CLIPS).glob(name):
                if folder.name not in self.entries:
                    shutil.rmtree(folder, ignore_errors=True)
            for part in (self.out / CLIPS).glob(f".{name}.part"):
                shutil.rmtree(part, ignore_errors=True)

    def _quarantine(
        self, footage: Footage, reason: str, *, clip_id: str, hangs_on: tuple[str, ...]
    ) -> None:
        """Write a video or a clip of it down, and report it."""
        self.quarantine.add(
            clip_id, video=footage.video, reason=reason, sha256=self._digest(footage.video),
            settings={name: self.settings[name] for name in hangs_on},
        )  # fmt: skip
        self._skip(footage, reason, quarantined=True, clip_id=clip_id)

    def _skip(
        self, footage: Footage, reason: str, *, quarantined: bool = False, clip_id: str = ""
    ) -> None:
        """Report a video, or a clip of it."""
        whole = clip_id in ("", footage.clip_id) and footage.span_s is None
        name = str(footage.video) if whole else f"{footage.video} ({clip_id or footage.clip_id})"
        self.report.skipped[name] = reason
        self.report.num_quarantined += quarantined
        if not self.bars.disable:
            self.bars.console.print(
                f"skipped {reason}", markup=False, highlight=False, soft_wrap=True
            )

    def _digest(self, video: Path) -> str:
        if video not in self._digests:
            self._digests[video] = sha256_of(video)
        return self._digests[video]

    def _publish(self) -> None:
        """Split the persons of all clips of ours and write the manifest."""
        ours = [entry for entry in self.entries.values() if is_ours(entry)]
        if not ours:
            return
        people = (entry["person_id"] for entry in ours)
        splits = split_people(people, val_fraction=self.val_fraction)
        for entry in ours:
            set_split(self.out, entry, splits[entry["person_id"]])
        write_manifest(self.out, self.entries.values())
        self._published_s = time.monotonic()


def source_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a manifest line says of where its clip comes from."""
    source = entry.get("source", {})
    return source if isinstance(source, Mapping) else {}


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Return whether `segkit prepare` made a clip."""
    return source_of(entry).get("maker") == MAKER


def _shots(entry: Mapping[str, Any]) -> Iterable[str]:
    return source_of(entry).get("shots", ())


def _video_id(entry: Mapping[str, Any]) -> str:
    """Return the id of the footage that a clip is a shot of."""
    return re.sub(r"_s\d{3,}$", "", entry["id"]) if _shots(entry) else str(entry["id"])
