"""Frechet and kernel distance against closed forms, scipy, clean-fid and stored values."""

import math
import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from segkit_metrics.distribution import (
    frechet_distance,
    frechet_from_features,
    frechet_of_sets,
    kernel_distance,
)
from segkit_metrics.feature_sets import FeatureSet, Moments, RowSample


def rows(seed, count, dim, scale=1.0, shift=0.0):
    generator = np.random.default_rng(seed)
    mixed = generator.standard_normal((count, dim)) @ generator.standard_normal((dim, dim))
    return mixed * scale + shift


def fitted(x):
    return x.mean(0), np.cov(x, rowvar=False)


def by_sqrtm(x, y):
    (m1, s1), (m2, s2) = fitted(x), fitted(y)
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float(((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)


def by_moments(x, y):
    return frechet_distance(*fitted(x), *fitted(y))


def test_stored_values(oracle, oracle_inputs):
    real, fake = oracle_inputs["feat_real"], oracle_inputs["feat_fake"]
    assert frechet_from_features(real, fake) == pytest.approx(oracle("frechet_full_rank"), abs=1e-8)
    small = oracle_inputs["feat_real_small"], oracle_inputs["feat_fake_small"]
    wanted = oracle("frechet_rank_deficient")
    assert frechet_from_features(*small) == pytest.approx(wanted, abs=1e-9)
    assert by_moments(*small) == pytest.approx(wanted, abs=1e-4)
    assert frechet_from_features(small[0], small[0]) == oracle("frechet_identical")
    means, variances = oracle_inputs["diag_mu"], oracle_inputs["diag_var"]
    found = frechet_distance(means[0], np.diag(variances[0]), means[1], np.diag(variances[1]))
    assert found == pytest.approx(oracle("frechet_diagonal_closed_form"), abs=1e-12)
    one = frechet_distance(*(np.full(s, v) for s, v in (((1,), 1.5), ((1, 1), 4.0))),
                           *(np.full(s, v) for s, v in (((1,), 0.2), ((1, 1), 9.0))))  # fmt: skip
    assert one == pytest.approx(oracle("frechet_1d_closed_form"), abs=1e-12)
    moments = Moments(real.shape[1])
    moments.add(real)
    sums = [moments.mean.sum(), np.abs(moments.covariance()).sum()]
    assert sums == pytest.approx(oracle("feature_mean_cov_checksum"), abs=1e-8)
    n = min(len(real), len(fake))
    wanted = oracle("kid_unbiased_equal_n")
    assert kernel_distance(real[:n], fake[:n]) == pytest.approx(wanted, abs=1e-9)
    assert kernel_distance(real, fake) == pytest.approx(oracle("kid_unbiased_all"), abs=1e-9)


def test_scipy_gives_the_same_frechet_distance():
    x, y = rows(0, 90, 24), rows(1, 70, 24, 1.2, 0.3)
    assert frechet_from_features(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(20, 24), (20, 300), (300, 20)])
def test_few_rows_are_measured_exactly(n, m):
    x, y = rows(2, n, 64), rows(3, m, 64, 1.1)
    # The eigenvalues of a product of singular matrices lose half of the digits.
    assert frechet_from_features(x, y) == pytest.approx(by_moments(x, y), rel=1e-5)
    assert frechet_from_features(x, y) == pytest.approx(frechet_from_features(y, x), rel=1e-12)
    assert frechet_from_features(x, x.copy()) == 0
    assert by_moments(x, x) == 0


def test_commuting_covariances_have_a_closed_form():
    axes, _ = np.linalg.qr(np.random.default_rng(4).standard_normal((9, 9)))
    v1, v2 = np.random.default_rng(5).random((2, 9)) * 3
    found = frechet_distance(np.zeros(9), axes * v1 @ axes.T, np.full(9, 0.5), axes * v2 @ axes.T)
    assert found == pytest.approx(9 * 0.25 + ((np.sqrt(v1) - np.sqrt(v2)) ** 2).sum(), abs=1e-12)


@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(2, 40))
def test_a_rotation_of_both_changes_nothing_and_the_order_neither(seed, n, m):
    x, y = rows(seed, n, 12), rows(seed + 1, m, 12, 1.3, 0.2)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((12, 12)))
    distance = frechet_from_features(x, y)
    assert distance >= 0
    assert frechet_from_features(x @ turn, y @ turn) == pytest.approx(distance, rel=1e-5)
    assert frechet_from_features(y, x) == pytest.approx(distance, rel=1e-5)


def test_an_equal_distribution_is_far_from_zero_at_few_rows():
    # Why only numbers of equal n compare.
    few, many = (
        np.mean([
            frechet_from_features(*np.random.default_rng(s).standard_normal((2, n, 64)))
            for s in range(3)
        ])
        for n in (32, 512)
    )  # fmt: skip
    assert few == pytest.approx(61, abs=3)
    assert many == pytest.approx(4.3, abs=0.3)


def test_streamed_sets_are_measured_exactly_while_they_are_small():
    x, y = rows(16, 12, 20), rows(17, 15, 20)

    def streamed(z, capacity):
        made = FeatureSet(20, capacity=capacity)
        for k in range(0, len(z), 4):
            made.add([str(i) for i in range(k, min(k + 4, len(z)))], z[k : k + 4])
        return made

    exact = frechet_from_features(x, y)
    whole = [streamed(z, 20) for z in (x, y)]
    assert all(one.complete for one in whole)
    assert frechet_of_sets(*whole) == pytest.approx(exact, rel=1e-13)
    some = [streamed(z, 5) for z in (x, y)]
    assert not any(one.complete for one in some)
    assert frechet_of_sets(*some) == pytest.approx(by_moments(x, y), rel=1e-6)
    assert frechet_of_sets(*some) == pytest.approx(exact, rel=1e-5)
    assert frechet_of_sets(*some, ddof=0) == pytest.approx(
        frechet_from_features(x, y, ddof=0), rel=1e-5
    )


def test_ddof_is_numpys():
    x, y = rows(6, 50, 8), rows(7, 60, 8)
    covariances = [np.cov(z, rowvar=False, ddof=0) for z in (x, y)]
    wanted = frechet_distance(x.mean(0), covariances[0], y.mean(0), covariances[1])
    assert frechet_from_features(x, y, ddof=0) == pytest.approx(wanted, rel=1e-10)
    assert frechet_from_features(x, y) != pytest.approx(wanted, rel=1e-3)
    few = rows(8, 5, 8), rows(9, 6, 8)
    covariances = [np.cov(z, rowvar=False, ddof=0) for z in few]
    wanted = frechet_distance(few[0].mean(0), covariances[0], few[1].mean(0), covariances[1])
    assert frechet_from_features(*few, ddof=0) == pytest.approx(wanted, rel=1e-5)


def test_kernel_distance_by_pairs():
    x, y = rows(10, 7, 5), rows(11, 9, 5)

    def kernel(a, b):
        return (float(a @ b) / 5 + 1) ** 3

    def within(z):
        pairs = [kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]
        return math.fsum(pairs) / len(pairs)

    between = math.fsum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    assert kernel_distance(x, y) == pytest.approx(within(x) + within(y) - 2 * between, rel=1e-10)


def test_kernel_distance_over_blocks(monkeypatch):
    x, y = rows(12, 50, 6), rows(13, 33, 6)
    whole = kernel_distance(x, y)
    monkeypatch.setattr("segkit_metrics.distribution._BLOCK", 7)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-12)


def test_kernel_distance_of_subsets_is_clean_fids():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cleanfid.fid import kernel_distance as theirs
    x, y = rows(14, 60, 16, 0.3), rows(15, 80, 16, 0.35, 0.1)
    # One subset of everything: a permutation, whose value no draw can change.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = theirs(x, y[:60], num_subsets=1, max_subset_size=60)
    assert kernel_distance(x, y[:60]) == pytest.approx(float(wanted), rel=1e-9)
    assert kernel_distance(x, y[:60], num_subsets=2) == pytest.approx(float(wanted), rel=1e-9)
    found = [kernel_distance(x, y, num_subsets=400, subset_size=20) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0] == pytest.approx(kernel_distance(x, y), rel=0.1)
    other = kernel_distance(
        x, y, num_subsets=400, subset_size=20, generator=np.random.default_rng(1)
    )
    assert other != found[0]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 1000))
def test_moments_do_not_depend_on_the_pieces(sizes, seed):
    x = rows(seed, sum(sizes) + 2, 4) + 1e4
    one, parts = Moments(4), Moments(4)
    one.add(x)
    start = 0
    for number, size in enumerate([*sizes, 2]):
        piece = x[start : start + size]
        if number % 2:
            parts.add(piece)
        else:
            other = Moments(4)
            other.add(piece)
            parts.merge(other)
        start += size
    assert parts.count == len(x)
    np.testing.assert_allclose(parts.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(parts.covariance(), np.cov(x, rowvar=False), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.covariance(0), np.cov(x, rowvar=False, ddof=0), atol=1e-9)


def test_a_mean_far_from_zero_costs_no_digits():
    x = np.random.default_rng(0).standard_normal((4000, 3))
    far = Moments(3)
    for piece in np.split(x + 1e4, 40):
        far.add(piece)
    np.testing.assert_allclose(far.covariance(), np.cov(x, rowvar=False), atol=1e-9)


@given(st.permutations(range(20)), st.integers(1, 19))
def test_the_sample_depends_on_names_alone(order, cut):
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    names = [f"clip/{k}" for k in range(20)]
    whole = RowSample(8)
    whole.add(names, x)
    one, other = RowSample(8), RowSample(8)
    for k in order[:cut]:
        one.add([names[k]], x[k : k + 1])
    other.add([names[k] for k in order[cut:]], x[order[cut:]])
    one.merge(other)
    np.testing.assert_array_equal(one.rows(), whole.rows())
    assert len(one) == 8
    assert one.rows().dtype == np.float32


def test_the_sample_is_uniform_and_seeded():
    chosen = np.zeros(30)
    for seed in range(300):
        sample = RowSample(10, seed=seed)
        sample.add([str(k) for k in range(30)], np.arange(30)[:, None])
        chosen[sample.rows()[:, 0]] += 1
    assert chosen.sum() == 3000
    assert chosen.min() > 70
    assert chosen.max() < 130


def test_wrong_input_is_told():
    x = rows(0, 5, 3)
    with pytest.raises(ValueError, match=r"expected \(N, D\) and \(M, D\), got \(5, 3\) and \(5,"):
        frechet_from_features(x, x[:, :2])
    with pytest.raises(ValueError, match="at least 2 rows in each set, got 5 and 1"):
        kernel_distance(x, x[:1])
    with pytest.raises(ValueError, match="features: expected finite"):
        kernel_distance(x, x * np.nan)
    with pytest.raises(ValueError, match=r"expected means \(D,\) and covariances"):
        frechet_distance(np.zeros(3), np.eye(3), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="covariances: expected finite"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(2), np.full((2, 2), np.inf))
    with pytest.raises(ValueError, match="subsets: expected 1 or more of 2 or more"):
        kernel_distance(x, x, num_subsets=0)
    moments = Moments(3)
    with pytest.raises(ValueError, match=r"expected shape \(N, D=3\), got \(5, 2\)"):
        moments.add(x[:, :2])
    with pytest.raises(ValueError, match="features: expected finite"):
        moments.add(np.full((1, 3), np.inf))
    moments.add(x[:1])
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        moments.covariance()
    with pytest.raises(ValueError, match="expected width 3, got 2"):
        moments.merge(Moments(2))
