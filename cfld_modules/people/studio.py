"""The photographer: a posed person, lit, in front of a wall, with exact key points, depth and silhouette (VTK)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkFloatArray, vtkPoints, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkDataObject, vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkRenderer, vtkRenderWindow
from vtkmodules.vtkRenderingOpenGL2 import vtkRenderStepsPass, vtkSSAOPass

from ..poses.keypoints import Pose
from .bodies import BODY_END, Shape, body_model, move_points
from .dressing import Surface
from .poses import BodyPose, bone_turns

SHADER = Path(__file__).with_name("surfaces.glsl")
UNIFORMS: dict[str, Any] = {
    "material": 0, "kind": 0, "print_form": 0, "first": (0.0, 0.0, 0.0), "second": (0.0, 0.0, 0.0), "scale": 0.05,
    "lowest": -1.0, "highest": 9.0, "reach": 9.0, "print_height": 1.2, "shine": 0.05, "folds": 0.0, "seed": 0.0,
    "axis": (0.0, 0.0),
}
DISTANCE = 5.0
MARGIN = 1.05
WALL = np.array([[196, 198, 202], [212, 213, 217]], float)
FLOOR = np.array([182, 183, 187], float)
# How deep below the surface that hides it a joint may lie and still count as seen, in metres.
DEPTH_OF_JOINT = np.array([0.04, 0.14, 0.13, 0.09, 0.06, 0.13, 0.09, 0.06, 0.17, 0.12, 0.09, 0.17, 0.12, 0.09,
                           0.035, 0.035, 0.06, 0.06])


@dataclass(frozen=True)
class Photo:
    """image: RGB uint8 (height, width, 3); pose: on it, hidden joints missing; space: all joints in metres, (18, 3), to
    the right, down and away from the camera; depth: metres from the camera, (height, width), infinite where nobody is;
    silhouette: share of each pixel, (height, width)."""

    image: np.ndarray
    pose: Pose
    space: np.ndarray
    depth: np.ndarray
    silhouette: np.ndarray


class Studio:
    """One window that people are shown in, one after the other.

    Args:
        width, height: of the photos in pixels.
        oversampling: pixels that are drawn along each side of one of the photo's.
    """

    def __init__(self, width: int, height: int, oversampling: int = 2) -> None:
        if "DISPLAY" not in os.environ:
            os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        self.width, self.height, self.oversampling = width, height, oversampling
        self._renderer: Any = vtkRenderer()
        self._renderer.SetBackground(0, 0, 0)
        self._window: Any = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(width * oversampling, height * oversampling)
        self._window.AddRenderer(self._renderer)
        self._shown: list[tuple[Surface, Any]] = []
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
        moves = self._moves(pose)
        joints = model.key_points(move_points(self._shape.vertices, model.bone_weights, moves))
        points = self._points(moves)
        all_points = np.concatenate(points)
        floor = all_points[:, 2].min()
        framed_points = [np.concatenate(self._points(self._moves(pose))) for pose in framed] or [all_points]
        aim, tall = self._framing(np.concatenate(framed_points), min(part[:, 2].min() for part in framed_points))
        for (surface, actor), moved in zip(self._shown, points, strict=True):
            _move(actor, surface, moved)
        pixels, depth = self._render(aim, tall)
        silhouette_pixels = np.isfinite(depth)
        large = pixels.astype(np.float32) * silhouette_pixels[..., None]
        share = self._reduced(silhouette_pixels.astype(np.float32))
        feet = all_points[all_points[:, 2] < floor + 0.25]
        wall = self._wall(feet, floor, aim, tall)
        image = self._reduced(large) + (1 - share[..., None]) * wall
        key_points = self._project(joints, aim, tall)
        is_seen = self._seen(joints, key_points, depth, aim)
        visible_points = np.where(is_seen[:, None], key_points, np.nan)
        return Photo(
            np.clip(image + 0.5, 0, 255).astype(np.uint8), Pose(visible_points, self.width, self.height),
            joints[:, [0, 2, 1]] * (1, -1, 1), depth[:: self.oversampling, :: self.oversampling], share,
        )

    def _moves(self, pose: BodyPose) -> np.ndarray:
        model = body_model()
        return model.bone_moves(self._shape, bone_turns(pose, model, self._shape))

    def _points(self, moves: np.ndarray) -> list[np.ndarray]:
        """Of each surface that is shown."""
        return [move_points(surface.points, surface.bone_weights, moves) for surface, _ in self._shown]

    def _framing(self, points: np.ndarray, floor: float) -> tuple[np.ndarray, float]:
        """What the camera looks at, and how many metres the picture is high there."""
        stature = float(np.ptp(self._shape.vertices[:BODY_END, 2]))
        nearer = DISTANCE / (DISTANCE + points[:, 1])
        left, right = (points[:, 0] * nearer).min(), (points[:, 0] * nearer).max()
        eye_level = floor + stature / 2
        bottom, top = ((points[:, 2] - eye_level) * nearer).min(), ((points[:, 2] - eye_level) * nearer).max()
        tall = max(stature * 1.07, (top - bottom) * MARGIN, (right - left) * MARGIN * self.height / self.width)
        centre = np.clip((points[:, 0] * nearer).mean(), right - tall * self.width / self.height / 2 / MARGIN,
                         left + tall * self.width / self.height / 2 / MARGIN)
        return np.array([centre, 0.0, eye_level + bottom + tall * (0.5 - (MARGIN - 1) / 2)]), tall

    def _render(self, aim: np.ndarray, tall: float) -> tuple[np.ndarray, np.ndarray]:
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
        depth = np.where(buffer < 1, near * far / (far - buffer * (far - near)), np.inf)
        return pixels, depth

    def _project(self, points: np.ndarray, aim: np.ndarray, tall: float) -> np.ndarray:
        """(x, y) in pixels of points (n, 3)."""
        scale = self.height * DISTANCE / tall / (points[:, 1] + DISTANCE)
        return np.stack([
            self.width / 2 + scale * (points[:, 0] - aim[0]), self.height / 2 - scale * (points[:, 2] - aim[2])
        ], axis=1)

    def _seen(self, joints: np.ndarray, pixels: np.ndarray, depth: np.ndarray, aim: np.ndarray) -> np.ndarray:
        columns, rows = (pixels * self.oversampling).astype(int).T
        inside = (columns >= 0) & (rows >= 0) & (columns < depth.shape[1]) & (rows < depth.shape[0])
        front = depth[np.clip(rows, 0, depth.shape[0] - 1), np.clip(columns, 0, depth.shape[1] - 1)]
        return inside & (joints[:, 1] + DISTANCE - front < DEPTH_OF_JOINT)

    def _reduced(self, large: np.ndarray) -> np.ndarray:
        shape = (self.height, self.oversampling, self.width, self.oversampling, *large.shape[2:])
        return large.reshape(shape).mean((1, 3))

    def _wall(self, feet: np.ndarray, floor: float, aim: np.ndarray, tall: float) -> np.ndarray:
        """(height, width, 3): wall, floor, and a soft shadow below what is near the floor."""
        share = np.linspace(0, 1, self.height)[:, None, None]
        horizon = 0.86
        wall = WALL[1] * (1 - share) + WALL[0] * share
        blend = np.clip((share - horizon) / 0.08, 0, 1)
        wall = wall * (1 - blend) + FLOOR * blend
        below = np.column_stack([feet[:, :2], np.full(len(feet), floor)])
        x, y = self._project(below, aim, tall).T
        weight = np.exp(-(feet[:, 2] - floor) / 0.07)
        frame = ((0, self.height), (0, self.width))
        shadow, _, _ = np.histogram2d(y, x, (self.height, self.width), frame, weights=weight)
        size = self.height / 256
        near, far = gaussian_filter(shadow, 1.8 * size), gaussian_filter(shadow, (3 * size, 8 * size))
        soft = 0.6 * np.tanh(near / 3) + 0.4 * np.tanh(far)
        return wall * np.ones((1, self.width, 1)) * (1 - 0.45 * soft[..., None])


def _actor(surface: Surface) -> Any:
    mesh, points, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    points.SetData(numpy_to_vtk(surface.points.astype(np.float32), deep=True))
    cells.SetData(3, numpy_to_vtkIdTypeArray(surface.triangles.astype(np.int64).ravel(), deep=True))
    places = numpy_to_vtk(surface.places.astype(np.float32), deep=True)
    places.SetName("places")
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    mesh.GetPointData().AddArray(places)
    mapper, actor = vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(mesh)
    mapper.MapDataArrayToVertexAttribute("placeMC", "places", vtkDataObject.FIELD_ASSOCIATION_POINTS, -1)
    actor.SetMapper(mapper)
    shader = actor.GetShaderProperty()
    shader.AddVertexShaderReplacement(
        "//VTK::Normal::Dec", True, "//VTK::Normal::Dec\nin vec4 placeMC;\nout vec4 place;\n", False
    )
    shader.AddVertexShaderReplacement("//VTK::Normal::Impl", True, "//VTK::Normal::Impl\nplace = placeMC;\n", False)
    shader.AddFragmentShaderReplacement(
        "//VTK::Normal::Dec", True, "//VTK::Normal::Dec\nin vec4 place;\n" + SHADER.read_text(), False
    )
    shader.AddFragmentShaderReplacement(
        "//VTK::Light::Impl", True,
        "//VTK::Light::Impl\nfragOutput0 = vec4(shaded(normalize(normalVCVSOutput), vertexVC.xyz), 1.0);\n", False,
    )
    uniforms = shader.GetFragmentCustomUniforms()
    for name, value in (UNIFORMS | surface.uniforms).items():
        if isinstance(value, int):
            uniforms.SetUniformi(name, value)
        elif name == "axis":
            uniforms.SetUniform2f(name, value)
        elif isinstance(value, tuple):
            uniforms.SetUniform3f(name, [channel**2.2 for channel in value])
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


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = points[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rows = triangles.T.ravel()
    summed = np.stack([np.bincount(rows, np.tile(across[:, axis], 3), len(points)) for axis in range(3)], axis=1)
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
