"""What labprov knows of one kind of device, as frozen values: the form of a file in the catalogue."""

from __future__ import annotations

import re
from enum import StrEnum

from attrs import field, frozen


class Role(StrEnum):
    """What a node of the kind is."""

    MACHINE = "machine"
    """A provider runs it."""
    BRIDGE = "bridge"
    """A segment that its links meet on."""
    HOST = "host"
    """The host itself."""
    EXTERNAL = "external"
    """A machine that somebody else runs; it is there already."""


class Method(StrEnum):
    """A way to a device's console."""

    EXEC = "exec"
    SERIAL = "serial"
    SSH = "ssh"


class Truth(StrEnum):
    """What the entry has been tried on."""

    SIMULATOR = "simulator"
    DEBIAN = "Debian package"
    NOT_TRIED = "not tried"


class DiskBus(StrEnum):
    """The bus a virtual machine's disk is on."""

    VIRTIO = "virtio"
    SATA = "sata"
    IDE = "ide"


class NicModel(StrEnum):
    """The network card a virtual machine is given."""

    VIRTIO = "virtio"
    E1000 = "e1000"


class Chipset(StrEnum):
    """The board of a virtual machine."""

    Q35 = "q35"
    I440FX = "i440fx"


class Firmware(StrEnum):
    """What a virtual machine boots with."""

    BIOS = "bios"
    EFI = "efi"


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return value


def _optional_pattern(value: str | None) -> str | None:
    return None if value is None else _pattern(value)


def _patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_pattern(value) for value in values)


@frozen(kw_only=True)
class AliasRule:
    """How a device's own port names become Linux names.

    :param match: a regular expression for the whole name; its named groups are numbers.
    :param name: the Linux name, with the groups in braces. ``{index}`` is the sum of the groups, each times
        its weight, plus ``offset``.
    :param weights: by group; a group that is not named weighs 1.
    :param lowest: the lowest ``index`` that is a data port.
    """

    match: str = field(converter=_pattern)
    name: str
    weights: dict[str, int] = field(factory=dict)
    offset: int = 0
    lowest: int = 1

    def apply(self, declared: str) -> str | None:
        """The Linux name of *declared*, or None where the rule does not fit."""
        found = re.fullmatch(self.match, declared, re.ASCII)
        if found is None:
            return None
        groups = {name: int(text) for name, text in found.groupdict().items()}
        index = self.offset + sum(self.weights.get(name, 1) * number for name, number in groups.items())
        return None if index < self.lowest else self.name.format(index=index, **groups)


@frozen(kw_only=True)
class Interfaces:
    """How a kind's interfaces are called.

    :param pattern: which Linux names are its data ports, in full; None: any legal one.
    :param aliases: for the device's own names, tried in order.
    :param first: the Linux name of the first data port.
    :param first_device: what the device itself calls that port.
    :param management: the Linux name of the management interface.
    :param management_device: what the device itself calls it.
    :param reserved: network cards between management and first data port that no topology names.
    :param allowed: the names that are allowed, in words, for messages.
    :param counted: whether port number n must be the n-th card, so that gaps between declared ports are
        filled with isolated ones.
    """

    pattern: str | None = field(default=None, converter=_optional_pattern)
    aliases: tuple[AliasRule, ...] = ()
    first: str = "eth1"
    first_device: str | None = None
    management: str | None = "eth0"
    management_device: str | None = None
    reserved: int = 0
    allowed: str = "any name that Linux allows"
    counted: bool = False

    def canonical(self, declared: str) -> str | None:
        """The Linux name of the data port *declared*, or None where the kind has no such port.

        Whether a name that no rule touches is legal on Linux is not judged here.
        """
        for rule in self.aliases:
            name = rule.apply(declared)
            if name is not None:
                return name
        if self.pattern is None:
            return declared
        return declared if re.fullmatch(self.pattern, declared, re.ASCII) else None


@frozen(kw_only=True)
class Extraction:
    """How the running config is read.

    :param command: typed at the device's own prompt.
    :param exec: a command line for a shell in the node, where no prompt is needed.
    :param paging_off: typed at the prompt before.
    """

    command: str | None = None
    exec: str | None = None
    paging_off: str | None = None


@frozen(kw_only=True)
class Boot:
    """How it shows on the serial console that the device is ready.

    :param ready: regular expressions; any one of them says so.
    :param questions: regular expressions of questions that must be answered, with the answer.
    :param seconds: how long it usually takes.
    """

    ready: tuple[str, ...] = field(default=(), converter=_patterns)
    questions: dict[str, str] = field(factory=dict)
    seconds: int | None = None


@frozen(kw_only=True)
class Credentials:
    """The factory's login, as the vendors' and containerlab's manuals have it; no secret."""

    user: str
    password: str | None = None


@frozen(kw_only=True)
class Hardware:
    """The virtual machine that the device wants; None where nothing is known.

    :param memory: in MiB.
    :param data_disk: size of a second disk, in GiB.
    """

    memory: int | None = None
    cpus: int | None = None
    disk_bus: DiskBus | None = None
    nic: NicModel | None = None
    chipset: Chipset | None = None
    firmware: Firmware | None = None
    data_disk: int | None = None


@frozen(kw_only=True)
class Kind:
    """One kind of device.

    :param name: containerlab's name, where it has one.
    :param aliases: other names; no two entries claim one name.
    :param providers: in order of preference.
    :param types: the entries that stand for a ``type`` of this kind, by type.
    :param dialect: netmiko's name for how the device talks.
    :param console: the ways to its console, in order.
    :param shell: a shell for ``exec``, where the device has one.
    :param extraction: None: its config can't be read.
    """

    name: str
    description: str
    aliases: tuple[str, ...] = ()
    role: Role = Role.MACHINE
    providers: tuple[str, ...] = ("docker",)
    types: dict[str, str] = field(factory=dict)
    interfaces: Interfaces = field(factory=Interfaces)
    dialect: str | None = None
    console: tuple[Method, ...] = ()
    shell: str | None = None
    extraction: Extraction | None = None
    boot: Boot | None = None
    credentials: Credentials | None = None
    hardware: Hardware | None = None
    truth: Truth = Truth.NOT_TRIED

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then the aliases."""
        return (self.name, *self.aliases)

    @property
    def is_bare(self) -> bool:
        """Whether nothing is known beyond its names: no console, no readiness, no config."""
        return self.role is Role.MACHINE and not self.console
