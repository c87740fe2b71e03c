"""What may be typed: commands, options, and what is refused."""

from __future__ import annotations

import pytest

from labprov.cli import main
from labprov.cli.parser import build_parser

ACCEPTED = [
    "deploy",
    "deploy -t - --provider netns --dry-run --reconfigure --node-filter a,b --no-wait -f json",
    "deploy -t x.clab.yml --keep -f table",
    "destroy --all --provider netns -y",
    "destroy --name ring",
    "inspect --all -f csv",
    "events",
    "events --name ring -f json",
    "events -t - -f table",
    "exec --name ring --node r1 --node r2 --label a=b -f json -- ip -br -- link",
    "exec -t x --node r1 ip -br link",
    "start -t x --node r1 --node r2",
    "stop --name ring --node r1 --graceful",
    "restart --node r1 --graceful",
    "connect --name ring r1:eth1 r2:eth1",
    "disconnect r1:eth1 r2:eth1",
    "link up --name ring r1:eth1",
    "link down r1:eth1",
    "logs --name ring r1",
    "recover --all",
    "cleanup --keep a b --keep c --dry-run -y",
    "cleanup --all",
    "validate a b -f json",
    "doctor -f json",
    "providers -f json",
    "kinds -f json",
    "version",
    "completion fish",
]

REFUSED = [
    "",
    "dance",
    "deploy --keep --reconfigure",
    "deploy --node-filter a,,b",
    "deploy -f csv",
    "deploy --dry",
    "inspect -f yaml",
    "events --all",
    "events -t x --name y",
    "destroy -t x --name y",
    "destroy --name x --all",
    "start",
    "start --node r1 --graceful",
    "connect r1:eth1",
    "link sideways r1:eth1",
    "cleanup",
    "cleanup --keep",
    "cleanup --keep a --all",
    "exec --label nothing -- true",
    "validate",
    "completion powershell",
    "--vlan-range 100 version",
    "--vlan-range 1-2-3 version",
    "--lock-timeout -1 version",
    "--lock-timeout nan version",
    "--lock-timeout soon version",
]


@pytest.mark.parametrize("line", ACCEPTED)
def test_accepted(line: str) -> None:
    """Every form that the manual has is understood, and leads to a command."""
    assert callable(build_parser().parse_args(line.split()).run)


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What makes no sense ends with 2 and one line on stderr that says where help is."""
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("labprov: error: ")
    assert "-h'" in err


@pytest.mark.parametrize("line", ["{} deploy", "deploy {}", "link up r1:e1 {}", "link {} up r1:e1"])
def test_global_options(line: str) -> None:
    """A global option means the same before the command and after it."""
    options = "--workspace w --prefix p --vlan-range 7-9 --bridge b --lock-timeout 1.5 --debug -q"
    args = build_parser().parse_args(line.format(options).split())
    assert (args.workspace, args.prefix, args.vlan_range, args.bridge) == ("w", "p", (7, 9), "b")
    assert (args.lock_timeout, args.debug, args.quiet) == (1.5, True, True)


def test_the_later_wins() -> None:
    """A global option given twice has the value that stands nearer to the end."""
    args = build_parser().parse_args(["--prefix", "one", "deploy", "--prefix", "two"])
    assert args.prefix == "two"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("exec -- ip -br link", ["--", "ip", "-br", "link"]),
        ("exec --node r1 -- sh -c -- -x", ["--", "sh", "-c", "--", "-x"]),
        ("exec --node r1 ip --json --node r2", ["ip", "--json", "--node", "r2"]),
    ],
)
def test_command_is_left_alone(line: str, command: list[str]) -> None:
    """Whatever follows the command of ``exec`` belongs to it, options and all."""
    assert build_parser().parse_args(line.split()).command_line == command


def test_hostile_words(capsys: pytest.CaptureFixture[str]) -> None:
    """An escape sequence in a wrong word does not reach the terminal as one."""
    with pytest.raises(SystemExit):
        main(["deploy", "\x1b[31mred"])
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\\x1b[31mred" in err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """``-h`` of every command ends with examples, and each of them is understood."""
    import shlex

    parser = build_parser()
    for command in parser._subparsers._group_actions[0].choices:  # type: ignore[union-attr]  # it has some
        with pytest.raises(SystemExit) as ended:
            main([command, "-h"])
        assert ended.value.code == 0
        examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
        lines = [line.strip() for line in examples if line.strip().startswith("labprov ")]
        assert lines, command
        for line in lines:
            words = shlex.split(line.split(" | ")[0].split(" < ")[0].split(" > ")[0])
            parser.parse_args(words[1:])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``version`` and ``--version`` print the same line."""
    assert main(["version"]) == 0
    line = capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == line
    assert line.startswith("labprov ")
