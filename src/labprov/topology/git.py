"""The magic variables of a lab's name that stand for the state of the Git repository beside the file."""

from __future__ import annotations

from pathlib import Path

from labprov.topology.source import Source

_BRANCH, _HASH = "__gitBranch__", "__gitHash__"
_NONE = "none"
_SHORT = 7


def replace_git_variables(name: str, source: Source, line: int) -> str:
    """Replace ``__gitBranch__`` and ``__gitHash__`` in a lab's name.

    As for containerlab, only a repository whose top folder is the file's own counts; without one both are
    ``none``, with a warning.
    """
    if _BRANCH not in name and _HASH not in name:
        return name
    branch, commit = _state(source.folder / ".git")
    if branch == commit == _NONE:
        source.warn("the name has Git variables, and the file's folder is no Git repository", line)
    return name.replace(_BRANCH, branch.replace("/", "-")).replace(_HASH, commit[:_SHORT])


def _state(git: Path) -> tuple[str, str]:
    """Branch and commit; ``none`` for what there is not."""
    head = _first_line(git / "HEAD")
    if not head.startswith("ref: "):
        return ("HEAD", head) if head else (_NONE, _NONE)
    reference = head.removeprefix("ref: ")
    commit = _first_line(git / reference) or _packed(git, reference)
    return reference.removeprefix("refs/heads/"), commit or _NONE


def _packed(git: Path, reference: str) -> str:
    lines = _text(git / "packed-refs").splitlines()
    return next((line.split()[0] for line in lines if line.endswith(f" {reference}")), "")


def _first_line(path: Path) -> str:
    return next(iter(_text(path).splitlines()), "").strip()


def _text(path: Path) -> str:
    """The file's text; a repository that can't be read counts as none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
