"""From the words of a command line to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from labprov.cli import completion
from labprov.cli.context import Context
from labprov.cli.failure import exit_code, lines
from labprov.cli.output import Out, ReaderGone, Unwritable
from labprov.cli.parser import build_parser
from labprov.cli.talk import Talk

READER_GONE = 128 + 13
"""What a shell reports for a process that SIGPIPE ended."""
INTERRUPTED = 128 + 2
"""What a shell reports for a process that SIGINT ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    :param argv: the words after the program's name; None: those that the process was started with.
    :raises SystemExit: for ``-h``, ``--version`` and wrong usage, with the exit code.

    Results are on stdout and everything else on stderr when it returns; nothing is raised for a failure.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    out = Out(sys.stdout or _nowhere())
    try:
        code = _run(words, out)
        out.flush()
    except SystemExit:
        _flush_quietly(out)
        raise
    except ReaderGone:
        _forget_stdout()
        return READER_GONE
    except Unwritable as error:
        _forget_stdout()
        Talk(sys.stderr or _nowhere()).error(f"standard output can't be written: {error}")
        return 1
    return code


def _run(words: list[str], out: Out) -> int:
    if words[:1] == [completion.HIDDEN]:
        return completion.answer(words[1:], out)
    args = build_parser().parse_args(words)
    talk = Talk(sys.stderr or _nowhere(), quiet=args.quiet, debug=args.debug)
    with talk.logging():
        return run_command(Context(args, out, talk))


def run_command(context: Context) -> int:
    """Run the command that was parsed; whatever it raises becomes lines on stderr and an exit code."""
    run = context.args.run
    try:
        return int(run(context))
    except (ReaderGone, Unwritable):
        raise
    except KeyboardInterrupt:
        context.talk.error("interrupted")
        return INTERRUPTED
    except Exception as error:
        for line in lines(error):
            context.talk.error(line)
        context.talk.trace(error)
        return exit_code(error)


def _flush_quietly(out: Out) -> None:
    """Flush the text of ``-h``; that its reader is gone says nothing about the usage."""
    try:
        out.flush()
    except (ReaderGone, Unwritable):
        _forget_stdout()


def _forget_stdout() -> None:
    """Let the interpreter's own flush at its end go nowhere, instead of failing once more."""
    try:
        stdout = sys.stdout.fileno()
    except (OSError, ValueError):  # a stdout that is no file, as under a test runner: nothing to redirect
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stdout)
    os.close(nowhere)


def _nowhere() -> TextIO:
    """Stand in for a stream that was closed before we started (``>&-``)."""
    return open(os.devnull, "w")  # open as long as the process, like what it replaces
