"""What follows from the nodes' schemas: the texts to translate, and README.md's table of nodes.

The host merges locales/<language>/nodeDefs.json into the page's translations; English is what the schemas
say. Run under the host's Python, this file writes README.md's table.
"""

import asyncio
import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

import host

LOCALES, README = host.PACK / "locales", host.PACK / "README.md"
TABLE = re.compile(r"(?<=\n## Nodes\n\n).*?(?=\n\n)", re.DOTALL)


def schemas() -> dict[str, Any]:
    """{node id: schema} of every node that the pack registers."""
    pack = host.import_by_path("cfld_pack", host.PACK / "__init__.py")
    extension = asyncio.run(pack.comfy_entrypoint())
    return {node.define_schema().node_id: node.define_schema() for node in asyncio.run(extension.get_node_list())}


def inputs_of(schema: Any) -> Iterator[tuple[str, Any]]:
    """(key in the translations, input); the inputs of a DynamicCombo's options too, which the page calls mode.scale."""
    dynamic = importlib.import_module("comfy_api.latest").io.DynamicCombo.Input
    for one in schema.inputs:
        yield one.id, one
        if isinstance(one, dynamic):
            nested = {inner.id: inner for option in one.options for inner in option.inputs}
            yield from ((f"{one.id}_{name}", inner) for name, inner in nested.items())


def english() -> dict[str, Any]:
    """In the form of locales/<language>/nodeDefs.json."""
    return {
        name: {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {
                key: {"name": one.display_name or one.id, "tooltip": one.tooltip} for key, one in inputs_of(schema)
            },
            "outputs": {
                str(number): {"name": one.display_name or one.id or one.io_type, "tooltip": one.tooltip}
                for number, one in enumerate(schema.outputs)
            },
        }
        for name, schema in schemas().items()
    }


def readme_table() -> str:
    """A row a node, with its description up to the first colon or the end of its first sentence."""
    rows = [(schema.display_name, re.split(r"[.:](?: |$)", schema.description)[0]) for schema in schemas().values()]
    return "\n".join(["| node | what it does |", "|---|---|", *(f"| **{name}** | {text} |" for name, text in rows)])


def read(language: str) -> dict[str, Any]:
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    host.import_host(host.find_host())
    README.write_text(TABLE.sub(readme_table(), README.read_text(encoding="utf-8"), count=1), encoding="utf-8")
