"""Score a bundle on held-out synthetic clips: does its mouth follow the speech?

Three mouths are compared with the truth, in the same frames, from the same upper halves: the clip's
own speech, the reference frame frozen, and another clip's speech.

    segkit synth --out data/synthetic --clips 600 --people 300 --size 128 --seconds 4 --seed 0
    python tools/score_builtin.py data/synthetic [BUNDLE] [--split test] [--sheet sheet.png]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from segkit.clips import Clip, ClipFolder
from segkit.decisions import decide
from segkit.faces import FaceDetector, FaceMesh
from segkit.halves import pose_of, with_upper_half_of
from segkit.regions import SCHEME_12, one_hot
from segkit.talk.bundle import Bundle, load_bundle
from segkit.talk.masks import to_pixels
from segkit.talk.speech import embed_speech
from segkit_metrics.landmarks import landmark_distance

LIP, MOUTH = SCHEME_12.index("lip"), SCHEME_12.index("mouth")
MOUTH_LANDMARKS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269,
                   270, 409, 78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13,
                   312, 311, 310, 415)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="clip folder")
    parser.add_argument("bundle", nargs="?", help="bundle to score; the built-in one by default")
    parser.add_argument("--split", default="test")
    parser.add_argument("--every", type=int, default=2, help="score every n-th frame")
    parser.add_argument("--clips", type=int, default=60, help="score this many clips at most")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of four clips")
    args = parser.parse_args()
    clips = ClipFolder(args.data).clips(args.split)[: args.clips]
    rows, psnr, sheet = score(load_bundle(args.bundle), clips, every=args.every)
    print(f"{len(clips)} clips of {args.data} ({args.split}), every {args.every}th frame")
    print(f"{'mouth from':14s}  IoU lips  interior  both  opening corr.  landmark distance (px)")
    for name, values in rows.items():
        lips, inside, both, opening, distance = np.nanmean(values, axis=0)
        print(
            f"{name:14s}  {lips:8.3f}  {inside:8.3f}  {both:.3f}  {opening:13.2f}  {distance:.2f}"
        )
    print(f"pictures from true masks: PSNR {np.mean(psnr):.2f} dB")
    if args.sheet:
        cv2.imwrite(str(args.sheet), np.vstack(sheet)[..., ::-1])


def score(
    bundle: Bundle, clips: Sequence[Clip], *, every: int
) -> tuple[dict[str, list[list[float]]], list[float], list[np.ndarray]]:
    """Return the numbers of each clip by mouth, the PSNR of each clip, and rows of a sheet."""
    rows: dict[str, list[list[float]]] = defaultdict(list)
    psnr, sheet = [], []
    for number, clip in enumerate(clips):
        frames = range(0, clip.num_frames, every)
        images, labels = clip.frames(frames), torch.from_numpy(clip.masks(frames))
        reference = labels[int((labels == MOUTH).sum((1, 2)).argmin())]
        other = clips[(number + len(clips) // 2) % len(clips)]
        mouths = {
            "own speech": spoken(bundle, clip, labels, reference, frames),
            "frozen": with_upper_half_of(reference.expand_as(labels), labels),
            "other speech": spoken(bundle, other, labels, reference, frames),
        }
        styles = codes(bundle, images[:1], labels[:1])
        true_points = landmarks(images)
        for name, masks in mouths.items():
            drawn = picture(bundle, styles, masks)
            drawn[:, : drawn.shape[1] // 2] = images[:, : images.shape[1] // 2]
            distance, _ = landmark_distance(landmarks(drawn), true_points)
            rows[name].append([*overlaps(masks, labels), distance])
            if number < 4 and name == "own speech":
                picked = slice(8, 18)
                sheet += [
                    np.hstack(images[picked]),
                    np.hstack(drawn[picked]),
                    np.hstack(SCHEME_12.colourise(labels[picked].numpy())),
                    np.hstack(SCHEME_12.colourise(masks[picked].numpy())),
                ]
        error = picture(bundle, styles, labels).astype(float) - images
        psnr.append(float((10 * np.log10(255**2 / np.square(error).mean((1, 2, 3)))).mean()))
    return rows, psnr, sheet


@torch.no_grad()
def spoken(
    bundle: Bundle, speaker: Clip, labels: Tensor, reference: Tensor, frames: range
) -> Tensor:
    """Predict the masks that a clip's speech gives these faces."""
    speech = embed_speech(bundle.modules["audio_encoder"], speaker.waveform)
    audio, _ = speech.at([frame / 25 for frame in frames])
    pose = pose_of(one_hot(labels, len(SCHEME_12)))
    shape = one_hot(reference[None], len(SCHEME_12)).expand_as(pose)
    logits = bundle.modules["mask_decoder"](pose, shape, audio)
    return with_upper_half_of(decide(logits, bundle.scheme), labels)


@torch.no_grad()
def codes(bundle: Bundle, images: np.ndarray, labels: Tensor) -> Tensor:
    """Encode one frame: ``1 R L D``."""
    image = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    return bundle.modules["region_encoder"](image, one_hot(labels, len(SCHEME_12)))


@torch.no_grad()
def picture(bundle: Bundle, styles: Tensor, labels: Tensor) -> np.ndarray:
    """Draw masks ``T H W`` as uint8 ``T H W 3``."""
    generator = bundle.modules["generator"]
    drawn = [
        generator(styles.expand(len(part), -1, -1, -1), one_hot(part, len(SCHEME_12)))
        for part in labels.split(10)
    ]
    return to_pixels(torch.cat(drawn))


def overlaps(masks: Tensor, truth: Tensor) -> list[float]:
    """Return the IoU of lips, interior and both, and the correlation of the opening."""

    def iou(*wanted: int) -> float:
        one, other = (torch.isin(part, torch.tensor(wanted)) for part in (masks, truth))
        return float((one & other).sum() / (one | other).sum().clamp_min(1))

    opening, true_opening = ((part == MOUTH).sum((1, 2)).float() for part in (masks, truth))
    constant = not (opening.std() > 0 and true_opening.std() > 0)
    together = torch.stack([opening, true_opening])
    correlation = 0.0 if constant else float(torch.corrcoef(together)[0, 1])
    return [iou(LIP), iou(MOUTH), iou(LIP, MOUTH), correlation]


def landmarks(images: np.ndarray) -> np.ndarray:
    """Locate the mouth in pictures ``T H W 3``: ``T 40 2``, NaN where no face is found."""
    detector, mesh = FaceDetector(), FaceMesh()
    found = np.full((len(images), len(MOUTH_LANDMARKS), 2), np.nan)
    for number, image in enumerate(images):
        faces = detector.detect(image)
        if faces:
            points, presence = mesh(image, faces[0])
            points, presence = mesh(image, points)
            if presence > 0.5:
                found[number] = points[list(MOUTH_LANDMARKS)]
    return found


if __name__ == "__main__":
    main()
