"""Bodies by anny (Apache-2.0; MakeHuman's data, CC0): shapes, poses and key points of MakeHuman's base mesh hm08.

Metres; x to the person's left, the face towards -y, z up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import anny
import numpy as np
import torch
from anny.keypoints import KeypointsRegressor
from anny.skinning.skinning import dense_bone_weights
from anny.utils.obj_utils import load_obj_file
from scipy.sparse import csr_matrix

# COCO's joints in OpenPose's order; the neck, at 1, is the middle of the shoulders.
COCO_OF_OPENPOSE = [0, 5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
SHOULDERS = [2, 5]
BODY_END = 13380  # vertices of the base mesh from here on are helpers


@dataclass(frozen=True)
class Shape:
    """One body at rest. vertices: (19158, 3); heads: where each of 163 bones begins, (3,), parents first."""

    vertices: np.ndarray
    heads: dict[str, np.ndarray]


class BodyModel:
    """anny's model with all vertices of the base mesh, also those that garments and hair hang on."""

    def __init__(self) -> None:
        self._model: Any = anny.Anny(topology="anny-full", rig="makehuman", skinning_method="lbs", phenotypes="all")
        self.data = Path(anny.__path__[0]) / "data" / "mpfb2"
        self.parents: list[int] = list(self._model.bone_parents)
        self._joints = KeypointsRegressor.coco(self._model).regression_weights[:17].float().numpy()
        weights, bones = self._model.vertex_bone_weights, self._model.vertex_bone_indices
        self.bone_weights = csr_matrix(dense_bone_weights(weights, bones, len(self.parents)).numpy())

    @cached_property
    def mesh(self) -> tuple[np.ndarray, dict[str, dict[str, torch.Tensor]]]:
        """The base mesh: coordinates in its texture (m, 2), and by name groups of quads as anny reads them."""
        _, coordinates, groups = load_obj_file(self.data / "3dobjs" / "base.obj", torch.float64)
        return coordinates.numpy(), groups

    def quads(self, group: str) -> np.ndarray:
        """(n, 4), of vertices."""
        return self.mesh[1][group]["face_vertex_indices"].numpy()

    @cached_property
    def average(self) -> Shape:
        """The body that garments are cut on: all phenotypes in the middle."""
        return self.shape({})

    @cached_property
    def soles(self) -> np.ndarray:
        """(3,): where the ground is below the middle of the average body."""
        return np.array([0, 0, float(self.average.vertices[:BODY_END, 2].min())])

    @cached_property
    def standing(self) -> np.ndarray:
        """The average body's vertices (19158, 3) with the ground at z = 0."""
        return self.average.vertices - self.soles

    def shape(self, phenotypes: Mapping[str, float]) -> Shape:
        """The body of these phenotypes, from 0 to 1 each; those left out are 0.5."""
        at_rest = {"root": torch.eye(4, dtype=self._model.dtype)[None]}
        rest = self._model(pose_parameters=at_rest, phenotype_kwargs=dict(phenotypes))
        heads = rest["bone_poses"][0, :, :3, 3].float().numpy()
        return Shape(rest["vertices"][0].float().numpy(), dict(zip(self._model.bone_labels, heads, strict=True)))

    def key_points(self, vertices: np.ndarray) -> np.ndarray:
        """OpenPose's 18 joints (18, 3) inside the posed body."""
        joints = (self._joints @ vertices)[COCO_OF_OPENPOSE]
        joints[1] = joints[SHOULDERS].mean(0)
        return joints

    def bone_moves(self, shape: Shape, turns: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the pose does to points at rest, (163, 4, 4) a bone.

        Args:
            turns: bones' rotations (3, 3) from the rest pose to the pose, in space; other bones move as their parents.
        """
        moves = np.tile(np.eye(4), (len(self.parents), 1, 1))
        for move, parent, (bone, head) in zip(moves, self.parents, shape.heads.items(), strict=True):
            above = moves[parent]  # of the root, whose parent is -1, the last bone, which has not moved yet
            move[:3, :3] = turns.get(bone, above[:3, :3])
            move[:3, 3] = above[:3, :3] @ head + above[:3, 3] - move[:3, :3] @ head
        return moves


@cache
def body_model() -> BodyModel:
    """The model, once a process; its first construction on a machine takes minutes."""
    return BodyModel()
