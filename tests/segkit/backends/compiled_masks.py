"""Compiled masks are torch's; code is made once, kept on disk, and refused in words.

Collected by test_compiling.py alone, in a process of its own.
"""

from __future__ import annotations

import os
import sysconfig

import numpy as np
import pytest
import torch

from segkit.backends import check_backend, compiler, with_backend
from segkit.backends.compiling import CompiledCall, CompileError, compiled_decoder
from segkit.export.parts import random_masks
from segkit.talk.bundle import new_bundle
from segkit.talk.pipeline import talk
from segkit.video import VideoReader
from segkit_models.mask_decoders import UNetMaskDecoder

CPU = torch.device("cpu")
SIDE, WIDTH = 32, 8
FIRST = SIDE // 2 - 1
"""Row of the logits from which on a talk wants them."""


def make_decoder(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoder = UNetMaskDecoder(size=SIDE, audio_dim=WIDTH, width=0.0625).eval()
        for name, value in decoder.state_dict().items():
            if "running" in name:
                value.uniform_(0.5, 1.5)
    return decoder


def drawn(rows, *, seed=0, device=CPU):
    pose = random_masks(rows, SIDE, 12, blocks=8, seed=seed)
    pose[:, :, SIDE // 2 :] = 0
    # A talk expands one reference over the batch.
    reference = random_masks(1, SIDE, 12, blocks=4, seed=seed).expand(rows, -1, -1, -1)
    audio = torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))
    return pose.to(device), reference.to(device), audio.to(device)


def assert_alike(found, wanted):
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= 1e-4 * (wanted.max() - wanted.min())


def counters():
    from torch._dynamo.utils import counters

    return counters


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forget what other tests compiled, and let them forget what these do."""
    try:
        check_backend("compile", "fp32", CPU)
    except (ValueError, FileNotFoundError) as error:
        pytest.skip(str(error))
    made = tmp_path_factory.mktemp("code")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGKIT_CACHE", str(made))
        patch.delenv(compiler.FOLDER_VARIABLE, raising=False)
        forget()
        yield made
        forget()


def forget():
    with compiler.code_folder():
        torch.compiler.reset()


@pytest.fixture(scope="module")
def pair(folder):
    decoder = make_decoder()
    return decoder, compiled_decoder(decoder)


@torch.no_grad()
def test_code_decodes_what_torch_decodes(pair):
    decoder, compiled = pair
    counters().clear()
    for rows in (3, 1, 3):  # the last batch of a segment is a short one
        given = drawn(rows, seed=rows)
        found = compiled(*given, first_row=FIRST)
        assert_alike(found, decoder(*given, first_row=FIRST))
        assert not found.requires_grad
    assert counters()["stats"]["unique_graphs"] == 1
    assert not counters()["graph_break"]


@torch.no_grad()
def test_a_portrait_is_prepared_once_and_decoded_by_code(pair, monkeypatch):
    decoder, compiled = pair
    counters().clear()
    prepared = compiled.prepare(*drawn(1)[:2])
    monkeypatch.setattr(decoder, "encode", lambda *masks: pytest.fail("encoded again"))
    for rows in (3, 2):
        audio = drawn(rows, seed=rows)[2]
        wanted = decoder.decode_prepared(prepared, audio, first_row=FIRST)
        assert_alike(compiled.decode_prepared(prepared, audio, first_row=FIRST), wanted)
    assert counters()["stats"]["unique_graphs"] == 1


@torch.no_grad()
def test_code_is_kept_where_the_graphs_are_and_found_again(pair, folder):
    decoder, compiled = pair
    given = drawn(3)
    compiled(*given, first_row=FIRST)
    assert str(folder) not in os.environ.get(compiler.FOLDER_VARIABLE, "")
    made = {path for path in (folder / "compiled").rglob("*") if path.is_file()}
    assert any(path.suffix == ".so" for path in made)
    # As a new process does, which knows nothing but the files.
    forget()
    counters().clear()
    other = make_decoder(seed=1)
    wanted = other(*given, first_row=FIRST)
    assert_alike(compiled_decoder(other)(*given, first_row=FIRST), wanted)
    assert not torch.allclose(wanted, decoder(*given, first_row=FIRST))
    assert counters()["inductor"]["fxgraph_cache_hit"] == 1
    assert counters()["inductor"]["fxgraph_cache_miss"] == 0
    assert {path for path in (folder / "compiled").rglob("*.so")} <= made


def test_the_folder_that_a_user_chose_stays(monkeypatch, tmp_path):
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path))
    for chosen, used in (
        ("/elsewhere", "/elsewhere"),
        (default_cache_dir(), str(tmp_path / "compiled")),  # which torch chose
    ):
        monkeypatch.setenv(compiler.FOLDER_VARIABLE, chosen)
        with compiler.code_folder():
            assert os.environ[compiler.FOLDER_VARIABLE] == used
        assert os.environ[compiler.FOLDER_VARIABLE] == chosen


def test_what_a_cuda_graph_gave_outlives_the_next_replay(monkeypatch):
    memory, modes = torch.zeros(2, 1), []

    def replayed(call, *, dynamic, mode):
        modes.append((dynamic, mode))
        return lambda batch: memory.copy_(call(batch))

    monkeypatch.setattr(torch, "compile", replayed)
    run = CompiledCall(lambda batch: 2 * batch, device=torch.device("cuda"))
    first = run(torch.tensor([[1.0], [2.0]]))
    second = run(torch.tensor([[5.0], [6.0]]))
    assert first.tolist() == [[2], [4]]
    assert second.tolist() == memory.tolist() == [[10], [12]]
    assert run(torch.tensor([[7.0]])).tolist() == [[14]]  # another shape is no replay
    assert memory.tolist() == [[10], [12]]
    assert modes == [(False, "reduce-overhead")]


@pytest.mark.gpu
@torch.no_grad()
def test_a_cuda_graph_decodes_what_torch_decodes(folder):
    device = torch.device("cuda")
    check_backend("compile", "fp32", device)
    decoder = make_decoder().to(device)
    compiled = compiled_decoder(decoder)
    prepared = compiled.prepare(*drawn(1, device=device)[:2])
    kept = []
    for seed in range(4):  # warmed up, recorded, replayed
        given = drawn(3, seed=seed, device=device)
        kept.append((compiled(*given), decoder(*given)))
        audio = given[2]
        wanted = decoder.decode_prepared(prepared, audio)
        kept.append((compiled.decode_prepared(prepared, audio), wanted))
    for found, wanted in kept:
        assert_alike(found, wanted)


def test_code_that_cannot_be_made_names_the_alternative(monkeypatch):
    def failing(call, *, dynamic, mode):
        def run(batch):
            raise torch._dynamo.exc.Unsupported("no such operator\nand a page of details")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(CompileError, match=r"^compile: no such operator; take --backend torch$"):
        CompiledCall(lambda batch: batch, device=CPU)(torch.zeros(1, 1))


def make_bundle():
    parts = {
        "audio_encoder": {"type": "MelCNN", "out_dim": WIDTH, "widths": [8] * 5},
        "mask_decoder": {"type": "UNetMaskDecoder", "size": SIDE, "audio_dim": WIDTH,
                         "width": 0.0625},
        "region_encoder": {"type": "FPNRegionEncoder", "num_layers": 8, "style_dim": 8,
                           "input_size": 32, "width": [8] * 5, "units": [1] * 4, "fpn_dim": 8},
        "generator": {"type": "RegionStyleGAN2", "size": SIDE, "style_dim": 8,
                      "channels": [8] * 4},
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_bundle(parts, size=SIDE)


def test_only_the_mask_decoder_is_compiled():
    bundle = make_bundle()
    other = with_backend(bundle, backend="compile")
    assert other.modules["mask_decoder"].module is bundle.modules["mask_decoder"]
    for name in ("audio_encoder", "region_encoder", "generator"):
        assert other.modules[name] is bundle.modules[name]


def test_a_compiled_talk_shows_what_torch_shows(pair, picture, hum, tmp_path):
    shown = []
    for backend in ("torch", "compile"):
        counters().clear()
        out = tmp_path / f"{backend}.mp4"
        report = talk(
            image=picture, audio=hum, out=out, model=make_bundle(), backend=backend, device="cpu",
            batch_size=3, progress=False, crf=0, credentials=False,
        )  # fmt: skip
        assert report["frames"] == 5  # a batch of three, and one of two
        with VideoReader(out) as reader:
            shown.append(np.stack([frame.image for frame in reader]).astype(int))
    # A pixel of a label map may turn with the last bit of a logit.
    assert (abs(shown[0] - shown[1]) > 2).mean() < 1e-3
    # The portrait's own code, found on the disk or in memory, and nothing else.
    assert counters()["stats"]["unique_graphs"] <= 1


def test_a_decoder_without_halves_has_none_when_compiled():
    plain = torch.nn.Conv2d(1, 1, 1)
    assert not hasattr(compiled_decoder(plain), "decode_prepared")


@pytest.mark.parametrize(
    ("precision", "device", "words"),
    [
        ("int8", "cpu", "compile has no int8 here; take --backend onnxruntime or openvino"),
        ("bf16", "cpu", "compile has no bf16 here; take --backend torch or openvino"),
        ("fp32", "mps", "got mps; take one of these, or --backend torch"),
    ],
)
def test_what_is_not_compiled_is_told(precision, device, words):
    with pytest.raises(ValueError, match=words):
        check_backend("compile", precision, torch.device(device))


def test_a_missing_compiler_is_told_up_front():
    import torch._inductor.config

    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(FileNotFoundError, match=r"C\+\+ compiler, .* or take --backend torch"),
    ):
        check_backend("compile", "fp32", CPU)


@pytest.fixture
def some_compiler(monkeypatch):
    import torch._inductor.cpp_builder

    monkeypatch.setattr(torch._inductor.cpp_builder, "get_cpp_compiler", lambda: "g++")


def test_missing_headers_are_told_up_front(some_compiler, monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"Python\.h is not there.*--backend torch"):
        check_backend("compile", "fp32", CPU)


def test_a_gpu_without_triton_is_told_up_front(some_compiler, monkeypatch):
    import torch.utils._triton

    monkeypatch.setattr(torch.utils._triton, "has_triton_package", lambda: False)
    with pytest.raises(ImportError, match=r"needs Triton on a GPU.*--backend torch"):
        check_backend("compile", "fp32", torch.device("cuda"))
