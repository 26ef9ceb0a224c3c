"""Style codes as points: purity and silhouette against hand and library, and a repeatable plane."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.plots.style_codes import (
    Separation,
    StyleCodes,
    check_enough,
    flatten_codes,
    mean_separation,
    nearest_neighbour_purity,
    perplexity_of,
    plane,
    separation_across_clips,
    separation_by_person,
    separation_by_region,
    separations,
    silhouette,
)

pytest.importorskip("sklearn", reason="needs the extra `plot`")

from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors


def clusters(num_classes, each, *, seed=0, spread=0.1, width=6):
    """Return points around far-apart middles, and their classes."""
    random = np.random.default_rng(seed)
    middles = 20 * random.normal(size=(num_classes, width))
    classes = np.repeat(np.arange(num_classes), each)
    return middles[classes] + spread * random.normal(size=(len(classes), width)), classes


def codes_of(num_people=3, num_regions=4, each=5, *, seed=0):
    """Return codes whose regions are far apart and whose people are apart inside each."""
    random = np.random.default_rng(seed)
    regions, people, frames = (axis.ravel() for axis in np.mgrid[:num_regions, :num_people, :each])
    vectors = (
        100 * random.normal(size=(num_regions, 6))[regions]
        + 5 * random.normal(size=(num_people, 6))[people]
        + 0.1 * random.normal(size=(len(regions), 6))
    )
    return StyleCodes(vectors, regions, people, 2 * people + frames % 2)


def test_codes_of_absent_regions_are_left_out():
    styles = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    presence = np.array([[True, False, True], [False, True, True]])
    codes = flatten_codes(styles, presence, people=[7, 8], clips=[4, 5])
    assert codes.vectors.tolist() == [
        [0, 1, 2, 3],
        [8, 9, 10, 11],
        [16, 17, 18, 19],
        [20, 21, 22, 23],
    ]
    assert codes.regions.tolist() == [0, 2, 1, 2]
    assert codes.people.tolist() == [7, 7, 8, 8]
    assert codes.clips.tolist() == [4, 4, 5, 5]
    assert (codes.layers, codes.num_layers) == ((0, 1), 2)


def test_chosen_layers_are_taken_in_order():
    styles = np.arange(12.0).reshape(1, 1, 4, 3)
    codes = flatten_codes(styles, np.ones((1, 1), bool), people=[0], layers=[3, 1])
    assert codes.vectors.tolist() == [[9, 10, 11, 3, 4, 5]]
    assert (codes.layers, codes.num_layers) == ((3, 1), 4)


@pytest.mark.parametrize(("layers", "words"), [([4], "0..3, got 4"), ([], "got none")])
def test_layers_that_are_not_there(layers, words):
    with pytest.raises(ValueError, match=words):
        flatten_codes(np.zeros((1, 1, 4, 3)), np.ones((1, 1), bool), people=[0], layers=layers)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected codes \(B, R, L, D\)"):
        flatten_codes(np.zeros((2, 3, 4, 5)), np.ones((2, 4), bool), people=[0, 1])


def test_purity_by_hand():
    line = np.array([0.0, 1.0, 10.0, 11.0, 12.5])[:, None]
    classes = np.array([0, 0, 1, 1, 0])
    # Only 12.5 has a neighbour (11) of the other class. Blindly: 3 x 2/4 and 2 x 1/4 of five.
    assert nearest_neighbour_purity(line, classes) == pytest.approx((4 / 5, 0.4))


def test_points_that_are_alone_in_their_class_do_not_count():
    line = np.array([0.0, 1.0, 10.0, 11.0, 5.0])[:, None]
    assert nearest_neighbour_purity(line, np.array([0, 0, 1, 1, 2])) == pytest.approx((1.0, 0.25))
    undefined = nearest_neighbour_purity(line, np.arange(5))
    assert np.isnan(undefined).all()
    assert np.isnan(nearest_neighbour_purity(line, np.zeros(5))).all()


def test_points_kept_apart_are_no_neighbours():
    line = np.array([0.0, 0.1, 3.0, 3.1, 1.0, 1.1])[:, None]
    classes, clips = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    assert nearest_neighbour_purity(line, classes) == pytest.approx((1.0, (4 * 3 + 2) / 5 / 6))
    # Without its own clip every point of class 0 is nearest to class 1, which has one clip only.
    assert nearest_neighbour_purity(line, classes, apart=clips) == pytest.approx((0.0, 0.5))


def test_purity_agrees_with_scikit_learn_across_blocks():
    random = np.random.default_rng(3)
    vectors, classes = random.normal(size=(1100, 5)), random.integers(0, 4, 1100)
    vectors[:, 0] += classes
    found = NearestNeighbors(n_neighbors=2).fit(vectors).kneighbors(vectors)[1][:, 1]
    purity, _ = nearest_neighbour_purity(vectors, classes)
    assert purity == pytest.approx((classes[found] == classes).mean(), abs=1e-12)
    assert 0.3 < purity < 0.9


def test_clusters_that_are_apart_are_pure():
    vectors, classes = clusters(5, 12)
    assert nearest_neighbour_purity(vectors, classes)[0] == 1
    assert silhouette(vectors, classes) > 0.98


def test_shuffled_classes_are_as_pure_as_chance():
    vectors, classes = clusters(4, 250)
    shuffled = np.random.default_rng(1).permutation(classes)
    purity, chance = nearest_neighbour_purity(vectors, shuffled)
    assert chance == pytest.approx(249 / 999)
    assert purity == pytest.approx(chance, abs=0.05)  # three standard deviations of 1000 draws
    assert abs(silhouette(vectors, shuffled)) < 0.05


def test_silhouette_by_hand():
    line = np.array([0.0, 1.0, 10.0, 11.0])[:, None]
    # Distances to the own and to the other class: 1 and 10.5 outside, 1 and 9.5 inside.
    expected = ((10.5 - 1) / 10.5 + (9.5 - 1) / 9.5) / 2
    assert silhouette(line, np.array([0, 0, 1, 1])) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_silhouette_is_not_defined_everywhere(classes):
    assert np.isnan(silhouette(np.eye(4), np.array(classes)))


def test_numbers_by_person_are_those_of_each_region_alone():
    codes = codes_of()
    found = separation_by_person(codes)
    assert list(found) == [0, 1, 2, 3]
    for region, item in found.items():
        inside = codes.regions == region
        alone = silhouette_score(codes.vectors[inside], codes.people[inside])
        assert item.silhouette == pytest.approx(alone, abs=1e-12)
        assert item.purity == 1
        assert item.chance == pytest.approx(4 / 14)


@settings(max_examples=12)
@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4))
def test_where_regions_lie_says_nothing_about_people(shifts):
    codes = codes_of()
    moved = codes.vectors + np.array(shifts)[codes.regions, None]
    shifted = StyleCodes(moved, codes.regions, codes.people, codes.clips)
    before, after = (mean_separation(separation_by_person(item)) for item in (codes, shifted))
    assert after.silhouette == pytest.approx(before.silhouette, abs=1e-6)
    assert after.purity == before.purity


def test_a_person_known_by_the_clip_alone_is_not_known_across_clips():
    codes = codes_of(each=6)
    scenes = 50 * np.random.default_rng(5).normal(size=(6, 6))
    by_scene = StyleCodes(scenes[codes.clips] + codes.vectors / 1e3, codes.regions, codes.people,
                          codes.clips)  # fmt: skip
    within, across = separation_by_person(by_scene), separation_across_clips(by_scene)
    assert mean_separation(within).purity == 1
    assert mean_separation(across).purity < 0.7
    assert mean_separation(separation_across_clips(codes)).purity == 1


def test_regions_without_a_number_do_not_count():
    codes = codes_of()
    lonely = codes.regions != 2
    kept = lonely | (codes.people == 0)  # region 2 shows one person only
    fewer = StyleCodes(*(part[kept] for part in (codes.vectors, codes.regions, codes.people,
                                                 codes.clips)))  # fmt: skip
    found = separation_by_person(fewer)
    assert np.isnan(found[2].silhouette)
    others = [found[region].silhouette for region in (0, 1, 3)]
    assert mean_separation(found).silhouette == pytest.approx(np.mean(others))
    nothing = mean_separation({0: Separation(float("nan"), float("nan"), float("nan"))})
    assert np.isnan([nothing.silhouette, nothing.purity, nothing.chance]).all()


def test_all_numbers_at_once():
    codes = codes_of()
    found = separations(codes)
    assert list(found) == ["region", "person", "person_across_clips"]
    assert found["region"] == separation_by_region(codes)
    assert found["region"].silhouette == pytest.approx(
        silhouette_score(codes.vectors, codes.regions), abs=1e-12
    )


def test_the_plane_is_equal_bit_for_bit_and_keeps_neighbours():
    vectors, classes = clusters(4, 15)
    first, second = (plane(vectors.astype(np.float32), seed=3) for _ in range(2))
    assert first.shape == (60, 2)
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert nearest_neighbour_purity(first, classes)[0] == 1


def test_the_plane_of_a_few_points():
    assert (perplexity_of(10), perplexity_of(1000)) == (3, 30)
    assert plane(np.random.default_rng(0).normal(size=(10, 3))).shape == (10, 2)
    with pytest.raises(ValueError, match="at least 10 points, got 9"):
        plane(np.zeros((9, 3)))


@pytest.mark.parametrize(("people", "regions", "each"), [(1, 4, 9), (3, 1, 9), (2, 2, 2)], ids=str)
def test_too_few_codes_people_or_regions(people, regions, each):
    codes = codes_of(people, regions, each)
    with pytest.raises(ValueError, match=f"got {len(codes)} of {people} people and {regions} reg"):
        check_enough(codes)


def test_enough_codes():
    check_enough(codes_of(2, 2, 3))
