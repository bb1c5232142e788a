"""What a user is told while a graph runs: on the node that is running, and in the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from comfy_execution.utils import get_executing_context
from server import PromptServer

logger = logging.getLogger("cfld")
_given: ContextVar[dict[str, None] | None] = ContextVar("cfld_warnings", default=None)


@contextmanager
def each_warning_once() -> Iterator[None]:
    """As long as a sampling lasts."""
    token = _given.set({})
    try:
        yield
    finally:
        _given.reset(token)


def warn(message: str) -> None:
    """In the log, and as text on the node that is running; a node's warnings stand one below the other."""
    given = _given.get()
    if given is None:
        given = {}
    if message in given:
        return
    given[message] = None
    logger.warning(message)
    server = getattr(PromptServer, "instance", None)
    node = getattr(server, "last_node_id", None)
    if node is not None:
        server.send_progress_text("\n".join(given), node, server.client_id)


def running_graph() -> tuple[dict[str, Any], str] | None:
    """The graph that is running, in the API's format, and the id of its node that is; None outside of a server."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None:
        return None
    running, _ = server.prompt_queue.get_current_queue_volatile()
    graph = next((item[2] for item in running if item[1] == context.prompt_id), {})
    return (graph, context.node_id) if context.node_id in graph else None
