"""A person is drawn small first, and what that taught stays in the larger generator."""

import numpy as np
import pytest
import torch

from segkit.progress import progress_bars
from segkit.talk import fit_sizes
from segkit.talk.fit import remember_person
from segkit.talk.fit_images import LEARNING, SHARPENING, ImageFit, enlarge
from segkit.talk.person_clip import PersonClip

CPU = torch.device("cpu")


def person_of(size):
    """Four frames of a head whose mouth opens."""
    rows, columns = (np.mgrid[:size, :size] + 0.5) * 64 / size
    labels = np.where(((rows - 32) / 26) ** 2 + ((columns - 32) / 20) ** 2 <= 1, 6, 0)
    labels = np.stack([labels] * 4)
    for frame in range(4):
        lips = (abs(rows - 45) < 3 + frame) & (abs(columns - 32) < 8)
        labels[frame][lips] = 1
    colours = torch.randint(256, (12, 3), generator=torch.Generator().manual_seed(0))
    labels = torch.from_numpy(labels.astype(np.uint8))
    return PersonClip(
        colours[labels.long()].permute(0, 3, 1, 2).byte(),
        labels,
        np.zeros((4, 478, 3), np.float32),
        torch.arange(4),
        torch.zeros(4 * 640),
        1.0,
    )


def learn(bundle, person, *, first, steps):
    with progress_bars(show=False) as bars:
        return fit_sizes.fit_by_sizes(
            bundle, person, person.labels, first=first, held_out=1, seed=0, seconds=1.0, bars=bars,
            steps=steps, device=CPU,
        )  # fmt: skip


@pytest.fixture
def grown(tools, monkeypatch):
    monkeypatch.setattr(fit_sizes, "_TWICE_FROM", 128)
    bundle, person = enlarge(tools.make_tiny(), 128), person_of(128)
    remember_person(bundle, person, CPU)
    return bundle, person


def test_steps_are_shared_out_from_the_smallest_size_on(grown, monkeypatch):
    bundle, person = grown
    drawn, batch, orders = [], ImageFit.batch, {}

    def spy(learning, index, box):
        drawn.append(learning.side)
        orders[learning.side] = learning.order
        return batch(learning, index, box)

    monkeypatch.setattr(ImageFit, "batch", spy)
    told, critics, fit_images = [], [], fit_sizes.fit_images

    def telling(*arguments, adversarial, adversarial_from):
        critics.append((adversarial, adversarial_from))
        told.append(
            fit_images(*arguments, adversarial=adversarial, adversarial_from=adversarial_from)
        )
        return told[-1]

    monkeypatch.setattr(fit_sizes, "fit_images", telling)
    report = learn(bundle, person, first=64, steps=10)
    assert drawn == [64] * 6 + [128] * 4
    assert (report["steps"], report["sizes"]) == (10, [64, 128])
    assert critics == [(0.02, 0.35), (0.05, 0.0)]
    assert orders == {64: LEARNING, 128: SHARPENING}
    # Told are the first size's numbers before, the last one's after, and every check of both.
    (small, large) = told
    assert report["error"] == [small["error"][0], large["error"][1]]
    assert report["psnr_lower"] == [small["psnr_lower"][0], large["psnr_lower"][1]]
    assert [psnr for _, psnr in report["curve"]] == [
        psnr for part in told for _, psnr in part["curve"]
    ]
    seconds = [second for second, _ in report["curve"]]
    assert seconds == sorted(seconds)
    assert bundle.person["styles"].shape == (12, 12, 8)


def test_small_pictures_teach_the_larger_generator(grown, monkeypatch):
    bundle, person = grown
    generator = bundle.modules["generator"]
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    styles = bundle.person["styles"].clone()
    small, made = fit_sizes._part_of, []
    monkeypatch.setattr(
        fit_sizes, "_part_of", lambda *arguments: made.append(small(*arguments)) or made[0]
    )
    loss = ImageFit.loss

    def until_the_second_size(learning, *arguments):
        if learning.side == 128:
            raise KeyboardInterrupt
        return loss(learning, *arguments)

    monkeypatch.setattr(ImageFit, "loss", until_the_second_size)
    with pytest.raises(KeyboardInterrupt):
        learn(bundle, person, first=64, steps=40)
    after = generator.state_dict()
    learned = made[0].state_dict()
    assert any(not torch.equal(learned[name], before[name]) for name in learned)
    for name, value in after.items():
        assert torch.equal(value, learned.get(name, before[name])), name
    codes = bundle.person["styles"]
    assert not torch.equal(codes[:, :10], styles[:, :10])
    # The new layers begin with the code of the last one that has learned.
    assert torch.equal(codes[:, 10:], codes[:, 9:10].expand(-1, 2, -1))


def test_a_generator_that_came_as_large_learns_at_its_size_alone(tools):
    bundle, person = tools.make_tiny(), person_of(64)
    remember_person(bundle, person, CPU)
    report = learn(bundle, person, first=64, steps=8)
    assert (report["steps"], report["sizes"]) == (8, [64])
    assert report["error"][1] < report["error"][0]


def test_the_half_size_comes_first_where_it_is_large_and_the_generator_has_it(grown):
    bundle, _ = grown
    generator = bundle.modules["generator"]
    for first in (32, 64):
        shares = fit_sizes._shares(generator, first, 128)
        assert shares == pytest.approx({64: 0.6, 128: 0.4})
    assert fit_sizes._shares(generator, 128, 128) == {128: 1}
    assert fit_sizes._shares(generator, 32, 64) == {64: 1}
    assert fit_sizes._shares(torch.nn.Identity(), 64, 128) == {128: 1}
