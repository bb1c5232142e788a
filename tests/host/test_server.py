"""The real ComfyUI, driven as a user's script drives it: every shipped workflow, wrong input, interruption."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soak
from comfy_server import PACK_NAME, Refused, running_server
from PIL import Image, ImageSequence
from server_folder import (
    HAS_DETECTOR,
    PERSON_IN_A_PHOTO,
    PHOTO,
    SCENE,
    WIRES,
    WORKFLOWS,
    nodes_of,
    painted,
    set_input,
    the_node,
    workflow,
    write_folder,
)

from cfld_modules.guidance import GUIDANCE_TYPES

NAMES = sorted(path.stem for path in (WORKFLOWS / "api").glob("*.json"))
# The nodes of other packs in workflows that are opened, and not run.
OTHER_PACKS = {"relight_with_ic_light": {
    "BackgroundScaler", "ICLightConditioning", "LoadAndApplyICLightUnet",
}, "animation_with_animatediff": {"ADE_AnimateDiffLoaderGen1"}}  # fmt: skip
FRAME = (352, 512)
SIZES = {"blend_two_people": (5 * 176 + 4 * 4, 256), "high_resolution_second_pass": (704, 1024),
         PERSON_IN_A_PHOTO: SCENE,
         "many_poses_contact_sheet": (3 * 352 + 2 * 4, 2 * 512 + 4),
         "described_scene": (88, 128),
         "turntable": (4 * 176 + 3 * 4, 2 * 256 + 4)}


SAMPLERS = ("KSampler", "SamplerCustomAdvanced")
# Pixels of the latents where the workflow has 512: the trained size of the test's CFLD; the demo model's own.
SIDES = {"basic_transfer": 256, "demo_no_downloads": 512, "turntable": 512, "blend_two_people": 512,
         "clothes_of_two_people": 512, "load_person": 512, "walk": 512}


DIMMED = 3  # nodes/previews.py
seeds = itertools.count(1)
KINDS = ("COMBO", "STRING", "any")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comfyui")
    write_folder(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder, comfy_path):
    with running_server(comfy_path, folder, WIRES, *soak.PACKS) as server:
        yield server


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def basic(**sampler):
    return set_input(workflow("basic_transfer"), "KSampler", **({"seed": next(seeds)} | sampler))


def assert_serves(server):
    run = server.run(basic(steps=1))
    assert run.error is None and len(server.pictures(run)) == 1


def expected_error_without_detector(server, prompt):
    run = server.run(prompt)
    assert run.error["node_id"] == the_node(prompt, "CFLDDetectPose")
    assert "controlnet_aux" in run.error["exception_message"] and "pip download" in run.error["exception_message"]


def appearance_names(server):
    """What Load Appearance offers."""
    inputs = server.get("/object_info/CFLDLoadAppearance")["CFLDLoadAppearance"]["input"]["required"]
    return inputs["appearance_name"][1]["options"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OTHER_PACKS])
def test_workflow_runs_node_by_node_and_then_from_the_cache(server, name):
    prompt = workflow(name, SIDES.get(name, 128))
    if name == "texture_from_photo":
        set_input(prompt, "LoadImage", image="target_pose.png")
        set_input(prompt, "CFLDDetectPose", detector="auto")
    if not HAS_DETECTOR and nodes_of(prompt, "CFLDDetectPose"):
        return expected_error_without_detector(server, prompt)
    run = server.run(prompt)
    assert run.error is None, run.error["exception_message"]
    assert sorted(run.started + run.cached) == sorted(prompt)
    known = set(run.cached)
    for node in run.started:
        assert {link[0] for link in prompt[node]["inputs"].values() if isinstance(link, list)} <= known
        known.add(node)
    for node in nodes_of(prompt, *SAMPLERS):
        assert run.progress[node][-1] == (2, 2) and (1, 2) in run.progress[node]
    shown = the_node(prompt, {"save_person": "CFLDSaveAppearance", "walk": "SaveAnimatedWEBP"}.get(name, "SaveImage"))
    (picture,) = pictures_on(server, run, shown)
    assert Image.open(picture).size == SIZES.get(name, FRAME)
    assert 5 < pixels(picture).std() < 120, "the picture is empty, or latents were not finite"
    if name == "many_poses_contact_sheet":
        sheet = pixels(picture)
        assert np.abs(sheet[:512, :352] - sheet[:512, 356:708]).mean() > 1, "the poses make no difference"
    if name == "walk":
        frames = [np.asarray(frame.convert("RGB"), float) for frame in ImageSequence.all_frames(Image.open(picture))]
        changes = [np.abs(after - before).mean() for before, after in itertools.pairwise(frames)]
        assert len(frames) == 16 and min(changes) > 0.5, "a frame is as the one before"
    if name == "save_person":
        (saved,) = run.outputs[the_node(prompt, "CFLDSaveAppearance")]["appearances"]
        file = server.folder / saved["type"] / saved["subfolder"] / saved["filename"]
        assert file.is_file() and file.name in appearance_names(server)
    if name == PERSON_IN_A_PHOTO:
        changed = np.abs(pixels(picture) - pixels(server.folder / "input" / "scene.png")).max(axis=-1)
        assert changed[painted()].mean() > 10 and changed[~painted()].max() <= 1
    if name == "choose_person":
        (drawing,) = pictures_on(server, run, the_node(prompt, "CFLDChoosePerson"))
        bright = pixels(drawing).max(axis=-1) > 255 // DIMMED
        assert bright.any(), "the detector found nobody"
        assert not bright[:, round(bright.shape[1] * 150 / 352) :].any(), "somebody else than the largest was chosen"

    again = server.run(prompt)
    assert again.error is None and again.started == []
    assert sorted(again.cached) == sorted(prompt)


def pictures_on(server, run, node):
    """The files that the page shows on a node."""
    return [server.folder / one["type"] / one["subfolder"] / one["filename"] for one in run.outputs[node]["images"]]


@pytest.mark.parametrize("name", OTHER_PACKS)
def test_of_a_workflow_with_other_packs_only_their_nodes_are_missing(server, name):
    known = server.get("/object_info")
    prompt = workflow(name)
    assert {node["class_type"] for node in prompt.values()} - known.keys() == OTHER_PACKS[name]
    for node in prompt.values():
        if node["class_type"] in known:
            inputs = known[node["class_type"]]["input"]
            assert node["inputs"].keys() <= inputs.get("required", {}).keys() | inputs.get("optional", {}).keys()
            assert inputs.get("required", {}).keys() <= node["inputs"].keys()


def test_the_authors_pair_and_the_converted_file_give_the_same_picture(server):
    pictures = []
    for name in ("cfld.safetensors", "authors/pytorch_model.bin", "authors/pytorch_model_1.bin"):
        prompt = set_input(workflow("basic_transfer"), "CFLDLoader", cfld_name=name)
        run = server.run(prompt)
        pictures.append(pixels(server.pictures(run)[0]))
    assert np.array_equal(pictures[0], pictures[1]) and np.array_equal(pictures[0], pictures[2])


def test_templates_are_the_workflows_with_a_picture_each(server):
    titles = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
    assert sorted(server.get("/workflow_templates")[PACK_NAME]) == titles
    twins = []
    for title in titles:
        workflow = server.get(f"/api/workflow_templates/{PACK_NAME}/{quote(title)}.json")
        twins.append(workflow["extra"].get("api", title))
        picture = WORKFLOWS / f"{title}.jpg"
        width, height = Image.open(picture).size
        assert width == height and picture.stat().st_size < 25_000, title
    assert sorted(twins) == NAMES


def test_the_example_client_uploads_runs_and_saves(server, tmp_path):
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow("pose_editor")))
    client = [sys.executable, WORKFLOWS / "api" / "client.py", file, "--server", server.address]
    (tmp_path / "me.jpg").write_bytes(PHOTO.read_bytes())
    results = []
    for seed in ("11", "12"):
        command = [*client, "--image", tmp_path / "me.jpg", "--seed", seed, "--output", tmp_path]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "KSampler: 2 of 2" in done.stderr
        results.append(Path(done.stdout.strip()))
    assert Image.open(results[0]).size == FRAME
    assert not np.array_equal(pixels(results[0]), pixels(results[1]))
    assert list((server.folder / "input").glob("me*.jpg"))


def test_the_example_client_passes_the_error_on(server, tmp_path):
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(set_input(workflow("pose_editor"), "CFLDPoseEditor", pose_json="no pose")))
    command = [sys.executable, str(WORKFLOWS / "api" / "client.py"), str(file), "--server", server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "Pose Editor: input 'pose_json'" in done.stderr


@pytest.mark.parametrize(("class_type", "inputs", "words"), [
    ("CFLDLoader", {"cfld_name": "gone.safetensors"}, ["CFLD Loader", "cfld_name", "gone.safetensors", "models/cfld"]),
    ("CFLDLoadPose", {"pose": "gone.json"}, ["Load Pose", "pose", "gone.json", "input folder"]),
    ("CFLDPoseConditioning", {"strength": 11.0}, ["strength", "bigger than max"]),
    ("CFLDLoadAppearance", {"appearance_name": "gone.safetensors"},
     ["Load Appearance", "appearance_name", "gone.safetensors", "output/cfld_appearances"]),
], ids=["no such checkpoint", "no such pose", "value out of range", "no such person"])
def test_a_prompt_that_cannot_run_is_refused(server, class_type, inputs, words):
    prompt = set_input(workflow("load_person") if class_type == "CFLDLoadAppearance" else basic(), class_type, **inputs)
    with pytest.raises(Refused) as refused:
        server.queue(prompt)
    errors = refused.value.answer["node_errors"][the_node(prompt, class_type)]["errors"]
    text = " ".join(f"{error['message']} {error['details']}" for error in errors)
    assert [word for word in words if word not in text] == [], text
    assert_serves(server)


@pytest.mark.parametrize(("name", "changed", "inputs", "failing", "words"), [
    ("basic_transfer", "CheckpointLoaderSimple", {"ckpt_name": "sdxl.safetensors"}, "CFLDApplyHGA",
     ["HGA Apply", "'model'", "SDXL", "Stable Diffusion 1.5"]),
    ("basic_transfer", "CFLDLoader", {"cfld_name": "lora.safetensors"}, "CFLDLoader",
     ["CFLD Loader", "cfld_name", "'lora.safetensors'", "convert"]),
    ("basic_transfer", "CFLDLoader", {"cfld_name": "half/pytorch_model.bin"}, "CFLDLoader",
     ["CFLD Loader", "cfld_name", "pytorch_model_1.bin", "missing", "one folder"]),
    ("basic_transfer", "CFLDLoader", {"cfld_name": "code/pytorch_model.bin"}, "CFLDLoader",
     ["CFLD Loader", "cfld_name", "pytorch_model.bin", "can run code", "again"]),
    ("load_person", "CFLDLoadAppearance", {"appearance_name": "damaged.safetensors"}, "CFLDLoadAppearance",
     ["Load Appearance", "appearance_name", "'damaged.safetensors' is damaged"]),
    ("basic_transfer", "CFLDLoadPose", {"pose": "bad_pose.json"}, "CFLDLoadPose",
     ["Load Pose", "'pose'", "bad_pose.json"]),
    ("pose_editor", "CFLDPoseEditor", {"pose_json": '{"people": [], "canvas_width": 0}'}, "CFLDPoseEditor",
     ["Pose Editor", "'pose_json'", "canvas_width"]),
    ("pose_editor", "CFLDPoseEditor", {"pose_json": "[{"}, "CFLDPoseEditor", ["Pose Editor", "'pose_json'", "JSON"]),
    ("pose_editor", "CFLDPoseEditor", {"pose_json": ""}, "CFLDPoseEditor",
     ["Pose Editor", "'pose_json'", "draw a pose"]),
], ids=["SDXL model", "no CFLD file", "half a pair", "pickle with code", "damaged person", "bad pose file", "bad pose",
        "no JSON", "no pose"])
def test_wrong_input_is_named_with_its_remedy_and_the_server_goes_on(server, name, changed, inputs, failing, words):
    prompt = set_input(workflow(name), changed, **inputs)
    run = server.run(prompt)
    assert not (server.folder / "code_ran").exists()
    assert run.error is not None, "the prompt ran"
    message = run.error["exception_message"]
    assert run.error["node_id"] == the_node(prompt, failing), message
    assert [word for word in words if word not in message] == [], message
    assert_serves(server)


@pytest.mark.parametrize("given", [lambda frames: frames[0], lambda frames: {"__value__": frames}])
def test_pose_json_may_be_an_object(server, given):
    prompt = workflow("pose_editor")
    frames = json.loads(prompt[the_node(prompt, "CFLDPoseEditor")]["inputs"]["pose_json"])
    run = server.run(set_input(prompt, "CFLDPoseEditor", pose_json=given(frames)))
    assert run.error is None, run.error["exception_message"]


def by_wire(prompt, class_type, name, text, kind="STRING"):
    """The prompt with a text on a wire into an input."""
    wire = f"{class_type}.{name}"
    prompt[wire] = {"class_type": "Wire", "inputs": {"text": text}}
    return set_input(prompt, class_type, **{name: [wire, KINDS.index(kind)]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_combo_takes_a_wire_of_any_kind_and_the_host_has_nothing_to_say(server, kind):
    prompt, start = basic(), len(server.log.read_text())
    for class_type, name, text in (
        ("CFLDLoader", "cfld_name", "cfld.safetensors"), ("CFLDLoader", "weight_dtype", "default"),
        ("CFLDLoadPose", "pose", "walking_front"),
    ):
        by_wire(prompt, class_type, name, text, kind)
    run = server.run(prompt)
    assert run.error is None and len(server.pictures(run)) == 1
    assert server.run(prompt).started == []
    said = server.log.read_text()[start:]
    assert "arning" not in said and "WARN" not in said and "rror" not in said, said


@pytest.mark.parametrize(("class_type", "name", "text", "words"), [
    ("CFLDLoader", "cfld_name", "../checkpoints/sdxl.safetensors", ["CFLD Loader", "'cfld_name'", "is not in models"]),
    ("CFLDLoader", "cfld_name", "../../models", "'../../models' is not in models/cfld. Put the authors'"),
    ("CFLDLoader", "cfld_name", "/etc", "'/etc' is not in models/cfld. Put the authors'"),
    ("CFLDLoader", "weight_dtype", "fp8", ["CFLD Loader", "'weight_dtype'", "'fp8'", "default, fp32"]),
    ("CFLDLoadPose", "pose", "../secret.json", ["Load Pose", "'pose'", "neither"]),
    ("CFLDLoadPose", "pose", "x" * 10_000, ["Load Pose", "'pose'", "put the file there"]),
])
def test_what_a_wire_may_not_bring_is_one_line_by_node(server, class_type, name, text, words):
    run = server.run(by_wire(basic(), class_type, name, text))
    message = run.error["exception_message"].strip()
    assert run.error["node_id"] == the_node(basic(), class_type)
    assert [word for word in words if word not in message] == [], message
    assert len(message) <= 500 and "\n" not in message


@pytest.mark.parametrize(("class_type", "name", "value", "words"), [
    ("CFLDLoader", "cfld_name", "dangling.safetensors", "'dangling.safetensors' is a link to a file that is not there"),
    ("CFLDLoader", "cfld_name", "folder.safetensors", "'folder.safetensors' is a folder; choose a file in it"),
    ("CFLDLoader", "weight_dtype", "fp8", "input 'weight_dtype' is 'fp8'; give one of default, fp32"),
    ("CFLDLoadPose", "pose", "dangling.json", "'dangling.json' is a link to a file that is not there any more"),
    ("CFLDLoadPose", "pose", "folder.json", "'folder.json' is a folder; choose a .json file in it"),
    ("CFLDLoadPose", "pose", "outside.json", "'outside.json' is a link that leads out of ComfyUI's input folder"),
    ("CFLDLoadPose", "pose", "x" * 10_000, "put the file there"),
])
def test_what_is_no_file_is_refused_in_one_line_by_node(server, class_type, name, value, words):
    prompt = set_input(basic(), class_type, **{name: value})
    with pytest.raises(Refused) as refused:
        server.queue(prompt)
    (error,) = refused.value.answer["node_errors"][the_node(prompt, class_type)]["errors"]
    assert words in error["details"] and len(error["details"]) <= 500
    options = server.get(f"/object_info/{class_type}")[class_type]["input"]["required"][name]
    assert value not in str(options)


def test_a_checkpoint_with_its_ending_in_capitals_is_listed_and_loads(server):
    run = server.run(set_input(basic(), "CFLDLoader", cfld_name="CAPITALS.SAFETENSORS"))
    assert run.error is None and len(server.pictures(run)) == 1


@pytest.mark.parametrize("mode", [{}, {"mode": "uc_up_full"}, {"mode": 3}, {"mode": ["wire", 0]}])
def test_a_guider_without_a_known_mode_is_one_line(server, mode):
    prompt = workflow("cfld_guider")
    inputs = prompt[the_node(prompt, "CFLDGuider")]["inputs"]
    for name in [name for name in inputs if name.split(".")[0] == "mode"]:
        del inputs[name]
    inputs.update(mode)
    prompt["wire"] = {"class_type": "Wire", "inputs": {"text": "uc_down_full"}}
    run = server.run(prompt)
    assert run.error["exception_message"].strip() == (
        f"CFLD Guider: input 'mode' is missing, wired or unknown; give one of {', '.join(GUIDANCE_TYPES)}"
    )


def test_numbers_that_json_should_not_hold_are_named(server):
    run = server.run(set_input(basic(), "CFLDApplyHGA", strength=float("nan")))
    assert "HGA Apply: input 'strength' is nan; give a finite number" in run.error["exception_message"]


def test_an_empty_mask_is_no_error(server):
    prompt = basic()
    prompt["mask"] = {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 64, "height": 64}}
    prompt[the_node(prompt, "CFLDApplyHGA")]["inputs"]["mask"] = ["mask", 0]
    run = server.run(prompt)
    assert run.error is None and len(server.pictures(run)) == 1
    outputs = server.get(f"/history/{run.prompt_id}")[run.prompt_id]["outputs"]
    text, = outputs[the_node(prompt, "CFLDApplyHGA")]["text"]
    assert text.startswith("HGA Apply: input 'mask' is black everywhere"), "the API's answer says so"


def test_a_latent_of_five_axes_is_a_sentence(server):
    prompt = basic()
    latent = the_node(prompt, "EmptyLatentImage")
    inputs = {"width": 128, "height": 128, "length": 1, "batch_size": 1}
    prompt[latent] = {"class_type": "EmptyHunyuanLatentVideo", "inputs": inputs}
    error = server.run(prompt).error
    assert error["exception_message"].strip().startswith("HGA Apply: what is sampled has the shape (")
    assert "connect Empty Latent Image" in error["exception_message"]


def test_an_interrupted_prompt_leaves_nothing_behind(server):
    prompt = basic(steps=50)
    sampler = the_node(prompt, "KSampler")
    run = server.queue(prompt)
    for kind, data in server.events(run):
        if kind == "progress" and data["node"] == sampler and data["value"] == 3:
            server.post("/interrupt", {})
    assert run.interrupted and run.error is None
    assert run.progress[sampler][-1][0] < 50
    assert server.pictures(run) == []
    first = server.run(basic(seed=5))
    (picture,) = server.pictures(first)
    server.post("/free", {"unload_models": True, "free_memory": True})
    assert np.array_equal(pixels(picture), pixels(server.pictures(server.run(basic(seed=5)))[0]))


def test_whatever_happens_to_a_prompt_the_next_is_the_graph_alone(server):
    """An extract of `make soak`."""
    alone = soak.simply_run(server, basic(seed=5))
    watched = soak.Watched(server, 0)
    for trouble in soak.TROUBLES:
        trouble(server, basic())
        assert np.array_equal(soak.simply_run(server, basic(seed=5)), alone), trouble.__name__
        watched.look()
    assert max(watched.files) - watched.files[0] <= soak.MOST_MORE_FILES
