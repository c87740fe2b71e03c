"""The catalogue of kinds: its own entries, a user's, and how a kind is looked up."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path
from textwrap import dedent

import pytest

from labprov.errors import InvalidInput
from labprov.kinds import Catalogue, Firmware, Kind, Method, Role, Truth, load_catalogue
from labprov.model import BRIDGE_KINDS, HOST_KIND, INTERFACE

CONTAINERLAB = """
    6wind_vsr arista_ceos arista_veos arrcus_arcos aruba_aoscx bridge c8000 ceos checkpoint_cloudguard
    ciena_saos cisco_asav cisco_c8000 cisco_c8000v cisco_cat9kv cisco_csr1000v cisco_ftdv cisco_iol
    cisco_n9kv cisco_sdwan cisco_vios cisco_xrd cisco_xrd_vrouter cisco_xrv cisco_xrv9k cjunosevolved crpd
    cumulus_cvx cvx dell_ftosv dell_sonic ext-container f5_bigip-ve fdio_vpp fortinet_fortigate freebsd
    generic_vm host huawei_vrp ipinfusion_ocnos juniper_cjunosevolved juniper_crpd juniper_csrx
    juniper_vjunosevolved juniper_vjunosrouter juniper_vjunosswitch juniper_vmx juniper_vqfx juniper_vsrx
    k8s-kind keysight_ixia-c-one linux mikrotik_ros nokia_srlinux nokia_sros nokia_srsim nvidia_cumulusvx
    openbsd openwrt ovs-bridge paloalto_panos plvision_sonic rare sonic-vm sonic-vs spirent_stc srl
    veesix_osvbng vr-aoscx vr-arista_veos vr-aruba_aoscx vr-ciena_saos vr-cisco_csr1000v vr-cisco_n9kv
    vr-cisco_xrv vr-cisco_xrv9k vr-csr vr-dell_ftosv vr-ftosv vr-juniper_vmx vr-juniper_vqfx
    vr-juniper_vsrx vr-mikrotik_ros vr-n9kv vr-nokia_sros vr-paloalto_panos vr-pan vr-ros vr-sros vr-veos
    vr-vmx vr-vqfx vr-vsrx vr-xrv vr-xrv9k vyosnetworks_vyos xrd
""".split()  # noqa: SIM905 - a hundred names are easier to read as words
"""Every kind that containerlab registers, with its older names."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Labprov's own kinds."""
    return load_catalogue()


class TestOwnEntries:
    """The files that labprov brings."""

    def test_every_kind_of_containerlab_is_known(self, catalogue: Catalogue) -> None:
        """Each name that containerlab knows has an entry."""
        assert set(CONTAINERLAB) <= set(catalogue.names)

    def test_no_two_entries_claim_one_name(self, catalogue: Catalogue) -> None:
        """A name belongs to one entry only."""
        names = [name for kind in catalogue.all for name in kind.names]
        assert len(names) == len(set(names))

    def test_a_file_is_called_like_its_kind(self, catalogue: Catalogue) -> None:
        """A kind is found by the name of its file."""
        files = {file.name for file in resources.files("labprov.kinds").joinpath("data").iterdir()}
        assert files == {f"{kind.name}.yml" for kind in catalogue.all}

    def test_names_are_in_lower_case(self, catalogue: Catalogue) -> None:
        """A lookup lowers what it is given, so names must be in lower case."""
        assert all(name == name.lower() for name in catalogue.names)

    def test_types_lead_to_entries(self, catalogue: Catalogue) -> None:
        """Where a type has an entry of its own, that entry is there."""
        for kind in catalogue.all:
            for type_, target in kind.types.items():
                assert catalogue.lookup(kind.name, type_).name == target

    def test_the_first_port_is_one(self, catalogue: Catalogue) -> None:
        """Each kind's first data port is a legal Linux name and a port of it, whoever names it."""
        for kind in catalogue.all:
            names = kind.interfaces
            assert INTERFACE.fullmatch(names.first), kind.name
            assert names.canonical(names.first) == names.first, kind.name
            if names.aliases and names.first_device:
                assert names.canonical(names.first_device) == names.first, kind.name

    def test_the_management_port_is_no_data_port(self, catalogue: Catalogue) -> None:
        """The device's own name of its management port never becomes a data port's."""
        for kind in catalogue.all:
            if kind.interfaces.pattern is not None and kind.interfaces.management_device:
                found = kind.interfaces.canonical(kind.interfaces.management_device)
                assert found in (None, kind.interfaces.management), kind.name

    def test_pseudo_kinds(self, catalogue: Catalogue) -> None:
        """The model's and the catalogue's pseudo kinds are the same."""
        roles = {kind.name: kind.role for kind in catalogue.all if kind.role is not Role.MACHINE}
        bridges = dict.fromkeys(BRIDGE_KINDS, Role.BRIDGE)
        assert roles == {**bridges, HOST_KIND: Role.HOST, "ext-container": Role.EXTERNAL}

    def test_machines_have_providers(self, catalogue: Catalogue) -> None:
        """Whatever runs names who can run it."""
        for kind in catalogue.all:
            assert bool(kind.providers) == (kind.role in (Role.MACHINE, Role.EXTERNAL)), kind.name

    def test_what_can_be_extracted_has_a_console(self, catalogue: Catalogue) -> None:
        """A command for a prompt needs a dialect and a console, one for a shell needs exec."""
        for kind in catalogue.all:
            if kind.extraction is None:
                continue
            assert (kind.extraction.command is None) != (kind.extraction.exec is None), kind.name
            if kind.extraction.command:
                assert kind.dialect, kind.name
                assert kind.console, kind.name
            else:
                assert Method.EXEC in kind.console, kind.name

    @pytest.mark.parametrize(
        ("name", "dialect", "first"),
        [
            ("cisco_n9kv", "cisco_nxos", Method.SERIAL),
            ("cisco_c8000v", "cisco_xe", Method.SSH),
            ("cisco_vmanage", "cisco_viptela", Method.SSH),
            ("cisco_vedge", "cisco_viptela", Method.SSH),
            ("cisco_vbond", "cisco_viptela", Method.SSH),
            ("cisco_vsmart", "cisco_viptela", Method.SSH),
            ("cisco_ftdv", "cisco_ftd", Method.SSH),
            ("cisco_fmcv", "linux", Method.SSH),
            ("cisco_cat9800", "cisco_xe", Method.SSH),
        ],
    )
    def test_the_nine(self, catalogue: Catalogue, name: str, dialect: str, first: Method) -> None:
        """The devices with ssh consoles run on both providers and have all that a console needs."""
        kind = catalogue.lookup(name)
        assert kind.dialect == dialect
        assert kind.console[0] is first
        assert set(kind.console) == {Method.SSH, Method.SERIAL}
        assert kind.providers == ("docker", "libvirt")
        assert kind.boot is not None
        assert kind.boot.ready
        assert kind.credentials is not None
        assert (kind.extraction is None) == (name == "cisco_fmcv")

    def test_hardware(self, catalogue: Catalogue) -> None:
        """Hardware is read into its enumerations."""
        hardware = catalogue.lookup("n9kv").hardware
        assert hardware is not None
        assert (hardware.memory, hardware.firmware) == (12288, Firmware.EFI)


class TestLookup:
    """How a kind is found."""

    @pytest.mark.parametrize(
        ("asked", "type_", "found"),
        [
            ("cisco_n9kv", None, "cisco_n9kv"),
            ("N9KV", None, "cisco_n9kv"),
            ("srl", "ixr-d2l", "nokia_srlinux"),
            ("cisco_sdwan", None, "cisco_sdwan"),
            ("cisco_sdwan", "manager", "cisco_vmanage"),
            ("cisco_sdwan", "controller", "cisco_vsmart"),
            ("cisco_sdwan", "validator", "cisco_vbond"),
            ("cat-sdwan-vedge", None, "cisco_vedge"),
            ("linux", None, "linux"),
        ],
    )
    def test_found(self, catalogue: Catalogue, asked: str, type_: str | None, found: str) -> None:
        """A kind is found by its name, its aliases, or its name and type; case is nothing."""
        assert catalogue.lookup(asked, type_).name == found

    def test_linux_is_not_frr(self, catalogue: Catalogue) -> None:
        """Plain Linux has no config to read, FRR has."""
        assert catalogue.lookup("linux").extraction is None
        assert catalogue.lookup("frr").extraction is not None
        assert catalogue.lookup("frr").truth is Truth.DEBIAN

    def test_unknown(self, catalogue: Catalogue) -> None:
        """What nobody knows is an error with the nearest names."""
        with pytest.raises(InvalidInput, match=r"'nokia_srlinus' is not known.*nokia_srlinux"):
            catalogue.lookup("nokia_srlinus")

    def test_like_nothing(self, catalogue: Catalogue) -> None:
        """What is like nothing points to the list."""
        with pytest.raises(InvalidInput, match="labprov kinds"):
            catalogue.lookup("!?")

    @pytest.mark.parametrize(
        ("name", "bare"), [("rare", True), ("linux", False), ("bridge", False), ("n9kv", False)]
    )
    def test_bare(self, catalogue: Catalogue, name: str, bare: bool) -> None:
        """A machine without a console is one of which nothing but the name is known."""
        assert catalogue.lookup(name).is_bare is bare


def write(folder: Path, name: str, text: str) -> Path:
    """A kind's file in *folder*."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(dedent(text))
    return path


class TestUserFolders:
    """Kinds that a user adds or replaces."""

    def test_a_kind_is_added(self, tmp_path: Path) -> None:
        """A file of the user's is a kind like every other."""
        write(tmp_path, "mine.yml", "{name: my_router, aliases: [mr], description: Mine, console: [ssh]}")
        catalogue = load_catalogue([tmp_path])
        assert catalogue.lookup("mr").name == "my_router"
        assert "my_router" in {kind.name for kind in catalogue.all}

    def test_a_kind_is_replaced(self, tmp_path: Path) -> None:
        """A file of the user's replaces labprov's of the same name, aliases and all."""
        write(tmp_path, "x.yml", "{name: cisco_n9kv, aliases: [nexus], description: Mine}")
        catalogue = load_catalogue([str(tmp_path)])
        assert catalogue.lookup("cisco_n9kv").description == "Mine"
        assert catalogue.lookup("nexus").description == "Mine"
        with pytest.raises(InvalidInput):
            catalogue.lookup("n9kv")

    def test_an_alias_of_labprovs_is_taken_over(self, tmp_path: Path) -> None:
        """An alias that both claim is the user's."""
        write(tmp_path, "x.yml", "{name: mine, aliases: [n9kv], description: Mine}")
        assert load_catalogue([tmp_path]).lookup("n9kv").name == "mine"

    def test_the_first_folder_wins(self, tmp_path: Path) -> None:
        """Of two folders the first is the more important."""
        for folder in ("a", "b"):
            write(tmp_path / folder, "x.yml", f"{{name: mine, description: from {folder}}}")
        assert load_catalogue([tmp_path / "a", tmp_path / "b"]).lookup("mine").description == "from a"

    def test_two_files_with_one_name(self, tmp_path: Path) -> None:
        """Two files of one folder can't claim one name."""
        write(tmp_path, "a.yml", "{name: a, aliases: [x], description: A}")
        write(tmp_path, "b.yaml", "{name: b, aliases: [x], description: B}")
        with pytest.raises(InvalidInput, match=r"b\.yaml: the name 'x' is claimed by .*a\.yml already"):
            load_catalogue([tmp_path])

    def test_an_alias_that_is_a_kind(self, tmp_path: Path) -> None:
        """An alias can't be the name of a kind of labprov's: lookups go by names first."""
        write(tmp_path, "a.yml", "{name: a, aliases: [linux], description: A}")
        with pytest.raises(InvalidInput, match="claims the name of the kind 'linux'"):
            load_catalogue([tmp_path])

    def test_a_type_that_leads_nowhere(self, tmp_path: Path) -> None:
        """A type that stands for an unknown kind is an error; one for the kind itself is that kind."""
        write(tmp_path, "a.yml", "{name: a, description: A, types: {x: nowhere, y: a}}")
        catalogue = load_catalogue([tmp_path])
        with pytest.raises(InvalidInput, match="'nowhere' is not known"):
            catalogue.lookup("a", "x")
        assert catalogue.lookup("a", "y").name == "a"

    def test_no_folder(self, tmp_path: Path) -> None:
        """A folder that is not there is an error."""
        with pytest.raises(InvalidInput, match="is not there"):
            load_catalogue([tmp_path / "none"])

    @pytest.mark.parametrize(
        ("text", "line", "said"),
        [
            ("name: a\ndescription: b\nconsle: [ssh]\n", 3, "unknown key consle"),
            ("name: a\ndescription: b\nboot:\n  reddy: [x]\n", 4, "boot: unknown key reddy"),
            ("name: a\ndescription: b\nconsole:\n  - ssh\n  - shh\n", 5, "is none of: exec, serial, ssh"),
            ("name: a\ndescription: b\nhardware:\n  nic: e100\n", 4, "'e100' is none of: virtio, e1000"),
            ("name: a\ndescription: b\nhardware:\n  memory: much\n", 4, "'much' is not of the type int"),
            ("name: a\ndescription: 5\n", 2, "5 is not of the type str"),
            ("name: a\n", 1, "the key 'description' is missing"),
            ("name: a\ndescription: b\ninterfaces:\n  pattern: '('\n", 3, "is no regular expression"),
            ("name: a\ndescription: b\nboot: soon\n", 3, "boot: the value is of the wrong form"),
            ("name: a\ndescription: b\nname: c\n", 3, "'name' is there twice"),
            ("- a\n", 1, "a kind is a mapping"),
            ("", 1, "a kind is a mapping"),
            ("a: [\n", 2, "expected"),
        ],
    )
    def test_a_bad_file(self, tmp_path: Path, text: str, line: int, said: str) -> None:
        """A file with a typo or a wrong value is an error that names file and line."""
        path = write(tmp_path, "bad.yml", text)
        with pytest.raises(InvalidInput) as caught:
            load_catalogue([tmp_path])
        assert f"{path}:{line}: " in str(caught.value)
        assert said in str(caught.value)

    def test_not_utf_8(self, tmp_path: Path) -> None:
        """A file in another encoding is an error."""
        (tmp_path / "bad.yml").write_bytes(b"name: \xff\n")
        with pytest.raises(InvalidInput, match="not UTF-8"):
            load_catalogue([tmp_path])


def test_kinds_are_read_when_they_are_asked_for() -> None:
    """Importing and opening the catalogue reads no file: YAML is not even imported."""
    code = "import sys, labprov.kinds; labprov.kinds.load_catalogue(); sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_kinds_are_values() -> None:
    """Two equal descriptions are one kind."""
    assert Kind(name="a", description="b") == Kind(name="a", description="b")
