"""Borrowing one family brings torch and that family, and nothing heavy."""

import json
import subprocess
import sys

import pytest

FAMILIES = (
    "layers", "parsers", "audio_encoders", "mask_decoders", "region_encoders",
    "generators", "experts", "losses",
)  # fmt: skip
HEAVY = (
    "mmengine", "timm", "segmentation_models_pytorch", "lpips", "cleanfid", "skimage", "cv2",
    "torchaudio", "torchvision", "matplotlib", "pandas", "ai_edge_litert", "av", "transformers",
    "triton",
)  # fmt: skip

PROBE = """
import json, sys, time
import torch
before, started = set(sys.modules), time.perf_counter()
for family in {families}:
    __import__(family)
new = set(sys.modules) - before
print(json.dumps({{
    "seconds": time.perf_counter() - started,
    "roots": sorted({{name.partition(".")[0] for name in new}}),
    "ours": sorted(name for name in new if name.startswith("segkit")),
}}))
"""


def probe(repository, *modules):
    """Import modules in a fresh interpreter; tell what came with them."""
    script = PROBE.format(families=list(modules))
    answer = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:segkit", "-c", script],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert len(lines) == 1, f"importing printed something: {lines[:-1]}"
    return json.loads(lines[0])


@pytest.fixture(scope="module")
def audio_alone(repository):
    return probe(repository, "segkit_models.audio_encoders")


def test_all_families_together_stay_light(repository, record_property):
    found = probe(repository, *(f"segkit_models.{family}" for family in FAMILIES))
    record_property("seconds_over_torch", found["seconds"])
    assert not set(found["roots"]) & set(HEAVY)


def test_audio_encoders_alone(audio_alone, record_property):
    record_property("seconds_over_torch", audio_alone["seconds"])
    assert not set(audio_alone["roots"]) & set(HEAVY)
    families = {
        name.split(".")[1] for name in audio_alone["ours"] if name.startswith("segkit_models.")
    }
    assert families <= {"audio_encoders", "layers"}, "another family came along"


def test_the_package_itself_imports_nothing(repository):
    assert (
        "import "
        not in (repository / "segkit_models/__init__.py").read_text().partition('"""\n')[2]
    )
