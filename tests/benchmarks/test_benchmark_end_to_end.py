"""The parts of the file-to-file benchmark: sizes, clocks, tables."""

import inspect
import time

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.end_to_end import Row, table, watch_listeners
from benchmarks.length import line
from benchmarks.network_clock import NetworkClock
from benchmarks.restoration import Restoration
from benchmarks.ways import Echo
from segkit.registry import AUDIO_ENCODERS
from segkit_models.mask_decoders import UNetMaskDecoder


def test_the_restoration_has_the_work_of_gfpgan():
    with torch.device("meta"), FlopCounterMode(display=False) as work:
        assert Restoration()(torch.empty(1, 3, 512, 512)).shape == (1, 3, 512, 512)
    assert work.get_total_flops() / 1e9 == pytest.approx(395.6, rel=0.01)


def test_an_echo_runs_the_network_and_gives_the_reference():
    network = UNetMaskDecoder(size=32, width=0.0625, audio_dim=8).eval()
    echo, reference = Echo(network), torch.rand(1, 12, 32, 32).round()
    pose, audio = torch.zeros(1, 12, 32, 32), torch.randn(1, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as work:
        found = echo(pose, reference, audio)
    with torch.no_grad(), FlopCounterMode(display=False) as alone:
        network(pose, reference, audio)
    assert work.get_total_flops() == alone.get_total_flops()
    assert torch.equal(found, 20 * reference)
    with torch.no_grad():
        prepared = echo.decode_prepared(echo.prepare(pose, reference), audio)
    assert torch.equal(prepared, 20 * reference)


def test_nested_calls_are_counted_once_and_signatures_stay():
    class Busy(nn.Module):
        def forward(self, seconds):
            begun = time.thread_time()
            while time.thread_time() - begun < seconds:
                pass

        def render(self, seconds, *, box=None):
            self(seconds)

    network, clock = Busy(), NetworkClock()
    clock.watch(network)
    begun = time.thread_time()
    network.render(0.02)
    assert 0.02 <= clock.seconds <= time.thread_time() - begun
    assert "box" in inspect.signature(network.render).parameters


def test_the_table_compares_every_way_with_the_public_ones():
    rows = [
        Row("ours, film", 16, 4.0, 0.9, {"faces": 50.0}),
        Row("loop", 1, 48.0, 0.99, {}),
        Row("lips", 3, 6.0, 0.95, {}),
    ]
    lines = table(rows)
    assert lines[2] == "| ours, film | 16 | 4 | 10.0 % | 12.00 | 1.50 |"
    assert lines[4] == "| lips | 3 | 6 | 5.0 % | 8.00 | 1.00 |"
    assert "faces 50.00" in lines[5]


def test_a_longer_film_is_put_beside_the_shortest():
    short = {"frames": 250, "ms_per_frame": 100.0, "wall_ms_per_frame": 90.0, "peak_mb": 800.0}
    long = {"frames": 4000, "ms_per_frame": 101.0, "wall_ms_per_frame": 95.0, "peak_mb": 840.0}
    assert line(long, short) == "| 4000 | 101.0 | 1.010 | 95.0 | 840 | 1.050 |"


def test_the_table_of_ours_alone_has_no_columns_to_compare():
    lines = table([Row("ours, film", 16, 4.0, 0.9, {"faces": 50.0})])
    assert lines[:3] == [
        "| way | frames | s a frame | not in networks |",
        "| --- | --- | --- | --- |",
        "| ours, film | 16 | 4 | 10.0 % |",
    ]


def test_what_listens_inside_another_encoder_is_counted():
    network = dict(
        type="AVHubert", dim=16, num_layers=1, num_heads=2, ff_dim=16, position_kernel=8,
        position_groups=2, out_dim=8,
    )  # fmt: skip
    mel = dict(type="MelCNN", out_dim=8, widths=[8, 8, 8, 8, 8])
    encoder = AUDIO_ENCODERS.build(dict(type="Concat", encoders=[mel, network], out_dim=8)).eval()
    clock = NetworkClock()
    watch_listeners(clock, encoder)
    waveform = torch.randn(32_000, generator=torch.Generator().manual_seed(0))
    begun = time.thread_time()
    with torch.no_grad():
        encoder.listen(waveform)
    assert 0.5 * (time.thread_time() - begun) < clock.seconds
