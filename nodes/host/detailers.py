"""Finds nodes of other packs that sample an enlarged part of a picture without saying where it lies (detailers)."""

from typing import Any

from .conditioning import Entry, is_cfld
from .notices import running_graph, warn

CROPS = ("InpaintCrop",)  # in the names of nodes whose picture is sampled and stitched in again


def warn_of_a_crop(conds: dict[str, list[Entry]]) -> None:
    """Says what a person gets there: the whole figure, in the crop."""
    graph = running_graph()
    if graph is None or not any(is_cfld(entry) for entries in conds.values() for entry in entries):
        return
    node = cropping_node(*graph)
    if node is not None:
        warn(
            f"HGA Apply: {node} cuts out a part of the picture, and nothing tells which, so it gets the person's whole "
            "figure. Give that sampling the model from before HGA Apply and a text, or restore the face from the photo."
        )


def cropping_node(graph: dict[str, Any], running: str) -> str | None:
    """The class of the running node when it is a detailer, else of the crop that its latents come from."""
    if "Detailer" in graph[running]["class_type"]:
        return graph[running]["class_type"]
    latents = [link for name, link in graph[running]["inputs"].items() if name in ("latent_image", "samples", "latent")]
    visited: set[str] = set()
    while latents:
        link = latents.pop()
        if not isinstance(link, list) or link[0] in visited or link[0] not in graph:
            continue
        visited.add(link[0])
        node = graph[link[0]]
        if any(crop in node["class_type"] for crop in CROPS):
            return node["class_type"]
        if not node["inputs"].keys() & {"model", "guider"}:  # a sampler's own latents are a picture of their own
            latents += node["inputs"].values()
    return None
