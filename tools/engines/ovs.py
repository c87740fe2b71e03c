"""Open vSwitch: a database and a switch of our own; the device ovs-netdev is the host's, so only one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.engines.engine import Daemon, Engine, ask, must, program, refusal

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


class OpenVSwitch(Engine):
    """ovsdb-server and ovs-vswitchd."""

    name = "ovs"
    packages = ("openvswitch-switch",)
    programs = ("ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovs-vsctl", "ovs-appctl")

    def why_not(self) -> str | None:
        """Ask the database for its bridges, and the switch for its version."""
        return refusal("ovs-vsctl", "--timeout=5", "list-br") or refusal(
            "ovs-appctl", "--timeout=5", "version"
        )

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Point Open vSwitch's own tools to our folder; labprov takes the socket from OVS_RUNDIR too.

        The contract suite restarts the switch by the command.
        """
        folders = dict.fromkeys(("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"), str(folder))
        return {**folders, "LABPROV_RESTART_OVS": f"kill -HUP $(cat {folder}/ovs-vswitchd.supervisor)"}

    def daemons(self, folder: Path) -> Sequence[Daemon]:
        """Start the database, then the switch."""
        database = (
            program("ovsdb-server") or "ovsdb-server",
            f"{folder}/conf.db",
            f"--remote=punix:{folder}/db.sock",
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            "--pidfile",
        )
        switch = (program("ovs-vswitchd") or "ovs-vswitchd", f"unix:{folder}/db.sock", "--pidfile")
        return [Daemon("ovsdb-server", database), Daemon("ovs-vswitchd", switch)]

    def prepare(self, folder: Path) -> None:
        """Make an empty database."""
        must("ovsdb-tool", "create", f"{folder}/conf.db", str(SCHEMA))

    def finish(self, folder: Path) -> bool:
        """Let the switch take its datapaths and devices away; a plain TERM leaves them on the host."""
        return ask("ovs-appctl", "--timeout=10", "-t", "ovs-vswitchd", "exit", "--cleanup")[0] == 0
