"""The photographer: a posed person, lit, in front of a wall, with exact key points and silhouette (VTK)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkFloatArray, vtkPoints, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkDataObject, vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkRenderer, vtkRenderWindow
from vtkmodules.vtkRenderingOpenGL2 import vtkRenderStepsPass, vtkSSAOPass

from ..people.bodies import BODY_END, Shape, body_model
from ..people.dressing import Surface
from ..people.poses import BodyPose, bone_turns
from ..poses.keypoints import Pose

SHADER = Path(__file__).with_name("surfaces.glsl").read_text()
UNIFORMS: dict[str, Any] = {
    "material": 0, "kind": 0, "print_form": 0, "first": np.zeros(3), "second": np.zeros(3), "scale": 0.05,
    "lowest": -1.0, "highest": 9.0, "reach": 9.0, "print_height": 1.2, "shine": 0.04, "folds": 0.0, "seed": 0.0,
    "axis": (0.0, 0.0),
}
OVERSAMPLING = 2  # pixels that are drawn along each side of one of the photo's
DISTANCE = 5.0
MARGIN = 1.05
WALL = np.array([[196, 198, 202], [212, 213, 217]], float)
FLOOR, HORIZON = np.array([182, 183, 187], float), 0.86
# How deep below the surface that hides it a joint may lie and still count as seen, in metres.
DEPTH_OF_JOINT = np.array([0.04, 0.14, 0.13, 0.09, 0.06, 0.13, 0.09, 0.06, 0.17, 0.12, 0.09, 0.17, 0.12, 0.09,
                           0.035, 0.035, 0.06, 0.06])


@dataclass(frozen=True)
class Photo:
    """image: RGB uint8 (height, width, 3); pose: on it, hidden joints missing; space: all joints in metres, (18, 3), to
    the right, down and away from the camera; silhouette: share of each pixel, (height, width)."""

    image: np.ndarray
    pose: Pose
    space: np.ndarray
    silhouette: np.ndarray


class Studio:
    """One window that people are shown in, one after the other, for photos of a width and height in pixels."""

    def __init__(self, width: int, height: int) -> None:
        if "DISPLAY" not in os.environ:
            os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        self.width, self.height = width, height
        self._renderer: Any = vtkRenderer()
        self._renderer.SetBackground(0, 0, 0)
        self._window: Any = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(width * OVERSAMPLING, height * OVERSAMPLING)
        self._window.AddRenderer(self._renderer)
        shading = vtkSSAOPass()  # of corners
        shading.SetRadius(0.12)
        shading.SetKernelSize(16)
        shading.SetBias(0.004)
        shading.BlurOn()
        shading.SetDelegatePass(vtkRenderStepsPass())
        self._renderer.SetPass(shading)

    def invite(self, shape: Shape, surfaces: list[Surface]) -> None:
        """Show this person and nobody else."""
        self._renderer.RemoveAllViewProps()
        self._shape = shape
        self._shown = [(surface, _actor(surface)) for surface in surfaces]
        for _, actor in self._shown:
            self._renderer.AddActor(actor)

    def photograph(self, pose: BodyPose, framed: Sequence[BodyPose] = ()) -> Photo:
        """The invited person in this pose, whole, as large as fits.

        Args:
            framed: the poses that the camera fits, for several views by one camera; `pose` where not given.
        """
        model = body_model()
        moves, points = self._posed(pose)
        joints = model.key_points(_moved(self._shape.vertices, model.bone_weights, moves))
        all_points = np.concatenate(points)
        framed_points = [point for one in framed for point in self._posed(one)[1]]
        aim, tall = self._framing(np.concatenate(framed_points) if framed else all_points)
        for (surface, actor), moved in zip(self._shown, points, strict=True):
            _move(actor, surface, moved)
        pixels, depth = self._render(aim, tall)
        is_person = np.isfinite(depth)
        share = self._reduced(is_person.astype(np.float32))
        large = pixels.astype(np.float32) * is_person[..., None]
        image = self._reduced(large) + (1 - share[..., None]) * self._wall(all_points, aim, tall)
        key_points = self._project(joints, aim, tall)
        visible_points = np.where(self._seen(joints, key_points, depth)[:, None], key_points, np.nan)
        return Photo(
            np.clip(image + 0.5, 0, 255).astype(np.uint8), Pose(visible_points, self.width, self.height),
            joints[:, [0, 2, 1]] * (1, -1, 1), share,
        )

    def _posed(self, pose: BodyPose) -> tuple[np.ndarray, list[np.ndarray]]:
        """The moves of the bones, and the points of each surface that is shown."""
        moves = body_model().bone_moves(self._shape, bone_turns(pose, self._shape))
        return moves, [_moved(surface.points, surface.bone_weights, moves) for surface, _ in self._shown]

    def _framing(self, points: np.ndarray) -> tuple[np.ndarray, float]:
        """What the camera looks at, and how many metres the picture is high there."""
        stature = float(np.ptp(self._shape.vertices[:BODY_END, 2]))
        eye_level = points[:, 2].min() + stature / 2
        nearer = DISTANCE / (DISTANCE + points[:, 1])
        x, z = points[:, 0] * nearer, (points[:, 2] - eye_level) * nearer
        left, right, bottom, top = x.min(), x.max(), z.min(), z.max()
        tall = max(stature * 1.07, (top - bottom) * MARGIN, (right - left) * MARGIN * self.height / self.width)
        half = tall * self.width / self.height / 2 / MARGIN
        centre = np.clip(x.mean(), right - half, left + half)
        return np.array([centre, 0.0, eye_level + bottom + tall * (0.5 - (MARGIN - 1) / 2)]), tall

    def _render(self, aim: np.ndarray, tall: float) -> tuple[np.ndarray, np.ndarray]:
        """RGB uint8 (h, w, 3), and metres from the camera (h, w), infinite where nobody is; both oversampled."""
        camera = self._renderer.GetActiveCamera()
        camera.SetPosition(aim[0], -DISTANCE, aim[2])
        camera.SetFocalPoint(*aim)
        camera.SetViewUp(0, 0, 1)
        camera.SetViewAngle(float(np.degrees(2 * np.arctan(tall / 2 / DISTANCE))))
        near, far = DISTANCE - 1.5, DISTANCE + 1.5
        camera.SetClippingRange(near, far)
        self._window.Render()
        width, height = self._window.GetSize()
        colors, depths = vtkUnsignedCharArray(), vtkFloatArray()
        self._window.GetPixelData(0, 0, width - 1, height - 1, 0, colors, 0)
        self._window.GetZbufferData(0, 0, width - 1, height - 1, depths)
        pixels = vtk_to_numpy(colors).reshape(height, width, 3)[::-1]
        buffer = vtk_to_numpy(depths).reshape(height, width)[::-1].astype(np.float64)
        return pixels, np.where(buffer < 1, near * far / (far - buffer * (far - near)), np.inf)

    def _project(self, points: np.ndarray, aim: np.ndarray, tall: float) -> np.ndarray:
        """(x, y) in pixels of points (n, 3)."""
        scale = self.height * DISTANCE / tall / (points[:, 1] + DISTANCE)
        return np.stack([
            self.width / 2 + scale * (points[:, 0] - aim[0]), self.height / 2 - scale * (points[:, 2] - aim[2])
        ], axis=1)

    def _seen(self, joints: np.ndarray, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        columns, rows = (pixels * OVERSAMPLING).astype(int).T
        inside = (columns >= 0) & (rows >= 0) & (columns < depth.shape[1]) & (rows < depth.shape[0])
        front = depth[np.clip(rows, 0, depth.shape[0] - 1), np.clip(columns, 0, depth.shape[1] - 1)]
        return inside & (joints[:, 1] + DISTANCE - front < DEPTH_OF_JOINT)

    def _reduced(self, large: np.ndarray) -> np.ndarray:
        shape = (self.height, OVERSAMPLING, self.width, OVERSAMPLING, *large.shape[2:])
        return large.reshape(shape).mean((1, 3))

    def _wall(self, points: np.ndarray, aim: np.ndarray, tall: float) -> np.ndarray:
        """(height, width, 3): wall, floor, and a soft shadow below what of a person's points is near the floor."""
        share = np.linspace(0, 1, self.height)[:, None, None]
        wall = WALL[1] * (1 - share) + WALL[0] * share
        blend = np.clip((share - HORIZON) / 0.08, 0, 1)
        wall = wall * (1 - blend) + FLOOR * blend
        floor = points[:, 2].min()
        feet = points[points[:, 2] < floor + 0.25]
        x, y = self._project(np.column_stack([feet[:, :2], np.full(len(feet), floor)]), aim, tall).T
        weight = np.exp(-(feet[:, 2] - floor) / 0.07)
        frame = ((0, self.height), (0, self.width))
        shadow, _, _ = np.histogram2d(y, x, (self.height, self.width), frame, weights=weight)
        size = self.height / 256
        near, far = gaussian_filter(shadow, 1.8 * size), gaussian_filter(shadow, (3 * size, 8 * size))
        soft = 0.6 * np.tanh(near / 3) + 0.4 * np.tanh(far)
        return wall * np.ones((1, self.width, 1)) * (1 - 0.45 * soft[..., None])


def _actor(surface: Surface) -> Any:
    mesh, cells, mapper, actor = vtkPolyData(), vtkCellArray(), vtkPolyDataMapper(), vtkActor()
    cells.SetData(3, numpy_to_vtkIdTypeArray(surface.triangles.astype(np.int64).ravel(), deep=True))
    places = numpy_to_vtk(surface.places.astype(np.float32), deep=True)
    places.SetName("places")
    mesh.SetPoints(vtkPoints())
    mesh.SetPolys(cells)
    mesh.GetPointData().AddArray(places)
    mapper.SetInputData(mesh)
    mapper.MapDataArrayToVertexAttribute("placeMC", "places", vtkDataObject.FIELD_ASSOCIATION_POINTS, -1)
    actor.SetMapper(mapper)
    shader = actor.GetShaderProperty()
    color = "vec4(shaded(normalize(normalVCVSOutput), vertexVC.xyz), 1.0)"
    for add, place, code in (
        (shader.AddVertexShaderReplacement, "Normal::Dec", "in vec4 placeMC;\nout vec4 place;"),
        (shader.AddVertexShaderReplacement, "Normal::Impl", "place = placeMC;"),
        (shader.AddFragmentShaderReplacement, "Normal::Dec", "in vec4 place;\n" + SHADER),
        (shader.AddFragmentShaderReplacement, "Light::Impl", f"fragOutput0 = {color};"),
    ):
        add(f"//VTK::{place}", True, f"//VTK::{place}\n{code}\n", False)
    uniforms = shader.GetFragmentCustomUniforms()
    for name, value in (UNIFORMS | surface.uniforms).items():
        if isinstance(value, int):
            uniforms.SetUniformi(name, value)
        elif isinstance(value, np.ndarray):
            uniforms.SetUniform3f(name, [channel**2.2 for channel in value.tolist()])
        elif isinstance(value, tuple):
            uniforms.SetUniform2f(name, value)
        else:
            uniforms.SetUniformf(name, float(value))
    return actor


def _move(actor: Any, surface: Surface, points: np.ndarray) -> None:
    mesh, normals = actor.GetMapper().GetInput(), _normals(points, surface.triangles)
    outside = (points + surface.thickness * normals).astype(np.float32)
    mesh.GetPoints().SetData(numpy_to_vtk(outside, deep=True))
    mesh.GetPointData().SetNormals(numpy_to_vtk(normals.astype(np.float32), deep=True))
    mesh.GetPoints().Modified()
    mesh.Modified()


def _moved(points: np.ndarray, bone_weights: csr_matrix, moves: np.ndarray) -> np.ndarray:
    """Linear blend skinning of points (n, 3) with weights (n, bones) by moves (bones, 4, 4)."""
    blended = (bone_weights @ moves.reshape(len(moves), 16)).reshape(-1, 4, 4)
    return np.einsum("nij,nj->ni", blended[:, :3, :3], points) + blended[:, :3, 3]


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = points[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rows = triangles.T.ravel()
    summed = np.stack([np.bincount(rows, np.tile(across[:, axis], 3), len(points)) for axis in range(3)], axis=1)
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
