"""Where the page gets things done: short questions to the manifest on two threads, heavy work in child processes.

NumPy, Arrow and matplotlib stay out of the daemon: what needs them runs in a process that ends with it.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from melwatch.errors import DegradedError, MelwatchError
from melwatch.manifest.database import open_manifest, read_manifest
from melwatch.manifest.requests import Ask, answer_to, ask, withdraw
from melwatch_service.page.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop

Result = TypeVar("Result")

_CHILD_S = 45.0
_ANSWER_S = 15.0
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class Desk:
    """One for each server."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.shelf = Shelf(shop.state.path / "page")
        self._threads = ThreadPoolExecutor(2, "page")
        self._children = ThreadPoolExecutor(1, "page-child")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._making: dict[str, asyncio.Future[Any]] = {}
        self._is_closed = False

    async def look(self, question: Callable[[Connection], Result]) -> Result:
        """Answer a question from the manifest."""

        def answer() -> Result:
            with read_manifest(self.shop.state.path) as db:
                return question(db)

        return await self.do(answer)

    async def do(self, work: Callable[[], Result]) -> Result:
        """Do a short piece of work that may wait for a disk."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def ask(self, kind: Ask, argument: str, at: str) -> tuple[int, str]:
        """Ask the daemon for something, as the commands do; return the request's number and what it said."""

        def put() -> int:
            with open_manifest(self.shop.state.path) as db:
                return ask(db, kind, argument, at)

        number = await self.do(put)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _ANSWER_S
        while loop.time() < until_s:
            words = await self.look(lambda db: answer_to(db, number))
            if words is not None:
                return number, words
            await asyncio.sleep(0.1)

        def take_back() -> None:
            with open_manifest(self.shop.state.path) as db:
                withdraw(db, number)

        await self.do(take_back)
        raise DegradedError("The running melwatch does not answer", "It may be busy with a slow disk; try again later.")

    async def once(self, key: str, make: Callable[[], Awaitable[Result]]) -> Result:
        """Make something that several may ask for at the same time, once for all of them."""
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(make())

            def forget(made: asyncio.Future[Any]) -> None:
                self._making.pop(key, None)
                if not made.cancelled():
                    made.exception()  # those who asked may have left before they heard of it

            making.add_done_callback(forget)
        return await asyncio.shield(making)

    async def in_child(self, task: str, **values: Any) -> Any:  # noqa: ANN401  whatever the task returns
        """Have a task of `labour` done in a process of its own; one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._children, self._run_child, task, values)

    def close(self) -> None:
        """End everything that is going on."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._children.shutdown(wait=False, cancel_futures=True)
        for child in list(self._running):
            child.kill()

    def _run_child(self, task: str, values: dict[str, Any]) -> Any:  # noqa: ANN401  as above
        if self._is_closed:
            raise DegradedError("The page is closing")
        command = [sys.executable, "-P", "-m", "melwatch_service.page.labour"]
        child = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=_NO_WINDOW,
        )
        self._running.add(child)
        try:
            told, _ = child.communicate(pickle.dumps((task, values)), timeout=_CHILD_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise DegradedError("That took too long", "Try again when the machine has less to do.") from None
        finally:
            self._running.discard(child)
        if child.returncode != 0 or not told:
            raise DegradedError("That could not be worked out", "The process that was to do it has ended.")
        answer = pickle.loads(told)  # noqa: S301  our own child's words
        if isinstance(answer, MelwatchError):
            raise answer
        return answer
