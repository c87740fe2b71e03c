"""The holder's image: made here, without a registry or a compiler.

A holder is a container that owns a node's network namespace and does nothing else. Its image is one static
program of some 130 bytes that waits for a signal, for ever. It is loaded as an archive whose every byte is
settled by version and architecture: two who load it at once load the same image, and nothing is left over.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from labprov.errors import EngineFailure, ForeignResource, NotSupported

if TYPE_CHECKING:
    from docker import APIClient

REPOSITORY = "labprov/holder"
VERSION = 1
"""To be raised with every change of what the image is."""
ROLE = "labprov.role"
HOLDER_IMAGE = "holder-image"
PROGRAM = "holder"

_LOADED_AT = 0x400000
_PAGE = 0x10000  # the largest page that any of these architectures uses
_READ_AND_EXECUTE = 5


def _words(*instructions: int) -> bytes:
    """Machine code of instructions of 32 bits, least significant byte first."""
    return struct.pack(f"<{len(instructions)}I", *instructions)


@frozen
class _Machine:
    """One architecture.

    :param number: what an ELF file calls it.
    :param code: the system call pause, or where there is none ppoll on nothing without an end; and a jump
        back to it, for a signal may end the call.
    """

    number: int
    code: bytes
    bits: int = 64
    order: str = "<"
    flags: int = 0
    names: tuple[str, ...] = ()
    """What kernels call it."""


_MACHINES: Mapping[str, _Machine] = {
    # mov eax, 34; syscall; jmp back
    "amd64": _Machine(62, bytes.fromhex("b822000000 0f05 ebf7"), names=("x86_64",)),
    # mov eax, 29; int 0x80; jmp back
    "386": _Machine(3, bytes.fromhex("b81d000000 cd80 ebf7"), bits=32, names=("i386", "i686")),
    # mov x0..x3, 0; mov x8, 73; svc 0; b back
    "arm64": _Machine(
        183,
        _words(0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA),
        names=("aarch64",),
    ),
    # mov r7, 29; svc 0; b back
    "arm": _Machine(
        40, _words(0xE3A0701D, 0xEF000000, 0xEAFFFFFC), bits=32, flags=0x05000000, names=("armv7l", "armv6l")
    ),
    # li a0..a3, 0; li a7, 73; ecall; j back
    "riscv64": _Machine(
        243, _words(0x00000513, 0x00000593, 0x00000613, 0x00000693, 0x04900893, 0x00000073, 0xFE9FF06F)
    ),
    # li r0, 29; sc; b back
    "ppc64le": _Machine(21, _words(0x3800001D, 0x44000002, 0x4BFFFFF8), flags=2),
    # svc 29; j back
    "s390x": _Machine(22, bytes.fromhex("0a1d a7f4ffff"), order=">"),
}


def _machine(architecture: str) -> tuple[str, _Machine]:
    for name, machine in _MACHINES.items():
        if architecture == name or architecture in machine.names:
            return name, machine
    raise NotSupported(
        f"labprov has no holder for the architecture {architecture!r}",
        provider="docker",
        remedy=f"There are: {', '.join(_MACHINES)}.",
    )


def program(architecture: str) -> bytes:
    """The holder's program, an ELF file.

    :param architecture: as Docker calls it ("amd64"), or as the kernel does ("x86_64").
    :raises NotSupported: there is none for it.
    """
    machine = _machine(architecture)[1]
    wide = machine.bits == 64
    header, segment = (64, 56) if wide else (52, 32)
    size = header + segment + len(machine.code)
    entry = _LOADED_AT + header + segment
    endian = 1 if machine.order == "<" else 2
    magic = b"\x7fELF" + bytes([2 if wide else 1, endian, 1]) + bytes(9)
    word = "Q" if wide else "I"
    head = struct.pack(
        f"{machine.order}HHI{word}{word}{word}IHHHHHH",
        *(2, machine.number, 1, entry, header, 0, machine.flags, header, segment, 1, 0, 0, 0),
    )
    places = (0, _LOADED_AT, _LOADED_AT, size, size)
    if wide:
        load = struct.pack(f"{machine.order}IIQQQQQQ", 1, _READ_AND_EXECUTE, *places, _PAGE)
    else:
        load = struct.pack(f"{machine.order}IIIIIIII", 1, *places, _READ_AND_EXECUTE, _PAGE)
    return magic + head + load + machine.code


def image_name(architecture: str, repository: str = REPOSITORY) -> str:
    """What the image is called: repository, version and architecture.

    :raises NotSupported: there is none for this architecture.
    """
    return f"{repository}:{VERSION}-{_machine(architecture)[0]}"


def image_archive(architecture: str, repository: str = REPOSITORY) -> bytes:
    """The image as ``docker load`` takes it; the same bytes whenever and wherever it is made.

    :raises NotSupported: there is none for this architecture.
    """
    layer = _tar({PROGRAM: program(architecture)})
    config = json.dumps(
        {
            "architecture": _machine(architecture)[0],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": [f"/{PROGRAM}"],
                "StopSignal": "SIGKILL",  # as process 1 it ignores all others
                "Labels": {ROLE: HOLDER_IMAGE},
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "labprov"}],
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [image_name(architecture, repository)], "Layers": ["layer.tar"]}]
    return _tar({"layer.tar": layer, name: config, "manifest.json": json.dumps(manifest).encode()})


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def ensure_image(api: APIClient, repository: str = REPOSITORY) -> str:
    """Load the holder's image into the engine where it is missing.

    Any number of callers may do it at once.

    :param repository: what the image is called, but for version and architecture.
    :returns: the image's name, to make containers of.
    :raises NotSupported: the engine's machine is of an architecture that labprov has no holder for.
    :raises ForeignResource: an image that is not labprov's has the name.
    :raises EngineFailure: the engine did not take it.
    :raises docker.errors.DockerException: the engine can't be asked.
    """
    architecture = str(api.version(api_version=False)["Arch"])
    name = image_name(architecture, repository)
    if not _is_there(api, name):
        _load(api, name, image_archive(architecture, repository))
    return name


def _is_there(api: APIClient, name: str) -> bool:
    from docker.errors import ImageNotFound  # half a second: only who has come so far pays it

    try:
        found: Mapping[str, Any] = api.inspect_image(name)
    except ImageNotFound:
        return False
    if (found["Config"].get("Labels") or {}).get(ROLE) != HOLDER_IMAGE:
        raise ForeignResource(
            f"the image {name} is not labprov's", remedy=f"Give it another name: docker tag {name} …"
        )
    return True


def _load(api: APIClient, name: str, archive: bytes) -> None:
    answers: Iterable[Mapping[str, Any]] = api.load_image(archive)
    said = [dict(answer) for answer in answers]
    refusals = [text for answer in said for key in ("error", "message") if (text := answer.get(key))]
    if refusals or not _is_there(api, name):
        raise EngineFailure(
            f"the engine did not take the image {name}: {'; '.join(refusals) or said}",
            remedy="See the engine's log, and whether its disk is full.",
        )
