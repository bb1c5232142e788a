"""Routes of the host's server, for the pack's own page."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from server import PromptServer

from ...cfld_modules.errors import shortened

MOST_JOBS = 4  # of a route that answers one by one, in work or waiting
UNPROCESSABLE, TOO_MANY_REQUESTS = 422, 429
CLIENT_CLOSED_REQUEST = 499  # nobody reads it


class BusyError(Exception):
    """As many are being answered as may be."""


class ClientGoneError(Exception):
    """Whoever asked has closed the connection."""


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
    """As `answer_posts`, in one thread, one after another; more than `MOST_JOBS` at once are told so with status 429.

    Args:
        answer: gets the body, and a function that it is to call now and then, which ends it when the client has gone.
    """
    thread = ThreadPoolExecutor(1, path.strip("/"))  # begins with the first request
    jobs: set[asyncio.Future] = set()

    def check_room() -> None:
        if len(jobs) >= MOST_JOBS:
            raise BusyError("other pictures are being looked at; try again when they are done")

    async def answer_request(request: web.Request) -> dict:
        check_room()  # before the body is read, whose memory the queue bounds
        content = await request.read()
        check_room()
        is_ended = threading.Event()

        def check() -> None:
            if is_ended.is_set() or request.transport is None:
                raise ClientGoneError

        def job() -> dict:
            check()
            return answer(content, check)

        running = asyncio.get_running_loop().run_in_executor(thread, job)
        jobs.add(running)
        running.add_done_callback(jobs.discard)
        try:
            return await running
        finally:
            is_ended.set()  # also when the server ends this request's task

    _add_route(path, answer_request, node, refusals)


def _add_route(
    path: str, answer: Callable[[web.Request], Awaitable[dict]], node: str, refusals: tuple[type[Exception], ...],
    most_bytes: int | None = None,
) -> None:
    def refused(message: object, status: int = UNPROCESSABLE) -> web.Response:
        text = f"{node}: {message}" if node else str(message)
        return web.json_response({"error": shortened(text)}, status=status)

    async def handle(request: web.Request) -> web.Response:
        if most_bytes is not None and (request.content_length or 0) > most_bytes:
            return refused(f"{request.content_length:,} bytes were sent; more than {most_bytes:,} are not read")
        try:
            return web.json_response(await answer(request))
        except BusyError as error:
            return refused(error, TOO_MANY_REQUESTS)
        except ClientGoneError:
            return web.Response(status=CLIENT_CLOSED_REQUEST)
        except refusals as error:
            return refused(error)

    PromptServer.instance.routes.post(path)(handle)
