"""The real ComfyUI as a process of its own, with nothing but this pack, and a client that follows its prompts."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import host
import websocket

PACK_NAME = "comfyui-cfld"
START_PATIENCE = 120.0  # seconds until it serves
STEP_PATIENCE = 120.0  # seconds between two messages about a prompt

# A pack that asks the C library for the pages it keeps.
TRIM = "trim.py"
TRIM_CODE = '''
import ctypes
from aiohttp import web
from server import PromptServer


@PromptServer.instance.routes.get("/trim")
async def trim(request):
    return web.json_response(ctypes.CDLL(None).malloc_trim(0))


NODE_CLASS_MAPPINGS = {}
'''


@dataclass
class Run:
    """What the server told about one prompt, in the order it told it.

    Attributes:
        started: nodes that were run, in order.
        cached: nodes whose results were there already.
        progress: {node: [(value, maximum), ...]}.
        outputs: {node: its files and texts for the page}.
        error: the server's message `execution_error`.
    """

    prompt_id: str
    started: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    progress: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    outputs: dict[str, dict] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    interrupted: bool = False
    ended: bool = False


class Refused(Exception):
    """The answer of `POST /prompt` to a prompt that is not valid: {"error": ..., "node_errors": ...}."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(json.dumps(answer))
        self.answer = answer


class Server:
    """A running server and one client's line to it."""

    def __init__(self, address: str, folder: Path, log: Path, pid: int) -> None:
        self.address = address
        self.folder = folder
        self.log = log
        self.pid = pid
        self.connect()

    def connect(self) -> None:
        """A line to the server; anew as somebody else, since the host forgets a client when its old line ends."""
        self.client = uuid.uuid4().hex
        line = f"ws://{self.address}/ws?clientId={self.client}"
        self.line = websocket.create_connection(line, timeout=STEP_PATIENCE)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}{path}") as answer:
            return json.load(answer)

    def post(self, path: str, content: dict) -> Any:
        request = urllib.request.Request(f"http://{self.address}{path}", json.dumps(content).encode())
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def queue(self, prompt: dict) -> Run:
        """Posts a prompt.

        Raises:
            Refused: the server finds it not valid.
        """
        try:
            return Run(self.post("/prompt", {"prompt": prompt, "client_id": self.client})["prompt_id"])
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)) from error

    def events(self, run: Run) -> Iterator[tuple[str, dict]]:
        """The messages about a prompt until it has ended, each noted in `run`."""
        while not run.ended:
            message = self.line.recv()
            if isinstance(message, bytes):
                continue  # a preview picture
            event = json.loads(message)
            kind, data = event["type"], event["data"]
            if data.get("prompt_id") == run.prompt_id:
                _note(run, kind, data)
                yield kind, data

    def run(self, prompt: dict) -> Run:
        run = self.queue(prompt)
        for _ in self.events(run):
            pass
        return run

    def finish(self, prompt: dict) -> Run:
        """Runs a prompt to its end.

        Raises:
            RuntimeError: the server's message, where it ends with an error.
        """
        run = self.run(prompt)
        if run.error:
            raise RuntimeError(run.error["exception_message"])
        return run

    def memory(self) -> int:
        """Bytes of the process that are in memory; on Linux."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def pictures(self, run: Run, kind: str = "output") -> list[Path]:
        """Files a prompt wrote, of Save Image nodes ('output') or of Preview Image nodes ('temp')."""
        images = [image for output in run.outputs.values() for image in output.get("images", [])]
        return [
            self.folder / kind / image["subfolder"] / image["filename"] for image in images if image["type"] == kind
        ]


def _note(run: Run, kind: str, data: dict) -> None:
    if kind == "executing" and data["node"] is None:
        run.ended = True
    elif kind == "executing":
        run.started.append(data["node"])
    elif kind == "execution_cached":
        run.cached += data["nodes"]
    elif kind == "progress":
        run.progress.setdefault(data["node"], []).append((data["value"], data["max"]))
    elif kind == "executed":
        run.outputs[data["node"]] = data["output"] or {}
    elif kind == "execution_error":
        run.error = data
    elif kind == "execution_interrupted":
        run.interrupted = True


@contextmanager
def running_server(comfy: Path, folder: Path, *packs: str, pack: Path = host.PACK) -> Iterator[Server]:
    """Starts ComfyUI with `folder` as its base directory, in which the models and inputs are; stops it at the end.

    `packs` are files or folders in its `custom_nodes` that are loaded beside this pack, which is in the folder `pack`.
    """
    (folder / "custom_nodes").mkdir(parents=True, exist_ok=True)
    if not (folder / "custom_nodes" / PACK_NAME).exists():  # several servers may have one folder
        (folder / "custom_nodes" / PACK_NAME).symlink_to(pack)
    port = _free_port()
    log = folder / f"server-{port}.log"
    command = [
        host.find_python(comfy), comfy / "main.py", "--cpu", "--listen", "127.0.0.1", "--port", port,
        "--disable-auto-launch", "--disable-api-nodes", "--base-directory", folder,
        "--database-url", f"sqlite:///{folder / f'comfyui-{port}.db'}", "--use-pytorch-cross-attention",
        "--disable-all-custom-nodes", "--whitelist-custom-nodes", PACK_NAME, *packs,
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=comfy, stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"},
        )
    try:
        _await(process, f"127.0.0.1:{port}", log)
        yield Server(f"127.0.0.1:{port}", folder, log, process.pid)
    finally:
        process.kill()
        process.wait()


def _await(process: subprocess.Popen, address: str, log: Path) -> None:
    end = time.monotonic() + START_PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{address}/system_stats").close()
        except urllib.error.URLError:
            time.sleep(0.2)
            continue
        if "IMPORT FAILED" in log.read_text():
            break
        return
    raise RuntimeError(f"ComfyUI did not start with this pack:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
