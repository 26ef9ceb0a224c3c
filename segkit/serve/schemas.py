"""What the HTTP API says and hears, as pydantic models: they make its OpenAPI schema."""

from __future__ import annotations

from datetime import datetime, timezone
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from segkit.serve.store import Job


class State(str, Enum):
    """What a job is doing."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


class Kind(str, Enum):
    """What a job makes."""

    talk = "talk"
    fit = "fit"


class OnShortVideo(str, Enum):
    """What the film does when the voice is longer."""

    pingpong = "pingpong"
    loop = "loop"
    freeze = "freeze"
    stop = "stop"


class JobView(BaseModel):
    """A job, as its owner sees it."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="Unguessable; whoever knows it may see the job.")
    kind: Kind
    state: State
    stage: str = Field(description="What it is doing, in words.")
    progress: float = Field(ge=0, le=1, description="Share that is done.")
    ahead: int = Field(ge=0, description="Jobs that wait before this one.")
    message: str = Field(description="Why it failed.")
    created: datetime
    report: dict[str, Any] = Field(description="What `segkit talk` or `segkit fit` told.")


class ModelView(BaseModel):
    """A model to choose."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str


class Health(BaseModel):
    """How the server is."""

    model_config = ConfigDict(extra="forbid")

    version: str
    queued: int = Field(ge=0)
    running: int = Field(ge=0)


class Problem(BaseModel):
    """What was wrong, in a sentence."""

    detail: str


def view_of(job: Job, *, ahead: int) -> JobView:
    """Return a job as its owner may see it.

    Args:
        job: from the store.
        ahead: jobs that wait before it.
    """
    return JobView(
        id=job.id,
        kind=Kind(job.kind),
        state=State(job.state),
        stage=job.stage,
        progress=job.progress,
        ahead=ahead if job.state == State.queued.value else 0,
        message=job.message,
        created=datetime.fromtimestamp(job.created, timezone.utc),
        report=job.report,
    )
