"""Shell completion: three short scripts that ask ``labprov`` itself, and what it answers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from labprov.cli.options import Commands

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.cli.output import Out

HIDDEN = "__complete"
"""``labprov __complete WORDS`` prints what the last word may become: one a line, a tab, what it means."""

BASH = """\
_labprov() {
    local IFS=$'\\n' line
    COMPREPLY=()
    while read -r line; do
        COMPREPLY+=("${line%%$'\\t'*}")
    done < <("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _labprov labprov
"""
ZSH = """\
#compdef labprov
_labprov() {
    local -a found
    found=("${(@f)$("$words[1]" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=("${(@)found:#}")
    if (( ${#found} )); then
        found=("${(@)found//$'\\t'/:}")
        _describe -V labprov found
    else
        _files
    fi
}
compdef _labprov labprov
"""
FISH = """\
function __labprov_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] __complete $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c labprov -f -a '(__labprov_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

Candidate = tuple[str, str]


def register(commands: Commands) -> None:
    """Add ``completion``."""
    parser = commands.add(
        "completion",
        completion,
        "Print the script that makes a shell complete labprov's command lines.",
        examples='eval "$(labprov completion bash)"\n'
        "labprov completion zsh > ~/.zfunc/_labprov\n"
        "labprov completion fish > ~/.config/fish/completions/labprov.fish",
    )
    parser.add_argument("shell", choices=tuple(SCRIPTS))


def completion(context: Context) -> int:
    """Print the script."""
    for line in SCRIPTS[context.args.shell].splitlines():
        context.out.line(line)
    return 0


def answer(words: Sequence[str], out: Out) -> int:
    """Print the candidates for the last of *words*."""
    from labprov.cli.parser import build_parser

    for value, help in candidates(build_parser(), words):
        out.pair(value, help)
    return 0


def candidates(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[Candidate]:
    """What the last of *words* may become; empty where the shell should offer files.

    :param parser: the whole parser.
    :param words: the command line after the program's name; the last word may be empty.
    """
    *before, current = words or [""]
    waiting: argparse.Action | None = None
    given: list[str] = []
    for word in before:
        if waiting is not None:
            waiting = None
        elif word == "--":
            return []
        elif word.startswith("-"):
            waiting = _takes_value(parser, word)
        elif (inner := _subcommands(parser).get(word)) is not None:
            parser, given = inner, []
        else:
            given.append(word)
    found = _values(waiting) if waiting else _next(parser, current, len(given))
    return [candidate for candidate in found if candidate[0].startswith(current)]


def _next(parser: argparse.ArgumentParser, current: str, position: int) -> Iterable[Candidate]:
    if current.startswith("-"):
        return _options(parser)
    if subcommands := _commands(parser):
        return subcommands
    positionals = [action for action in parser._actions if not action.option_strings]
    return _values(positionals[position]) if position < len(positionals) else ()


def _takes_value(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    action = parser._option_string_actions.get(word)
    return action if action is not None and action.nargs != 0 else None


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _commands(parser: argparse.ArgumentParser) -> list[Candidate]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return [(choice.dest, choice.help or "") for choice in action._choices_actions]
    return []


def _options(parser: argparse.ArgumentParser) -> Iterator[Candidate]:
    for action in parser._actions:
        for option in action.option_strings:
            yield option, action.help or ""


def _values(action: argparse.Action) -> Iterable[Candidate]:
    if action.choices:
        return [(str(choice), "") for choice in action.choices]
    finder = FINDERS.get(str(action.metavar))
    return [(value, "") for value in finder()] if finder else ()


def _labs() -> Iterable[str]:
    """The labs that the default workspace knows of; asks no engine, so that Tab stays quick."""
    from labprov.workspace import Workspace, default_workspace

    return sorted(Workspace(default_workspace()).labs())


def _providers() -> Iterable[str]:
    """The names under which plugins are installed; loads none of them."""
    from importlib.metadata import entry_points

    return sorted(point.name for point in entry_points(group="labprov"))


FINDERS: dict[str, Callable[[], Iterable[str]]] = {"LAB": _labs, "PROVIDER": _providers}
"""How to find the values of an option or argument, by its metavar."""
