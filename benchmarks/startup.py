"""What a pack costs at each start of ComfyUI: processor seconds, modules and memory of its own, packs in turn.

With ComfyUI's own Python: `python benchmarks/startup.py PACK_FOLDER ...`, for instance this folder, a checkout of
another build, and other packs. The host is loaded once; every pack is imported eight times, each time in a fork of its
own; the first round, which compiles, is not counted. The server's start with and without this pack is
`time python main.py --cpu --quick-test-for-ci`, twice.
"""

import asyncio
import gc
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK / "tests" / "host"))
sys.path.insert(0, str(PACK))

import host  # noqa: E402

from benchmarks.report import markdown_table, write_report  # noqa: E402

ROUNDS = 8


def load_host() -> None:
    """Everything that ComfyUI itself loads before it turns to packs."""
    folder = host.find_host()
    os.chdir(folder)
    host.import_host(folder)
    sys.argv += ["--disable-api-nodes", "--base-directory", tempfile.mkdtemp()]
    import server

    import nodes

    async def load() -> None:
        server.PromptServer(asyncio.get_running_loop())
        await nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False)

    asyncio.run(load())
    gc.freeze()  # else a collection that happens to fall into a fork walks over, and copies, all that the host holds


def private_memory() -> float:
    """MB that this process alone has written."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024


def import_cost(pack: str) -> tuple[float, int, float]:
    """Processor seconds, modules and MB of one import, in this process."""
    import server

    import nodes

    async def load() -> bool:
        server.PromptServer.instance.loop = asyncio.get_running_loop()
        return await nodes.load_custom_node(pack)

    modules, memory, start = len(sys.modules), private_memory(), time.process_time()
    if not asyncio.run(load()):
        raise SystemExit(f"{pack} does not load in this ComfyUI")
    return time.process_time() - start, len(sys.modules) - modules, private_memory() - memory


def cost_in_fork(pack: str) -> list[float]:
    """`import_cost` in a child, so that no import makes the next one cheaper."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(import_cost(pack)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        cost = json.load(answer)
    os.waitpid(child, 0)
    return cost


def main() -> None:
    sys.dont_write_bytecode = False  # whatever the environment says: else every round compiles
    packs = [str(Path(folder).resolve()) for folder in sys.argv[1:] or [PACK]]
    load_host()
    logging.disable(logging.INFO)
    costs: dict[str, list[list[float]]] = {pack: [] for pack in packs}
    for number in range(ROUNDS):
        turn = number % len(packs)
        for pack in packs[turn:] + packs[:turn]:
            cost = cost_in_fork(pack)
            if number:
                costs[pack].append(cost)
    rows = []
    for pack, of_pack in costs.items():
        seconds, modules, memory = (statistics.median(column) for column in zip(*of_pack, strict=True))
        rows.append({"pack": Path(pack).name, "CPU s": round(seconds, 3), "modules": modules, "MB": round(memory, 1)})
    write_report(PACK / "output" / "benchmarks" / "startup", "A start of ComfyUI", "python benchmarks/startup.py", rows)
    sys.stdout.write("\n".join(markdown_table(rows)) + "\n")


if __name__ == "__main__":
    main()
