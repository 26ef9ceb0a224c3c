import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import distance_transform_edt, gaussian_filter

from segkit.regions import SCHEME_12, SCHEME_19
from segkit.talk.paste import _soft, blend_alpha, keep_grain, lay_over, match_colours, shown_box

SIZE = 64
SKIN, NECK = SCHEME_12.index("skin"), SCHEME_12.index("neck")


def face(chin=54, shift=0):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[48:, 22:42] = NECK
    middle = chin - 24
    labels[((rows - middle) / 24) ** 2 + ((columns - 32 - shift) / 18) ** 2 <= 1] = SKIN
    labels[((rows - 27) / 2) ** 2 + ((columns - 24) / 4) ** 2 <= 1] = SCHEME_12.index("eyes")
    labels[((rows - 42) / 4) ** 2 + ((columns - 32) / 8) ** 2 <= 1] = SCHEME_12.index("lip")
    return labels


def test_the_upper_half_is_left_alone_and_the_mouth_is_covered():
    labels = face()
    alpha = blend_alpha(labels, labels)
    assert alpha[: SIZE // 2].max() == 0
    assert alpha[labels == SCHEME_12.index("lip")].min() == 1


def test_both_jaws_are_covered():
    alpha = blend_alpha(face(chin=50), face(chin=56))
    assert alpha[51:54, 32].min() > 0.9
    assert np.array_equal(alpha, blend_alpha(face(chin=56), face(chin=50)))


def test_a_jaw_that_did_not_move_keeps_the_sources_edge_and_one_that_moved_is_covered():
    big = np.ones((4, 4), np.uint8)
    still, moved = np.kron(face(54), big), np.kron(face(50), big)
    edge = 4 * 54  # the chin's lowest row
    same, apart = blend_alpha(still, still)[:, 4 * 32], blend_alpha(still, moved)[:, 4 * 32]
    assert same[edge] < 0.3
    assert same[edge - 10] == 1
    assert apart[edge - 10 : edge].min() > 0.7
    assert apart[edge + 4 :].max() < apart[edge]


@given(st.integers(46, 60), st.integers(46, 60), st.integers(-8, 8))
@settings(max_examples=25)
def test_the_blend_has_no_hard_edge(chin, other, shift):
    # A smoothstep over 3 px rises by half per pixel, one over 9 px by a sixth; the top ramp, the
    # border and the way in which jaws come apart add to that.
    for size, steepest in ((1, 0.8), (4, 0.4)):
        source, spoken = (
            np.kron(face(each, shift), np.ones((size, size), np.uint8)) for each in (chin, other)
        )
        alpha = blend_alpha(source, spoken)
        assert alpha.min() >= 0
        assert alpha.max() <= 1
        steps = max(np.abs(np.diff(alpha, axis=0)).max(), np.abs(np.diff(alpha, axis=1)).max())
        assert steps < steepest
        borders = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
        assert max(border.max() for border in borders) == 0


def test_edited_regions_are_covered_wherever_they_are():
    labels = face()
    alpha = blend_alpha(labels, labels, edited=["eyes"])
    assert alpha[labels == SCHEME_12.index("eyes")].min() > 0.5
    assert alpha[10].max() == 0


NOSE = SCHEME_12.index("nose")


def nosed(rows=(28, 36), scheme=SCHEME_12):
    """A face with a nose that ends 2 px above the lip, and no eyes."""
    labels = face()
    labels[rows[0] : rows[1], 28:37] = NOSE
    if scheme is SCHEME_19:
        names = [SCHEME_12.regions[label] for label in range(len(SCHEME_12))]
        lower = np.mgrid[:SIZE, :SIZE][0] >= 42
        table = np.array([0] + [scheme.index(n) if n in scheme.regions else 0 for n in names[1:]])
        upper = np.where(lower, scheme.index("lower_lip"), scheme.index("upper_lip"))
        return np.where(labels == SCHEME_12.index("lip"), upper, table[labels]).astype(np.uint8)
    return labels


@pytest.mark.parametrize("scheme", [SCHEME_12, SCHEME_19])
def test_a_nose_stays_the_sources_and_lips_never_do(scheme):
    size = 4
    labels = np.kron(nosed((26, 34), scheme), np.ones((size, size), np.uint8))
    alpha = blend_alpha(labels, labels, scheme=scheme)
    nose, lips = labels == scheme.index("nose"), np.isin(labels, scheme.lip_labels)
    # Its lowest rows are within reach of the lips' own folds.
    away = nose & (np.mgrid[: size * SIZE, : size * SIZE][0] < size * 33)
    assert nose[size * SIZE // 2 :].sum() > 200
    assert alpha[away].max() == 0
    assert alpha[lips].min() == 1
    drawn = blend_alpha(labels, labels, edited=["nose"], scheme=scheme)
    assert drawn[nose & away][-100:].min() > 0.2


@given(shift=st.integers(0, 12))
@settings(max_examples=12)
def test_a_nose_that_moved_is_drawn_where_the_masks_differ(shift):
    source, spoken = nosed((26, 40)), nosed((26, 40 - shift))
    alone = blend_alpha(np.where(source == NOSE, SKIN, source), spoken)
    alpha = blend_alpha(source, spoken)
    assert (alpha <= alone + 1e-6).all()
    far = np.abs(np.mgrid[:SIZE, :SIZE][1] - 32) > 16
    assert np.array_equal(alpha[far], alone[far])


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(64, 64\) and \(32, 32\)"):
        blend_alpha(face(), np.zeros((32, 32), np.uint8))


def test_colours_are_matched_where_light_differs():
    random = np.random.default_rng(0)
    rows = np.linspace(0, 1, SIZE)[:, None, None]
    source = np.clip(110 + 30 * rows + random.normal(0, 3, (SIZE, SIZE, 3)), 0, 255).astype(
        np.uint8
    )
    generated = np.clip(source.astype(float) - (20, 5, -10) - 10 * rows, 0, 255).astype(np.uint8)
    alpha = blend_alpha(face(), face())
    matched = match_colours(generated, source, alpha)
    inside = alpha > 0.1
    before = np.abs(generated.astype(float) - source)[inside].mean()
    after = np.abs(matched.astype(float) - source)[inside].mean()
    assert before > 10
    assert after < 2.5


def test_colours_spread_on_a_small_copy_as_at_full_size():
    random = np.random.default_rng(4)
    big = np.ones((4, 4), np.uint8)
    alpha = blend_alpha(np.kron(face(), big), np.kron(face(50), big)).astype(np.float64)
    source = random.integers(60, 200, (*alpha.shape, 3), dtype=np.uint8)
    rows = np.linspace(-25, 25, len(alpha))[:, None, None]
    generated = np.rint(source + rows + (12, -6, 3)).clip(0, 255).astype(np.uint8)
    rim = 4 * alpha * (1 - alpha)
    sigma = len(alpha) / 9
    weight = gaussian_filter(rim, sigma, mode="mirror")[..., None] + 1e-3
    difference = (source.astype(float) - generated) * rim[..., None]
    spread = gaussian_filter(difference, (sigma, sigma, 0), mode="mirror") / weight
    wanted = np.rint(generated + spread.clip(-40, 40)).clip(0, 255)
    found = match_colours(generated, source, alpha.astype(np.float32)).astype(float)
    off = np.abs(found - wanted)[alpha > 0.02]
    assert off.max() <= 1
    assert off.mean() < 0.05
    assert np.abs(found - generated)[alpha > 0.02].mean() > 5


@given(
    mask=hnp.arrays(np.uint8, (24, 20), elements=st.integers(0, 1)),
    box=st.tuples(*[st.integers(0, 19)] * 4),
    grow=st.floats(0, 6), feather=st.floats(1, 8),
)  # fmt: skip
def test_soft_rims_by_another_librarys_distances(mask, box, grow, feather):
    top, height, left, width = box
    inner = np.zeros_like(mask)
    inner[top : top + height, left : left + width] = mask[top : top + height, left : left + width]
    depth = distance_transform_edt(inner) - distance_transform_edt(1 - inner) + 0.5 - inner
    rise = np.clip((grow + depth) / feather, 0, 1)
    smooth = rise * rise * (3 - 2 * rise)
    if inner.all() or not inner.any():
        smooth = inner.astype(float)  # that library has no distance to what is not there
    np.testing.assert_allclose(_soft(inner, grow=grow, feather=feather), smooth, atol=1e-5)


def test_equal_pictures_are_not_changed():
    image = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    assert np.array_equal(match_colours(image, image, blend_alpha(face(), face())), image)


def test_outside_the_blend_the_frame_stays_bit_for_bit():
    random = np.random.default_rng(2)
    frame = random.integers(0, 256, (100, 120, 3), dtype=np.uint8)
    transform = np.array([[1.0, 0, -20], [0, 1.0, -10]])
    labels = face()
    result = lay_over(
        frame,
        crop=frame[10:74, 20:84].copy(),
        generated=random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        transform=transform,
        source_labels=labels,
        spoken_labels=labels,
    )
    changed = (result != frame).any(-1)
    assert changed[10 + 42, 20 + 32]
    alpha = blend_alpha(labels, labels)
    assert not changed[10:74, 20:84][alpha == 0].any()
    changed[10:74, 20:84] = False
    assert not changed.any()


def textured_pictures():
    """A smooth face, and a source whose pores and broad shade differ from it."""
    random = np.random.default_rng(3)
    generated = np.full((SIZE, SIZE, 3), 120, np.uint8)
    pores = 12 * random.choice([-1.0, 1.0], (SIZE, SIZE, 1))
    shade = np.linspace(-30, 30, SIZE)[:, None, None]
    return generated, np.rint(120 + shade + pores).astype(np.uint8).repeat(3, 2), pores


def test_skin_keeps_the_grain_of_the_source_and_nothing_broader():
    generated, source, pores = textured_pictures()
    labels = np.full((SIZE, SIZE), SCHEME_12.index("skin"), np.uint8)
    kept = keep_grain(generated, source, labels, labels).astype(float) - 120
    inside = (slice(8, -8), slice(8, -8), 0)
    assert np.corrcoef(kept[inside].ravel(), pores[8:-8, 8:-8, 0].ravel())[0, 1] > 0.85
    assert abs(kept[8:24, 8:-8].mean()) < 1, "the shade of the source is up to 30 here"


def test_lips_and_edited_skin_keep_nothing_of_the_source():
    generated, source, _ = textured_pictures()
    labels = np.full((SIZE, SIZE), SCHEME_12.index("skin"), np.uint8)
    edited = keep_grain(generated, source, labels, labels, edited=["skin"])
    assert np.array_equal(edited, generated)
    spoken = labels.copy()
    spoken[30:36, 20:44] = SCHEME_12.index("lip")
    kept = keep_grain(generated, source, labels, spoken)
    assert np.array_equal(kept[30:36, 20:44], generated[30:36, 20:44])
    assert (kept[5:20] != generated[5:20]).any()


def test_what_is_laid_over_has_the_grain_of_the_source():
    generated, source, pores = textured_pictures()
    labels = np.full((SIZE, SIZE), SCHEME_12.index("skin"), np.uint8)
    whole = np.eye(2, 3)
    result = lay_over(
        source, crop=source, generated=generated, transform=whole,
        source_labels=labels, spoken_labels=labels,
    )  # fmt: skip
    opaque = blend_alpha(labels, labels)[..., None] == 1
    assert opaque.sum() > 300
    found = result[..., :1].astype(float)[opaque]
    assert np.corrcoef(found, pores[opaque])[0, 1] > 0.3, "the generated picture has none"


@given(
    chin=st.integers(40, 70), other=st.integers(40, 70), shift=st.integers(-30, 30),
    grain=st.booleans(), side=st.sampled_from([64, 128]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_nothing_but_the_box_is_ever_seen(chin, other, shift, grain, side):
    random = np.random.default_rng(chin)
    source, spoken = (face(chin, shift), face(other, shift // 2))
    source, spoken = (
        np.kron(each, np.ones((side // SIZE,) * 2, np.uint8)) for each in (source, spoken)
    )
    frame = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
    drawn = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
    top, bottom, left, right = shown_box(source, spoken)
    hidden = frame.copy()
    hidden[top:bottom, left:right] = drawn[top:bottom, left:right]
    results = [
        lay_over(
            frame, crop=frame, generated=generated, transform=np.eye(2, 3), grain=grain,
            source_labels=source, spoken_labels=spoken,
        )
        for generated in (drawn, hidden)
    ]  # fmt: skip
    assert np.array_equal(*results)


def test_a_usual_face_is_seen_in_less_than_half_of_the_crop():
    top, bottom, left, right = shown_box(face(), face())
    assert (bottom - top) * (right - left) < 0.5 * SIZE**2
