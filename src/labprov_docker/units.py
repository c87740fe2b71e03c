"""Sizes and published ports as files write them, in the engine's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import ip_address

from attrs import frozen

from labprov.errors import InvalidInput

_SIZE = re.compile(r"([0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)", re.IGNORECASE | re.ASCII)
_LARGEST = 2**63 - 1  # what the engine's 64 bits hold
_LETTERS = "kmgtpe"
_PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535


def _factor(unit: str) -> int | None:
    """What *unit* multiplies by: ``k`` and ``kb`` by 1000, ``ki`` and ``kib`` by 1024; None if it is none."""
    plain = unit.lower().removesuffix("b")
    if plain == "":
        return 1
    letter, binary = plain[0], plain[1:]
    if letter not in _LETTERS or binary not in ("", "i"):
        return None
    return int((1024 if binary else 1000) ** (_LETTERS.index(letter) + 1))


def size(text: str) -> int:
    """The bytes that *text* means, as for containerlab: ``1gb`` is 10**9, ``1GiB`` is 2**30, ``100`` is 100.

    :raises InvalidInput: it is no size, or one beyond 64 bits.
    """
    found = _SIZE.fullmatch(text.strip())
    factor = _factor(found[2]) if found else None
    if found is None or factor is None:
        raise InvalidInput(
            f"{text!r} is no size",
            remedy="Write a number and b, kb, mb, gb, or kib, mib, gib: 512mb, 1.5gib.",
        )
    bytes_ = int(Decimal(found[1].replace(",", "")) * factor)
    if bytes_ > _LARGEST:
        raise InvalidInput(f"the size {text!r} is too large", remedy="Write a size below 8 EiB.")
    return bytes_


@frozen
class PublishedPort:
    """One port of the node that the host passes on.

    :param container: the node's port with its protocol, ``80/tcp``.
    :param host: the host's port, or a range from which the engine takes one; ``""``: any free one.
    :param address: the host's address that it listens at; ``""``: all of them.
    """

    container: str
    host: str = ""
    address: str = ""


def published(text: str) -> tuple[PublishedPort, ...]:
    """The ports that *text* publishes, as ``docker run -p`` reads it.

    :param text: ``[[address]:][host port[-last]]:port[-last][/protocol]``, or the node's port alone.
    :raises InvalidInput: it is none of these.
    """
    try:
        return tuple(_published(text))
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} publishes no port: {error}",
            remedy="Write it as HOST-PORT:PORT, or ADDRESS:HOST-PORT:PORT/PROTOCOL.",
        ) from error


def _published(text: str) -> Iterator[PublishedPort]:
    *address, host, inner = [*([""] * (1 - text.count(":"))), *text.split(":")]
    inner, slash, protocol = inner.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"the protocol is one of {', '.join(_PROTOCOLS)}")
    where = _address(":".join(address))
    first, last = _range(inner)
    if first == 0:
        raise ValueError("the node's port 0 can't be reached")
    if not host:
        yield from (PublishedPort(f"{port}/{protocol}", "", where) for port in range(first, last + 1))
        return
    host_first, host_last = _range(host)
    if first == last and host_first != host_last:
        yield PublishedPort(f"{first}/{protocol}", f"{host_first}-{host_last}", where)
        return
    if last - first != host_last - host_first:
        raise ValueError("the two ranges are of different lengths")
    for step in range(last - first + 1):
        yield PublishedPort(f"{first + step}/{protocol}", str(host_first + step), where)


def _address(text: str) -> str:
    plain = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if plain:
        ip_address(plain)  # a ValueError says what is wrong with it
    return plain


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text, re.ASCII)
    if found is None:
        raise ValueError(f"{text!r} is no port" if text else "a port is missing")
    first, last = int(found[1]), int(found[2] or found[1])
    if last > _LAST_PORT or first > last:
        raise ValueError(f"{text!r} is no port from 1 to {_LAST_PORT}, nor a range of them")
    return first, last
