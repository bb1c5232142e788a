"""What the page asks the real server for: the people in a picture that it sends."""

import importlib.util
import json
import threading
import urllib.error
import urllib.request
import warnings
from io import BytesIO

import host
import numpy as np
import pytest
from comfy_server import running_server
from PIL import Image

PHOTO = host.PACK / "tests" / "data" / "astronaut.jpg"

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("controlnet_aux") is None,
    reason="controlnet_aux is not installed in the host's Python: python -m pip install controlnet_aux",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("routes")
    for name in ("custom_nodes", "input", "models/annotators"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def server(folder, comfy_path):
    with running_server(comfy_path, folder) as server:
        yield server


@pytest.fixture
def dots(folder):
    """A picture file of two people, and weights that see them, while the test runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a dozen of its own, about what is not used here
        import dot_network
    weights = dot_network.save(folder / "models" / "annotators", dot_network.dot_state())
    picture = dot_network.picture([dot_network.STANDING + place for place in ((20, 120), (450, 220))], 900, 800)[0]
    yield encoded(Image.fromarray((picture.numpy() * 255).astype(np.uint8)))
    weights.unlink()


def encoded(picture):
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def ask(server, content, path="/api/cfld/detect_pose"):
    """(status, what the JSON of the answer says)"""
    request = urllib.request.Request(f"http://{server.address}{path}", content)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_with_no_detector_both_ways_are_told(server, folder):
    status, answer = ask(server, PHOTO.read_bytes())
    assert status == 422
    assert answer["error"] == (
        f"Detect Pose: no detector is in {folder}/models/annotators. Run 'python -m cfld_modules get blazepose' in "
        "this pack's folder, or Detect Pose once with download_if_missing"
    )


@pytest.mark.parametrize("content", [
    b"", b"no picture", PHOTO.read_bytes()[:9000], b"\n" * 9,
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
])
def test_what_is_no_picture_is_one_line(server, content):
    status, answer = ask(server, content)
    assert status == 422 and answer["error"].startswith("Detect Pose: the ")
    assert "\n" not in answer["error"] and len(answer["error"]) <= 500


@needs_package
def test_everybody_is_found_and_the_server_goes_on_meanwhile(server, dots):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(("people", ask(server, dots))))
    asking.start()
    for _ in range(3):
        server.get("/queue")
        answers.append("queue")
    asking.join()
    *others, (_, (status, frame)) = answers
    assert others == ["queue"] * 3 and status == 200
    assert (frame["canvas_width"], frame["canvas_height"], len(frame["people"])) == (900, 800, 2)
    noses = sorted(person["pose_keypoints_2d"][:2] for person in frame["people"])
    np.testing.assert_allclose(noses, [(170, 195), (600, 295)], rtol=0, atol=18)


@needs_package
def test_nobody_is_no_error(server, dots):
    assert ask(server, encoded(Image.new("RGB", (64, 48))), "/cfld/detect_pose") == (
        200, {"people": [], "canvas_width": 64, "canvas_height": 48}
    )
