"""What could not be used, and why: quarantine.jsonl, written as things happen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from segkit.clip_manifest import write_text

QUARANTINE = "quarantine.jsonl"


class Quarantine:
    """The list of a clip folder's refused clips, one JSON line each.

    A line has ``clip`` (its id), ``video``, ``reason``, ``sha256`` of the video (None where the
    file is missing), ``settings`` (those that the reason hangs on) and ``when`` (UTC). The last
    line of a clip counts.

    Args:
        root: clip folder; made with the first line.
    """

    def __init__(self, root: str | Path) -> None:
        self.path = Path(root) / QUARANTINE
        self.entries: dict[str, dict[str, Any]] = {}
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self.entries[entry["clip"]] = entry
            except (json.JSONDecodeError, KeyError, TypeError):
                continue  # a line that was cut off: that video is simply tried again

    def reason(
        self, clip_id: str, sha256: str | None, settings: Mapping[str, Any] | None = None
    ) -> str | None:
        """Return why a clip was refused; None if it was not, or what refused it has changed.

        Args:
            clip_id: of the clip.
            sha256: of its video now; None where the file is missing.
            settings: all settings of this run, plain data; None to compare the file alone.
        """
        entry = self.entries.get(clip_id)
        if entry is None or entry.get("sha256") != sha256:
            return None
        then = entry.get("settings", {})
        if settings is not None and any(settings.get(name) != then[name] for name in then):
            return None
        return str(entry["reason"])

    def add(
        self,
        clip_id: str,
        *,
        video: str | Path,
        reason: str,
        sha256: str | None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a line.

        Args:
            clip_id: of the clip.
            video: its file.
            reason: one sentence.
            sha256: of the file; None where it is missing.
            settings: plain data; other values of these may give another answer.
        """
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        entry = {
            "clip": clip_id, "video": str(video), "reason": reason, "sha256": sha256,
            "settings": dict(settings or {}), "when": when,
        }  # fmt: skip
        self.entries[clip_id] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            # What a killed run left of a line must not swallow this one.
            if file.tell() and _last_byte(file) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")

    def release(self, *clip_ids: str) -> None:
        """Take clips off the list, such as those that could be made after all."""
        found = [clip_id for clip_id in clip_ids if self.entries.pop(clip_id, None)]
        if found:
            lines = (json.dumps(entry, sort_keys=True) for entry in self.entries.values())
            write_text(self.path, "".join(f"{line}\n" for line in lines))


def _last_byte(file: Any) -> bytes:
    file.seek(-1, 2)
    return bytes(file.read(1))
