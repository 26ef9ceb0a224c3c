"""The published rows: their names, their units, and that they contradict each other."""

import pytest

from segkit_metrics.published import (
    REAL_VIDEO,
    WHY_NOT_COMPARABLE,
    published_rows,
    published_spread,
)

NAMES = {
    "Sync/lse_c", "Sync/lse_d", "FID/fid", "FVD/fvd", "LPIPS/lpips", "PSNR/psnr", "SSIM/ssim",
    "LMD/F", "LMD/M",
}  # fmt: skip


def test_rows_are_named_once_and_use_the_names_of_our_values():
    rows = published_rows()
    assert len(rows) == 28
    assert len({(row.source, row.method) for row in rows}) == len(rows)
    for row in rows:
        assert row.values
        assert row.values.keys() <= NAMES
        assert all(isinstance(value, float) for value in row.values.values())
    assert {row.source for row in rows if row.second_hand} == {
        "FLOAT, table 1", "SoulX, table 3", "Teller", "KDTalker",
    }  # fmt: skip


def test_the_papers_table():
    rows = {row.method: row.values for row in published_rows("SegTalker, table 1")}
    assert len(rows) == 7
    assert rows["SegTalker"] == {
        "Sync/lse_c": 6.872, "FID/fid": 10.348, "FVD/fvd": 92.05, "LPIPS/lpips": 0.0494,
        "PSNR/psnr": 33.590, "SSIM/ssim": 0.934, "LMD/F": 3.405, "LMD/M": 3.173,
    }  # fmt: skip
    assert "PSNR/psnr" not in rows[REAL_VIDEO]  # printed as a dash


@pytest.mark.parametrize(
    ("method", "value", "low", "high"),
    [
        ("SadTalker", "FID/fid", 21.6, 72.0),
        ("SadTalker", "FVD/fvd", 97, 856),
        ("SadTalker", "Sync/lse_c", 4.6, 7.3),
        ("Wav2Lip", "FID/fid", 16, 56),
        ("Wav2Lip", "Sync/lse_c", 7.4, 9.9),
        (REAL_VIDEO, "Sync/lse_c", 7.3, 8.7),
    ],
)
def test_one_method_has_many_numbers(method, value, low, high):
    assert published_spread(method, value) == (
        pytest.approx(low, rel=0.03),
        pytest.approx(high, rel=0.03),
    )


def test_what_is_not_there_is_told():
    assert published_spread("SadTalker", "LMD/none") is None
    with pytest.raises(
        KeyError, match="no published table 'HDTF'; known: SegTalker, table 1; SIDG"
    ):
        published_rows("HDTF")
    assert "only rows of one source compare" in WHY_NOT_COMPARABLE
