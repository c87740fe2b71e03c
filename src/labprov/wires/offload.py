"""Checksum offload: who fills in the checksums of what an interface sends.

Helper side: standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946  # linux/sockios.h
_GET_TX_CHECKSUMS, _SET_TX_CHECKSUMS = 0x16, 0x17  # linux/ethtool.h


def disable_transmit_checksums(interface: str) -> None:
    """Have the kernel fill in checksums before *interface*, in this process's namespace, sends anything.

    :raises OSError: there is no such interface, or it can't.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if _ask(sock, interface, _GET_TX_CHECKSUMS):
            _ask(sock, interface, _SET_TX_CHECKSUMS, 0)


def _ask(sock: socket.socket, interface: str, command: int, value: int = 0) -> int:
    words = ctypes.create_string_buffer(struct.pack("=II", command, value), 8)
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(words)).ljust(40, b"\0")
    fcntl.ioctl(sock, _SIOCETHTOOL, request)
    return int(struct.unpack_from("=I", words.raw, 4)[0])
