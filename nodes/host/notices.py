"""Warnings where the user looks: under the node in the page, in the API's answer, and in the server's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from comfy_execution.utils import get_executing_context
from server import PromptServer

from ...cfld_modules.errors import shortened

logger = logging.getLogger("cfld")
_given: ContextVar[dict[str, None] | None] = ContextVar("cfld_warnings", default=None)


def warn_on_node(*messages: str) -> dict[str, list[str]]:
    """What a node gives as `io.NodeOutput(..., ui=warn_on_node(*messages))`, also where it has nothing to say.

    The host sends it to the page, again when the node's result comes from the cache, and keeps it in /history, under
    `outputs`, the node's id, `text`. `web/js/node_texts.js` shows it under the node until the node says something else.
    """
    lines = [shortened(message) for message in messages]
    for line in lines:
        logger.warning(line)
    return {"text": lines}


@contextmanager
def each_warning_once() -> Iterator[None]:
    """As long as a sampling lasts."""
    token = _given.set({})
    try:
        yield
    finally:
        _given.reset(token)


def warn(message: str) -> None:
    """For code that another node runs, a sampler: as text on that node, one below the other, and in the log."""
    messages = _given.get()
    if messages is None:
        messages = {}
    if message in messages:
        return
    messages[message] = None
    logger.warning(message)
    server = getattr(PromptServer, "instance", None)
    node = getattr(server, "last_node_id", None)
    if node is not None:
        server.send_progress_text("\n".join(messages), node, server.client_id)


def running_graph() -> tuple[dict[str, Any], str] | None:
    """The graph that is running, in the API's format, and the id of its node that is; None outside of a server."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None:
        return None
    running, _ = server.prompt_queue.get_current_queue_volatile()
    graph = next((item[2] for item in running if item[1] == context.prompt_id), {})
    return (graph, context.node_id) if context.node_id in graph else None
