"""One worker thread with a bounded queue for work that takes seconds, so that the server keeps answering."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web

MOST_JOBS = 4  # in work or waiting

Result = TypeVar("Result")


class BusyError(Exception):
    """The queue is full."""


class ClientGoneError(Exception):
    """Whoever asked has closed the connection."""


class Worker:
    """To be used in the event loop's thread."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)  # begins with the first job
        self._jobs = 0

    def check_room(self) -> None:
        if self._jobs >= MOST_JOBS:
            raise BusyError

    async def run(self, request: web.Request, work: Callable[[Callable[[], None]], Result]) -> Result:
        """What `work` makes in the worker's thread when its turn has come.

        Args:
            work: gets a function that it is to call now and then, which ends it when the client of `request` has gone.

        Raises:
            BusyError: the queue is full.
            ClientGoneError: the client has gone.
            Exception: whatever `work` raises.
        """
        self.check_room()
        is_ended = threading.Event()

        def check() -> None:
            if is_ended.is_set() or request.transport is None:
                raise ClientGoneError

        def job() -> Result:
            check()
            return work(check)

        running = asyncio.get_running_loop().run_in_executor(self._thread, job)
        self._jobs += 1
        running.add_done_callback(self._end_job)
        try:
            return await running
        finally:
            is_ended.set()  # also when the server ends this request's task

    def _end_job(self, running: asyncio.Future) -> None:
        self._jobs -= 1
