"""Part of `make soak`: a server killed at any moment while its graphs save people, poses and checkpoints.

Every other kill waits until something is being written. Whatever has its name is whole; the next server goes on with
the numbers, and removes what the killed ones left.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import host
from comfy_server import running_server

from cfld_modules.checkpoints.appearance_file import load_appearance
from cfld_modules.checkpoints.cfld_checkpoint import build_networks, load_checkpoint
from cfld_modules.poses.reading import parse_pose_json

DEMO = host.PACK / "demo_model" / "cfld.safetensors"
POSES = sorted(file.stem for file in (host.PACK / "web" / "poses").glob("*.json"))
PEOPLE = 50  # that Demo Person has
PROMPTS = 20  # of each server
UNFINISHED = (".part",)
numbers = count()


def saving_graph(number: int) -> dict:
    """Encodes one person, saves them and a pose four times each, and converts a checkpoint."""
    person = json.loads((host.PACK / "workflows" / "api" / "save_person.json").read_text())
    prompt = {node: person[node] for node in ("1", "2", "3")}
    prompt["2"]["inputs"]["person"] = number % PEOPLE
    prompt["pose"] = {"class_type": "CFLDLoadPose", "inputs": {"pose": POSES[number % len(POSES)]}}
    for letter in "abcd":
        inputs = {"cfld": ["1", 2], "appearance": ["3", 2], "filename_prefix": letter, "image": ["2", 0]}
        prompt[f"person {letter}"] = {"class_type": "CFLDSaveAppearance", "inputs": inputs}
        inputs = {"pose": ["pose", 0], "filename_prefix": letter}
        prompt[f"pose {letter}"] = {"class_type": "CFLDSavePose", "inputs": inputs}
    inputs = {"cfld_name": DEMO.name, "dtype": "fp16", "filename": made(number)}
    prompt["convert"] = {"class_type": "CFLDConvert", "inputs": inputs}
    return prompt


def made(number: int) -> str:
    return f"made {number:04}"


def check_whole(folder: Path, networks: object) -> int:
    """How many files have their names, each of which is read."""
    people = list((folder / "output" / "cfld_appearances").glob("*.safetensors"))
    poses = list((folder / "user" / "default" / "cfld" / "poses").glob("*.json"))
    checkpoints = list((folder / "models" / "cfld").glob("made*.safetensors"))
    for file in people:
        load_appearance(file, networks)
    for file in poses:
        parse_pose_json(file.read_bytes())
    for file in checkpoints:
        load_checkpoint(file)
    return len(people) + len(poses) + len(checkpoints)


def unfinished(folder: Path) -> list[Path]:
    folders = (folder / "output" / "cfld_appearances", folder / "user" / "default" / "cfld" / "poses",
               folder / "models" / "cfld")  # fmt: skip
    return [file for one in folders for file in one.iterdir() if file.suffix in UNFINISHED]


def main() -> int:
    parser = argparse.ArgumentParser(prog="kills_of_saves.py")
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    comfy, networks = host.find_host(), build_networks(load_checkpoint(DEMO))
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        folder = Path(temporary)
        (folder / "models" / "cfld").mkdir(parents=True)
        (folder / "models" / "cfld" / DEMO.name).symlink_to(DEMO)
        with running_server(comfy, folder) as server:
            server.finish(saving_graph(next(numbers)))
            begun = time.monotonic()
            for _ in range(PROMPTS):
                server.finish(saving_graph(next(numbers)))
            lasts = time.monotonic() - begun
        interrupted = 0
        for life in range(arguments.kills):
            before = set(unfinished(folder))
            with running_server(comfy, folder) as server:
                server.finish(saving_graph(next(numbers)))
                for _ in range(PROMPTS):
                    server.queue(saving_graph(next(numbers)))
                time.sleep(random.Random(life).uniform(0.0, 0.8) * lasts)
                while life % 2 and before.issuperset(unfinished(folder)) and server.get("/queue")["queue_running"]:
                    pass
            check_whole(folder, networks)
            interrupted += not before.issuperset(unfinished(folder))
        with running_server(comfy, folder) as server:
            server.finish(saving_graph(next(numbers)))
        whole = check_whole(folder, networks)
        assert not unfinished(folder), unfinished(folder)
    sys.stdout.write(f"saves: killed {arguments.kills} servers, {interrupted} while writing; {whole} whole files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
