"""How fast the networks are beside what public code does: ratios within one run.

Run: ``python benchmarks/run.py [--quick] [--only GROUP] [--peer NAME=PATH] [--out FILE.json]``.
Contestants of a group give equal numbers, which is checked first; then every round lets each of
them run once, and ratios are taken round by round, so that a neighbour's load hits all alike.
Seconds are of the thread's own processor time, one thread. The machine's peak is measured before
and after. A peer is a checkout of public code, which then competes too, with our weights:
``stylegan2`` (rosinality's), ``e4s`` or ``wav2lip``.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.contestants import Contestant
from benchmarks.groups import groups
from benchmarks.machine_peak import peak_lines, peak_numbers, peaks, seconds_of
from benchmarks.peers import parse_peers


class Row(NamedTuple):
    """What was found of one contestant.

    Attributes:
        group: what it competes in.
        name: of the contestant.
        gflop: multiplications and additions of a frame; 0 where they cannot be counted.
        seconds: of a frame, median of the rounds.
        ratio: how many times as fast as the group's first; median of the rounds.
        lowest: of these ratios.
        highest: of these ratios.
        share_of_peak: of the best convolution of its own type, by the work of its own.
        error: largest difference from the first, in parts of its range; None where it is another
            network.
        saved_mb: what the forward pass keeps for the backward pass; None where there is none.
        beside: yardstick -> how many times as fast as that; median of the rounds.
    """

    group: str
    name: str
    gflop: float
    seconds: float
    ratio: float
    lowest: float
    highest: float
    share_of_peak: float
    error: float | None
    saved_mb: float | None
    beside: dict[str, float]


def compete(
    group: str, contestants: list[Contestant], *, rounds: int, peak: dict[torch.dtype, float]
) -> list[Row]:
    """Check that all give the same, then let them run in turns.

    Raises:
        AssertionError: a contestant gives other numbers than the first.
    """
    first: Tensor | None = None
    errors, works = [], []
    for contestant in contestants:
        counter = FlopCounterMode(display=False)
        with counter if contestant.counted else nullcontext():
            found = contestant.run()
        first = found if first is None else first
        works.append(counter.get_total_flops() / 1e9 / contestant.frames)
        errors.append(_error(found, first) if contestant.comparable else None)
        assert (errors[-1] or 0) <= contestant.tolerance, f"{group}, {contestant.name}: {errors}"
    times = [[seconds_of(each.run)[0] / each.frames for each in contestants] for _ in range(rounds)]
    rows = []
    for place, contestant in enumerate(contestants):
        ratios = [each[0] / each[place] for each in times]
        seconds = statistics.median(each[place] for each in times)
        rows.append(
            Row(
                group,
                contestant.name,
                works[place],
                seconds,
                statistics.median(ratios),
                min(ratios),
                max(ratios),
                works[place] / seconds / peak[contestant.dtype],
                errors[place],
                contestant.saved_mb() if contestant.saved_mb else None,
                {
                    other.name: statistics.median(each[k] / each[place] for each in times)
                    for k, other in enumerate(contestants)
                    if k == 0 or other.yardstick
                },
            )
        )
    return rows


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| group | contestant | GFLOP | s | x first (low-high) | % of peak | error | saved MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        saved = "" if row.saved_mb is None else f"{row.saved_mb:.1f}"
        error = "" if row.error is None else f"{row.error:.0e}"
        share = f"{100 * row.share_of_peak:.0f}"
        yield (
            f"| {row.group} | {row.name} | {row.gflop:.4g} | {row.seconds:.4g} "
            f"| {row.ratio:.2f} ({row.lowest:.2f}-{row.highest:.2f}) | {share} "
            f"| {error} | {saved} |"
        )


def yardsticks(rows: list[Row]) -> Iterator[str]:
    """Yield what each row is beside every yardstick of its group, in Markdown."""
    yield "| group | contestant | times as fast as |"
    yield "|---|---|---|"
    for row in rows:
        if len(row.beside) > 1:
            beside = ", ".join(f"{name} {ratio:.3g}" for name, ratio in row.beside.items())
            yield f"| {row.group} | {row.name} | {beside} |"


def _error(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        return float("inf")
    spread = float(expected.max() - expected.min()) or 1.0
    return float((found - expected).abs().max()) / spread


def main(
    quick: Annotated[bool, typer.Option(help="Tiny sizes, one round: does it run?")] = False,
    only: Annotated[str, typer.Option(help="Part of the names of the groups to run.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Of every group.")] = 3,
    peer: Annotated[list[str] | None, typer.Option(help="NAME=PATH of a public checkout.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the numbers.")] = None,
) -> None:
    """Print a table of all groups."""
    try:
        peers = parse_peers(peer or [])
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from error
    torch.set_num_threads(1)
    side = dict(side=16, channels=16) if quick else {}
    before, rows = peaks(**side), []
    for name, build in groups(quick=quick, peers=peers).items():
        if only.lower() in name.lower():
            torch.manual_seed(0)
            rows += compete(name, build(), rounds=1 if quick else rounds, peak=before)
            typer.echo(f"{name}: done", err=True)
    after = peaks(**side)
    for line in table(rows):
        typer.echo(line)
    if any(len(row.beside) > 1 for row in rows):
        typer.echo("")
        for line in yardsticks(rows):
            typer.echo(line)
    typer.echo("")
    for line in peak_lines(before, after):
        typer.echo(line)
    if out is not None:
        numbers = dict(peak=peak_numbers(before, after), rows=[row._asdict() for row in rows])
        out.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    typer.run(main)
