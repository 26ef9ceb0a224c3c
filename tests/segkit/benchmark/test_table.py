"""Numbers of rows and seeds: worked by hand."""

import json
from pathlib import Path

import pytest

from segkit.benchmark.scoring import Score
from segkit.benchmark.table import behind, columns_of, markdown, tabulate, write_table


def score(row, seed, **values):
    names = {"psnr": "PSNR/psnr", "lpips": "LPIPS/lpips", "lmd": "LMD/M"}
    return Score(row, seed, {names[key]: value for key, value in values.items()}, Path())


SCORES = [
    score("ours", 0, psnr=30.0, lpips=0.1),
    score("ours", 1, psnr=32.0, lpips=0.2),
    score("no_syncnet", 0, psnr=29.0, lpips=0.1),
    score("no_syncnet", 1, psnr=33.0, lpips=0.3),
    score("still", None, psnr=20.0, lmd=float("nan")),
]


def test_means_and_spread():
    table = tabulate(SCORES)
    assert list(table) == ["no_syncnet", "ours", "still"]
    cell = table["ours"]["PSNR/psnr"]
    assert (cell.mean, cell.spread) == (31, pytest.approx(2**0.5))
    assert str(cell) == "31 ± 1.4"
    assert str(table["still"]["PSNR/psnr"]) == "20"
    # What nothing could measure is no column.
    assert columns_of(table) == ["PSNR/psnr", "LPIPS/lpips"]


def test_an_ablation_is_compared_within_its_seed():
    assert behind(SCORES) == {"no_syncnet": {"PSNR/psnr": (1, 2), "LPIPS/lpips": (1, 2)}}


def test_documents(tmp_path):
    path = write_table(tmp_path, SCORES, facts={"seeds": "0, 1"})
    text = path.read_text()
    assert text == markdown(SCORES, facts={"seeds": "0, 1"})
    assert "| SegTalker | 31 ± 1.4 | 0.15 ± 0.071 |" in text
    assert "| w/o SyncNet | 1 of 2 | 1 of 2 |" in text
    assert "- seeds: 0, 1" in text
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["scores"][0] == {
        "row": "ours",
        "seed": 0,
        "values": {"PSNR/psnr": 30.0, "LPIPS/lpips": 0.1},
    }
    assert sorted(found.name for found in tmp_path.iterdir()) == ["table.json", "table.md"]
