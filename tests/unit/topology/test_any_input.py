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

WORDS = st.sampled_from(
    ["", "linux", "bridge", "host", "r1", "r1:eth1", "r2:eth2", "a:b:c", "$A", "${A", "~", "true", "1.5", "0x", "é"]
) | st.text(max_size=5)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
ANY = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8)  # fmt: skip
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


def answers(read: Any, *arguments: Any, **options: Any) -> None:
    """Check that there is one of the two answers."""
    try:
        assert isinstance(read(*arguments, **options), TopologyFile)
    except LabprovError as error:
        assert str(error)


@given(content=st.binary(max_size=200))
@example(content=b"\xff\xfen\x00a\x00")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes(tmp_path: Path, content: bytes) -> None:
    """Bytes are a topology or an error, never a traceback."""
    path = tmp_path / "any.clab.yml"
    path.write_bytes(content)
    answers(read_file, path, {})


@given(text=st.text(alphabet="ab:-{}[]&*<!|>'\"#%@`?, \n\t$\\~", max_size=60))
@settings(max_examples=500, deadline=None)
def test_random_yaml_characters(text: str) -> None:
    """Text of YAML's own characters is a topology or an error."""
    answers(read_text, text, folder="/", env={})


@given(document=TOPOLOGY)
@settings(max_examples=500, deadline=None)
def test_random_documents(document: Any) -> None:
    """A document of a topology's shape, with anything in it, is a topology or an error."""
    answers(read_text, yaml.safe_dump(document), folder="/", env={"A": "x"})
