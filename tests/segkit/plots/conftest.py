"""A few people whose faces are coloured shapes, and the smallest model that reads them."""

import numpy as np
import pytest
import torch

from segkit.clips import write_clip, write_manifest
from segkit.regions import SCHEME_12
from segkit.talk.bundle import load_bundle

SIZE, LENGTH = 32, 8


def labels_of(frame, *, glasses=False):
    """A face whose mouth is closed in frame 2 and wider open the further from it."""
    labels = np.zeros((SIZE, SIZE), np.uint8)
    for name, rows, columns in (
        ("hair", (2, 9), (6, 26)),
        ("skin", (8, 28), (8, 24)),
        ("eyes", (12, 14), (10, 22)),
        ("lip", (20, 26), (11, 21)),
    ):
        labels[slice(*rows), slice(*columns)] = SCHEME_12.index(name)
    if glasses:
        labels[14:17, 9:23] = SCHEME_12.index("glasses")
    labels[22 : 22 + min(3, abs(frame - 2)), 13:19] = SCHEME_12.index("mouth")
    return labels


def write_people(root, *, people=3, clips=2):
    """Person k has colours of its own in every region; the last one wears glasses."""
    entries = []
    for person in range(people):
        colours = np.random.default_rng(person).integers(0, 256, (12, 3))
        for number in range(clips):
            random = np.random.default_rng([person, number])
            masks = [labels_of(k, glasses=person == people - 1) for k in range(LENGTH)]
            frames = [
                np.clip(colours[mask] + random.normal(0, 6, (SIZE, SIZE, 3)), 0, 255).astype(
                    np.uint8
                )
                for mask in masks
            ]
            waveform = torch.from_numpy(random.normal(0, 0.1, 640 * LENGTH)).float()
            entries.append(
                write_clip(root, f"clip_{person}_{number}", frames=frames, masks=masks,
                           waveform=waveform, person_id=f"person_{person}", split="test",
                           valid_ranges=[(1, LENGTH)])
            )  # fmt: skip
    write_manifest(root, entries)
    return root


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory):
    """Three people with two clips of eight frames each; frame 0 shows no face."""
    return write_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def tiny_bundle(smallest_bundle):
    """A bundle of random weights at 32 px, with eight layers of eight values."""
    return load_bundle(smallest_bundle)
