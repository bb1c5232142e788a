"""Fits garments, shoes and hair to bodies of any shape: MakeHuman's (.mhclo, .obj; CC0), or the base mesh's own.

A garment's vertex is a few vertices of the base mesh, their weights, and an offset that scales with the body.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags, vstack
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .bodies import Shape, body_model

# Axes of MakeHuman's files (x left, y up, z front) in anny's (x left, y back, z up).
ANNY_AXIS = {"x": 0, "y": 2, "z": 1}
SMALLEST_PIECE = 260  # vertices; buttons and the like are smaller
NO_LIMITS = (-1.0, 9.0, 9.0)


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
    limits: tuple[float, float, float] = NO_LIMITS

    def points(self, shape: Shape) -> np.ndarray:
        """Where its vertices are on a body at rest, (n, 3)."""
        spans = [
            abs(shape.vertices[first, axis] - shape.vertices[second, axis]) / distance
            for axis, (first, second, distance) in enumerate(self.scales)
        ]
        return self.anchors @ shape.vertices + self.offsets * spans

    def places(self) -> np.ndarray:
        """Where they are on the average body that stands on z = 0."""
        return self.points(body_model().average) - (0, 0, body_model().soles)

    def bone_weights(self) -> csr_matrix:
        """(n, bones), those of the vertices it hangs on."""
        weights = self.anchors @ body_model().bone_weights
        return csr_matrix(weights.multiply(1 / np.maximum(weights.sum(1), 1e-6)))


def body_part(faces: np.ndarray) -> Garment:
    """A part of the base mesh itself."""
    used, corners = np.unique(faces, return_inverse=True)
    count = len(body_model().average.vertices)
    anchors = csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), count))
    quads = corners.reshape(faces.shape)
    return Garment(anchors, np.zeros((len(used), 3)), ((0, 1, 1.0),) * 3, quads, np.empty(0, int))


@cache
def read_garment(mhclo: Path) -> Garment:
    """The whole asset.

    Raises:
        GarmentError: when the file or the .obj beside it is missing or no garment of the base mesh.
    """
    try:
        numbers, weights, offsets, scales, hidden = _read_mhclo(mhclo.read_text(errors="replace"))
        (mesh,) = mhclo.parent.glob("*.obj")
        faces = [
            [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
            for line in mesh.read_text(errors="replace").splitlines() if line.startswith("f ")
        ]
        shape = (len(numbers), len(body_model().average.vertices))
        anchors = csr_matrix((weights.ravel(), (np.repeat(np.arange(len(numbers)), 3), numbers.ravel())), shape=shape)
        quads = np.array([face + face[-1:] * (4 - len(face)) for face in faces])
    except (OSError, ValueError, KeyError) as error:
        raise GarmentError(f"'{mhclo}' is no garment of MakeHuman's with its .obj beside it ({error})") from error
    offsets = np.stack([offsets[:, 0], -offsets[:, 2], offsets[:, 1]], axis=1)
    return Garment(anchors, offsets, scales, quads, hidden)


class GarmentError(ValueError):
    """A garment's files cannot be used."""


@cache
def pieces(garment: Garment) -> list[Garment]:
    """Its connected pieces but for small ones, the one that reaches farthest down last; each hides what is nearest."""
    count = garment.anchors.shape[0]
    pairs = np.concatenate([garment.faces[:, [0, side]] for side in (1, 2, 3)])
    _, label = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count)))
    body, points = body_model().average, garment.places()
    nearest = label[cKDTree(garment.points(body)).query(body.vertices[garment.hidden])[1]]
    large = [number for number, size in enumerate(np.bincount(label)) if size >= SMALLEST_PIECE]
    large.sort(key=lambda number: -points[label == number, 2].min())
    return [_part(garment, label == number, garment.hidden[nearest == number]) for number in large]


def joined(parts: list[Garment]) -> Garment:
    """Several pieces of one garment as one."""
    counts = np.cumsum([0] + [part.anchors.shape[0] for part in parts[:-1]])
    return Garment(
        csr_matrix(vstack([part.anchors for part in parts])), np.concatenate([part.offsets for part in parts]),
        parts[0].scales, np.concatenate([part.faces + count for part, count in zip(parts, counts, strict=True)]),
        np.concatenate([part.hidden for part in parts]),
    )


def smooth(garment: Garment) -> Garment:
    """One step of Catmull and Clark's subdivision of a mesh of quads."""
    faces, count = garment.faces, garment.anchors.shape[0]
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    edges, edge_of_side, faces_of_edge = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    ones, face_of_corner = np.ones(faces.size), np.repeat(np.arange(len(faces)), 4)
    face_points = csr_matrix((ones / 4, (face_of_corner, faces.ravel())), shape=(len(faces), count))
    edge_of_end = np.repeat(np.arange(len(edges)), 2)
    middles = csr_matrix((np.full(edges.size, 0.5), (edge_of_end, edges.ravel())), shape=(len(edges), count))
    edge_faces = csr_matrix((ones, (edge_of_side, face_of_corner)), shape=(len(edges), len(faces)))
    inner = diags((faces_of_edge > 1).astype(float))
    edge_points = middles + inner @ (0.25 * (edge_faces @ face_points) - 0.5 * middles)
    valence = np.maximum(np.bincount(faces.ravel(), minlength=count), 1.0)
    border = np.zeros(count, bool)
    border[edges[faces_of_edge == 1]] = True
    at_face = diags(1 / valence) @ csr_matrix((ones, (faces.ravel(), face_of_corner)), shape=(count, len(faces)))
    ends = csr_matrix(middles.multiply(2)).T
    outer = ends @ diags((faces_of_edge == 1).astype(float))
    at_edge = diags(1 / np.maximum(np.asarray(ends.sum(1)).ravel(), 1)) @ ends
    eye = diags(np.ones(count))
    inner_vertices = diags(1 / valence) @ (at_face @ face_points + 2 * (at_edge @ middles) + diags(valence - 3) @ eye)
    border_vertices = 0.5 * eye + 0.25 * (outer @ middles)
    vertices = diags((~border).astype(float)) @ inner_vertices + diags(border.astype(float)) @ border_vertices
    finer = csr_matrix(vstack([vertices, face_points, edge_points]))
    sides_of = edge_of_side.reshape(-1, 4) + count + len(faces)
    centre = np.repeat(count + np.arange(len(faces)), 4).reshape(-1, 4)
    quads = np.stack([faces, sides_of, centre, np.roll(sides_of, 1, axis=1)], axis=2).reshape(-1, 4)
    return replace(garment, anchors=csr_matrix(finer @ garment.anchors), offsets=finer @ garment.offsets, faces=quads)


def _part(garment: Garment, is_kept: np.ndarray, hidden: np.ndarray) -> Garment:
    faces = (np.cumsum(is_kept) - 1)[garment.faces[is_kept[garment.faces[:, 0]]]]
    return Garment(garment.anchors[is_kept], garment.offsets[is_kept], garment.scales, faces, hidden)


def _read_mhclo(text: str) -> tuple:
    """Base vertices (n, 3), weights (n, 3), offsets (n, 3), scales by anny's axes, hidden vertices."""
    scales: dict[int, tuple[int, int, float]] = {}
    rows, hidden, mode = [], [], ""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("x_scale", "y_scale", "z_scale"):
            scales[ANNY_AXIS[words[0][0]]] = (int(words[1]), int(words[2]), float(words[3]))
        elif words[0] in ("verts", "delete_verts"):
            mode = words[0]
        elif mode == "verts" and words[0].isdigit():
            rows.append([*words, *(words * 2 + "1 0 0 0 0 0".split())][:9] if len(words) == 1 else words[:9])
        elif mode == "delete_verts" and words[0].isdigit():
            ranges = " ".join(words).replace(" - ", "-").split()
            ends = [[int(end) for end in part.split("-")] for part in ranges]
            hidden += [number for part in ends for number in range(part[0], part[-1] + 1)]
    table = np.array(rows, float)
    axis_scales = tuple(scales[axis] for axis in range(3))
    return table[:, :3].astype(int), table[:, 3:6], table[:, 6:], axis_scales, np.unique(np.array(hidden, int))
