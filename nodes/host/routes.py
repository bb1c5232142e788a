"""Routes of the host's server, for the pack's own page."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from server import PromptServer

from ...cfld_modules.errors import shortened


def answer_posts(
    path: str, answer: Callable[[bytes], dict], node: str, refusals: tuple[type[Exception], ...]
) -> None:
    """Answers `POST path` with the JSON of what `answer` makes of the body, in a thread of its own.

    An exception of `refusals` becomes {"error": "node: its message"}, one line, with status 422. To be called while the
    host loads its packs; it serves each route under /api, too.
    """

    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(await asyncio.to_thread(answer, await request.read()))
        except refusals as error:
            return web.json_response({"error": shortened(f"{node}: {error}")}, status=422)

    PromptServer.instance.routes.post(path)(handle)
