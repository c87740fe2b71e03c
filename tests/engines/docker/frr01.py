"""The lab frr01: containerlab's own file where its folder is beside the checkout, else one of its shape."""

from __future__ import annotations

from pathlib import Path

LAB = "frr01"
PUBLISHED = Path(__file__).parents[4] / "shared/topologies/frr01/frr01.clab.yml"
NEIGHBOURS = {1: (2, 3), 2: (1, 3), 3: (1, 2)}
"""Each router's neighbours, in the order of its interfaces."""

_ROUTER = """    router{n}:
      image: quay.io/frrouting/frr:10.5.1
      binds:
        - router{n}/daemons:/etc/frr/daemons
        - router{n}/frr.conf:/etc/frr/frr.conf
"""
_HOST = """    PC{n}:
      image: wbitt/network-multitool:3.22.2
      exec:
        - ip address add 192.168.1{n}.2/24 dev eth1
        - ip route add 192.168.0.0/16 via 192.168.1{n}.1
"""
_LINKS = """  links:
    - endpoints: ["router1:eth1", "router2:eth1"]
    - endpoints: ["router1:eth2", "router3:eth1"]
    - endpoints: ["router2:eth2", "router3:eth2"]
    - endpoints: ["PC1:eth1", "router1:eth3"]
    - endpoints: ["PC2:eth1", "router2:eth3"]
    - endpoints: ["PC3:eth1", "router3:eth3"]
"""


def topology(folder: Path) -> Path:
    """Give the topology file; one of ours is written to *folder*."""
    if PUBLISHED.is_file():
        return PUBLISHED
    for router in NEIGHBOURS:
        own = folder / f"router{router}"
        own.mkdir()
        (own / "daemons").write_text("zebra=yes\nospfd=yes\n")
        (own / "frr.conf").write_text(_config(router))
    nodes = "".join(text.format(n=number) for text in (_ROUTER, _HOST) for number in NEIGHBOURS)
    file = folder / f"{LAB}.clab.yml"
    file.write_text(f"name: {LAB}\ntopology:\n  defaults: {{kind: linux}}\n  nodes:\n{nodes}{_LINKS}")
    return file


def _config(router: int) -> str:
    """The router's configuration: an address on each interface, OSPF on all, silent towards the host."""
    links = [router + other - 2 for other in NEIGHBOURS[router]]  # 1, 2 and 3, as there
    addresses = [f"192.168.{link}.{router}/24" for link in links] + [f"192.168.1{router}.1/24"]
    lines = [f"interface eth{place}\n ip address {address}" for place, address in enumerate(addresses, 1)]
    lines += [f"interface lo\n ip address 10.10.10.{router}/32"]
    lines += ["router ospf\n passive-interface eth3"]
    lines += [f" network {address} area 0" for address in addresses]
    return "\n".join([*lines, ""])
