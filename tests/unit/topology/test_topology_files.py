"""Files that a topology refers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from labprov.errors import InvalidTopology
from labprov.model import Node
from labprov.topology import TopologyFile
from tests.unit.topology.conftest import Read


def one(read: Read, said: str, **env: str) -> tuple[Node, TopologyFile]:
    """The only node of a topology, and the file."""
    file = read(f"{{name: lab, topology: {{nodes: {{r1: {{kind: linux, {said}}}}}}}}}", **env)
    return file.topology.nodes[0], file


def test_binds_are_absolute(read: Read, tmp_path: Path) -> None:
    """A bind's source is relative to the file's folder, or to the home after ``~``; options stay."""
    for name in ("a", "home", "home/b"):
        (tmp_path / name).mkdir()
    home = tmp_path / "home"
    node, file = one(read, f"binds: [a:/a, ~/b:/b:ro, ./a/../a:/c, {tmp_path}:/d]", HOME=str(home))
    assert sorted(node.binds) == sorted(
        [f"{tmp_path}/a:/a", f"{home}/b:/b:ro", f"{tmp_path}/a:/c", f"{tmp_path}:/d"]
    )
    assert file.missing == ()


def test_binds_are_merged_by_target(read: Read, tmp_path: Path) -> None:
    """Of two binds with one target the nearer level's holds."""
    file = read("""
        name: lab
        topology:
          defaults: {kind: linux, binds: [far:/t, far:/u]}
          nodes: {r1: {binds: [near:/t:ro]}}
        """)
    assert set(file.topology.nodes[0].binds) == {f"{tmp_path}/near:/t:ro", f"{tmp_path}/far:/u"}


@pytest.mark.parametrize("bind", ["/a", "a:b:c:d", ":/a", "a:", "''"])
def test_a_bind_that_is_none_is_refused(read: Read, bind: str) -> None:
    """A bind has a source, a target and perhaps options."""
    with pytest.raises(InvalidTopology, match="is not source:target"):
        one(read, f"binds: ['{bind}']" if bind != "''" else "binds: ['']")


@pytest.mark.parametrize(("volume", "kept"), [("/data", "/data"), ("v-__clabNodeName__:/d:ro", "v-r1:/d:ro")])
def test_volumes_are_no_paths(read: Read, volume: str, kept: str) -> None:
    """Volumes have names, not paths, and are never missing."""
    node, file = one(read, f"volumes: ['{volume}']")
    assert node.settings["volumes"] == [kept]
    assert file.missing == ()


@pytest.mark.parametrize("volume", ["/host:/data", "a:b:c:d", ""])
def test_a_volume_that_is_none_is_refused(read: Read, volume: str) -> None:
    """A path of the host is a bind, not a volume."""
    with pytest.raises(InvalidTopology, match="belongs under 'binds'"):
        one(read, f"volumes: ['{volume}']")


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("binds: [none:/x]", "binds"),
        ("startup-config: none", "startup-config"),
        ("license: none", "license"),
        ("env-files: [none]", "env-files"),
        ("extras: {srl-agents: [none]}", "extras.srl-agents"),
    ],
)
def test_missing_files_are_named(read: Read, tmp_path: Path, said: str, key: str) -> None:
    """A file that is not there is one sentence with line, node, key and path."""
    _, file = one(read, said)
    assert list(map(str, file.missing)) == [f"lab.clab.yml:1: node r1, {key}: {tmp_path}/none does not exist"]
    assert [item.node for item in file.missing] == ["r1"]


def test_files_that_containerlab_writes(read: Read, tmp_path: Path) -> None:
    """A bind of what only containerlab writes says so."""
    _, file = one(read, "binds: [__clabDir__/topology-data.json:/t]")
    path = tmp_path / "clab-lab" / "topology-data.json"
    assert list(map(str, file.missing)) == [
        f"lab.clab.yml:1: node r1, binds: {path} does not exist; containerlab writes it, labprov does not"
    ]


def test_paths_are_absolute(read: Read, tmp_path: Path) -> None:
    """Configs, licences, environment files and key files are absolute paths."""
    for name in ("r1.cfg", "lic", "env"):
        (tmp_path / name).touch()
    node, file = one(
        read,
        "startup-config: __clabNodeName__.cfg, license: lic, env-files: [env], "
        "credentials: {identity-file: key}",
    )
    assert node.startup_config == f"{tmp_path}/r1.cfg"
    assert node.settings == {
        "license": f"{tmp_path}/lic",
        "env-files": [f"{tmp_path}/env"],
        "credentials": {"identity-file": f"{tmp_path}/key"},
    }
    assert file.missing == ()


def test_magic_variables(read: Read, tmp_path: Path) -> None:
    """Containerlab's magic variables are replaced in commands and paths, and not elsewhere."""
    node, _ = one(
        read,
        "exec: [echo __clabNodeName__ __clabLabName__ __clabDir__ __clabNodeDir__], cmd: __clabNodeName__",
    )
    lab_dir = tmp_path / "clab-lab"
    assert node.exec == (f"echo r1 clab-lab {lab_dir} {lab_dir}/r1",)
    assert node.cmd == "__clabNodeName__"


def test_the_lab_folder_can_be_elsewhere(read: Read) -> None:
    """Containerlab's variable for the folder of labs is honoured."""
    node, _ = one(read, "exec: [ls __clabDir__]", CLAB_LABDIR_BASE="/labs")
    assert node.exec == ("ls /labs/clab-lab",)


def test_an_inline_startup_config_is_kept(read: Read) -> None:
    """A config of several lines is the text itself."""
    node, file = one(read, r'startup-config: "hostname r1\n! end\n"')
    assert node.startup_config == "hostname r1\n! end\n"
    assert file.missing == ()


@pytest.mark.parametrize("scheme", ["http", "https", "s3", "ftp", "sftp", "scp"])
def test_a_remote_startup_config_is_kept_and_warned_of(read: Read, scheme: str) -> None:
    """What would have to be fetched is no file: it stays in the settings, with a warning without password."""
    url = f"{scheme}://user:secret@host/__clabNodeName__.cfg"
    node, file = one(read, f"startup-config: '{url}'")
    assert node.startup_config is None
    assert node.settings["startup-config"] == f"{scheme}://user:secret@host/r1.cfg"
    assert "is not fetched" in file.warnings[0]
    assert "secret" not in file.warnings[0]
