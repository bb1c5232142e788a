"""Fits garments, shoes and hair to bodies of any shape: MakeHuman's (.mhclo, .obj; CC0), or the base mesh's own.

A garment's vertex is a few vertices of the base mesh, their weights, and an offset that scales with the body.
"""

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack
from scipy.spatial import cKDTree

from .bodies import Shape, body_model


class GarmentError(ValueError):
    """A garment's files cannot be used."""


@dataclass(frozen=True, eq=False)
class Garment:
    """A mesh on the base mesh.

    Attributes:
        anchors: (n, vertices of the base mesh), the weights.
        offsets: (n, 3), times the body's scale along each axis.
        scales: for each axis two base vertices and their distance where the scale is 1.
        faces: quads (m, 4); a triangle repeats its last corner.
        hidden: numbers of base vertices below it.
        limits: it is seen above and below these heights, and so far from the middle, in metres on the average body.
    """

    anchors: csr_matrix
    offsets: np.ndarray
    scales: tuple[tuple[int, int, float], ...]
    faces: np.ndarray
    hidden: np.ndarray
    limits: tuple[float, float, float] = (-1.0, 9.0, 9.0)

    def points(self, shape: Shape) -> np.ndarray:
        """Where its vertices are on a body at rest, (n, 3)."""
        spans = [
            abs(shape.vertices[first, axis] - shape.vertices[second, axis]) / distance
            for axis, (first, second, distance) in enumerate(self.scales)
        ]
        return self.anchors @ shape.vertices + self.offsets * spans

    def places(self) -> np.ndarray:
        """Where they are on the average body that stands on z = 0."""
        return self.points(body_model().average) - body_model().soles

    def bone_weights(self) -> csr_matrix:
        """(n, bones), those of the vertices it hangs on."""
        weights = self.anchors @ body_model().bone_weights
        return csr_matrix(weights.multiply(1 / np.maximum(weights.sum(1), 1e-6)))

    def part(self, is_kept: np.ndarray) -> "Garment":
        """Of whole pieces, by which vertices are kept (n,): it hides what is nearest to these."""
        body = body_model().average
        nearest = cKDTree(self.points(body)).query(body.vertices[self.hidden])[1]
        faces = (np.cumsum(is_kept) - 1)[self.faces[is_kept[self.faces[:, 0]]]]
        return replace(
            self, anchors=self.anchors[is_kept], offsets=self.offsets[is_kept], faces=faces,
            hidden=self.hidden[is_kept[nearest]],
        )


def body_part(faces: np.ndarray) -> Garment:
    """A part of the base mesh itself."""
    used, corners = np.unique(faces, return_inverse=True)
    count = len(body_model().average.vertices)
    anchors = csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), count))
    quads = corners.reshape(faces.shape)
    return Garment(anchors, np.zeros((len(used), 3)), ((0, 1, 1.0),) * 3, quads, np.empty(0, int))


def smooth(garment: Garment) -> Garment:
    """One step of Catmull and Clark's subdivision of a mesh of quads."""
    faces, count = garment.faces, garment.anchors.shape[0]
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    edges, edge_of_side, uses = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    face_of_side = np.repeat(np.arange(len(faces)), 4)
    face_has_point = _incidence(face_of_side, faces.ravel(), (len(faces), count))
    edge_has_point = _incidence(np.repeat(np.arange(len(edges)), 2), edges.ravel(), (len(edges), count))
    edge_has_face = _incidence(edge_of_side, face_of_side, (len(edges), len(faces)))
    is_rim, is_on_rim = uses == 1, np.zeros(count, bool)
    is_on_rim[edges[is_rim]] = True
    face_points, middles = face_has_point / 4, edge_has_point / 2
    edge_points = middles + diags(1.0 * ~is_rim) @ (0.25 * (edge_has_face @ face_points) - 0.5 * middles)
    valence, edge_count = (np.maximum(np.bincount(ends.ravel(), minlength=count), 1.0) for ends in (faces, edges))
    faces_mean = diags(1 / valence) @ face_has_point.T @ face_points
    middles_mean = diags(1 / edge_count) @ edge_has_point.T @ middles
    inner = diags(1 / valence) @ (faces_mean + 2 * middles_mean + diags(valence - 3))
    rim = 0.5 * diags(np.ones(count)) + 0.25 * (edge_has_point.T @ diags(1.0 * is_rim) @ middles)
    points = diags(1.0 * ~is_on_rim) @ inner + diags(1.0 * is_on_rim) @ rim
    finer = csr_matrix(vstack([points, face_points, edge_points]))
    edge_corners = edge_of_side.reshape(-1, 4) + count + len(faces)
    centres = np.repeat(count + np.arange(len(faces)), 4).reshape(-1, 4)
    quads = np.stack([faces, edge_corners, centres, np.roll(edge_corners, 1, axis=1)], axis=2).reshape(-1, 4)
    return replace(garment, anchors=csr_matrix(finer @ garment.anchors), offsets=finer @ garment.offsets, faces=quads)


def _incidence(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


@cache
def read_garment(mhclo: Path) -> Garment:
    """The whole asset.

    Raises:
        GarmentError: when the file or the .obj beside it is missing or no garment of the base mesh.
    """
    try:
        (obj,) = mhclo.parent.glob("*.obj")
        return _parsed(mhclo.read_text(errors="replace"), obj.read_text(errors="replace"))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise GarmentError(f"'{mhclo}' is no garment of MakeHuman's with its .obj beside it ({error})") from error


def _parsed(mhclo: str, obj: str) -> Garment:
    """By the texts of both files, whose axes are x left, y up, z front; a vertex is a line of `verts`."""
    scales: dict[str, tuple[int, int, float]] = {}
    rows: list[list] = []
    hidden: list[int] = []
    section = ""
    for line in mhclo.splitlines():
        match section, line.split():
            case _, ["x_scale" | "y_scale" | "z_scale" as name, first, second, distance, *_]:
                scales[name[0]] = int(first), int(second), float(distance)
            case _, ["verts" | "delete_verts" as section, *_]:
                pass
            case "verts", [vertex] if vertex.isdigit():
                rows.append([vertex, vertex, vertex, 1, 0, 0, 0, 0, 0])
            case "verts", [vertex, *_] as words if vertex.isdigit():
                rows.append(words[:9])
            case "delete_verts", [vertex, *_] if vertex.isdigit():
                for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", line):
                    hidden += range(int(first), int(last or first) + 1)
    table = np.array(rows, float)
    numbers, weights, offsets = table[:, :3].astype(int), table[:, 3:6], table[:, [6, 8, 7]] * (1, -1, 1)
    places = np.repeat(np.arange(len(rows)), 3), numbers.ravel()
    anchors = csr_matrix((weights.ravel(), places), shape=(len(rows), len(body_model().average.vertices)))
    faces = [
        [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
        for line in obj.splitlines() if line.startswith("f ")
    ]
    quads = np.array([face + face[-1:] * (4 - len(face)) for face in faces])
    return Garment(anchors, offsets, tuple(scales[axis] for axis in "xzy"), quads, np.unique(np.array(hidden, int)))
