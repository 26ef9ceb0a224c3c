"""Draws the frames of one person: picture and label map from the same geometry."""

from __future__ import annotations

import cv2
import numpy as np

from segkit.synthetic.accessories import ears_layer, front_layer
from segkit.synthetic.backdrop import backdrop_layer
from segkit.synthetic.eyes import EyePainter, eye_contours
from segkit.synthetic.identity import Identity, Scene
from segkit.synthetic.layers import NO_LABEL, Layer
from segkit.synthetic.motion import Motion
from segkit.synthetic.mouth import MouthPainter, MouthShape, inside_polygons, mouth_shape
from segkit.synthetic.relief import CENTRE_Y, Grid, depth, smoothstep
from segkit.synthetic.skin import head_layer
from segkit.synthetic.template import EYES_Y, MOUTH_Y

NUM_MOUTH_POINTS = 20
"""12 points around the lips from the left corner clockwise, then 8 around the opening."""

_SUPERSAMPLING = 2
_COARSE = 48
_NODES = 49
_OUTER_PICK = (0, 4, 8, 12, 16, 20, 24)
_INNER_PICK = (2, 7, 12, 17, 22)


class FaceRenderer:
    """Draws one person in one scene.

    Args:
        identity: who.
        scene: where.
        size: width and height of the frames in pixels.
    """

    def __init__(self, identity: Identity, scene: Scene, *, size: int = 128) -> None:
        self.identity, self.scene, self.size = identity, scene, size
        self._wide = size * _SUPERSAMPLING
        grid = Grid(self._wide)
        self._grid = grid
        self._backdrop = backdrop_layer(identity, scene, grid)
        self._layers = (
            ears_layer(identity, scene, grid),
            head_layer(identity, scene, grid),
            front_layer(identity, scene, grid),
        )
        exposure = scene.ambient + (1 - scene.ambient) * 0.9 * scene.light[2]
        self._mouth = MouthPainter(
            identity, pixels_per_crop=self._wide, light=scene.light[0], exposure=min(exposure, 1.05)
        )
        self._eyes = EyePainter(identity, pixels_per_crop=self._wide, exposure=min(exposure, 1.05))
        self._prepare_fields()

    def _prepare_fields(self) -> None:
        """Sample, on a coarse grid, how far each motion moves each point of the head."""
        identity, coarse = self.identity, Grid(_COARSE)
        self._coarse = coarse
        # Nodes over the whole frame, from its first pixel to its last.
        steps = np.linspace(0, self._wide - 1, _NODES, dtype=np.float32)
        self._nodes = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        ramp = np.linspace(0, _NODES - 1, self._wide, dtype=np.float32)
        self._between_nodes = np.meshgrid(ramp, ramp)
        self._depth = depth(identity, coarse)
        x, y = np.abs(coarse.x), coarse.y
        inside = 1 - smoothstep(x, identity.jaw_width * 0.75, identity.cheek_width * 1.25)
        self._jaw = smoothstep(y, MOUTH_Y - 0.045, MOUTH_Y + 0.055) * inside
        brow_y = EYES_Y - identity.eye_height - identity.brow_height + 0.02
        self._brow = np.exp(-(((y - brow_y) / 0.04) ** 2)) * (1 - smoothstep(x, 0.14, 0.22))
        corner = [
            np.exp(
                -(
                    ((coarse.x - side * identity.mouth_width) / 0.05) ** 2
                    + ((y - MOUTH_Y) / 0.05) ** 2
                )
            )
            * side
            for side in (-1, 1)
        ]
        self._corner = corner[0] + corner[1]

    def frame(self, motion: Motion, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw one frame.

        Args:
            motion: of the whole clip.
            index: which frame.

        Returns:
            Image uint8 ``H W 3``, labels uint8 ``H W``, mouth points float32 ``20 2`` in pixels
            (pixel centres
            at .5).
        """
        pose = _Pose(motion, index)
        shape = mouth_shape(self.identity, motion.mouth[index])
        pose.align(self)
        image, labels = self._static(pose, motion, index, shape)
        self._paint_eyes(image, labels, pose, motion, index)
        contours = self._paint_mouth(image, labels, pose, shape)
        self._cover(self._layers[2], self._field, image, labels)
        points = np.vstack([contours["outer"], contours["inner"]]) / self._wide * self.size
        points += 0.5 / _SUPERSAMPLING
        image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return image, _majority(labels), points.astype(np.float32)

    # Geometry

    def place(self, points: np.ndarray, pose: _Pose) -> np.ndarray:
        """Crop coordinates of the resting face -> pixels of the wide frame."""
        at = self._coarse.pixels(points).astype(np.float32)[:, None]
        z = _sampled(self._depth, at)
        x, y = points[:, 0], points[:, 1] - CENTRE_Y
        turned = np.stack(
            [
                x * np.cos(pose.yaw) + z * np.sin(pose.yaw),
                y * np.cos(pose.pitch) + z * np.sin(pose.pitch),
            ],
            1,
        )
        return pose.to_frame(turned + np.array((0, CENTRE_Y)), self._wide)

    def _inverse(self, displacement: np.ndarray, pose: _Pose) -> tuple[np.ndarray, np.ndarray]:
        """Invert a displacement on the coarse grid and return fine lookup maps into a layer."""
        goal = pose.from_frame(self._nodes, self._wide)
        source = goal.copy()
        for _ in range(4):
            at = self._coarse.pixels(source).astype(np.float32)[:, None]
            source = goal - _sampled(displacement, at)
        nodes = self._grid.pixels(source).astype(np.float32).reshape(_NODES, _NODES, 2)
        x, y = (
            cv2.remap(axis, *self._between_nodes, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for axis in cv2.split(nodes)
        )
        return cv2.convertMaps(x, y, cv2.CV_16SC2)

    def _displacement(
        self, pose: _Pose, motion: Motion, index: int, shape: MouthShape
    ) -> np.ndarray:
        x, y = self._coarse.x, self._coarse.y - CENTRE_Y
        move_x = x * (np.cos(pose.yaw) - 1) + self._depth * np.sin(pose.yaw)
        move_x = move_x + self._corner * (shape.half_width - self.identity.mouth_width) * 0.7
        move_y = y * (np.cos(pose.pitch) - 1) + self._depth * np.sin(pose.pitch)
        move_y = move_y + self._jaw * shape.jaw_drop - self._brow * motion.brows[index]
        return np.stack([move_x, move_y], -1).astype(np.float32)

    # Painting

    def _static(
        self, pose: _Pose, motion: Motion, index: int, shape: MouthShape
    ) -> tuple[np.ndarray, np.ndarray]:
        world = self._inverse(np.zeros((self._coarse.size, self._coarse.size, 2), np.float32), pose)
        image = cv2.remap(
            self._backdrop.rgba, *world, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )[..., :3]
        labels = cv2.remap(
            self._backdrop.labels, *world, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        image = np.ascontiguousarray(image)
        self._field = self._inverse(self._displacement(pose, motion, index, shape), pose)
        self._cover(self._layers[0], self._field, image, labels)
        self._cover(self._layers[1], self._field, image, labels)
        return image, labels

    def _cover(
        self,
        layer: Layer,
        field: tuple[np.ndarray, np.ndarray],
        image: np.ndarray,
        labels: np.ndarray,
    ) -> None:
        rgba = cv2.remap(layer.rgba, *field, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        *_, alpha = cv2.split(rgba)
        rest = cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB)
        cv2.multiply(image, rest, image, scale=1 / 255)
        cv2.add(image, cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), image)
        above = cv2.remap(layer.labels, *field, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        cv2.copyTo(above, (above != NO_LABEL).view(np.uint8), labels)

    def _paint_eyes(
        self, image: np.ndarray, labels: np.ndarray, pose: _Pose, motion: Motion, index: int
    ) -> None:
        for side in (-1, 1):
            upper, lower = eye_contours(self.identity, side, float(motion.blink[index]))
            gaze = motion.gaze[index] * (0.016, 0.006) + (
                side * self.identity.eye_distance,
                EYES_Y - 0.002,
            )
            # The eyes hold their gaze while the head turns.
            gaze = gaze - (0.02 * np.sin(pose.yaw), 0.02 * np.sin(pose.pitch))
            placed = [self.place(points, pose) for points in (upper, lower, gaze[None])]
            self._eyes.paint(image, labels, placed[0], placed[1], placed[2][0])

    def _paint_mouth(
        self, image: np.ndarray, labels: np.ndarray, pose: _Pose, shape: MouthShape
    ) -> dict[str, np.ndarray]:
        inside = inside_polygons(self.identity, shape)
        polygons = {
            "outer": shape.outer,
            "inner": shape.inner,
            "upper": np.vstack([shape.upper_outer, shape.upper_inner[::-1]]),
            "lower": np.vstack([shape.lower_inner, shape.lower_outer[::-1]]),
            "seam": shape.upper_inner,
            **inside,
        }
        placed = {name: self.place(points, pose) for name, points in polygons.items()}
        self._mouth.paint(image, labels, shape, placed)
        half = len(placed["outer"]) // 2
        outer, inner = placed["outer"], placed["inner"]
        upper, lower = outer[:half], outer[half:][::-1]
        top, bottom = inner[:half], inner[half:][::-1]
        return {
            "outer": np.vstack([upper[list(_OUTER_PICK)], lower[list(_OUTER_PICK[-2:0:-1])]]),
            "inner": np.vstack([top[list(_INNER_PICK)], bottom[list(_INNER_PICK[-2:0:-1])]]),
        }


class _Pose:
    """Head angles of one frame and the similarity that alignment leaves."""

    def __init__(self, motion: Motion, index: int) -> None:
        self.yaw, self.pitch = float(motion.yaw[index]), float(motion.pitch[index])
        roll, zoom = float(motion.roll[index]), float(motion.zoom[index])
        self._turn = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        self._back = np.linalg.inv(self._turn)
        self._shift = motion.shift[index].astype(float)
        self._anchor = np.array([0.0, (EYES_Y + MOUTH_Y) / 2])

    def align(self, renderer: FaceRenderer) -> None:
        """Shift the frame so that eyes and closed mouth sit at the template, as in a real crop."""
        distance, width = renderer.identity.eye_distance, renderer.identity.mouth_width
        marks = np.array(
            [(-distance, EYES_Y), (distance, EYES_Y), (-width, MOUTH_Y), (width, MOUTH_Y)]
        )
        placed = renderer.place(marks, self)
        wanted = self._anchor + self._shift
        middle = (placed.mean(0) + 0.5) / renderer._wide - (0.5, 0)
        self._shift = self._shift - (middle - wanted)

    def to_frame(self, points: np.ndarray, pixels_per_crop: int) -> np.ndarray:
        """Crop coordinates -> pixels of the frame."""
        moved = (points - self._anchor) @ self._turn.T + self._anchor + self._shift
        return (moved + np.array((0.5, 0))) * pixels_per_crop - 0.5

    def from_frame(self, pixels: np.ndarray, pixels_per_crop: int) -> np.ndarray:
        """Pixels of the frame -> crop coordinates."""
        moved = (pixels + 0.5) / pixels_per_crop - (0.5, 0)
        return (moved - self._shift - self._anchor) @ self._back.T + self._anchor


def _sampled(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Bilinear samples at pixels ``N 1 2``: ``N`` or ``N C``."""
    x, y = (np.ascontiguousarray(at[..., axis]) for axis in (0, 1))
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]


def _majority(labels: np.ndarray) -> np.ndarray:
    """Return the most frequent label of every block of four pixels; a tie goes to the first."""
    a, b, c, d = labels[::2, ::2], labels[::2, 1::2], labels[1::2, ::2], labels[1::2, 1::2]
    a_again = (a == b) | (a == c) | (a == d)
    b_again = (b == c) | (b == d)
    return np.where(a_again, a, np.where(b_again, b, np.where(c == d, c, a)))
