"""What the page asks the real server for: the people in a picture that it sends."""

import importlib.util
import json
import socket
import threading
import time
import urllib.error
import urllib.request
import warnings
from io import BytesIO

import host
import numpy as np
import pytest
from comfy_server import STEP_PATIENCE, running_server
from PIL import Image

PHOTO = host.PACK / "tests" / "data" / "astronaut.jpg"
SMALLEST = host.PACK / "tests" / "data" / "smallest_blazepose.task"
COMMAND = "pip download --no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 --python-version 3.11 -d"

# A pack with a route of the same kind as Detect Pose's, whose work lasts until it is told to end.
WAITING = "waiting.py"
WAITING_CODE = f"""
import importlib, importlib.util, sys, threading, time
from aiohttp import web
from server import PromptServer

place = {str(host.PACK)!r}
spec = importlib.util.spec_from_file_location("cfld_again", place + "/__init__.py", submodule_search_locations=[place])
sys.modules["cfld_again"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["cfld_again"])
routes = importlib.import_module("cfld_again.nodes.host.routes")
events, end = [], threading.Event()

def answer(content, check):
    events.append("begin " + content.decode())
    try:
        while not end.is_set():
            check()
            time.sleep(0.01)
    except Exception:
        events.append("cancel " + content.decode())
        raise
    events.append("end " + content.decode())
    return {{"answer": content.decode()}}

routes.answer_posts_one_by_one("/wait", answer, "Waiting", ())

@PromptServer.instance.routes.get("/wait/events")
async def get_events(request):
    return web.json_response(events)

@PromptServer.instance.routes.get("/wait/end")
async def set_end(request):
    end.set() if request.query["set"] == "1" else end.clear()
    return web.json_response(None)

NODE_CLASS_MAPPINGS = {{}}
"""

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
    (folder / "custom_nodes" / WAITING).write_text(WAITING_CODE)
    with running_server(comfy_path, folder, WAITING) as server:
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
    assert answer["error"].startswith("Detect Pose: no detector is there; not openpose: body_pose_model.pth, from ")
    assert answer["error"].endswith(f'get it by: {COMMAND} "{folder}/models/annotators" mediapipe==0.10.21')


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
def test_a_picture_without_people_answers_an_empty_list(server, dots):
    assert ask(server, encoded(Image.new("RGB", (64, 48))), "/cfld/detect_pose") == (
        200, {"people": [], "canvas_width": 64, "canvas_height": 48}
    )


# --- Many at once, and clients that go away ---------------------------------------------------------------------------


@pytest.fixture
def bundle(folder):
    """Networks that see nobody, while the test runs."""
    file = folder / "models" / "annotators" / SMALLEST.name
    file.write_bytes(SMALLEST.read_bytes())
    yield
    file.unlink()


class Asking(threading.Thread):
    """A request in a thread of its own."""

    def __init__(self, server, content, path):
        super().__init__(daemon=True)
        self.answer = None
        self.arguments = (server, content, path)
        self.start()

    def run(self):
        self.answer = ask(*self.arguments)


def until(condition):
    """Waits for what must come; fails where it does not."""
    end = time.monotonic() + STEP_PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_of_twenty_requests_one_is_worked_on_three_wait_and_the_others_are_told(server):
    server.get("/wait/end?set=0")
    begun = len(server.get("/wait/events"))
    requests = [Asking(server, f"{number}".encode(), "/wait") for number in range(20)]
    until(lambda: sum(request.answer is not None for request in requests) == 16)
    told = {"error": "Waiting: other pictures are being looked at; try again when they are done"}
    assert [request.answer for request in requests if request.answer] == [(429, told)] * 16
    assert "CFLDDetectPose" in server.get("/object_info"), "the page gets no answer meanwhile"
    assert len(server.get("/wait/events")) == begun + 1, "one thread for all of them"
    server.get("/wait/end?set=1")
    until(lambda: all(request.answer for request in requests))
    assert sorted(status for status, _ in (request.answer for request in requests)) == [200] * 4 + [429] * 16
    events = server.get("/wait/events")[begun:]
    assert [event.split()[0] for event in events] == ["begin", "end"] * 4, "one after another"
    assert ask(server, b"later", "/wait") == (200, {"answer": "later"})


def test_who_has_gone_is_not_worked_for_any_more(server):
    server.get("/wait/end?set=0")
    clients = {}
    for name in ("first", "second"):
        clients[name] = socket.create_connection(server.address.split(":"))
        clients[name].sendall(f"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())
        until(lambda: "begin first" in server.get("/wait/events"))
    clients["second"].close()
    server.get("/queue")  # so the server has seen it
    clients["first"].close()
    until(lambda: "cancel first" in server.get("/wait/events"))
    server.get("/wait/end?set=1")
    assert ask(server, b"third", "/wait") == (200, {"answer": "third"})
    events = server.get("/wait/events")
    assert "end first" not in events and "begin second" not in events


def test_the_page_is_answered_beside_twenty_clients_who_ask_again_and_again_for_nobody(server, bundle):
    content, statuses, enough = encoded(Image.new("RGB", (1200, 1000))), [], threading.Event()

    def ask_again():
        while not enough.is_set():
            statuses.append(ask(server, content, "/cfld/detect_pose")[0])

    clients = [threading.Thread(target=ask_again, daemon=True) for _ in range(20)]
    for client in clients:
        client.start()
    until(lambda: {200, 429} <= set(statuses))
    for path in ("/queue", "/object_info", "/settings"):
        with urllib.request.urlopen(f"http://{server.address}{path}", timeout=STEP_PATIENCE) as page:
            assert page.status == 200
    enough.set()
    for client in clients:
        client.join(STEP_PATIENCE)
    assert set(statuses) == {200, 429}


@pytest.mark.parametrize(("width", "height"), [(65_000, 1), (1, 65_000), (20_000, 20), (12_000, 2_000)])
def test_a_picture_of_extreme_shape_is_answered_at_a_bounded_cost(server, bundle, width, height):
    before = server.memory()
    status, answer = ask(server, encoded(Image.new("RGB", (width, height))))
    assert (status, answer) == (200, {"people": [], "canvas_width": width, "canvas_height": height})
    assert server.memory() - before < 150e6


READ = "/api/cfld/read_pose"
CASES = {
    case["name"]: case
    for case in json.loads((host.PACK / "tests" / "data" / "keypoint_cases.json").read_text())["cases"]
}
STANDING = json.loads((host.PACK / "web" / "poses" / "standing_front.json").read_text())[0]
PLAIN = json.dumps({"people": STANDING["people"]})  # as OpenPose's own files, without a size


@pytest.mark.parametrize("name", CASES)
def test_key_points_of_any_dialect_are_answered_as_the_reader_reads_them(server, name):
    case = CASES[name]
    status, answer = ask(server, (case.get("text") or json.dumps(case["value"])).encode(), READ)
    if "error" in case:
        assert status == 422 and case["error"] in answer["error"] and len(answer["error"]) <= 500
        return
    assert status == 200 and len(answer["frames"]) == len(case["points"])
    for frame, points in zip(answer["frames"], case["points"], strict=True):
        people = frame["people"]
        chosen = next((person for person in people if person.get("chosen")), people[0])
        rows = np.reshape(chosen["pose_keypoints_2d"], (18, 3))
        expected = [(*point, 1) if point else (0, 0, 0) for point in points]
        np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_frames_without_a_size_are_read_on_the_canvas_of_the_query(server):
    status, answer = ask(server, PLAIN.encode("utf-16"), f"{READ}?width=400&height=600")
    assert status == 200 and answer["frames"][0]["canvas_height"] == 600
    assert ask(server, PLAIN.encode(), READ)[0] == 422
    for query in ("width=400", "width=a&height=b", "width=0&height=9", "width=1e9&height=9"):
        status, answer = ask(server, PLAIN.encode(), f"{READ}?{query}")
        assert status == 422 and "canvas" in answer["error"].lower(), query


def test_a_text_of_more_than_32_megabytes_is_refused(server):
    status, answer = ask(server, b" " * (2**25 + 1), READ)
    assert status == 422 and "33,554,433 bytes" in answer["error"]


def test_key_points_are_read_while_the_server_is_sampling(server):
    prompt = json.loads((host.PACK / "workflows" / "api" / "demo_no_downloads.json").read_text())
    (sampler,) = (number for number, node in prompt.items() if node["class_type"] == "KSampler")
    prompt[sampler]["inputs"] |= {"steps": 400}  # minutes of them
    run = server.queue(prompt)
    for kind, data in server.events(run):
        if kind == "progress" and data.get("node") == sampler:
            break
    assert ask(server, PLAIN.encode(), f"{READ}?width=400&height=600")[0] == 200
    assert server.get("/queue")["queue_running"], "it is still sampling"
    server.post("/interrupt", {})
