"""What ComfyUI loads at its start with this pack: little, and nothing that it does not bring itself."""

import json
import subprocess
import sys
from pathlib import Path

MOST_MODULES = 80
NOT_FOR_NODES = {"commands", "training", "evaluation", "data", "pipeline"}
BROUGHT = {"comfy", "comfy_api", "einops", "numpy", "PIL", "safetensors", "scipy", "torch"}

PROGRAM = """
import asyncio, json, sys
import host

host.import_host(host.find_host())
import comfy.samplers, comfy.sd, comfy_api.latest, folder_paths, server

before = set(sys.modules)
pack = host.import_by_path("cfld_pack", host.PACK / "__init__.py")
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_start_loads_few_modules_and_only_packages_of_the_host(comfy_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    loaded = json.loads(finished.stdout.splitlines()[-1])
    own = [name for name in loaded if name.split(".")[0] == "cfld_pack"]
    assert "cfld_pack.nodes.loader" in own and len(own) <= MOST_MODULES
    assert not [name for name in own if NOT_FOR_NODES & set(name.split("."))]
    packages = {name.split(".")[0] for name in set(loaded) - set(own)}
    assert packages <= BROUGHT | sys.stdlib_module_names
