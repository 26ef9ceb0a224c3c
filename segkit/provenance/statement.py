"""What a video's credentials say: its source, what was synthesised, and which edits were made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segkit.edits import Background, EditPlan, MaskEdit, Painting, Span
    from segkit.talk.job import Job

LABEL = "segkit.synthesis"
"""Name of our own assertion inside the manifest."""

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_SOURCE_TYPE = {
    # Most of every frame is the film's own.
    "film": _SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia",
    "picture": _SOURCE_TYPES + "trainedAlgorithmicMedia",
}


@dataclass(frozen=True)
class Statement:
    """What is said of a video. Files appear by their names, never by their paths.

    Attributes:
        title: name of the video.
        kind: ``"film"`` or ``"picture"``, what was made to talk.
        source: name of that file.
        sound: name of the file whose voice is heard.
        regions: names of the regions that were synthesised.
        edits: plain dicts, each with a ``kind`` and what that edit needs.
        model: name of the model.
        model_sha256: of its file; None when it was never one.
        passed_through: ranges in seconds that were left as they were.
    """

    title: str
    kind: str
    source: str
    sound: str
    regions: tuple[str, ...]
    edits: tuple[dict[str, Any], ...] = ()
    model: str = "unnamed"
    model_sha256: str | None = None
    passed_through: tuple[tuple[float, float], ...] = ()

    def manifest(self, *, when: datetime) -> dict[str, Any]:
        """Return the C2PA manifest definition.

        Args:
            when: time of signing, with its time zone.
        """
        from segkit import __version__

        agent = {"name": "segkit", "version": __version__}
        stamp = when.isoformat(timespec="seconds")
        created = {
            "action": "c2pa.created",
            "when": stamp,
            "digitalSourceType": _SOURCE_TYPE[self.kind],
            "softwareAgent": agent,
            "description": f"the face of a {self.kind} was made to speak",
        }
        edited = [
            {
                "action": "c2pa.edited",
                "when": stamp,
                "digitalSourceType": _SOURCE_TYPE[self.kind],
                "softwareAgent": agent,
                "description": described(edit),
            }
            for edit in self.edits
        ]
        actions = {"actions": [created, *edited], "allActionsIncluded": True}
        return {
            "claim_generator_info": [agent],
            "title": self.title,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": actions},
                {"label": LABEL, "kind": "Json", "data": self.plain() | {"segkit": __version__}},
            ],
        }

    def plain(self) -> dict[str, Any]:
        """Return our own assertion as plain data."""
        return {
            "source": {"kind": self.kind, "file": self.source},
            "sound": {"file": self.sound},
            "synthesised_regions": list(self.regions),
            "edits": [dict(edit) for edit in self.edits],
            "model": {"name": self.model, "sha256": self.model_sha256},
            # Dicts: C2PA readers take a list of numbers for binary data.
            "passed_through": [
                {"start_s": start, "end_s": end} for start, end in self.passed_through
            ],
        }


def statement_of(job: Job, passed_through: Sequence[tuple[float, float]]) -> Statement:
    """Say what a talk made.

    Args:
        job: the talk.
        passed_through: ranges in seconds without a face, shown as they were.
    """
    from segkit.talk.sources import PictureSource

    return Statement(
        title=job.out.name,
        kind="picture" if isinstance(job.source, PictureSource) else "film",
        source=job.source.path.name,
        sound=job.sound.name,
        regions=_regions(job),
        edits=edits_of(job.plan),
        model="unnamed" if job.model_file is None else job.model_file.stem,
        model_sha256=None if job.model_file is None else sha256_of(job.model_file),
        passed_through=tuple(passed_through),
    )


def edits_of(plan: EditPlan) -> tuple[dict[str, Any], ...]:
    """Return the edits of a plan as plain dicts, without paths."""
    swaps = [
        {"kind": "swap", "region": swap.region, "picture": swap.picture.name}
        | ({"strength": swap.strength} if swap.strength < 1 else {})
        | _times(swap.span)
        for swap in plan.swaps
    ]
    blinks = [
        {"kind": "blink", "amount": amount, "at_s": at_s} for amount, at_s in plan.blinks.blinks
    ]
    if plan.automatic is not None:
        blinks.append({"kind": "blinks", "seed": plan.automatic.seed})
    masks = [_mask(edit) | _times(edit.span) for edit in plan.masks]
    return (*swaps, *blinks, *_background(plan.background), *masks)


def _mask(edit: MaskEdit | Painting) -> dict[str, Any]:
    # This file is read by `segkit verify`, which loads no edits: told apart by what they hold.
    if hasattr(edit, "picture"):
        return {"kind": "painting", "file": edit.picture.name}
    return {"kind": "mask", "file": edit.module.name, "function": edit.function}


def _background(background: Background | None) -> list[dict[str, Any]]:
    if background is None:
        return []
    if background.file is not None:
        return [{"kind": "background", "file": background.file.name}]
    if background.colour is not None:
        return [{"kind": "background", "colour": "#{:02x}{:02x}{:02x}".format(*background.colour)}]
    return [{"kind": "background", "blur": background.blur or "auto"}]


def _times(span: Span) -> dict[str, Any]:
    start: dict[str, Any] = {"start_s": span.start_s} if span.start_s else {}
    return start | ({"end_s": span.end_s} if span.end_s < math.inf else {})


def _regions(job: Job) -> tuple[str, ...]:
    scheme, plan = job.bundle.scheme, job.plan
    if plan.masks:  # a function of the user's may change any of them
        return tuple(name for name in scheme.regions if name != "background")
    spoken = [scheme.regions[label] for label in scheme.face_labels]
    blinks = plan.blinks.blinks or plan.automatic is not None
    changed = [swap.region for swap in plan.swaps] + list(scheme.eyes if blinks else ())
    return tuple(dict.fromkeys([*spoken, *changed]))


def described(edit: dict[str, Any]) -> str:
    """Return an edit as a phrase, such as ``"swap: region lip, picture ref.jpg"``."""
    details = ", ".join(
        f"{key.removesuffix('_s').replace('_', ' ')} {value}{' s' if key.endswith('_s') else ''}"
        for key, value in edit.items()
        if key != "kind" and value is not None
    )
    return f"{edit['kind']}: {details}" if details else str(edit["kind"])


def sha256_of(path: Path) -> str:
    """Return the checksum of a file, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
