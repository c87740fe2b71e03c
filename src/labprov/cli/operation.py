"""Running a verb of a lab: progress, Ctrl-C, and what to say at its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from labprov.cli.failure import exit_code, lines
from labprov.cli.output import clean_indented
from labprov.cli.talk import Talk

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.lab import Lab
    from labprov.report import CommandOutcome, Report

STOPPING = b"\nlabprov: stopping after this step; press Ctrl-C again to end at once\n"
SHOW_CURSOR = b"\x1b[?25h"


def operate(context: Context, lab: Lab, action: Callable[[], Report]) -> Report:
    """Run *action*, a verb of *lab*, with progress on stderr and Ctrl-C as the manual has it."""
    for warning in lab.warnings:
        context.talk.warn(warning)
    with context.talk.progress(), interruptible(lab):
        return action()


def conclude(context: Context, report: Report) -> int:
    """Say on stderr what went wrong in *report*.

    :returns: the exit code: 0, or the highest of its failures, or 1 for a command of a node that failed.
    """
    for warning in report.warnings:
        context.talk.warn(warning)
    for outcome in report.commands:
        _tell_command(context.talk, report.lab, outcome)
    for failure in report.failures:
        for line in lines(failure):
            context.talk.error(line)
        context.talk.trace(failure)
    codes = [exit_code(failure) for failure in report.failures]
    return max([*codes, 0 if report.ok else 1])


def _tell_command(talk: Talk, lab: str, outcome: CommandOutcome) -> None:
    what = f"{lab}/{outcome.node}: {outcome.command!r}"
    if outcome.error:
        talk.error(f"{what}: {outcome.error.message}")
    elif outcome.result:
        if outcome.failed:
            talk.error(f"{what} ended with {outcome.result.exit_code}")
        say = talk.note if outcome.failed else talk.say
        for stream in (outcome.result.stdout, outcome.result.stderr):
            for line in stream.decode(errors="replace").splitlines():
                say(f"  {outcome.node}| {clean_indented(line)}")


def summary(report: Report) -> str:
    """*report* as one sentence."""
    counted = {
        "created": report.created,
        "replaced": report.replaced,
        "started": report.started,
        "stopped": report.stopped,
        "removed": report.removed,
    }
    parts = [f"{word} {_some(names)}" for word, names in counted.items() if names]
    parts += [f"plugged {len(report.plugged)}"] if report.plugged else []
    parts += [f"unplugged {len(report.unplugged)}"] if report.unplugged else []
    parts += [f"allocated {_count(report.allocated, 'tag')}"] if report.allocated else []
    if report.dropped and report.operation != "destroy":  # which drops them all, as everyone expects
        parts.append(f"dropped {_count(len(report.dropped), 'allocation')}")
    parts += [_count(len(report.failures), "failure")] if report.failures else []
    return f"{report.lab}: {report.operation}: {', '.join(parts) or 'nothing to do'}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _some(names: tuple[str, ...], most: int = 6) -> str:
    return " ".join(names) if len(names) <= most else f"{len(names)} nodes"


@contextmanager
def interruptible(lab: Lab) -> Iterator[None]:
    """Let Ctrl-C (or SIGTERM) cancel *lab*'s operation while the block runs; a second one ends the process.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(number: int, frame: FrameType | None) -> None:
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_, _die)
        _shout(STOPPING)
        lab.cancel()

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _die(number: int, frame: FrameType | None) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        _shout(SHOW_CURSOR)
    os._exit(128 + number)


def _shout(text: bytes) -> None:
    """Write past Python's buffers, which a signal may have found half way through a write."""
    try:
        os.write(2, text)
    except OSError:  # nobody can hear it; what the signal asks for is done all the same
        return
