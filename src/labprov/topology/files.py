"""Files that a topology refers to, and containerlab's magic variables in their names."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

from attrs import frozen

from labprov.topology.source import MissingFile, Source

_REMOTE = ("http://", "https://", "s3://", "ftp://", "sftp://", "scp://")
_MADE_BY_CONTAINERLAB = ("ansible-inventory.yml", "topology-data.json", ".tls/ca")


def is_remote(name: str) -> bool:
    """Whether *name* is one of the URLs that containerlab would download."""
    return name.startswith(_REMOTE)


def is_inline(name: str) -> bool:
    """Whether *name* is the file's content rather than its name: it has more than one line."""
    return "\n" in name


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", url)


def absolute(source: Source, name: str) -> str:
    """*name* as an absolute path: relative to the topology's folder, ``~`` is the user's home.

    Under sudo the home is that of the user who called it, as for containerlab.
    """
    if name.startswith("~"):
        return _home(source) + name[1:]
    return os.path.normpath(source.folder / name) if not name.startswith("/") else name


def _home(source: Source) -> str:
    caller = source.env.get("SUDO_UID", "")
    if caller.isdigit():
        try:
            return pwd.getpwuid(int(caller)).pw_dir
        except (KeyError, OverflowError):
            pass  # the caller is in no local user database: the environment's home is the next best
    return source.env.get("HOME") or str(Path.home())


@frozen
class NodeFiles:
    """The files of one node.

    :param node: its name.
    :param lab_dir: where containerlab keeps what it makes for the lab; labprov makes nothing there.
    """

    source: Source
    node: str
    lab_dir: Path

    def magic(self, text: str) -> str:
        """*text* with containerlab's magic variables replaced."""
        values = {
            "__clabDir__": str(self.lab_dir),
            "__clabLabName__": self.lab_dir.name,
            "__clabNodeDir__": str(self.lab_dir / self.node),
            "__clabNodeName__": self.node,
        }
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    def find(self, key: str, name: str, line: int | None) -> str:
        """*name* as an absolute path; if nothing is there, that is noted as missing."""
        path = absolute(self.source, self.magic(name))
        if not os.path.exists(path):
            made = path in {str(self.lab_dir / item) for item in _MADE_BY_CONTAINERLAB}
            hint = "containerlab writes it, labprov does not" if made else ""
            self.source.missing.append(MissingFile(self.source.at(line), self.node, key, path, hint))
        return path

    def find_or_keep(self, key: str, name: str, line: int | None) -> str:
        """Like :meth:`find`, but text of several lines and URLs stay as they are, URLs with a warning."""
        if is_inline(name):
            return name
        if is_remote(self.magic(name)):
            said = _without_password(self.magic(name))
            self.source.warn(f"node {self.node}, {key}: {said} is not fetched by labprov", line)
            return self.magic(name)
        return self.find(key, name, line)
