"""The supervisor of a local run: it starts child processes, starts again those that die, and leaves none behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from local.child import Child
from local.config import BadConfiguration
from local.console import Console
from local.processes import NotReady, describe, tail, wait_ready
from local.sockets import is_served

READY_SECONDS = 60
CLOSED_SECONDS = 1
STOP_SECONDS = 11  # a worker takes at most 10 for the batch in hand


class GivenUp(RuntimeError):
    """A vital process could not be kept alive."""


class PortTaken(GivenUp):
    """Another program's server listens where one of ours should."""


class Supervisor:
    """`children` are those that were started; they run until `end`. `stop` ends `start` and `watch` early."""

    def __init__(self, console: Console) -> None:
        self.children: list[Child] = []
        self._console = console
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Safe in a signal handler."""
        self._stopping.set()

    def start(self, children: Sequence[Child]) -> None:
        """Start all, then wait for each. Raises GivenUp, PortTaken; NotReady if told to stop meanwhile."""
        self.children += children
        for child in children:
            child.start(self._console)
        for child in children:
            while not self._await(child):
                self._bury(child)
                self._stopping.wait(max(0.0, (child.again_at or 0.0) - time.monotonic()))
                self._stop_check()
                child.start(self._console)

    def watch(self) -> None:
        """Start again whatever dies, until told to stop. Raises GivenUp, PortTaken."""
        while not self._stopping.wait(0.1):
            for child in self.children:
                self.look_after(child)

    def look_after(self, child: Child) -> None:
        """One step, never a wait: while one child is slow to come back, others may die as well."""
        if child.is_dead:
            self._bury(child)
        elif child.again_at is not None:
            if time.monotonic() >= child.again_at:
                child.start(self._console)
                if child.was_ready and not child.is_silent:
                    self._say(f"{child.name} is back")
        elif not child.was_ready:
            assert child.ready is not None
            if child.ready() and self._follow_up(child):
                child.was_ready = True
                self._say(f"{child.name} is back")
            elif child.age > READY_SECONDS:
                self._say(f"{child.name} did not answer within {READY_SECONDS} s")
                child.end(0)

    def discard(self) -> None:
        """End all children and forget them, so that others can be started in their place."""
        for child in self.children:
            child.end(child.grace_seconds)
        self.children.clear()

    def end(self) -> None:
        """End all children: the servers last, so that a worker can still commit the batch in hand."""
        if self.children:
            self._say("stopping")
        users = [child for child in self.children if child.log is None]
        for child in users:
            child.terminate()
        end = time.monotonic() + STOP_SECONDS
        for child in users:
            child.end(max(0.1, end - time.monotonic()))
        servers = [child for child in self.children if child.log is not None]
        for child in servers:
            child.terminate()
        for child in servers:
            child.end(child.grace_seconds)

    def _await(self, child: Child) -> bool:
        """Wait until the child is ready; False if it died or never was."""
        if child.process is None or child.ready is None:
            return True
        try:
            wait_ready(child.process, child.ready, seconds=READY_SECONDS, stopped=self._stopping.is_set)
        except NotReady as error:
            self._stop_check()
            if child.process.poll() is None:
                self._say(f"{child.name} {error}")
                child.end(0)
            return False
        child.was_ready = True
        return True

    def _stop_check(self) -> None:
        if self._stopping.is_set():
            raise NotReady("stopped")

    def _bury(self, child: Child) -> None:
        """Report the death and when the child is started again. Raises GivenUp if it never will be."""
        assert child.process is not None
        how = describe(child.process.poll())
        if child.log is not None:
            for line in tail(child.log):
                self._console.line(child.name, line)
        child.end(0)  # what it had started itself must not go on serving in its place
        delay = child.note_death()
        if child.place is not None and self._is_taken(*child.place):
            raise PortTaken(f"another server took port {child.place[1]} ({child.name}) meanwhile")
        if child.failures and child.last_words:
            how += f": {child.last_words}"
        if child.is_hopeless:
            raise GivenUp(f"{child.name} died again ({how}), giving up")
        if child.is_news(how):
            again = f", {child.failures} times in a row" if child.failures > 1 else ""
            self._say(f"{child.name} died ({how}){again}, starting it again in {delay:.1f} s")

    @staticmethod
    def _is_taken(host: str, port: int) -> bool:
        """Whether another program serves where a child did, whose sockets the kernel closes in a moment."""
        end = time.monotonic() + CLOSED_SECONDS
        while is_served(port, host):
            if time.monotonic() > end:
                return True
            time.sleep(0.02)
        return False

    def _follow_up(self, child: Child) -> bool:
        """Do what follows a child's being ready; False if that failed, as when it died again meanwhile."""
        try:
            if child.after is not None:
                child.after()
        except BadConfiguration as error:
            self._say(str(error))
            return False
        return True

    def _say(self, text: str) -> None:
        self._console.line("stack", text)
