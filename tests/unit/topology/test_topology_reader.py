"""Files: which are read, and what is said of those that are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labprov.errors import InvalidInput, InvalidName, InvalidTopology, LabprovError
from labprov.topology import find_file, read_file
from tests.unit.topology.conftest import Read

SMALL = "name: lab\ntopology:\n  nodes:\n    r1:\n      kind: linux\n"


def nested(levels: int) -> str:
    """A topology with a list so many levels deep."""
    return SMALL.replace(
        "kind: linux", "config: {vars: {a: " + "[" * levels + "]" * levels + "}}\n      kind: linux"
    )


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = {
    "yaml": ("name: [lab\n", "lab.clab.yml:2", "expected"),
    "tab": ("name: lab\ntopology:\n\tnodes:\n", "lab.clab.yml:3", "Indent with spaces"),
    "empty": ("", "lab.clab.yml:1", "empty"),
    "only a comment": ("# nothing\n", "lab.clab.yml:1", "empty"),
    "a list": ("- name: lab\n", "lab.clab.yml:1", "must be a mapping"),
    "a word": ("lab\n", "lab.clab.yml:1", "must be a mapping"),
    "two documents": (SMALL + "---\n" + SMALL, "lab.clab.yml:7", "second document"),
    "no name": (SMALL.replace("name: lab", "name:"), "lab.clab.yml:1", "no 'name'"),
    "no topology": ("name: lab\n", "lab.clab.yml", "no 'topology'"),
    "null topology": ("name: lab\ntopology:\n", "lab.clab.yml:2", "no 'topology'"),
    "no nodes": ("name: lab\ntopology:\n  links: []\n", "lab.clab.yml:2", "no 'nodes'"),
    "null nodes": ("name: lab\ntopology:\n  nodes:\n", "lab.clab.yml:2", "no 'nodes'"),
    "unknown top key": (SMALL + "topolgy: 1\n", "lab.clab.yml:6", "'topolgy'.*Did you mean 'topology'"),
    "unknown section": (SMALL + "  link: []\n", "lab.clab.yml:6", "'link'.*Did you mean 'links'"),
    "unknown node key": (SMALL + "      imge: x\n", "lab.clab.yml:6", "'imge'.*Did you mean 'image'"),
    "unknown deep key": (SMALL + "      dns: {server: [x]}\n", "lab.clab.yml:6", "'server'.*'servers'"),
    "unknown key in defaults": (SMALL + "  defaults:\n    knd: x\n", "lab.clab.yml:7", "Did you mean 'kind'"),
    "duplicate node": (SMALL + "    r1:\n", "lab.clab.yml:6", "'r1' is there twice, first in line 4"),
    "duplicate key": (SMALL + "      kind: linux\n", "lab.clab.yml:6", "'kind' is there twice"),
    "no kind": (SMALL.replace("kind: linux", "image: x"), "lab.clab.yml:4", "has no kind"),
    "unknown kind": (SMALL.replace("linux", "linx"), "lab.clab.yml:5", "'linx' is not known.*linux"),
    "self alias": ("name: &a [*a]\n", "lab.clab.yml:1", "refers to what contains it"),
    "unknown alias": ("name: *a\n", "lab.clab.yml:1", "alias"),
    "a list as a key": ("? [a]\n: b\n", "lab.clab.yml:1", "key"),
    "merge of a word": (SMALL + "      <<: x\n", "lab.clab.yml:6", "'<<' needs a mapping"),
    "a bomb": (BOMB, "lab.clab.yml:1", "more than 1,000,000 values"),
    "deep": (nested(200), "lab.clab.yml:5", "nested too deeply"),
    "very deep": (nested(100_000), "lab.clab.yml:5", "nested too deeply"),
    "deep in blocks": ("- " * 20_000, "lab.clab.yml:1", "nested too deeply"),
    "control characters": ("name: \x01\n", "lab.clab.yml", "character"),
    "surrogates": ("name: \ud800\n", "lab.clab.yml", "surrogates"),
    "a bridge inside a node": (
        SMALL + "    br|r1: {kind: bridge, network-mode: 'container:r1'}\n",
        "lab.clab.yml:6",
        "inside another node",
    ),
    "go template": (SMALL + "{{ if .x }}\n", "lab.clab.yml:6", "Go template.*--export-rendered"),
}


@pytest.mark.parametrize(("text", "place", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_text_is_refused(read: Read, text: str, place: str, said: str) -> None:
    """A text that is no topology is refused with file, line and the reason."""
    with pytest.raises(InvalidTopology, match=f"(?s){said}") as caught:
        read(text)
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "a;b", "'a'", "<a>", "é", "-a", "x" * 64, "300" * 100])
def test_hostile_names_are_refused(read: Read, name: str) -> None:
    """A lab's or a node's name outside the alphabet is an InvalidName that says file and line."""
    quoted = "'" + name.replace("'", "''") + "'"
    with pytest.raises(InvalidName, match=re.escape("lab.clab.yml:1")):
        read(SMALL.replace("name: lab", f"name: {quoted}"))
    with pytest.raises(InvalidName, match=re.escape("lab.clab.yml:4")):
        read(SMALL.replace("r1", quoted))
    with pytest.raises(InvalidName, match=re.escape("lab.clab.yml:6")):
        read(SMALL + f"prefix: {quoted}\n")


@pytest.mark.parametrize(
    ("written", "prefix"),
    [("''", ""), ("__lab-name", "__lab-name"), ("mine", "mine"), ("", None), ('${P:=""}', "")],
)
def test_prefix(read: Read, written: str, prefix: str | None) -> None:
    """The prefix is the file's; empty text is not the same as nothing."""
    assert read(SMALL + f"prefix: {written}\n").topology.prefix == prefix


def test_prefix_is_none_if_not_said(read: Read) -> None:
    """A file that says nothing of the prefix leaves it to the caller."""
    assert read(SMALL).topology.prefix is None


def test_anchors_and_merge_keys(read: Read) -> None:
    """Anchors, aliases and merge keys work; what is written beside a merge key wins."""
    file = read("""
        name: lab
        topology:
          nodes:
            r1: &base
              kind: linux
              image: one
              env: &env {A: 1}
            r2:
              <<: *base
              image: two
            r3:
              <<: [{image: three}, *base]
              env: {<<: *env, B: 2}
        """)
    assert [node.image for node in file.topology.nodes] == ["one", "two", "three"]
    assert file.topology.by_name["r3"].env == {"A": "1", "B": "2"}


def test_an_empty_second_document_is_none(read: Read) -> None:
    """A file that ends in a document marker is read."""
    assert read("---\n" + SMALL + "---\n").topology.name == "lab"


def test_a_byte_order_mark_and_carriage_returns_are_read(tmp_path: Path) -> None:
    """A file as a Windows editor writes it is read."""
    path = tmp_path / "a.clab.yml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert read_file(path).topology.name == "lab"


def test_settings_and_debug_are_warned_of(read: Read) -> None:
    """Top-level keys that only containerlab itself uses are read, with one warning each."""
    file = read(SMALL + "debug: true\nsettings: {certificate-authority: {key-size: 4096}}\n")
    assert sorted(file.warnings) == [
        "lab.clab.yml:6: 'debug' is containerlab's own and is not used",
        "lab.clab.yml:7: 'settings' is containerlab's own and is not used",
    ]


def test_mgmt(read: Read) -> None:
    """The management network is read; what has no attribute of its own is in its settings."""
    mgmt = read(
        SMALL + "mgmt: {network: n, bridge: br, ipv4_subnet: 10.0.0.0/24, ipv6-subnet: auto, mtu: 1400}\n"
    ).topology.mgmt
    assert mgmt is not None
    assert (mgmt.network, mgmt.bridge, mgmt.ipv4_subnet, mgmt.ipv6_subnet) == (
        "n",
        "br",
        "10.0.0.0/24",
        "auto",
    )
    assert mgmt.settings == {"mtu": 1400}


@pytest.mark.parametrize(
    "said", ["ipv4-subnet: 300.0.0.0/24", "ipv6-subnet: 10.0.0.0/8", "mtu: big", "mtu: -1"]
)
def test_bad_mgmt_is_refused(read: Read, said: str) -> None:
    """A management network that can't be is refused with its line."""
    with pytest.raises(InvalidTopology, match=r"lab\.clab\.yml:6"):
        read(SMALL + f"mgmt: {{{said}}}\n")


def test_git_variables_in_the_name(tmp_path: Path, read: Read) -> None:
    """Branch and commit come from the repository whose top folder is the file's."""
    git = tmp_path / ".git"
    (git / "refs/heads/feature").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/feature/x\n")
    (git / "refs/heads/feature/x").write_text("0123456789abcdef0123456789abcdef01234567\n")
    file = read(SMALL.replace("name: lab", "name: lab-__gitBranch__-__gitHash__"))
    assert file.topology.name == "lab-feature-x-0123456"


def test_git_variables_without_a_repository(read: Read) -> None:
    """Without a repository both are ``none``, with a warning."""
    file = read(SMALL.replace("name: lab", "name: lab-__gitBranch__"))
    assert file.topology.name == "lab-none"
    assert "no Git repository" in file.warnings[0]


class TestFiles:
    """Files that can't be read as such."""

    def test_missing(self, tmp_path: Path) -> None:
        """A file that is not there is bad input."""
        with pytest.raises(InvalidInput, match="there is no file"):
            read_file(tmp_path / "none.clab.yml")

    def test_a_folder(self, tmp_path: Path) -> None:
        """A folder is bad input."""
        with pytest.raises(InvalidInput, match="is a folder"):
            read_file(tmp_path)

    def test_below_a_file(self, tmp_path: Path) -> None:
        """A path below a file is bad input."""
        (tmp_path / "file").touch()
        with pytest.raises(InvalidInput, match="can't be read"):
            read_file(tmp_path / "file" / "x.clab.yml")

    def test_a_null_character_in_the_name(self) -> None:
        """A name that no file can have is bad input."""
        with pytest.raises(InvalidInput):
            read_file("a\0b")

    def test_unreadable(self, tmp_path: Path) -> None:
        """A file that can't be opened is bad input (here a link that leads to itself)."""
        path = tmp_path / "a.clab.yml"
        path.symlink_to(path)
        with pytest.raises(InvalidInput, match="can't be read"):
            read_file(path)

    def test_not_utf_8(self, tmp_path: Path) -> None:
        """A file in another encoding is refused with the line of its first wrong byte."""
        path = tmp_path / "a.clab.yml"
        path.write_bytes(b"name: lab\n# \xff\n")
        with pytest.raises(InvalidTopology, match="not UTF-8") as caught:
            read_file(path)
        assert (caught.value.file, caught.value.line) == (str(path), 2)

    def test_too_large(self, tmp_path: Path) -> None:
        """A file of endless size is given up."""
        path = tmp_path / "a.clab.yml"
        with path.open("wb") as file:
            file.truncate(17 * 1024 * 1024)
        with pytest.raises(InvalidInput, match="larger than"):
            read_file(path)

    def test_a_template_by_its_suffix(self, tmp_path: Path) -> None:
        """A .gotmpl is a Go template even if nothing in it looks like one."""
        path = tmp_path / "a.clab.gotmpl"
        path.write_text(SMALL)
        with pytest.raises(InvalidTopology, match="Go template"):
            read_file(path)

    def test_read(self, tmp_path: Path) -> None:
        """A file is read by its path as text or as a Path."""
        path = tmp_path / "a.clab.yml"
        path.write_text(SMALL)
        assert read_file(str(path)) == read_file(path)


class TestFindFile:
    """The single topology file in a folder."""

    def test_one(self, tmp_path: Path) -> None:
        """The only file with containerlab's suffix is found; others don't count."""
        (tmp_path / "other.yml").touch()
        (tmp_path / "a.clab.yaml").touch()
        assert find_file(tmp_path) == tmp_path / "a.clab.yaml"

    def test_none(self, tmp_path: Path) -> None:
        """None is bad input."""
        with pytest.raises(InvalidInput, match="no topology file"):
            find_file(tmp_path)

    def test_several(self, tmp_path: Path) -> None:
        """Several are bad input, and named."""
        for name in ("a.clab.yml", "b.clab.yaml"):
            (tmp_path / name).touch()
        with pytest.raises(InvalidInput, match=r"a\.clab\.yml, b\.clab\.yaml"):
            find_file(tmp_path)

    def test_no_folder(self, tmp_path: Path) -> None:
        """A folder that is not there is bad input."""
        with pytest.raises(LabprovError, match="can't be read"):
            find_file(tmp_path / "none")
