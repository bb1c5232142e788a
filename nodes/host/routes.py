"""Routes of the host's server, for the pack's own page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from server import PromptServer

from ...cfld_modules.errors import shortened
from .worker import BusyError, ClientGoneError, Worker

UNPROCESSABLE, TOO_MANY_REQUESTS = 422, 429
CLIENT_CLOSED_REQUEST = 499  # nobody reads it


def answer_posts(
    path: str, answer: Callable[[bytes, Mapping[str, str]], dict], node: str, refusals: tuple[type[Exception], ...],
    most_bytes: int,
) -> None:
    """Answers `POST path` with the JSON of what `answer` makes of the body and the query, without waiting for a graph.

    An exception of `refusals` becomes {"error": "node: its message"}, one line, with status 422; so does a body of more
    than `most_bytes`, unread. `node` may be empty. To be called while the host loads its packs; it serves each route
    under /api, too.
    """

    async def answer_request(request: web.Request) -> dict:
        return await asyncio.to_thread(answer, await request.read(), request.query)

    _add_route(path, answer_request, node, refusals, most_bytes)


def answer_posts_one_by_one(
    path: str, answer: Callable[[bytes, Callable[[], None]], dict], node: str, refusals: tuple[type[Exception], ...]
) -> None:
    """As `answer_posts`, in one thread, one after another; a full queue says so with status 429.

    Args:
        answer: gets the body, and a function that it is to call now and then, which ends it when the client has gone.
    """
    worker = Worker(path.strip("/"))

    async def answer_request(request: web.Request) -> dict:
        worker.check_room()  # before the body is read, whose memory the queue bounds
        content = await request.read()
        return await worker.run(request, lambda check: answer(content, check))

    _add_route(path, answer_request, node, refusals)


def _add_route(
    path: str, answer: Callable[[web.Request], Awaitable[dict]], node: str, refusals: tuple[type[Exception], ...],
    most_bytes: int | None = None,
) -> None:
    def refused(message: object, status: int) -> web.Response:
        text = f"{node}: {message}" if node else str(message)
        return web.json_response({"error": shortened(text)}, status=status)

    async def handle(request: web.Request) -> web.Response:
        if most_bytes is not None and (request.content_length or 0) > most_bytes:
            message = f"{request.content_length:,} bytes were sent; more than {most_bytes:,} are not read"
            return refused(message, UNPROCESSABLE)
        try:
            return web.json_response(await answer(request))
        except BusyError:
            return refused("other pictures are being looked at; try again when they are done", TOO_MANY_REQUESTS)
        except ClientGoneError:
            return web.Response(status=CLIENT_CLOSED_REQUEST)
        except refusals as error:
            return refused(error, UNPROCESSABLE)

    PromptServer.instance.routes.post(path)(handle)
