"""`make soak`: prompts with cancels, disconnects, mistakes and memory that runs out, to two servers on one folder.

Every picture is bit for bit that of its graph alone on a fresh server; the servers' open files and memory do not grow.
"""

import argparse
import copy
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import host
import numpy as np
from comfy_server import TRIM, Server
from PIL import Image

# A pack whose node lets PyTorch run out of memory inside a step.
RUNS_OUT = "runs_out.py"
RUNS_OUT_CODE = '''
import torch
from comfy.patcher_extension import WrappersMP


class RunsOut:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",), "number": ("INT", {})}})
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "test"

    def patch(self, model, number):
        seen = []

        def run_out(executor, *args, **kwargs):
            out = executor(*args, **kwargs)
            seen.append(1)
            if len(seen) == 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return out

        model = model.clone()
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "runs_out", run_out)
        return (model,)


NODE_CLASS_MAPPINGS = {"RunsOut": RunsOut}
'''
PACKS = (RUNS_OUT, TRIM)
BUNDLED = sorted(file.stem for file in (host.PACK / "web" / "poses").glob("*.json"))
saved, numbers = itertools.count(), itertools.count()
LOOK_EVERY = 5  # prompts
MOST_MORE_FILES, MOST_MORE_MEMORY = 4, 30e6  # that a server may have open or take in the end, beside those when warm


def node_of(prompt: dict, *classes: str) -> str:
    (node,) = [node for node in prompt if prompt[node]["class_type"] in classes]
    return node


def saved_images(outputs: dict) -> list[dict]:
    return [image for output in outputs.values() for image in output.get("images", []) if image["type"] == "output"]


def picture(server: Server, outputs: dict) -> np.ndarray:
    """The one that a prompt saved."""
    (image,) = saved_images(outputs)
    return np.asarray(Image.open(server.folder / "output" / image["subfolder"] / image["filename"]).convert("RGB"))


# --- What happens to a prompt: (server, prompt) -> its picture, if it comes to one ------------------------------------


def simply_run(server: Server, prompt: dict) -> np.ndarray:
    run = server.run(prompt)
    assert run.error is None, run.error
    return picture(server, run.outputs)


def cancel(server: Server, prompt: dict) -> None:
    sampler = prompt[node_of(prompt, "KSampler", "SamplerCustomAdvanced")]
    steps = sampler if "steps" in sampler["inputs"] else prompt[node_of(prompt, "BasicScheduler")]
    steps["inputs"]["steps"] = 30
    run = server.queue(prompt)
    for kind, _ in server.events(run):
        if kind == "progress" and not run.interrupted:
            server.post("/interrupt", {})
    assert run.interrupted and run.error is None and not saved_images(run.outputs), run


def disconnect(server: Server, prompt: dict) -> np.ndarray:
    """The page is closed after the first step and opened again; the prompt goes on meanwhile."""
    run = server.queue(prompt)
    for kind, _ in server.events(run):
        if kind == "progress":
            break
    server.line.close()
    server.connect()
    while not (history := server.get(f"/history/{run.prompt_id}")):
        time.sleep(0.1)
    assert history[run.prompt_id]["status"]["status_str"] == "success"
    return picture(server, history[run.prompt_id]["outputs"])


def run_out_of_memory(server: Server, prompt: dict) -> None:
    reader = node_of(prompt, "KSampler", "CFLDGuider")
    inputs = {"model": prompt[reader]["inputs"]["model"], "number": next(numbers)}  # another, that it is not cached
    prompt["runs_out"] = {"class_type": "RunsOut", "inputs": inputs}
    prompt[reader]["inputs"]["model"] = ["runs_out", 0]
    error = server.run(prompt).error
    assert error is not None and "OutOfMemory" in error["exception_type"], error


def misuse(server: Server, prompt: dict) -> None:
    prompt["cfld"] = {"class_type": "CFLDPoseEditor", "inputs": {"pose_json": "[{", "width": 352, "height": 512}}
    prompt[node_of(prompt, "CFLDPoseConditioning")]["inputs"]["pose"] = ["cfld", 0]
    assert "Pose Editor: input 'pose_json'" in server.run(prompt).error["exception_message"]


def free(server: Server, prompt: dict) -> np.ndarray:
    server.post("/free", {"unload_models": True, "free_memory": True})
    return simply_run(server, prompt)


def save_pose(server: Server, prompt: dict) -> None:
    """Another one each time, under one name, which both servers may do at once."""
    name = BUNDLED[next(saved) % len(BUNDLED)]
    run = server.run({
        "pose": {"class_type": "CFLDLoadPose", "inputs": {"pose": name}},
        "save": {"class_type": "CFLDSavePose", "inputs": {"pose": ["pose", 0], "filename_prefix": "soak"}},
    })  # fmt: skip
    assert run.error is None, run.error


TROUBLES: tuple[Callable[[Server, dict], np.ndarray | None], ...] = (
    simply_run, cancel, disconnect, run_out_of_memory, misuse, free, save_pose
)


# --- The soak ---------------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """A server, and what it had open and took each time that it was looked at."""

    server: Server
    place: int
    files: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    happened: dict[str, int] = field(default_factory=dict)
    before: int | None = None

    def look(self) -> None:
        self.server.get("/trim")  # what the C library keeps is no leak
        self.files.append(len(list(Path(f"/proc/{self.server.pid}/fd").iterdir())))
        self.memory.append(self.server.memory())

    def trouble(self, number: int, graphs: list[dict], alone: list[np.ndarray]) -> None:
        """One prompt, another one than the last, and something that happens to it."""
        chosen = random.Random(f"{self.place} {number}")
        place = chosen.choice([place for place in range(len(graphs)) if place != self.before or len(graphs) == 1])
        happens = chosen.choice(TROUBLES)
        result = happens(self.server, copy.deepcopy(graphs[place]))
        assert result is None or np.array_equal(result, alone[place]), f"prompt {number}, {happens.__name__}"
        self.before = place
        self.happened[happens.__name__] = self.happened.get(happens.__name__, 0) + 1

    def follow(self, prompts: int, graphs: list[dict], alone: list[np.ndarray]) -> None:
        """So many prompts; now and then a look, always after the same graph and /free."""
        for number in range(prompts):
            self.trouble(number, graphs, alone)
            if number % LOOK_EVERY == LOOK_EVERY - 1:
                assert np.array_equal(free(self.server, copy.deepcopy(graphs[0])), alone[0]), f"after prompt {number}"
                self.before = 0
                self.look()

    def growth(self) -> tuple[float, float]:
        """Open files and bytes of memory, the last quarter's median beyond the second's."""
        quarter = max(len(self.files) // 4, 1)
        return tuple(
            statistics.median(row[-quarter:]) - statistics.median(row[quarter : 2 * quarter] or row[:1])
            for row in (self.files, self.memory)
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak.py")
    parser.add_argument("--prompts", type=int, default=100, help="to each of the two servers")
    parser.add_argument("--side", type=int, default=128, help="of the latents' pictures, in pixels")
    arguments = parser.parse_args()
    comfy = host.find_host()
    host.import_host(comfy)
    host.import_by_path("cfld_pack", host.PACK / "__init__.py")
    from comfy_server import running_server
    from server_folder import set_input, workflow, write_folder

    graphs = []
    for name, seeds in (("basic_transfer", 2), ("cfld_guider", 2), ("pose_editor", 2), ("lora_and_controlnet", 1)):
        for seed in range(seeds):
            graph = workflow(name, arguments.side)
            for node in graph.values():
                node["inputs"] |= {key: seed for key in ("seed", "noise_seed") if key in node["inputs"]}
            graphs.append(graph)
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        write_folder(folder)
        with running_server(comfy, folder) as server:
            alone = [simply_run(server, set_input(copy.deepcopy(graph), "SaveImage", filename_prefix="alone"))
                     for graph in graphs]  # fmt: skip
        begun = time.monotonic()
        with running_server(comfy, folder, *PACKS) as one, running_server(comfy, folder, *PACKS) as other:
            watched = [Watched(one, 0), Watched(other, 1)]

            def follow(one: Watched) -> None:
                # Core's Save Image writes over what another server saves under the same name.
                own = [set_input(copy.deepcopy(graph), "SaveImage", filename_prefix=f"server{one.place}")
                       for graph in graphs]  # fmt: skip
                one.follow(arguments.prompts, own, alone)

            with ThreadPoolExecutor(2) as clients:
                list(clients.map(follow, watched))
        poses = list((folder / "user" / "default" / "cfld" / "poses").glob("soak_*"))
        assert all(json.loads(file.read_text()) for file in poses)
        assert len(poses) == sum(one.happened.get("save_pose", 0) for one in watched), "a saved pose was written over"
    sys.stdout.write(f"{2 * arguments.prompts} prompts in {time.monotonic() - begun:.0f} s\n")
    for one in watched:
        files, memory = one.growth()
        sys.stdout.write(
            f"{one.happened}: open files {files:+g}, at most {max(one.files)}; memory {memory / 1e6:+.1f} MB, at most "
            f"{max(one.memory) / 1e6:.0f} MB\n{[round(each / 1e6) for each in one.memory]}\n"
        )
        assert files <= MOST_MORE_FILES and memory <= MOST_MORE_MEMORY
    return 0


if __name__ == "__main__":
    sys.exit(main())
