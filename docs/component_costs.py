"""Count parameters and work of every component at the paper's size: docs/component_costs.json.

Run: ``python docs/component_costs.py``. Nothing is computed: weights and inputs have shapes alone,
so it takes half a minute of one core. A test compares the file with the code.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

COSTS = Path(__file__).with_suffix(".json")
_CASES = Path(__file__).parents[1] / "benchmarks/components.py"


def known_cases() -> dict[str, Any]:
    """Return the cases of ``benchmarks/components.py``: name -> (build, make inputs)."""
    spec = importlib.util.spec_from_file_location("component_cases", _CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cases()


def count(build: Any, make_inputs: Any) -> dict[str, float]:
    """Return millions of parameters and billions of operations of a forward pass."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    # Some layers change their weights in place, which fakes do not allow; some filter banks come
    # from numpy, which has no device "meta".
    try:
        return _counted(build, make_inputs, FakeTensorMode(allow_non_fake_inputs=True))
    except RuntimeError:
        return _counted(build, make_inputs, torch.device("meta"))


def _counted(build: Any, make_inputs: Any, without_values: Any) -> dict[str, float]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with without_values, torch.no_grad():
        module = build().eval()
        millions = sum(parameter.numel() for parameter in module.parameters()) / 1e6
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        inputs = make_inputs()
        with FlopCounterMode(display=False) as counter:
            module(*inputs)
    return {"millions": round(millions, 2), "gflop": round(counter.get_total_flops() / 1e9, 1)}


def main() -> None:
    """Write the file."""
    # The work of "bbox" depends on where the regions are.
    cases = {name: case for name, case in known_cases().items() if "bbox" not in name}
    table = {name: count(*case) for name, case in cases.items()}
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in table.items()]
    COSTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
