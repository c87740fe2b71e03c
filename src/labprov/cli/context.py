"""What a command works with: the words it was given, standard output and error, settings, plugins, labs."""

from __future__ import annotations

import argparse
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labprov.cli.output import Out
from labprov.cli.talk import Talk
from labprov.errors import InvalidInput, InvalidTopology

if TYPE_CHECKING:
    from labprov.lab import Lab
    from labprov.plugins import Plugins
    from labprov.settings import Settings
    from labprov.topology import TopologyFile

STDIN = "-"


class Context:
    """One run of one command. Settings and plugins are made at their first use."""

    def __init__(self, args: argparse.Namespace, out: Out, talk: Talk) -> None:
        self.args = args
        self.out = out
        self.talk = talk

    @cached_property
    def settings(self) -> Settings:
        """The settings that the global options and ``--provider`` make.

        :raises InvalidInput: a range that is none, a workspace that is no path.
        """
        from labprov.settings import Settings
        from labprov.timeouts import Timeouts

        args = self.args
        given: dict[str, Any] = {
            "workspace": _workspace(args.workspace),
            "prefix": args.prefix,
            "vlan_range": args.vlan_range,
            "bridge": args.bridge,
            "provider": getattr(args, "provider", None),
            "timeouts": None if args.lock_timeout is None else Timeouts(lock=args.lock_timeout),
        }
        return Settings(**{key: value for key, value in given.items() if value is not None})

    @cached_property
    def plugins(self) -> Plugins:
        """All that are installed."""
        from labprov.plugins import load_plugins

        return load_plugins()

    def topology_file(self) -> TopologyFile:
        """Read the file that ``-t`` names, standard input, or the only one in the current folder.

        :raises InvalidInput: there is none, or it is not a topology.
        """
        from labprov import topology

        if self.args.topology == STDIN:
            return topology.read_text(read_stdin(), folder=Path.cwd())
        return topology.read_file(self.args.topology or topology.find_file(Path.cwd()))

    def wanted(self) -> Lab:
        """The lab of the topology file, as that file wants it."""
        from labprov.lab import Lab

        file = self.topology_file()
        return Lab.from_topology_file(file, self.settings, plugins=self.plugins, on_event=self.talk.event)

    def deployed(self) -> Lab:
        """The lab that ``--name`` names, or the topology file, as it was deployed.

        :raises LabNotFound: there is no such lab.
        """
        return self.attach(self.args.name or self.topology_file().topology.name)

    def attach(self, name: str) -> Lab:
        """The lab *name*, as it was deployed.

        :raises LabNotFound: there is no such lab.
        """
        from labprov.lab import Lab

        return Lab.attach(name, self.settings, plugins=self.plugins, on_event=self.talk.event)

    def require_consent(self, what: str) -> None:
        """Refuse at once what will have to be asked for where nobody can answer.

        :raises InvalidInput: without ``-y``, and standard input is not a terminal.
        """
        if not self.args.yes and not stdin_is_terminal():
            raise InvalidInput(
                f"{what} asks first, and standard input is not a terminal", remedy="Give -y to mean it."
            )

    def agreed(self, question: str) -> bool:
        """Whether ``-y`` was given, or the person says yes."""
        return self.args.yes or self.talk.confirm(question)


def _workspace(given: str | None) -> Path | None:
    if given is None:
        return None
    if not given or "\0" in given:
        raise InvalidInput(f"{given!r} is no folder", remedy="Give --workspace a path.")
    return Path(given).absolute()


def stdin_is_terminal() -> bool:
    """Whether somebody can answer a question; a closed standard input is nobody."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def read_stdin() -> str:
    """Standard input, whole.

    :raises InvalidTopology: it is closed, or is not UTF-8.
    """
    if sys.stdin is None:
        raise InvalidTopology("standard input is closed", file="<stdin>")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTopology(f"this is not UTF-8: {error.reason}", file="<stdin>") from error
