"""The kernels for GPUs without a GPU: interpreted, compiled to machine code, refused elsewhere."""

import re

import pytest
import torch
from torch.nn import functional

from segkit.export.module import exportable
from segkit.registry import GENERATORS
from segkit.talk.bundle_configs import without_training
from segkit_models.generators import RegionStyleGAN2
from segkit_models.layers.modulation import RegionModulatedConv2d
from segkit_models.layers.region_choice import takes_kernels
from segkit_models.layers.region_triton import precision


def one_hot(labels, num_regions):
    return functional.one_hot(labels, num_regions).movedim(-1, 1).float()


def tiny(form):
    torch.manual_seed(0)
    return RegionStyleGAN2(
        size=8, num_regions=3, style_dim=4, channels=(4, 4), region_conv=form
    ).eval()


def test_the_interpreted_kernels_pass_their_tests(run_alone):
    pytest.importorskip("triton", reason="triton is not on this platform")
    told = run_alone(
        "tests/segkit_models/layers/interpreted_region_kernels.py", TRITON_INTERPRET="1"
    )
    assert re.search(r"\b1\d passed", told), told[-500:]


@pytest.mark.parametrize(
    ("capability", "dtype", "precision", "even", "product"),
    [
        (90, "fp16", "tf32", True, "wgmma.mma_async"),
        (90, "fp32", "tf32x3", False, "wgmma.mma_async"),
        (80, "bf16", "tf32", True, "mma.sync"),
    ],
)
def test_the_kernels_become_machine_code_that_multiplies_on_tensor_cores(
    capability, dtype, precision, even, product, tmp_path
):
    """For an H100 (90) and an A100 (80); ``even``: channels are multiples of 16."""
    triton = pytest.importorskip("triton", reason="triton is not on this platform")
    if "nvidia" not in triton.backends.backends:
        pytest.skip("this triton cannot compile for NVIDIA")
    from segkit_models.layers import region_border_kernels, region_kernels

    def compiled(kernel, **constants):
        return _compiled(kernel, dtype, even, constants, capability, tmp_path)

    given = dict(STEP=2, PRECISION=precision, WIDENED=False, BLOCK_M=64, BLOCK_N=64, BLOCK_K=32)
    kinds = region_border_kernels.KINDS
    for made in (
        compiled(region_kernels.styled_convolution.fn, **given, GROUP=8),
        compiled(region_border_kernels.amend_borders.fn, **given, KINDS=kinds),
    ):
        assert product in made.asm["ptx"]
        # The loop fetches what comes next while it multiplies, if it can read whole vectors.
        assert ("cp.async" in made.asm["ptx"]) or not even
        assert len(made.asm["cubin"]) > 1000
    listing = compiled(region_border_kernels.list_borders, STEP=2, KINDS=kinds, BLOCK=512)
    assert "atom" in listing.asm["ptx"]


TYPES = dict(demodulation="*fp32", labels_in="*i64", labels="*i64", listed="*i32", counts="*i32")
MAPS = ("x", "y", "matrices", "modulation")
EVEN = ("channels", "outputs", "modulation_stride", "demodulation_stride")


def _compiled(kernel, dtype, even, constants, capability, folder):
    import triton
    from triton.backends.compiler import GPUTarget

    names = kernel.arg_names
    types = {
        name: "constexpr"
        if name in constants
        else f"*{dtype}"
        if name in MAPS
        else TYPES.get(name, "i32")
        for name in names
    }
    aligned = [name for name in names if types[name][0] == "*" or (even and name in EVEN)]
    source = triton.compiler.ASTSource(
        fn=kernel,
        signature=types,
        constexprs=constants,
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    with triton.knobs.cache.scope():
        triton.knobs.cache.dir = str(folder)
        return triton.compile(
            source, target=GPUTarget("cuda", capability, 32), options=dict(num_warps=4)
        )


def test_without_a_gpu_the_form_is_refused_by_name_and_exact_draws_the_same_weights():
    triton, exact, loop = tiny("triton"), tiny("exact"), tiny("loop")
    styles, mask = torch.randn(1, 3, 4, 4), one_hot(torch.randint(3, (1, 8, 8)), 3)
    with pytest.raises(ValueError, match=r"needs triton and a CUDA device, .*; use .*'exact'"):
        triton(styles, mask)
    exact.load_state_dict(triton.state_dict())
    torch.testing.assert_close(exact(styles, mask), loop(styles, mask), atol=1e-5, rtol=1e-4)


def test_double_precision_and_soft_masks_are_refused():
    layer = RegionModulatedConv2d(4, 4, style_dim=2, region_conv="triton")
    x, codes, mask = torch.randn(1, 4, 3, 3), torch.randn(1, 2, 2), torch.full((1, 2, 3, 3), 0.5)
    with pytest.raises(ValueError, match=r"one-hot mask.*use region_conv='exact'"):
        layer(x, layer.table(codes), mask, mask)
    layer, hard = layer.double(), one_hot(torch.randint(2, (1, 3, 3)), 2).double()
    with pytest.raises(ValueError, match=r"float16 or bfloat16, got torch.float64; use .*'exact'"):
        layer(x.double(), layer.table(codes.double()), hard, hard)


def test_a_bundle_stores_the_form_that_runs_anywhere():
    config = dict(type="RegionStyleGAN2", size=8, region_conv="triton", channels=[4, 4])
    stored = without_training(GENERATORS, config)
    assert stored == {**config, "region_conv": "exact"}
    assert without_training(GENERATORS, {**config, "region_conv": "loop"})["region_conv"] == "loop"
    assert config["region_conv"] == "triton"


def test_a_graph_that_leaves_torch_gets_the_form_that_can():
    layers = [part for part in exportable(tiny("triton")).modules() if hasattr(part, "region_conv")]
    forms = {layer.region_conv for layer in layers}
    assert forms == {"borders", "spatial"}  # ToRGB has one kernel of 1 x 1, where all forms agree


def test_exact_leaves_the_kernels_alone_on_a_cpu():
    with torch.no_grad():
        assert not takes_kernels(torch.zeros(1, 16, 2, 2), outputs=16)


@pytest.mark.parametrize(("allowed", "expected"), [(True, "tf32"), (False, "tf32x3")])
def test_float32_is_multiplied_as_torchs_convolutions_would(allowed, expected):
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=allowed):
        assert precision() == expected


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("up", "side"), [(False, 33), (True, 9), (True, 33)])
def test_on_a_gpu_the_kernels_are_the_loop_and_exact_takes_them(dtype, up, side):
    torch.manual_seed(0)
    size = side * (2 if up else 1)
    labels = torch.zeros(2, size, size, dtype=torch.long)
    labels[:, size // 3 :, size // 4 :], labels[0, size // 2 :] = 1, 2
    x, codes, mask = torch.randn(2, 80, side, side), torch.randn(2, 12, 8), one_hot(labels, 12)
    mask_in, found = mask[..., ::2, ::2] if up else mask, {}
    for form in ("loop", "triton", "exact"):
        torch.manual_seed(1)
        layer = RegionModulatedConv2d(80, 48, style_dim=8, up=up, region_conv=form)
        kind = torch.float32 if form == "loop" else dtype
        values = (each.to("cuda", kind) for each in (x, mask_in, mask, codes))
        feature, before, after, given = values
        layer = layer.to("cuda", kind)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            table = layer.table(given)
            assert takes_kernels(feature, outputs=48) == (feature.dtype != torch.float32)
            found[form] = layer(feature, table, before, after).float()
    if dtype != torch.float32:
        assert torch.equal(found["exact"], found["triton"])
    for form in ("triton", "exact"):
        worst = (found[form] - found["loop"]).abs().max() / found["loop"].abs().max()
        assert worst < {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}[dtype]
