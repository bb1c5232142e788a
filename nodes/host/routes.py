"""Routes of the host's server, for the pack's own page."""

from collections.abc import Callable

from aiohttp import web
from server import PromptServer

from ...cfld_modules.errors import shortened
from .worker import BusyError, ClientGoneError, Worker

CLIENT_CLOSED_REQUEST = 499  # nobody reads it


def answer_posts_one_by_one(
    path: str, answer: Callable[[bytes, Callable[[], None]], dict], node: str, refusals: tuple[type[Exception], ...]
) -> None:
    """Answers `POST path` with the JSON of what `answer` makes of the body, in one thread for all of them.

    An exception of `refusals` becomes {"error": "node: its message"}, one line, with status 422; a full queue says so
    with 429. To be called while the host loads its packs; it serves each route under /api, too.

    Args:
        answer: gets the body, and a function that it is to call now and then, which ends it when the client has gone.
    """
    worker = Worker(path.strip("/"))

    def refused(message: object, status: int) -> web.Response:
        return web.json_response({"error": shortened(f"{node}: {message}")}, status=status)

    async def handle(request: web.Request) -> web.Response:
        try:
            worker.check_room()  # before the body is read, whose memory the queue bounds
            content = await request.read()
            return web.json_response(await worker.run(request, lambda check: answer(content, check)))
        except BusyError:
            return refused("other pictures are being looked at; try again when they are done", 429)
        except ClientGoneError:
            return web.Response(status=CLIENT_CLOSED_REQUEST)
        except refusals as error:
            return refused(error, 422)

    PromptServer.instance.routes.post(path)(handle)
