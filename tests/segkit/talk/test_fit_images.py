"""Drawing what speech changes, in most steps, serves the objective of drawing all."""

import numpy as np
import pytest
import torch

from segkit.progress import progress_bars
from segkit.talk import fit_images
from segkit.talk.budget import Budget
from segkit.talk.fit_images import LEARNING, SHARPENING, ImageFit
from segkit.talk.paste import lay_over
from segkit.talk.patches import PatchCritic
from segkit.talk.person_clip import PersonClip


def learning_of(bundle, *, lips_end=46, order=LEARNING):
    """Four frames of an ellipse whose lips go down, in crops of 64 px."""
    rows, columns = np.mgrid[:64, :64]
    labels = np.where(((rows - 32) / 26) ** 2 + ((columns - 32) / 20) ** 2 <= 1, 6, 0)
    labels = np.stack([labels] * 4)
    for frame in range(4):
        labels[frame, 42 : min(lips_end + frame, 60), 26:40] = 1
    random = torch.Generator().manual_seed(0)
    clip = PersonClip(
        torch.randint(256, (4, 3, 64, 64), generator=random, dtype=torch.uint8),
        torch.from_numpy(labels.astype(np.uint8)),
        np.zeros((4, 478, 3), np.float32),
        torch.arange(4),
        torch.zeros(4 * 640),
        1.0,
    )
    styles = torch.randn(1, 12, 10, 8, generator=random)
    return ImageFit(
        bundle.modules["generator"], bundle.scheme, clip, styles, None, held_out=1, seed=0,
        device=torch.device("cpu"), order=order,
    )  # fmt: skip


@pytest.fixture
def learning(tools):
    return learning_of(tools.make_tiny())


@pytest.mark.parametrize("order", [LEARNING, SHARPENING])
def test_the_steps_together_weigh_every_pixel_by_its_use(tools, order):
    learning = learning_of(tools.make_tiny(), order=order)
    index = torch.arange(3)
    error = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    steps = []
    for step in range(len(order)):
        top, bottom, left, right = box = learning.part_at(step)
        weight = learning.batch(index, box)[2]
        steps.append((error[..., top:bottom, left:right] * weight).mean())
    wanted = (error * learning._importance(index)).mean()
    torch.testing.assert_close(torch.stack(steps).mean(), wanted)


@pytest.mark.parametrize(
    ("order", "counts"), [(LEARNING, (2, 6, 8, 0)), (SHARPENING, (1, 2, 3, 10))]
)
def test_most_steps_draw_a_part_and_few_the_whole(tools, monkeypatch, order, counts):
    learning = learning_of(tools.make_tiny(), order=order)
    _whole, shown, speaking, lips = learning.parts
    sizes = [(bottom - top) * (right - left) for top, bottom, left, right in learning.parts]
    assert sizes[0] == 64 * 64
    assert sizes[3] < sizes[2] < sizes[1] < sizes[0] / 2
    # The judged part, which begins above these lips and ends below.
    assert speaking == (33, 58, 13, 51)
    # They are seen in rows 42 to 48 and columns 26 to 39; a sixteenth of 64 px around.
    assert lips == (38, 53, 22, 44)
    drawn, forward = [], fit_images.PersonGenerator.forward

    def spy(model, mask, box=None):
        if torch.is_grad_enabled():
            drawn.append(box)
        return forward(model, mask, box)

    monkeypatch.setattr(fit_images.PersonGenerator, "forward", spy)
    with progress_bars(show=False) as bars:
        report = fit_images.fit_images(learning, Budget(9, bars, "images", steps=17))
    assert drawn[0] is drawn[16] is None
    assert tuple(drawn[:16].count(part) for part in (None, shown, speaking, lips)) == counts
    assert report["error"][1] < report["error"][0]


def test_lips_that_leave_the_judged_part_are_drawn_whole(tools):
    learning = learning_of(tools.make_tiny(), lips_end=60)
    assert learning.parts[2] == (33, 64, 13, 51)
    assert learning.parts[3] == (38, 64, 22, 44)


def test_without_lips_what_is_judged_is_drawn_in_their_place(tools):
    learning = learning_of(tools.make_tiny(), lips_end=0)
    assert learning.parts[2] == learning.parts[3] == (33, 58, 13, 51)


@pytest.mark.parametrize(("around", "judged"), [(1 / 16, 4), (0, 0)])
def test_the_critic_judges_no_lips_smaller_than_it_can(tools, monkeypatch, around, judged):
    monkeypatch.setattr(fit_images, "_AROUND_LIPS", around)
    # Rows 42 to 46, without what is around.
    learning = learning_of(tools.make_tiny(), lips_end=44, order=(3,))
    calls, loss = [], PatchCritic.loss

    def spy(critic, fake, real):
        calls.append(fake.shape[-2:])
        return loss(critic, fake, real)

    monkeypatch.setattr(PatchCritic, "loss", spy)
    with progress_bars(show=False) as bars:
        fit_images.fit_images(learning, Budget(9, bars, "images", steps=8), adversarial_from=0.45)
    assert len(calls) == judged


def test_a_part_is_the_part_of_the_whole(learning):
    top, bottom, left, right = box = learning.parts[1]
    mask, image, weight = learning.batch(torch.arange(3), box)
    assert mask.shape == (3, 12, 64, 64)
    assert image.shape == (3, 3, bottom - top, right - left)
    assert weight.shape == (3, 1, bottom - top, right - left)
    with torch.no_grad():
        whole, part = learning.model(mask), learning.model(mask, box)
    torch.testing.assert_close(part, whole[..., top:bottom, left:right], atol=1e-5, rtol=1e-4)
    critic = PatchCritic()
    judged = critic.window(whole, side=64)
    assert judged.shape[-2:] == (58 - 33, 51 - 13)
    torch.testing.assert_close(
        critic.window(part, side=64, origin=(top, left)), judged, atol=1e-5, rtol=1e-4
    )


def test_outside_of_the_part_nothing_drawn_is_ever_seen(learning):
    top, bottom, left, right = learning.parts[1]
    random = np.random.default_rng(0)
    frame, drawn = random.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    hidden = np.zeros_like(drawn)
    hidden[top:bottom, left:right] = drawn[top:bottom, left:right]
    for labels in learning.labels.numpy():
        shown = [
            lay_over(
                frame, crop=frame, generated=each, transform=np.eye(2, 3), source_labels=labels,
                spoken_labels=labels,
            )
            for each in (drawn, hidden)
        ]  # fmt: skip
        assert np.array_equal(*shown)


class WholeOnly(torch.nn.Module):
    """A generator that knows no parts: the colour of a region is the mean of its codes."""

    def forward(self, styles, mask):
        colours = styles.mean((2, 3))
        return (colours[:, :, None, None] * mask).sum(1, keepdim=True).expand(-1, 3, -1, -1)


def test_a_generator_that_draws_no_parts_learns_from_whole_crops(tools):
    bundle = tools.make_tiny()
    bundle.modules["generator"] = WholeOnly()
    learning = learning_of(bundle)
    (whole,) = learning.parts
    index = torch.arange(2)
    assert torch.equal(learning.batch(index, whole)[2], learning._importance(index))
    with progress_bars(show=False) as bars:
        report = fit_images.fit_images(learning, Budget(9, bars, "images", steps=8))
    assert report["error"][1] < report["error"][0]


class WithoutBox(WholeOnly):
    """One that prepares codes, but draws whole pictures alone."""

    def prepare(self, styles):
        return styles

    def render(self, tables, mask):
        return self(tables.expand(len(mask), -1, -1, -1), mask)


def test_a_generator_that_prepares_but_knows_no_parts_learns_too(tools):
    bundle = tools.make_tiny()
    bundle.modules["generator"] = WithoutBox()
    learning = learning_of(bundle)
    assert learning.parts == ((0, 64, 0, 64),)
    with progress_bars(show=False) as bars:
        report = fit_images.fit_images(learning, Budget(9, bars, "images", steps=4))
    assert report["error"][1] < report["error"][0]
