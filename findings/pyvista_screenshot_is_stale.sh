#!/usr/bin/env bash
# pyvista 0.49.1 with vtk 9.7.2: Plotter.screenshot() of a mesh that has moved shows it where it was.
#
# One would expect: screenshot() takes a picture of the scene as it is, at the latest when new points were assigned to the mesh.
# Seen: off screen it renders only the first time; later calls return the last rendering again, whether points were changed in
# place or assigned, until somebody calls render(). Whoever draws many poses of one person with one plotter, to train or to
# measure by, gets the first pose under every name. Remedy: plotter.render() before each screenshot().
# Output, the mean column of a black ball that moves to the right in a picture 200 pixels wide:
#   first 99, moved in place 99, points assigned 99, after render() 169
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy pyvista==0.49.1 vtk==9.7.2
"$folder/venv/bin/python" - 2> /dev/null <<'PY'
import numpy as np
import pyvista as pv

ball = pv.Sphere(radius=0.2)
plotter = pv.Plotter(off_screen=True, window_size=(200, 200))
plotter.set_background("white")
plotter.add_mesh(ball, color="black", lighting=False)
plotter.camera_position = "xy"
plotter.camera.SetParallelProjection(True)
plotter.camera.parallel_scale = 1


def column() -> int:
    picture = plotter.screenshot(return_img=True)
    return int(np.nonzero(picture.astype(int).sum(axis=2) < 600)[1].mean())


seen = {"first": column()}
ball.points[:] = ball.points + (0.5, 0, 0)
seen["moved in place"] = column()
ball.points = ball.points + np.array([0.2, 0, 0])
seen["points assigned"] = column()
plotter.render()
seen["after render()"] = column()
print(", ".join(f"{when} {place}" for when, place in seen.items()))
assert list(seen.values()) == [99, 99, 99, 169], "the behaviour changed"
PY
