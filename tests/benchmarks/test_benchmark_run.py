"""The benchmark script: its reference is right, and a tiny run of it ends in a table."""

import json

import pytest
import torch

from benchmarks import run
from benchmarks.contestants import drawing, face_mask
from benchmarks.frames import plain
from benchmarks.reference_loop import draw_by_loop, pool_by_loop
from segkit.bfloat16 import is_fast_on
from segkit_models.generators import RegionStyleGAN2

PEAK = {torch.float32: 1.0, torch.bfloat16: 2.0}


@pytest.mark.parametrize("masked", [3, 17])
def test_the_reference_draws_what_the_loop_of_the_generator_draws(masked):
    torch.manual_seed(0)
    generator = RegionStyleGAN2(
        size=16, channels=(8, 8, 8), style_dim=8, region_conv="loop", num_masked_layers=masked
    ).eval()
    with torch.no_grad():
        for layer in generator.convs:
            layer.noise_strength.fill_(0.1)
            layer.bias.normal_()
    styles, mask = torch.randn(2, 12, 6, 8), face_mask(16, batch=2)
    torch.testing.assert_close(
        draw_by_loop(generator, styles, mask), generator(styles, mask), atol=1e-5, rtol=1e-4
    )


def test_the_reference_averages_the_pixels_of_a_region():
    feature = torch.tensor([[[[1.0, 2.0], [3.0, 8.0]]]])
    mask = torch.tensor([[[[1.0, 1], [0, 0]], [[0, 0], [0, 1]], [[0, 0], [0, 0]]]])
    assert pool_by_loop(feature, mask).flatten().tolist() == [1.5, 8, 0]


def test_a_contestant_that_draws_something_else_is_found_out(monkeypatch):
    contestants = drawing(16, layers=13, channels=(8, 8, 8), style_dim=8)
    wrong = run.Contestant("wrong", lambda: contestants[0].run() + 0.1)
    with pytest.raises(AssertionError, match="group, wrong"):
        run.compete("group", [contestants[0], wrong], rounds=1, peak=PEAK)


@pytest.mark.parametrize("build", [drawing, plain])
def test_bfloat16_competes_where_there_are_units_for_it(monkeypatch, build):
    small = dict(channels=(8, 8, 8), style_dim=8) | (dict(layers=13) if build is drawing else {})
    names = []
    for fast in (False, True):
        for module in ("contestants", "frames"):
            monkeypatch.setattr(f"benchmarks.{module}.is_fast_on", lambda device, fast=fast: fast)
        torch.manual_seed(0)
        rows = run.compete("g", build(16, **small), rounds=1, peak=PEAK)
        names.append([row.name for row in rows if row.name.endswith("bfloat16")])
    assert [len(each) for each in names] == [0, 1]
    (halved,) = [row for row in rows if row.name in names[1]]
    assert 1e-5 < halved.error < 3e-2
    # Of the peak of its own type, which is twice the other here.
    assert halved.share_of_peak == pytest.approx(halved.gflop / halved.seconds / 2)


def test_a_quick_run_prints_every_group_and_writes_the_numbers(tmp_path, capsys):
    out, threads = tmp_path / "numbers.json", torch.get_num_threads()
    run.main(quick=True, only="", rounds=1, peer=None, out=out)
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    numbers = json.loads(out.read_text())
    rows = numbers["rows"]
    groups = {row["group"].split()[0] for row in rows}
    assert groups == {"generator", "plain", "parts", "pooling", "mask", "AV-HuBERT,", "frame"}
    assert all(row["ratio"] == 1 for row in rows if row["name"].endswith("(E4S)"))
    for row in rows:
        halved = row["name"].endswith("bfloat16")
        assert (row["error"] or 0) <= (3e-2 if halved else 1e-5), row
    saved = {row["name"]: row["saved_mb"] for row in rows if row["saved_mb"]}
    assert saved["loop over regions (E4S)"] > 4 * saved["exact hybrid"]
    assert all(len(found) == 2 for found in numbers["peak"].values())
    assert ("torch.bfloat16" in numbers["peak"]) == is_fast_on(torch.device("cpu"))
    beside = {(row["group"].split()[0], row["name"]): row["beside"] for row in rows}
    names = [name for group, name in beside if group == "frame"]
    for name in names:
        assert set(beside["frame", name]) == {
            "parse, encode, loop (E4S)", "Wav2Lip 96", "Wav2Lip 96 + restoration",
            "plain StyleGAN2, public form",
        }  # fmt: skip
        # One round: what is twice as fast as the first is twice as fast as it beside any other.
        for yardstick, ratio in beside["frame", name].items():
            first = "parse, encode, loop (E4S)"
            expected = beside["frame", name][first] / beside["frame", yardstick][first]
            assert ratio == pytest.approx(expected)
    in_words = [row for row in rows if len(row["beside"]) > 1]
    assert printed.count("\n|") == len(rows) + 1 + len(in_words) + 2
