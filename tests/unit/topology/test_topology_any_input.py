"""Whatever the input, the answer is a topology or an error of labprov's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labprov.errors import LabprovError
from labprov.topology import TopologyFile, read_file, read_text
from labprov.topology.definitions import KEYS
from labprov.topology.links import TYPES

WORDS = st.text(max_size=5) | st.sampled_from(
    ["", "linux", "bridge", "host", "r1", "r1:eth1", "r2:eth2", "a:b:c", "$A", "${A", "~", "true", "0x"]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
ANY = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
NODE_KEYS = sorted(KEYS)
LINK_KEYS = sorted({key for keys in TYPES.values() for key in keys} | {"node", "interface", "mac"})
NODE = st.dictionaries(st.sampled_from(NODE_KEYS), ANY, max_size=4) | ANY
LINK = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(LINK_KEYS, ANY) | {"type": st.sampled_from(sorted(TYPES))}
)
SECTIONS = {"defaults": NODE, "links": st.lists(LINK, max_size=3) | ANY}
SECTIONS |= {key: st.dictionaries(WORDS, NODE, max_size=3) | ANY for key in ("nodes", "kinds", "groups")}
TOPOLOGY = st.fixed_dictionaries(
    {"name": st.just("lab") | ANY, "topology": st.fixed_dictionaries({}, optional=SECTIONS) | ANY},
    optional={"mgmt": ANY, "prefix": ANY, "settings": ANY, "debug": ANY},
)


def answer(read: Any, *arguments: Any, **options: Any) -> TopologyFile | str:
    """The topology, or what the error says."""
    try:
        file: TopologyFile = read(*arguments, **options)
    except LabprovError as error:
        return str(error)
    return file


@given(content=st.binary(max_size=200))
@example(content=b"\xff\xfen\x00a\x00")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes(tmp_path: Path, content: bytes) -> None:
    """Bytes are a topology or an error, never a traceback."""
    path = tmp_path / "any.clab.yml"
    path.write_bytes(content)
    assert answer(read_file, path, {})


@given(text=st.text(alphabet="ab:-{}[]&*<!|>'\"#%@`?, \n\t$\\~", max_size=60))
@settings(max_examples=500, deadline=None)
def test_random_yaml_characters(text: str) -> None:
    """Text of YAML's own characters is a topology or an error."""
    assert answer(read_text, text, folder="/", env={})


@given(document=TOPOLOGY)
@settings(max_examples=500, deadline=None)
def test_random_documents(document: Any) -> None:
    """A document of a topology's shape, with anything in it, is a topology or an error."""
    assert answer(read_text, yaml.safe_dump(document), folder="/", env={"A": "x"})
