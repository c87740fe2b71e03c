"""What a node gets from its group, its kind and the defaults."""

from __future__ import annotations

from typing import Any

import pytest

from labprov.errors import InvalidTopology
from labprov.model import Node
from tests.unit.topology.conftest import Read


def node(read: Read, **levels: str) -> Node:
    """The node r1 of a topology in which each level says what is given, as YAML in one line."""
    said = {"defaults": "{}", "kind": "{}", "group": "{}", "node": "{}", **levels}
    file = read(f"""
        name: lab
        topology:
          defaults: {said["defaults"]}
          kinds: {{linux: {said["kind"]}}}
          groups: {{g: {said["group"]}}}
          nodes: {{r1: {{<<: [{{kind: linux, group: g}}, {said["node"]}]}}}}
        """)
    return file.topology.nodes[0]


LEVELS = ("node", "group", "kind", "defaults")


@pytest.mark.parametrize("nearest", range(4))
def test_the_nearest_level_has_its_way(read: Read, nearest: int) -> None:
    """Text comes from the nearest level that says it: node, group, kind, defaults."""
    said = {level: f"{{image: from-{level}}}" for level in LEVELS[nearest:]}
    assert node(read, **said).image == f"from-{LEVELS[nearest]}"


@pytest.mark.parametrize(
    ("key", "far", "near", "wanted"),
    [
        ("user", "a", "''", "a"),
        ("user", "a", "", "a"),
        ("startup-delay", "5", "0", 5),
        ("cpu", "1.5", "2", 2),
        ("privileged", "true", "false", False),
        ("auto-remove", "yes", "", True),
        ("ports", "[80:80]", "[90:90]", ["90:90"]),
        ("ports", "[80:80]", "[]", ["80:80"]),
        ("dns", "{servers: [a]}", "{search: [b]}", {"search": ["b"]}),
        ("healthcheck", "{interval: 3}", "{retries: 2}", {"retries": 2}),
        ("extras", "{mysocket-proxy: a}", "{}", {}),
        ("devices", "[a, b]", "[b, c]", ["a", "b", "c"]),
        ("cap-add", "[A]", "[B]", ["A", "B"]),
        ("security-opts", "[A]", "[A]", ["A"]),
        ("tmpfs", "{/a: x, /b: y}", "{/b: z}", {"/a": "x", "/b": "z"}),
        ("volumes", "[a:/d, c:/c]", "[b:/d:ro]", ["b:/d:ro", "c:/c"]),
        ("certificate", "{issue: true, key-size: 1}", "{key-size: 2}", {"issue": True, "key-size": 2}),
        (
            "config",
            "{vars: {a: {x: 1, y: 2}, b: 1}}",
            "{vars: {a: {x: 3}}}",
            {"vars": {"a": {"x": 3, "y": 2}, "b": 1}},
        ),
        ("credentials", "{username: u, password: p}", "{username: v}", {"username": "v"}),
        (
            "credentials",
            "{username: u, identity-file: /k}",
            "{password: p}",
            {"password": "p", "identity-file": "/k"},
        ),
        (
            "components",
            "[{slot: A}]",
            "[{slot: 1, mda: [{slot: 1, type: t}]}]",
            [{"slot": "1", "mda": [{"slot": 1, "type": "t"}]}],
        ),
    ],
)
@pytest.mark.parametrize(
    ("far_level", "near_level"), [("defaults", "kind"), ("kind", "group"), ("group", "node")]
)
def test_settings_are_inherited(
    read: Read, key: str, far: str, near: str, wanted: Any, far_level: str, near_level: str
) -> None:
    """Every key follows containerlab's rule for it, between any two levels."""
    levels = {far_level: f"{{{key}: {far}}}", near_level: f"{{{key}: {near}}}"}
    assert node(read, **levels).settings[key] == wanted


def test_exec_is_joined_from_far_to_near_each_once(read: Read) -> None:
    """Commands of all levels run, those of the defaults first, a repeated one once."""
    found = node(read, defaults="{exec: [a, b]}", kind="{exec: [c]}", group="{exec: [a]}", node="{exec: [d]}")
    assert found.exec == ("a", "b", "c", "d")


def test_mappings_are_merged(read: Read) -> None:
    """env, labels and sysctls of all levels hold; of one name the nearest."""
    found = node(
        read,
        defaults="{env: {A: 1, B: 1}, labels: {x: y}, sysctls: {a: 0}}",
        kind="{env: {B: 2, C: 2}}",
        group="{env: {C: 3}}",
        node="{labels: {x: z}, sysctls: {b: 1}}",
    )
    assert found.env == {"A": "1", "B": "2", "C": "3"}
    assert found.labels == {"x": "z"}
    assert found.sysctls == {"a": "0", "b": "1"}


def test_text_stays_as_it_was_written(read: Read) -> None:
    """What YAML would take for a number, a date or a truth value stays the text that was written."""
    found = node(
        read,
        node="{env: {a: yes, b: 0x10, c: true, d: 1.50, e: 2001-01-01, f: , g: 010}, cmd: 5, image: 1.10}",
    )
    assert found.env == {
        "a": "yes",
        "b": "0x10",
        "c": "true",
        "d": "1.50",
        "e": "2001-01-01",
        "f": "",
        "g": "010",
    }
    assert (found.cmd, found.image) == ("5", "1.10")


def test_stages_are_joined(read: Read) -> None:
    """What to wait for is joined, each once; commands are joined, magic variables replaced."""
    stages = node(
        read,
        kind="{stages: {create: {wait-for: [{node: a, stage: create}], "
        "exec: [{command: echo __clabNodeName__}]}}}",
        node="{stages: {create: {wait-for: [{node: a, stage: create}, {node: b}]}, "
        "exit: {exec: [{command: x, target: host}]}}}",
    ).settings["stages"]
    assert stages == {
        "create": {
            "wait-for": [{"node": "a", "stage": "create"}, {"node": "b"}],
            "exec": [{"command": "echo r1"}],
        },
        "exit": {"exec": [{"command": "x", "target": "host"}]},
    }


def test_old_credentials(read: Read) -> None:
    """``username`` and ``password`` beside the other keys are credentials; the newer form wins."""
    found = node(read, node="{username: u, password: secret, credentials: {username: v}}")
    assert found.settings["credentials"] == {"username": "v", "password": "secret"}
    assert "secret" not in repr(found)


def test_import_of_the_environment(read: Read) -> None:
    """``__IMPORT_ENVS`` takes in the whole environment under what the level says itself."""
    file = read(
        "{name: lab, topology: {defaults: {kind: linux}, "
        "nodes: {r1: {env: {__IMPORT_ENVS: true, A: mine}}, r2: }}}",
        A="theirs",
        B="b",
    )
    r1, r2 = file.topology.nodes
    assert (r1.env, r2.env) == ({"A": "mine", "B": "b"}, {})


def test_keys_of_a_node_only(read: Read) -> None:
    """Management addresses and aliases count on a node only; elsewhere they are warned of."""
    file = read("""
        name: lab
        topology:
          defaults: {kind: linux, aliases: [d]}
          groups: {g: {mgmt-ipv4: 10.0.0.1}}
          nodes:
            r1: {group: g}
            r2: {mgmt-ipv4: 10.0.0.2, mgmt-ipv6: "2001:db8::2", aliases: [a]}
        """)
    r1, r2 = file.topology.nodes
    assert r1.settings == {"group": "g"}
    assert r2.settings == {"mgmt-ipv4": "10.0.0.2", "mgmt-ipv6": "2001:db8::2", "aliases": ["a"]}
    assert [warning.split(": ")[1] for warning in sorted(file.warnings)] == [
        "'aliases' has an effect only on a node",
        "'mgmt-ipv4' has an effect only on a node",
    ]


def test_an_address_twice_is_refused(read: Read) -> None:
    """Two nodes can't have one management address."""
    with pytest.raises(InvalidTopology, match="is that of r1 already") as caught:
        read("""\
            name: lab
            topology:
              defaults: {kind: linux}
              nodes:
                r1: {mgmt-ipv4: 10.0.0.2}
                r2: {mgmt-ipv4: 10.0.0.2}
            """)
    assert (caught.value.line, caught.value.node) == (6, "r2")


class TestKind:
    """Where a node's kind comes from."""

    TEXT = """
        name: lab
        topology:
          defaults: {kind: linux, group: base}
          kinds: {bridge: {group: other}, nokia_srlinux: {image: srl}}
          groups: {base: %s, g: {kind: nokia_srlinux}, other: {user: u}}
          nodes: {r1: %s}
        """

    @pytest.mark.parametrize(
        ("base", "body", "kind"),
        [
            ("{}", "", "linux"),
            ("{}", "{}", "linux"),
            ("{kind: frr}", "", "frr"),
            ("{kind: frr}", "{group: g}", "nokia_srlinux"),
            ("{kind: frr}", "{group: g, kind: bridge}", "bridge"),
            ("{}", "{kind: LINUX}", "linux"),
        ],
    )
    def test_kind(self, read: Read, base: str, body: str, kind: str) -> None:
        """The node's own, else its group's, else the default group's, else the defaults'; case is nothing."""
        assert read(self.TEXT % (base, body)).topology.nodes[0].kind == kind

    def test_the_kind_can_name_the_group(self, read: Read) -> None:
        """A node without a group is in its kind's group."""
        settings = read(self.TEXT % ("{}", "{kind: bridge}")).topology.nodes[0].settings
        assert settings == {"group": "other", "user": "u"}

    def test_what_a_kind_says_holds_for_the_groups_kind(self, read: Read) -> None:
        """A kind that comes from the group brings what is said of that kind."""
        assert read(self.TEXT % ("{}", "{group: g}")).topology.nodes[0].image == "srl"

    def test_an_alias_is_kept(self, read: Read) -> None:
        """The kind stays as written; the catalogue knows its aliases."""
        assert read(self.TEXT % ("{}", "{kind: srl}")).topology.nodes[0].kind == "srl"

    def test_a_bare_kind_is_warned_of_once(self, read: Read) -> None:
        """A kind of which nothing but the name is known is accepted, with one warning."""
        file = read("{name: lab, topology: {defaults: {kind: rare}, nodes: {r1: , r2: }}}")
        assert len(file.warnings) == 1
        assert "rare runs as its image does" in file.warnings[0]

    def test_a_misspelt_kind_section_is_warned_of(self, read: Read) -> None:
        """A section for a kind that nobody has or knows is probably misspelt."""
        file = read("{name: lab, topology: {kinds: {linus: }, nodes: {r1: {kind: linux}}}}")
        assert "'linus' is not known" in file.warnings[0]

    def test_an_undefined_group_is_warned_of(self, read: Read) -> None:
        """A group that is not among those defined is probably misspelt; without any it is just a word."""
        defined = read("{name: lab, topology: {groups: {g: }, nodes: {r1: {kind: linux, group: h}}}}")
        plain = read("{name: lab, topology: {nodes: {r1: {kind: linux, group: h}}}}")
        assert "the group 'h' is not defined" in defined.warnings[0]
        assert plain.warnings == ()


class TestProvider:
    """Who says which provider runs a node."""

    @pytest.mark.parametrize(
        ("levels", "provider"),
        [
            ({}, None),
            ({"defaults": "{provider: a}"}, "a"),
            ({"defaults": "{provider: a}", "kind": "{labels: {labprov.provider: b}}"}, "b"),
            ({"group": "{provider: a}", "kind": "{provider: b}"}, "a"),
            ({"node": "{labels: {labprov.provider: n}}", "group": "{provider: a}"}, "n"),
            ({"node": "{provider: key, labels: {labprov.provider: label}}"}, "key"),
        ],
    )
    def test_provider(self, read: Read, levels: dict[str, str], provider: str | None) -> None:
        """The nearest level says it; at one level the key wins over the label."""
        assert node(read, **levels).provider == provider

    def test_our_labels_are_not_passed_on(self, read: Read) -> None:
        """Labels in labprov's own space are no labels of the user's; an unknown one is warned of."""
        file = read(
            "{name: lab, topology: {nodes: {r1: {kind: linux, labels: "
            "{labprov.provider: p, labprov.lab: x, mine: y}}}}}"
        )
        assert file.topology.nodes[0].labels == {"mine": "y"}
        assert "labprov.lab" in file.warnings[0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("exec: ls", "nodes.r1.exec must be a list, and is 'ls'"),
        ("exec: {a: b}", "nodes.r1.exec must be a list, and is a mapping"),
        ("exec: [[a]]", "an item of nodes.r1.exec must be text, and is a list"),
        ("env: [A=B]", "nodes.r1.env must be a mapping, and is a list"),
        ("env: {A: [x]}", "nodes.r1.env.A must be text, and is a list"),
        ("image: [x]", "nodes.r1.image must be text, and is a list"),
        ("privileged: maybe", "nodes.r1.privileged must be true or false, and is 'maybe'"),
        ("startup-delay: -1", "nodes.r1.startup-delay must be a whole number, and is '-1'"),
        ("startup-delay: 1.5", "nodes.r1.startup-delay must be a whole number, and is '1.5'"),
        ("cpu: lots", "nodes.r1.cpu must be a number, and is 'lots'"),
        ("dns: x", "nodes.r1.dns must be a mapping, and is 'x'"),
        ("link-apply-mode: never", "link-apply-mode 'never' is not one"),
        ("enforce-startup-config: true, suppress-startup-config: true", "both enforced and suppressed"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(read: Read, said: str, message: str) -> None:
    """A value of the wrong form is refused with its line and what it should be."""
    with pytest.raises(InvalidTopology) as caught:
        read(f"name: lab\ntopology:\n  nodes:\n    r1: {{kind: linux, {said}}}\n")
    assert message in str(caught.value)
    assert caught.value.line == 4


def test_a_body_that_is_no_mapping_is_refused(read: Read) -> None:
    """A node that is a word makes no sense."""
    with pytest.raises(InvalidTopology, match=r"nodes\.r1 must be a mapping"):
        read("{name: lab, topology: {nodes: {r1: linux}}}")
