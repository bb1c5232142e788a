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
from scipy.sparse import csr_matrix

Faces = dict[str, tuple[np.ndarray, np.ndarray]]

# COCO's joints in OpenPose's order; the neck, at 1, is the middle of the shoulders.
COCO_OF_OPENPOSE = (0, 5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (2, 5)
BODY_END = 13380  # vertices of the base mesh from here on are helpers


@dataclass(frozen=True)
class Shape:
    """One body at rest. vertices: (19158, 3); bones: (163, 4, 4), where each bone is."""

    vertices: np.ndarray
    bones: np.ndarray


class BodyModel:
    """anny's model with all vertices of the base mesh, also those that garments and hair hang on."""

    def __init__(self) -> None:
        self._model: Any = anny.Anny(topology="anny-full", rig="makehuman", skinning_method="lbs", phenotypes="all")
        self.data = Path(anny.__path__[0]) / "data" / "mpfb2"
        self.parents: list[int] = list(self._model.bone_parents)
        self.bones = {name: number for number, name in enumerate(self._model.bone_labels)}
        self._joints = KeypointsRegressor.coco(self._model).regression_weights[:17].float().numpy()
        weights, indices = (
            tensor.numpy() for tensor in (self._model.vertex_bone_weights, self._model.vertex_bone_indices)
        )
        rows = np.repeat(np.arange(len(weights)), weights.shape[1])
        shape = (len(weights), len(self.parents))
        self.bone_weights = csr_matrix((weights.ravel(), (rows, indices.ravel())), shape=shape)

    @cached_property
    def mesh(self) -> tuple[Faces, np.ndarray]:
        """The base mesh's groups, {name: quads of (vertices, places in the texture), (n, 4) each}, and those places."""
        groups: dict[str, list[list[list[int]]]] = {}
        coordinates = []
        for line in (self.data / "3dobjs" / "base.obj").read_text().splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "g":
                corners = groups.setdefault(rest.strip(), [])
            elif kind == "vt":
                coordinates.append([float(value) for value in rest.split()[:2]])
            elif kind == "f":
                corners.append([[int(value) - 1 for value in corner.split("/")[:2]] for corner in rest.split()])
        faces = {name: np.array(group) for name, group in groups.items() if group}
        return {name: (group[..., 0], group[..., 1]) for name, group in faces.items()}, np.array(coordinates)

    @cached_property
    def average(self) -> Shape:
        """The body that garments are cut on: all phenotypes in the middle."""
        return self.shape({})

    @cached_property
    def soles(self) -> float:
        """The height of the average body's lowest point, which is below 0."""
        return float(self.average.vertices[:BODY_END, 2].min())

    def shape(self, phenotypes: Mapping[str, float]) -> Shape:
        """The body of these phenotypes, from 0 to 1 each; those left out are 0.5."""
        values = {name: float(phenotypes.get(name, 0.5)) for name in self._model.phenotype_labels}
        rest = self._model(
            pose_parameters=torch.eye(4, dtype=self._model.dtype)[None, None].repeat(1, len(self.parents), 1, 1),
            phenotype_kwargs=values,
        )
        return Shape(rest["vertices"][0].float().numpy(), rest["bone_poses"][0].float().numpy())

    def key_points(self, vertices: np.ndarray) -> np.ndarray:
        """OpenPose's 18 joints (18, 3) inside the posed body."""
        joints = (self._joints @ vertices)[list(COCO_OF_OPENPOSE)]
        joints[1] = joints[list(SHOULDERS)].mean(0)
        return joints

    def bone_moves(self, shape: Shape, turns: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the pose does to points at rest, (163, 4, 4) a bone.

        Args:
            turns: bones' rotations (3, 3) from the rest pose to the pose, in space; other bones move as their parents.
        """
        moves = np.tile(np.eye(4), (len(self.parents), 1, 1))
        turns_by_bone = {self.bones[name]: turn for name, turn in turns.items()}
        for bone, parent in enumerate(self.parents):
            parent_move = moves[parent] if parent >= 0 else np.eye(4)
            head = shape.bones[bone, :3, 3]
            moves[bone, :3, :3] = turns_by_bone.get(bone, parent_move[:3, :3])
            moves[bone, :3, 3] = parent_move[:3, :3] @ head + parent_move[:3, 3] - moves[bone, :3, :3] @ head
        return moves


@cache
def body_model() -> BodyModel:
    """The model, once a process; its first construction on a machine takes minutes."""
    return BodyModel()


def move_points(points: np.ndarray, bone_weights: csr_matrix, moves: np.ndarray) -> np.ndarray:
    """Linear blend skinning of points (n, 3) with weights (n, bones) by moves (bones, 4, 4)."""
    blended = (bone_weights @ moves.reshape(len(moves), 16)).reshape(-1, 4, 4)
    return np.einsum("nij,nj->ni", blended[:, :3, :3], points) + blended[:, :3, 3]
