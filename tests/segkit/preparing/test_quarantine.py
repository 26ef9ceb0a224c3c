"""The list of what could not be used: written at once, forgiving to a cut-off line."""

import json
from datetime import datetime, timezone
from pathlib import Path

from segkit.preparing.quarantine import Quarantine


def test_a_line_is_there_at_once_and_counts_for_its_file(tmp_path: Path) -> None:
    listed = Quarantine(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    listed.add("a", video="a.mp4", reason="no face", sha256="12")
    (line,) = (tmp_path / "new" / "quarantine.jsonl").read_text().splitlines()
    entry = json.loads(line)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(entry.pop("when"))
    assert 0 <= age.total_seconds() < 60
    assert entry == {
        "clip": "a", "video": "a.mp4", "reason": "no face", "sha256": "12", "settings": {},
    }  # fmt: skip
    again = Quarantine(tmp_path / "new")
    assert again.reason("a", "12") == "no face"
    assert again.reason("a", "34") is None
    assert again.reason("b", "12") is None


def test_a_line_counts_while_the_settings_that_it_hangs_on_stay(tmp_path: Path) -> None:
    Quarantine(tmp_path).add(
        "a", video="a.mp4", reason="late", sha256="12", settings={"sync": [3.0, 6], "face": None}
    )
    listed = Quarantine(tmp_path)
    assert listed.reason("a", "12") == "late"
    same = {"sync": [3.0, 6], "face": None, "min_frames": 25}
    assert listed.reason("a", "12", same) == "late"
    assert listed.reason("a", "12", {**same, "min_frames": 10}) == "late"
    assert listed.reason("a", "12", {**same, "sync": [2.0, 6]}) is None
    assert listed.reason("a", "12", {**same, "face": 0}) is None
    # A line of an older segkit names no settings: the file alone counts.
    line = listed.path.read_text().replace('"settings"', '"unknown"')
    listed.path.write_text(line)
    assert Quarantine(tmp_path).reason("a", "12", {"face": 3}) == "late"


def test_a_line_cut_off_spoils_no_other(tmp_path: Path) -> None:
    listed = Quarantine(tmp_path)
    listed.add("a", video="a.mp4", reason="no face", sha256="12")
    whole = listed.path.read_bytes()
    listed.path.write_bytes(whole + whole[:20])
    Quarantine(tmp_path).add("b", video="b.mp4", reason="no sound", sha256=None)
    again = Quarantine(tmp_path)
    assert (again.reason("a", "12"), again.reason("b", None)) == ("no face", "no sound")


def test_released_clips_are_gone(tmp_path: Path) -> None:
    listed = Quarantine(tmp_path)
    for name in ("a", "b"):
        listed.add(name, video=name, reason="no face", sha256=None)
    listed.release("a", "never heard of")
    assert list(Quarantine(tmp_path).entries) == ["b"]
