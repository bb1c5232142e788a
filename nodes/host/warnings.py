"""Warnings where the user looks: under the node in the page, in the API's answer, and in the server's log."""

import logging

from comfy_execution.utils import get_executing_context
from server import PromptServer

from ...cfld_modules.errors import shortened

logger = logging.getLogger("cfld")


def warn_on_node(*messages: str) -> dict[str, list[str]]:
    """What a node gives as `io.NodeOutput(..., ui=warn_on_node(*messages))`, also where it has nothing to say.

    The host sends it to the page, again when the node's result comes from the cache, and keeps it in /history, under
    `outputs`, the node's id, `text`. `web/js/node_texts.js` shows it under the node until the node says something else.
    """
    lines = [shortened(message) for message in messages]
    for line in lines:
        logger.warning(line)
    return {"text": lines}


def warn_while_running(message: str) -> None:
    """For code of ours that another node runs, such as a sampler: under that node in the page, and in the log."""
    line = shortened(message)
    logger.warning(line)
    running = get_executing_context()
    if running:
        PromptServer.instance.send_progress_text(line, running.node_id)
