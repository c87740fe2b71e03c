"""What of a node can't be made is known before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labprov.errors import InvalidInput
from labprov_docker.accepting import problem
from tests.unit.docker.specs import spec_of
from tests.unit.docker.test_container import SAID, both

BAD: list[tuple[str, Any, str]] = [
    ("image", None, "no image"),
    ("image", "Not An Image", "no name of an image"),
    ("image", "name:tag:tag", "no name of an image"),
    ("image-pull-policy", "sometimes", "image-pull-policy"),
    ("cmd", "echo 'open", "cmd can't be split"),
    ("entrypoint", "echo 'open", "entrypoint can't be split"),
    ("cmd", "echo \0", "NUL"),
    ("env", {"A=B": "1"}, "can't be set"),
    ("env", {"": "1"}, "can't be set"),
    ("env-files", ["/nowhere/env"], "/nowhere/env can't be read: No such file"),
    ("env-files", ["/bin"], "/bin can't be read"),
    ("env-files", "/etc/environment", "env-files is not a list"),
    ("binds", ["relative:/x"], "absolute paths"),
    ("binds", ["/etc:x"], "absolute paths"),
    ("binds", ["/etc:/"], "absolute paths"),
    ("binds", ["/etc:/x:rw,ro"], "options"),
    ("binds", ["/etc:/x:quick"], "options"),
    ("binds", ["/nowhere:/x"], "bind's source /nowhere can't be used: No such file"),
    ("binds", ["/etc:/x", "/bin:/x/"], "two things are to lie at /x"),
    ("volumes", ["relative"], "volume"),
    ("volumes", ["a/b:/x"], "volume"),
    ("volumes", [":/x"], "volume"),
    ("volumes", ["/etc:/x"], "volume"),
    ("volumes", ["data:/x:quick"], "options"),
    ("tmpfs", {"run": ""}, "no tmpfs"),
    ("tmpfs", ["/run"], "tmpfs is not a mapping"),
    ("devices", ["tty"], "device"),
    ("devices", ["/dev/tty:/dev/tty:rx"], "device"),
    ("devices", ["/dev/nowhere"], "device /dev/nowhere can't be used"),
    ("memory", "much", "memory: 'much' is no size"),
    ("memory", "4mib", "less than Docker allows"),
    ("shm-size", "-1", "shm-size"),
    ("cpu", -1, "cpu"),
    ("cpu", 0.001, "cpu"),
    ("cpu", float("nan"), "cpu"),
    ("cpu", "two", "cpu"),
    ("cpu-set", "0-", "cpu-set"),
    ("cap-add", ["NET ADMIN"], "cap-add"),
    ("privileged", "yes", "privileged is not true or false"),
    ("auto-remove", "yes", "auto-remove is not true or false"),
    ("user", 0, "user is not text"),
    ("security-opts", "seccomp=unconfined", "security-opts is not a list"),
    ("restart-policy", "sometimes", "restart-policy"),
    ("restart-policy", "always:3", "restart-policy"),
    ("restart-policy", "on-failure:x", "restart-policy"),
    ("healthcheck", {"test": ["true"]}, "healthcheck"),
    ("healthcheck", {"test": ["CMD"]}, "healthcheck"),
    ("healthcheck", {"test": ["CMD", "true"], "retries": -1}, "healthcheck.retries"),
    ("healthcheck", {"test": "true"}, "healthcheck.test"),
    ("healthcheck", "true", "healthcheck is not a mapping"),
    ("sysctls", {"vm.swappiness": "1"}, "vm.swappiness"),
    ("sysctls", {"kernel.hostname": "x"}, "kernel.hostname"),
    ("sysctls", {"net.ipv4.conf.eth9.rp_filter": "1"}, "an interface which the node has not"),
    ("sysctls", {"net.ipv4/../..": "1"}, "not a container's own"),
    ("hostname", "a b", "no host name"),
    ("hostname", "a" * 65, "no host name"),
    ("ports", ["x:80"], "publishes no port"),
    ("ports", ["80:80", "80:81"], "80/tcp is published twice"),
    ("dns", {"servers": ["dns.example"]}, "name server"),
    ("aliases", ["a b"], "alias"),
    ("network-mode", "macvlan", "network-mode 'macvlan' is not one"),
    ("network-mode", "container:", "network-mode"),
    ("mgmt-ipv4", "2001:db8::1", "no IPv4 address"),
    ("mgmt-ipv6", "192.0.2.1", "no IPv6 address"),
    ("pid-mode", "private", "pid-mode"),
    ("cgroupns-mode", "none", "cgroupns-mode"),
    ("runtime", "podman", "another engine"),
]


def said(*interfaces: str, **keys: Any) -> str:
    """What is said of a node; ``""`` where nothing is wrong with it."""
    found = problem(spec_of(*interfaces, **keys))
    if found is None:
        return ""
    assert isinstance(found, InvalidInput)
    assert found.remedy
    return found.message


@pytest.mark.parametrize(("key", "value", "message"), BAD)
def test_bad_values_are_refused(key: str, value: Any, message: str) -> None:
    """A value that can't be is refused, and the message says which."""
    assert message in said("eth1", **{key: value})


@pytest.mark.parametrize("key", sorted(SAID))
def test_good_values_are_accepted(key: str) -> None:
    """Every key that is honoured has values with which nothing is wrong."""
    assert said("eth1", **{key: SAID[key]}) == ""


def test_every_problem_is_told_at_once() -> None:
    """Who has three things to correct hears of all three, each once, with each remedy once."""
    found = problem(spec_of(memory="much", shm_size="some", cmd="'", image=None, network_mode="x"))
    assert found is not None
    assert found.message.count("is no size") == 2
    assert found.message.count("network-mode") == 1
    assert "cmd can't be split" in found.message
    assert found.remedy is not None
    assert found.remedy.count("Write a number and") == 1


def test_sources_are_looked_at_only_here() -> None:
    """What a remote engine has to mount nobody can see from here."""
    assert problem(spec_of(binds=["/nowhere:/x"], devices=["/dev/nowhere"]), local=False) is None


def test_settings_of_interfaces_that_are_there() -> None:
    """A setting of one of the node's own interfaces is fine."""
    assert said("eth1", sysctls={"net.ipv4.conf.eth1.rp_filter": "1"}) == ""


@pytest.mark.parametrize("mode", ["host", "container:other"])
def test_links_need_a_network_of_the_nodes_own(mode: str) -> None:
    """A node in another's network can't be linked: both ways out are named."""
    found = problem(spec_of("eth1", "eth2", network_mode=mode))
    assert found is not None
    assert "can't have eth1, eth2" in found.message
    assert found.remedy == "Leave out its links, or its network-mode."
    assert said(network_mode=mode) == ""


@pytest.mark.parametrize("mode", ["host", "container:other"])
def test_settings_of_anothers_network(mode: str) -> None:
    """A node in another's network changes nothing about it; what is its own it may set."""
    assert "settings of its own" in said(network_mode=mode, sysctls={"net.ipv4.ip_forward": "1"})
    assert said(network_mode=mode, sysctls={"kernel.msgmax": "8192"}) == ""


@pytest.mark.parametrize(
    ("mode", "keys"),
    [
        ("none", {"ports", "aliases", "mgmt-ipv4", "mgmt-ipv6"}),
        ("host", {"ports", "aliases", "mgmt-ipv4", "mgmt-ipv6"}),
        ("container:other", {"ports", "aliases", "mgmt-ipv4", "mgmt-ipv6", "dns", "hostname"}),
    ],
)
def test_keys_that_a_network_mode_rules_out(mode: str, keys: set[str]) -> None:
    """What Docker would refuse or drop beside a network mode is named before."""
    for key in ("ports", "aliases", "mgmt-ipv4", "mgmt-ipv6", "dns", "hostname"):
        found = said(network_mode=mode, **{key: SAID[key]})
        assert (f"can't have {key}" in found) == (key in keys), key


def test_an_env_file_that_makes_no_sense(tmp_path: Path) -> None:
    """The message names file and line."""
    (tmp_path / "env").write_text("A=1\nnot a variable\n")
    assert f"{tmp_path}/env:2 is no NAME=value" in said(env_files=[str(tmp_path / "env")])


WORDS = ["", "/a", "/a:/b", "80:80", "1gb", "no", "host", "CMD", "true", "192.0.2.9", "data:/b:ro", "0-1"]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = {"kind", "type", "image", "cmd", "entrypoint", "env", "binds", "labels", "hostname", "sysctls"}
SETTINGS = sorted({*SAID, "env-files", "image-pull-policy"} - ATTRIBUTES)


@given(st.dictionaries(st.sampled_from(SETTINGS), ANYTHING, min_size=1, max_size=2), TEXTS)
def test_what_is_accepted_can_be_asked_for(settings: dict[str, Any], cmd: str) -> None:
    """Whatever a node says, it is refused with a message, or its containers' configurations can be made."""
    spec = spec_of(cmd=cmd, **settings)
    found = problem(spec)
    if found is None:
        both(spec)
    else:
        assert isinstance(found, InvalidInput)
        assert found.remedy
