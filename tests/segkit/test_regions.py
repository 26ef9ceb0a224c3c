"""Region schemes against the published class lists, and laws of label maps."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.regions import SCHEME_12, SCHEME_14, SCHEME_19, SCHEMES, one_hot

# Name of the 19 classes -> (CelebAMask-HQ id, BiSeNet id, region of the 12-class scheme).
CLASSES = {
    "background": (0, 0, "background"),
    "skin": (1, 1, "skin"),
    "nose": (2, 10, "nose"),
    "eye_glasses": (3, 6, "glasses"),
    "left_eye": (4, 4, "eyes"),
    "right_eye": (5, 5, "eyes"),
    "left_brow": (6, 2, "eyebrows"),
    "right_brow": (7, 3, "eyebrows"),
    "left_ear": (8, 7, "ears"),
    "right_ear": (9, 8, "ears"),
    "mouth": (10, 11, "mouth"),
    "upper_lip": (11, 12, "lip"),
    "lower_lip": (12, 13, "lip"),
    "hair": (13, 17, "hair"),
    "hat": (14, 18, "background"),
    "earrings": (15, 9, "earrings"),
    "necklace": (16, 15, "background"),
    "neck": (17, 14, "neck"),
    "cloth": (18, 16, "background"),
}
label_maps = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=4, max_side=6), elements=st.integers(0, 11)
)


def test_order_of_the_twelve():
    assert SCHEME_12.regions == (
        "background", "lip", "eyebrows", "eyes", "hair", "nose",
        "skin", "ears", "neck", "mouth", "glasses", "earrings",
    )  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_merge_to_12(name):
    celeba, bisenet, ours = CLASSES[name]
    for source, label in (("celeba_hq", celeba), ("bisenet", bisenet)):
        merged = SCHEME_12.merge(torch.tensor([label]), source)
        assert SCHEME_12.regions[int(merged)] == ours


@pytest.mark.parametrize("name", CLASSES)
def test_merge_to_14_keeps_cloth_and_hat_apart(name):
    celeba, bisenet, ours = CLASSES[name]
    wanted = name if name in ("cloth", "hat") else ours
    for source, label in (("celeba_hq", celeba), ("bisenet", bisenet)):
        merged = SCHEME_14.merge(torch.tensor([label]), source)
        assert SCHEME_14.regions[int(merged)] == wanted


def test_the_two_parsers_mean_the_same_face():
    # A BiSeNet map read through the 19-class scheme, then merged, is the map merged directly.
    labels = torch.arange(19)
    through_19 = SCHEME_12.merge(SCHEME_19.merge(labels, "bisenet"), "celeba_hq")
    assert torch.equal(through_19, SCHEME_12.merge(labels, "bisenet"))
    assert sorted(SCHEME_19.merge(labels, "bisenet").tolist()) == list(range(19))


def test_merge_is_a_table_of_every_foreign_label():
    for scheme in SCHEMES.values():
        for table in scheme.merges.values():
            assert len(table) == 19
            assert set(table) <= set(range(len(scheme)))
            assert set(table) == set(range(len(scheme)))  # and reaches every region of ours


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
@pytest.mark.parametrize("source", ["bisenet", "celeba_hq"])
def test_merged_logits_give_a_region_the_probabilities_of_its_classes(scheme, source):
    logits = torch.randn(2, 19, 3, 5, dtype=torch.float64) * 4
    members = one_hot(torch.tensor(scheme.merges[source])[:, None], len(scheme))[..., 0]
    expected = torch.einsum("bchw,rc->brhw", logits.softmax(1), members.double())
    torch.testing.assert_close(scheme.merge_logits(logits, source).softmax(1), expected)


def test_sure_logits_merge_like_their_labels():
    labels = torch.arange(19).view(1, 1, 19)
    logits = one_hot(labels[0], 19)[None] * 50
    merged = SCHEME_12.merge_logits(logits, "bisenet").argmax(1)
    assert torch.equal(merged.to(torch.uint8), SCHEME_12.merge(labels, "bisenet"))


def test_logits_of_other_classes_are_refused():
    with pytest.raises(
        ValueError, match=r"bisenet logits: expected shape \(B, 19, H, W\), got \(1, 12"
    ):
        SCHEME_12.merge_logits(torch.zeros(1, 12, 2, 2), "bisenet")
    with pytest.raises(KeyError, match="celeba_hq, bisenet"):
        SCHEME_12.merge_logits(torch.zeros(1, 19, 2, 2), "lapa")


def test_foreign_label_outside_its_list():
    with pytest.raises(ValueError, match=r"bisenet labels: expected 0\.\.18, got 0\.\.19"):
        SCHEME_12.merge(torch.tensor([0, 19]), "bisenet")


def test_unknown_labelling_and_region():
    with pytest.raises(KeyError, match="celeba_hq, bisenet"):
        SCHEME_12.merge(torch.tensor([0]), "lapa")
    with pytest.raises(KeyError, match=r"no region 'lips'.*known: background, lip"):
        SCHEME_12.index("lips")


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_names_and_colours_are_distinct(scheme):
    assert len(set(scheme.regions)) == len(set(scheme.colours)) == len(scheme)
    assert [scheme.index(region) for region in scheme.regions] == list(range(len(scheme)))


def test_palette_png_shows_the_colours(tmp_path):
    from PIL import Image

    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    picture = Image.fromarray(labels)
    picture.putpalette(SCHEME_12.palette())
    picture.save(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as read:
        np.testing.assert_array_equal(np.asarray(read), labels)
        np.testing.assert_array_equal(np.asarray(read.convert("RGB")), SCHEME_12.colourise(labels))


@given(label_maps)
def test_one_hot_has_one_plane_per_pixel_and_inverts(labels):
    mask = one_hot(torch.from_numpy(labels), 12)
    assert mask.shape == (*labels.shape[:-2], 12, *labels.shape[-2:])
    assert torch.equal(mask.sum(-3), torch.ones(labels.shape))
    np.testing.assert_array_equal(mask.argmax(-3).numpy(), labels)


@given(label_maps)
def test_one_hot_equals_torch_nn_functional(labels):
    expected = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 12).movedim(-1, -3)
    assert torch.equal(one_hot(torch.from_numpy(labels), 12, torch.int64), expected)


@given(label_maps)
def test_merging_commutes_with_indexing(labels):
    merged = SCHEME_12.merge(torch.from_numpy(labels), "celeba_hq")
    table = np.asarray(SCHEME_12.merges["celeba_hq"])
    np.testing.assert_array_equal(merged.numpy(), table[labels])
    assert merged.dtype == torch.uint8


@pytest.mark.parametrize(
    ("label", "dtype"), [(12, torch.uint8), (-1, torch.int64), (-2, torch.int8)]
)
def test_one_hot_refuses_a_label_beyond_the_regions(label, dtype):
    with pytest.raises(ValueError, match=rf"expected 0\.\.11, got a label {label}$"):
        one_hot(torch.full((2, 2), label, dtype=dtype), 12)


@pytest.mark.parametrize(
    ("scheme", "lips", "mouth", "face"),
    [
        (SCHEME_12, "lip", "lip mouth", "lip nose skin mouth"),
        (SCHEME_14, "lip", "lip mouth", "lip nose skin mouth"),
        (
            SCHEME_19,
            "upper_lip lower_lip",
            "mouth upper_lip lower_lip",
            "skin nose mouth upper_lip lower_lip",
        ),
    ],
)
def test_every_scheme_knows_its_lips_mouth_and_face(scheme, lips, mouth, face):
    groups = (scheme.lip_labels, scheme.mouth_labels, scheme.face_labels)
    named = [" ".join(scheme.regions[label] for label in labels) for labels in groups]
    assert named == [lips, mouth, face]
