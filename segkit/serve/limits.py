"""What a server accepts, and how long it keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on strangers' work.

    Args:
        upload_mb: all files of one request together.
        seconds: of film and of speech.
        megapixels: of a frame or picture.
        waiting: jobs in the queue; more are refused.
        running: jobs at a time.
        job_minutes: a job that takes longer is stopped.
        fit_minutes: longest training of `fit`.
        keep_minutes: how long files stay after a job has ended or a page was last used.
        references: pictures beside one edit file.
    """

    upload_mb: float = 200.0
    seconds: float = 120.0
    megapixels: float = 8.5
    waiting: int = 8
    running: int = 1
    job_minutes: float = 60.0
    fit_minutes: float = 20.0
    keep_minutes: float = 60.0
    references: int = 16

    @property
    def upload_bytes(self) -> int:
        """Return ``upload_mb`` in bytes."""
        return round(self.upload_mb * 1e6)
