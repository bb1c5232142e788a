"""Warns of nodes that sample an enlarged crop of a picture without telling CFLD where the crop is.

To a sampler such a crop is a picture like any other. So the graph is read: detailers go by their names, since
upscalers of whole pictures take and give the same, and a crop by the picture it is taken from.
"""

from typing import Any

from comfy_execution.graph_utils import is_link

from nodes import NODE_CLASS_MAPPINGS  # the host's

from .conditioning import Entry, is_cfld
from .notices import running_graph, warn

Graph = dict[str, Any]  # in the API's format
PICTURES = ("IMAGE", "LATENT")
HAS_FIGURE = "CFLDApplyHGA"  # before a crop: the figure is in the picture already


def warn_of_a_crop(conds: dict[str, list[Entry]]) -> None:
    """Says what a person gets there: the whole figure, in the crop."""
    graph = running_graph()
    if graph is None or not any(is_cfld(entry) for entries in conds.values() for entry in entries):
        return
    node = cropping_node(*graph)
    if node is not None:
        warn(
            f"HGA Apply: {node} cuts out a part of the picture, and nothing tells which, so it gets the person's whole "
            "figure. Where that figure is in the picture already, give this sampling the model from before HGA Apply "
            "and a text, or restore the face from the photo."
        )


def cropping_node(graph: Graph, running: str) -> str | None:
    """The class of the running node when it is a detailer, else of the crop that its latents come from.

    Inpaint Crop is named for any picture, other crops for a picture with the figure in it.
    """
    if "Detailer" in graph[running]["class_type"]:
        return graph[running]["class_type"]
    to_visit = _pictures_into(graph, running)
    visited: set[str] = set()
    while to_visit:
        node = to_visit.pop()
        if node in visited:
            continue
        visited.add(node)
        name, pictures = graph[node]["class_type"], _pictures_into(graph, node)
        is_crop = "crop" in name.lower() and len(pictures) == 1  # what pastes a crop back takes two
        if is_crop and ("InpaintCrop" in name or HAS_FIGURE in _classes_before(graph, node)):
            return name
        if not graph[node]["inputs"].keys() & {"model", "guider"}:  # a sampler's own latents are a picture of their own
            to_visit += pictures
    return None


def _links(graph: Graph, node: str) -> list[tuple[str, int]]:
    """Nodes and the numbers of their outputs that a node reads."""
    values = graph[node]["inputs"].values()
    return [tuple(value) for value in values if is_link(value) and value[0] in graph]


def _pictures_into(graph: Graph, node: str) -> list[str]:
    """Nodes whose pictures or latents a node reads."""
    links = _links(graph, node)
    return [source for source, output in links if _type_of(graph[source]["class_type"], output) in PICTURES]


def _type_of(class_type: str, output: int) -> str | None:
    types = getattr(NODE_CLASS_MAPPINGS.get(class_type), "RETURN_TYPES", ())
    return types[output] if output < len(types) else None


def _classes_before(graph: Graph, node: str) -> set[str]:
    """Classes of all nodes that a node depends on."""
    to_visit = [node]
    sources: set[str] = set()
    while to_visit:
        for source, _ in _links(graph, to_visit.pop()):
            if source not in sources:
                sources.add(source)
                to_visit.append(source)
    return {graph[source]["class_type"] for source in sources}
