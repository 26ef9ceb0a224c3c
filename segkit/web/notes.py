"""Small pieces of HTML: notes beside what they are about, progress, results, a legend."""

from __future__ import annotations

from html import escape

from segkit.regions import SCHEME_12
from segkit.serve.store import CANCELLED, DONE, FAILED, QUEUED, Job
from segkit.talk.fit_report import learned, still_learning


def error(text: str) -> str:
    """Return what went wrong, read aloud at once by a screen reader; nothing for no text."""
    return f'<p class="note bad" role="alert">{escape(text)}</p>' if text else ""


def title(text: str) -> str:
    """Return the name of what stands below."""
    return f'<p class="over">{escape(text)}</p>'


def hint(text: str) -> str:
    """Return a quiet remark."""
    return f'<p class="note" role="status">{escape(text)}</p>' if text else ""


def progress(job: Job, *, ahead: int) -> str:
    """Return a bar with a few words."""
    if job.state == DONE:
        return hint("Done.")
    if job.state == CANCELLED:
        return hint("Stopped; nothing is left of it.")
    if job.state == FAILED:
        return error(job.message[:1].upper() + job.message[1:])
    percent = round(100 * job.progress)
    words = f"{job.stage or 'starting'} · {percent} %"
    if job.state == QUEUED:
        words = "waiting for its turn" + (f", {ahead} before it" if ahead else "")
    return (
        f'<div class="bar" role="status"><progress max="100" value="{percent}" '
        f'aria-label="progress"></progress><span>{escape(words)}</span></div>'
    )


def result(job: Job) -> str:
    """Return the finished video with its downloads."""
    base = f"/media/{job.id}"
    links = "".join(
        f'<a class="get" href="{base}/{what}" download>{words}</a>'
        for what, words in (("video", "Video"), ("masks", "Masks"), ("edits", "Edit file"))
    )
    seconds = job.report.get("seconds", {}).get("total", 0)
    frames = job.report.get("frames", 0)
    return (
        f'<video class="made" controls playsinline src="{base}/video" '
        'aria-label="the finished video"></video>'
        f'<div class="gets">{links}</div>'
        f'<p class="note">{frames} frames in {seconds:.0f} s.</p>'
    )


def measures(job: Job) -> str:
    """Return what a fit learned, in words."""
    words = ["Done; the model is chosen"]
    words += [each[:1].upper() + each[1:] for each in learned(job.report)]
    if still_learning(job.report):
        words.append("It was still getting better: more minutes would help")
    return hint(". ".join(words).replace("->", "→") + ".")


def legend() -> str:
    """Return the names and colours of the regions."""
    items = "".join(
        f'<li><span style="background:rgb{colour}"></span>{escape(name)}</li>'
        for name, colour in zip(SCHEME_12.regions, SCHEME_12.colours, strict=True)
    )
    return f'<ul class="legend" aria-label="colours of the regions">{items}</ul>'
