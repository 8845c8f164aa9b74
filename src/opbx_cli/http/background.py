"""One request beside others: many answers for the time of one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

from opbx_cli.errors import OpbxError

T = TypeVar("T")


class InBackground(Generic[T]):
    """Runs a function beside the caller; a daemon, so that Ctrl-C need not wait for it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._value: T
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for its end, however it ends."""
        self._thread.join()

    def result(self) -> T:
        """Wait for its end; return what it returned, or raise what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001  # carried over to the waiting thread
            self._error = error


def in_order(
    work: Mapping[str, Callable[[], T]], *, workers: int
) -> Iterator[tuple[str, T | OpbxError]]:
    """Do it in a few threads; yield what each returned or raised, in the order of the names."""
    futures: dict[str, Future[T]] = {name: Future() for name in work}
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in work:
        waiting.put(name)

    def run() -> None:
        with suppress(queue.Empty):
            while True:
                name = waiting.get_nowait()
                try:
                    futures[name].set_result(work[name]())
                except BaseException as error:  # noqa: BLE001  # carried over to who waits
                    futures[name].set_exception(error)

    for _ in range(min(workers, len(work))):
        threading.Thread(target=run, daemon=True).start()
    for name, future in futures.items():
        problem = future.exception()
        if problem is None:
            yield name, future.result()
        elif isinstance(problem, OpbxError):
            yield name, problem
        else:
            raise problem
