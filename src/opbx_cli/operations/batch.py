"""A batch: many profiles validated beside each other, reported in their own order."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import DIFFERS, DONE, Interrupted, OpbxError, PartialError
from opbx_cli.operations.validate.run import Task, Validation, failed_to_start
from opbx_cli.operations.validate.steps import Report, Result, StepId
from opbx_cli.settings.table import Settings
from opbx_cli.values import listed, origin

WORKERS = 32  # measured over 500 domains on two cores: half as many take twice as long
WORKERS_MAX = 128  # of very many profiles: most of them wait for a save that all of them share
PROFILES_EACH = 20
PATIENCE = 5.0  # seconds that an interrupted batch waits for the steps under way
UNFINISHED = (Result.FAILED, Result.PARTIAL)

Start = Callable[[Task], Validation]


def workers_for(profiles: int) -> int:
    """Return how many are validated at a time."""
    return min(WORKERS_MAX, max(WORKERS, profiles // PROFILES_EACH))


class Batch:
    """Validates with a few threads; profiles of one domain follow each other.

    A domain that is in two profiles gets no second application that way: the second
    profile finds what the first one made.
    """

    def __init__(self, tasks: Mapping[str, Task], start: Start, *, workers: int) -> None:
        """`start` makes the client; what it raises is that profile's failure."""
        self.under_way: dict[str, Validation] = {}
        self._tasks = tasks
        self._start = start
        self._groups: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
        for group in _by_domain({name: task.active.settings for name, task in tasks.items()}):
            self._groups.put(group)
        self._news: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._finished: dict[str, Report] = {}
        self._stopped = threading.Event()
        # Daemons, so that Ctrl-C need not wait for an answer that never comes.
        count = min(workers, self._groups.qsize())
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]

    def reports(self, done: Callable[[], None] = lambda: None) -> Iterator[Report]:
        """Yield the reports in the profiles' order; `done` is called as each one ends."""
        for thread in self._threads:
            thread.start()
        for profile in self._tasks:
            while profile not in self._finished:
                self._hear()
                done()
            yield self._finished.pop(profile)

    def interrupt(self) -> None:
        """Have `reports` raise KeyboardInterrupt where it waits; a signal handler may call this."""
        self._news.put(KeyboardInterrupt())

    def stop(self) -> tuple[Report, ...]:
        """Begin nothing more; return what is finished and was not yielded yet."""
        self._stopped.set()
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return tuple(self._finished[name] for name in self._tasks if name in self._finished)

    def cut_off(self) -> tuple[Report, ...]:
        """Return the reports of those that `stop` found under way, as far as they came."""
        cut = []
        for validation in dict(self.under_way).values():
            validation.was_interrupted = True
            cut.append(validation.report())
        return tuple(cut)

    def _hear(self) -> None:
        problem = self._news.get()
        if problem is not None:
            raise problem

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                for profile in self._groups.get_nowait():
                    self._validate(profile)
        except queue.Empty:
            return
        except BaseException as error:  # noqa: BLE001  # carried over to the waiting thread
            self._news.put(error)

    def _validate(self, profile: str) -> None:
        if self._stopped.is_set():
            return
        task = self._tasks[profile]
        try:
            validation = self._start(task)
        except OpbxError as error:
            self._finish(profile, failed_to_start(task, error))
            return
        with closing(validation.client):
            self.under_way[profile] = validation
            try:
                with task.alone():
                    for step in validation.run():
                        if self._stopped.is_set() and step.id is not StepId.SAVE:
                            return
            except OpbxError as error:  # another opbx is at work on this domain
                self._finish(profile, failed_to_start(task, error))
                return
            self._finish(profile, validation.report())

    def _finish(self, profile: str, report: Report) -> None:
        self._finished[profile] = report
        self.under_way.pop(profile, None)
        self._news.put(None)


@dataclass(frozen=True, slots=True)
class Tally:
    """What many reports add up to. `asked_for` is how many profiles were to be validated."""

    asked_for: int
    results: tuple[tuple[str, Result], ...]

    @property
    def counts(self) -> Mapping[Result, int]:
        return Counter(result for _, result in self.results)

    @property
    def unfinished(self) -> tuple[str, ...]:
        return tuple(name for name, result in self.results if result in UNFINISHED)

    @property
    def exit_code(self) -> int:
        return DIFFERS if self.counts.get(Result.DIFFERS) else DONE

    @property
    def error(self) -> OpbxError | None:
        if not self.unfinished:
            return None
        return PartialError(
            f"{len(self.unfinished)} of {_profiles(self.asked_for)} could not be brought in line: "
            f"{listed(self.unfinished)}",
            hint="the reason stands with each profile; running the same command again is safe",
            code=ErrorCode.VALIDATE_SOME_FAILED,
        )

    def interrupted(self, cut_off: Sequence[Report], hint: str) -> Interrupted:
        """Say what was already done when the request to end came."""
        parts = [f"finished before that: {len(self.results)} of {_profiles(self.asked_for)}"]
        for report in cut_off:
            written = ", ".join(step.id for step in report.written)
            parts.append(f"{report.profile} was under way ({written or 'no step'} done)")
        if cut_off:
            parts.append("the steps under way may have been carried out")
        return Interrupted(f"interrupted; {'; '.join(parts)}", hint=hint)


def rival_urls(profiles: Mapping[str, Settings]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each profile, the other webhook base URLs of profiles with the same domain.

    Two profiles that send one domain's calls to different places take them from each other.
    """
    found = {}
    for group in _by_domain(profiles):
        for name in group:
            own = profiles[name].webhook_base_url
            urls = {profiles[other].webhook_base_url for other in group if other != name}
            found[name] = tuple(sorted(url for url in urls if url is not None and url != own))
    return found


def shared_domains(profiles: Mapping[str, Settings]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each profile whose domain is in other profiles too, the names of those."""
    return {
        name: tuple(other for other in group if other != name)
        for group in _by_domain(profiles)
        if len(group) > 1
        for name in group
    }


def _by_domain(profiles: Mapping[str, Settings]) -> list[list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for name, settings in profiles.items():
        key = (origin(settings.api_base_url), settings.domain_uuid or name)
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _profiles(count: int) -> str:
    return "1 profile" if count == 1 else f"{count} profiles"
