"""A bundle whose networks of every frame are run by another backend."""

from __future__ import annotations

import dataclasses

from torch import Tensor, nn

from segkit.backends.cache import graph_file
from segkit.backends.compiling import compiled_decoder
from segkit.backends.folding import with_folded_norms
from segkit.backends.quantised import check_regions, quantised_decoder
from segkit.backends.runners import Runner, runner
from segkit.bfloat16 import InBfloat16
from segkit.export.parts import part_of
from segkit.talk.bundle import Bundle

EVERY_FRAME = ("mask_decoder", "generator")
"""What runs for every frame. The encoders run once per clip, and stay with torch."""


class Run(nn.Module):
    """A component that is run elsewhere, called as before.

    It has none of the component's other methods: work that torch does once per identity or
    portrait is done for each batch.

    Args:
        module: the component, whose weights tell what is run.
        run: its graph.
    """

    def __init__(self, module: nn.Module, run: Runner) -> None:
        super().__init__()
        self.module = module
        self.run = run

    def forward(self, *inputs: Tensor) -> Tensor:
        """Run the graph."""
        return self.run(*inputs)


def with_backend(bundle: Bundle, *, backend: str = "torch", precision: str = "fp32") -> Bundle:
    """Return a bundle whose mask decoder and generator are run by a backend.

    torch runs them itself, the mask decoder's batch norms folded into its convolutions; in
    ``"bf16"`` by autocast.

    Graphs are made at the first use, compared with torch and kept in the user's cache. ``"int8"``
    is of the mask decoder alone, and only where its masks stay the same (`quantised_decoder`).
    ``"compile"`` is of the mask decoder alone too: the generator's shapes follow the borders of
    each mask and the part of each frame that is seen.

    Args:
        bundle: the model, on its device; it is not changed.
        backend: see ``BACKENDS``.
        precision: see ``PRECISIONS``; check both by `check_backend` first.

    Raises:
        ExportError: a network has no graph, or one that differs from torch.
        ValueError: int8 for a model of other regions than those it is calibrated on.
    """
    if precision == "int8":
        check_regions(bundle.scheme)
    modules = dict(bundle.modules)
    if backend == "torch":
        modules["mask_decoder"] = with_folded_norms(modules["mask_decoder"])
        if precision == "bf16":
            modules["mask_decoder"] = halved_decoder(modules["mask_decoder"])
            modules["generator"] = halved_generator(modules["generator"])
        return dataclasses.replace(bundle, modules=modules)
    if backend == "compile":
        modules["mask_decoder"] = compiled_decoder(modules["mask_decoder"])
        return dataclasses.replace(bundle, modules=modules)
    for name in EVERY_FRAME:
        part = part_of(bundle, name)
        graph = graph_file(name, part, config=bundle.configs[name])
        if precision != "int8":
            run = runner(graph, part.inputs, backend=backend, precision=precision)
        elif name == "mask_decoder":
            run = quantised_decoder(graph, bundle, backend=backend)
        else:
            run = runner(graph, part.inputs, backend=backend, precision="fp32")
        modules[name] = Run(bundle.modules[name], run)
    return dataclasses.replace(bundle, modules=modules)


def halved_decoder(decoder: nn.Module) -> InBfloat16:
    """Return a copy of a mask decoder that predicts in bfloat16."""
    return InBfloat16(decoder, methods=("prepare", "decode_prepared"))


def halved_generator(generator: nn.Module) -> InBfloat16:
    """Return a copy of a generator that draws in bfloat16, from style tables in float32."""
    return InBfloat16(generator, methods=("render",), others=("prepare",))
