"""Routes of the host's server, for the pack's own page."""

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web
from server import PromptServer

from ...cfld_modules.errors import shortened


def answer_posts(
    path: str,
    answer: Callable[[bytes, Mapping[str, str]], dict],
    node: str,
    refusals: tuple[type[Exception], ...],
    most_bytes: int | None = None,
) -> None:
    """Answers `POST path` with the JSON of what `answer` makes of the body and the query, in a thread of its own.

    So no answer waits for a graph that is running. An exception of `refusals` becomes {"error": "node: its message"},
    one line, with status 422; so does a body of more than `most_bytes`, unread; the host has a limit for all bodies,
    100 MB by default. `node` may be empty. To be called while the host loads its packs; it serves each route under
    /api, too.
    """

    def refused(message: object) -> web.Response:
        return web.json_response({"error": shortened(f"{node}: {message}" if node else str(message))}, status=422)

    async def handle(request: web.Request) -> web.Response:
        if most_bytes is not None and (request.content_length or 0) > most_bytes:
            return refused(f"{request.content_length:,} bytes were sent; more than {most_bytes:,} are not read")
        try:
            return web.json_response(await asyncio.to_thread(answer, await request.read(), request.query))
        except refusals as error:
            return refused(error)

    PromptServer.instance.routes.post(path)(handle)
