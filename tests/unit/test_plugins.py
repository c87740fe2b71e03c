"""Providers are found one by one, checked, and called only through their own handle."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from labprov.engine import NodeSpec, ObservedNode, Scope
from labprov.errors import LabprovError, NotSupported, ProviderFault, Unavailable
from labprov.events import Event, EventKind
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import Allocations, Node
from labprov.plugins import Plugins, load_plugins
from tests.memory import MemoryProvider
from tests.unit.conftest import make_plugins

EVENT = Event(kind=EventKind.WARNING, lab="lab")


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    return Scope(host=Host(), workspace_id="w", workspace=tmp_path, lab="lab")


def spec(name: str) -> NodeSpec:
    return NodeSpec(node=Node(name=name), runtime_name=name, definition="", labels={})


def test_a_call_reaches_its_provider_and_no_other(scope: Scope) -> None:
    """Two providers never hear each other's calls."""
    first, second = MemoryProvider(name="first"), MemoryProvider(name="second")
    plugins = make_plugins(first, second)
    assert plugins.providers == ("first", "second")
    plugins.provider("second").create_nodes(scope, [spec("r1")])
    assert list(first.engine.machines) == []
    assert list(second.engine.machines) == ["r1"]


def test_one_registered_later_does_not_leak_in(scope: Scope) -> None:
    """A handle made before another provider came does not call that one."""
    first, late = MemoryProvider(name="first"), MemoryProvider(name="late")
    plugins = make_plugins(first)
    handle = plugins.provider("first")
    plugins.register(late, "late")
    handle.create_nodes(scope, [spec("r1")])
    assert list(late.engine.machines) == []


def test_unknown_provider_is_unavailable_and_says_which_there_are() -> None:
    """Asking for what is not installed names what is."""
    with pytest.raises(Unavailable, match="Installed are: memory"):
        make_plugins(MemoryProvider()).provider("nope")


def test_a_hook_that_nobody_answers_is_not_supported(scope: Scope, plugins: Plugins) -> None:
    """A provider without a hook, and no default: NotSupported, naming both."""
    node = ObservedNode(lab="lab", node="r1", provider="memory", runtime_name="r1", state="running")  # type: ignore[arg-type]
    with pytest.raises(NotSupported, match="memory does not do this"):
        plugins.provider("memory").console(scope, node, "exec")


class Faulty:
    """Breaks the contract of its hooks in the ways that can be seen."""

    @hookimpl
    def labprov_provider_info(self, host: Host) -> object:
        raise RuntimeError("boom")

    @hookimpl
    def labprov_create_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
        return [None]

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> object:
        return []


def test_faults_of_a_provider_are_named(scope: Scope) -> None:
    """An exception of another kind, a wrong count, a wrong type: the provider's fault, and said so."""
    plugins = make_plugins()
    plugins.register(Faulty(), "faulty")
    provider = plugins.provider("faulty")
    info = provider.info(Host())
    assert not info.available
    assert info.reason is not None
    assert "RuntimeError: boom" in info.reason
    with pytest.raises(ProviderFault, match="1 outcomes for 2 items"):
        provider.create_nodes(scope, [spec("a"), spec("b")])
    with pytest.raises(ProviderFault, match="labprov_observe gave a list"):
        provider.observe(scope)


class Misspelt:
    @hookimpl
    def labprov_obsrve(self, scope: Scope) -> None: ...


class TooManyArguments:
    @hookimpl
    def labprov_observe(self, scope: Scope, colour: str) -> None: ...


class Unhashable:
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Misspelt(), "no hook labprov_obsrve; did you mean labprov_observe"),
        (TooManyArguments(), "colour"),
        (Unhashable(), "unhashable"),
    ],
)
def test_a_plugin_that_does_not_fit_is_refused(plugin: object, message: str) -> None:
    """A misspelt hook, unknown arguments: refused when it is taken in, and nothing of it stays."""
    plugins = make_plugins(MemoryProvider())
    with pytest.raises(ProviderFault, match=message):
        plugins.register(plugin, "bad")
    assert plugins.providers == ("memory",)


def test_an_observer_that_raises_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Every observer hears every event; an exception is logged and goes no further."""

    class Raises:
        @hookimpl
        def labprov_event(self, event: Event) -> None:
            raise ValueError("observer")

    heard: list[Event] = []

    class Hears:
        @hookimpl
        def labprov_event(self, event: Event) -> None:
            heard.append(event)

    plugins = make_plugins()
    for number, plugin in enumerate((Raises(), Hears(), Raises())):
        plugins.register(plugin, f"observer{number}")
    plugins.emit(EVENT)
    assert heard == [EVENT]
    assert "an observer raised" in caplog.text


class OtherStore:
    """Keeps documents in memory."""

    def __init__(self) -> None:
        self.documents: dict[str, Allocations] = {}

    @hookimpl
    def labprov_load_allocations(self, workspace: Path, lab: str) -> Allocations | None:
        return self.documents.get(lab)

    @hookimpl
    def labprov_save_allocations(self, workspace: Path, lab: str, document: Allocations) -> bool:
        self.documents[lab] = document
        return True

    @hookimpl
    def labprov_remove_allocations(self, workspace: Path, lab: str) -> bool:
        self.documents.pop(lab, None)
        return True


def test_a_store_plugin_replaces_the_json_files(tmp_path: Path) -> None:
    """Never one after the other: what the plugin does not have is not looked for in files."""
    plugins = make_plugins()
    document = Allocations({"r1": (100,)}, 101, {"r1": ("eth1",)})
    plugins.save_allocations(tmp_path, "lab", document)
    assert plugins.load_allocations(tmp_path, "lab") == document
    store = OtherStore()
    plugins.register(store, "store")
    assert plugins.load_allocations(tmp_path, "lab") is None
    plugins.save_allocations(tmp_path, "other", document)
    assert [path.name for path in (tmp_path / "vlans").iterdir()] == ["lab.json"]
    plugins.remove_allocations(tmp_path, "other")
    assert store.documents == {}
    plugins.register(OtherStore(), "another")
    with pytest.raises(ProviderFault, match="two plugins"):
        plugins.load_allocations(tmp_path, "lab")


def test_a_broken_entry_point_is_reported_and_the_rest_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entry points are loaded one by one: a package that can't be imported is listed with its error."""
    (tmp_path / "labprov_broken.py").write_text("import no_such_library\n")
    (tmp_path / "labprov_fine.py").write_text(
        "from labprov.hookspecs import hookimpl\n"
        "from labprov.engine import ProviderInfo\n"
        "@hookimpl\n"
        "def labprov_provider_info(host): return ProviderInfo(name='fine', version='1')\n"
    )
    info = tmp_path / "labprov_test-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: labprov-test\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[labprov]\nbroken = labprov_broken\nfine = labprov_fine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = load_plugins()
    assert "fine" in plugins.providers
    assert [item.name for item in plugins.broken] == ["broken"]
    assert "no_such_library" in plugins.broken[0].error
    with pytest.raises(Unavailable, match="no_such_library"):
        plugins.provider("broken")
    sys.modules.pop("labprov_fine")
