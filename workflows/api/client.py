"""Queues one workflow of this folder on a ComfyUI server and saves its pictures. Needs websocket-client.

    python client.py basic_transfer.json --image me.jpg --seed 7
"""

import argparse
import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid

import websocket

PHOTO_TITLES = ("Source person", "Your photo")


def upload(server, path):
    """Puts a picture into the server's input folder; returns its name there."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n\r\n'.encode()
    body = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{server}/upload/image", body, headers)) as answer:
        return json.load(answer)["name"]


def change(workflow, image=None, seed=None):
    """The workflow with a photo in place of the source person, and another seed."""
    for node in workflow.values():
        if image is not None and node["_meta"]["title"] in PHOTO_TITLES:
            node |= {"class_type": "LoadImage", "inputs": {"image": image}}
        for name in {"seed", "noise_seed"} & node["inputs"].keys() if seed is not None else ():
            node["inputs"][name] = seed
    return workflow


def run(server, workflow, report):
    """Runs a workflow to its end; yields (file name, content) of each picture it saved."""
    client = uuid.uuid4().hex
    line = websocket.create_connection(f"ws://{server}/ws?clientId={client}")
    request = urllib.request.Request(
        f"http://{server}/prompt", json.dumps({"prompt": workflow, "client_id": client}).encode()
    )
    try:
        prompt = json.load(urllib.request.urlopen(request))["prompt_id"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"The server refused the workflow: {error.read().decode()}") from error
    for message in iter(line.recv, ""):
        if isinstance(message, bytes):
            continue  # a preview picture
        event = json.loads(message)
        kind, data = event["type"], event["data"]
        if data.get("prompt_id") != prompt:
            continue
        title = workflow[data["node"]]["_meta"]["title"] if data.get("node") in workflow else ""
        if kind == "progress":
            report(f"{title}: {data['value']} of {data['max']}")
        elif kind == "execution_error":
            raise SystemExit(f"{title or data['node_type']}: {data['exception_message']}")
        elif kind == "executed":
            for file in (data["output"] or {}).get("images", []):
                if file["type"] == "output":
                    with urllib.request.urlopen(f"http://{server}/view?{urllib.parse.urlencode(file)}") as answer:
                        yield file["filename"], answer.read()
        elif kind == "executing" and data["node"] is None:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workflow", type=pathlib.Path, help="a file in API format")
    parser.add_argument("--server", default="127.0.0.1:8188", help="host and port of ComfyUI")
    parser.add_argument("--image", type=pathlib.Path, help="the source person; uploaded to the server")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(), help="folder for the pictures")
    options = parser.parse_args()
    name = upload(options.server, options.image) if options.image else None
    chosen = change(json.loads(options.workflow.read_text()), name, options.seed)
    for name, content in run(options.server, chosen, lambda text: sys.stderr.write(text + "\n")):
        (options.output / name).write_bytes(content)
        sys.stdout.write(f"{options.output / name}\n")
