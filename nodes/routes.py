"""What the page may ask the server for: the people in a picture, for the pose editor."""

import asyncio

from aiohttp import web
from server import PromptServer

from ..cfld_modules.messages import shortened
from ..cfld_modules.networks.config import CheckpointError
from ..cfld_modules.photographs import PhotographError
from ..cfld_modules.poses.detection.people import DetectionError
from .detect_pose import NODE, detect_in_file

DETECT_POSE = "/cfld/detect_pose"


def add_routes() -> None:
    """To be called before the host serves; under /api, too, as all of its routes."""
    PromptServer.instance.routes.post(DETECT_POSE)(_detect_pose)


async def _detect_pose(request: web.Request) -> web.Response:
    """The body is a picture file; the answer one POSE_KEYPOINT frame, or {"error": one line} with status 422.

    The picture comes as bytes, so that nothing is read from the server's disk and any picture in the page will do.
    """
    content = await request.read()
    try:
        return web.json_response(await asyncio.to_thread(detect_in_file, content))
    except (DetectionError, CheckpointError, PhotographError) as error:
        return web.json_response({"error": shortened(f"{NODE}: {error}")}, status=422)
