"""Images for the tests' containers, made without a registry from the Debian packages that this machine has.

They bear the names of published images, so that topology files that want those run unchanged, and behave as
those do as far as such files can tell. One that is there by its name, whoever made it, is used as it is.

``python3 -m tools.images [IMAGE...]`` makes all of them, or those named. Stdlib only.
"""

from __future__ import annotations

import glob
import grp
import io
import os
import pwd
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.engines.engine import EngineError, ask, must, program

FRR = "quay.io/frrouting/frr:10.5.1"
MULTITOOL = "wbitt/network-multitool:3.22.2"

BUSYBOX = "/bin/busybox"
ROOT_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "var/run": "../run",
}
_LIBRARY = re.compile(r"^\s(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)

# As process 1 it must want to end, and waits for what the daemons leave behind.
START_FRR = """#!/bin/bash
source /usr/lib/frr/frrcommon.sh
trap 'exit 143' TERM
/usr/lib/frr/watchfrr $frr_global_options $(daemon_list) &
wait $!
"""
START_TOOLS = """#!/bin/sh
trap 'exit 143' TERM
while true; do sleep 3600 & wait $!; done
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What an image is made of.

    :param command: what its containers run where nothing else is said.
    :param programs: files of this machine (patterns); the libraries that they need come along.
    :param packages: Debian's names of those that the files come from.
    :param texts: further files, by their paths; one that begins with ``#!`` can be run.
    :param users: accounts of this machine that it has too, beside root.
    :param groups: groups, likewise.
    :param owned: folders that belong to a user, and the group of the same name.
    """

    command: str
    programs: Sequence[str]
    packages: Sequence[str]
    texts: Mapping[str, str]
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    owned: Mapping[str, str] = field(default_factory=dict)


IMAGES: Mapping[str, Image] = {
    FRR: Image(
        command="/usr/lib/frr/docker-start",
        programs=(
            *(BUSYBOX, "/bin/bash", "/sbin/ip", "/usr/bin/install", "/usr/bin/vtysh", "/usr/lib/frr/*"),
            "/usr/lib/*/security/pam_permit.so",
        ),
        packages=("busybox-static", "frr", "iproute2"),
        texts={
            "usr/lib/frr/docker-start": START_FRR,
            "etc/frr/daemons": "",
            "etc/frr/frr.conf": "",
            "etc/frr/vtysh.conf": "service integrated-vtysh-config\n",
            "etc/pam.d/frr": "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n",
        },
        users=("frr",),
        groups=("frr", "frrvty"),
        owned={"etc/frr": "frr", "run/frr": "frr", "var/tmp/frr": "frr", "var/log/frr": "frr"},
    ),
    MULTITOOL: Image(
        command="/usr/bin/start",
        programs=(BUSYBOX, "/bin/bash", "/sbin/ip"),
        packages=("busybox-static", "iproute2"),
        texts={"usr/bin/start": START_TOOLS},
    ),
}


def ensure(names: Iterable[str] = IMAGES) -> list[str]:
    """Have the images; give those that had to be made.

    :raises EngineError: a package is not installed, or the engine refuses.
    :raises KeyError: there is no such image.
    """
    made = []
    for name in names:
        if ask("docker", "image", "inspect", name)[0]:
            _make(name, IMAGES[name])
            made.append(name)
    return made


def _make(name: str, image: Image) -> None:
    changes = (f'CMD ["{image.command}"]', "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin")
    command = [program("docker") or "docker", "import"]
    command += [word for change in changes for word in ("--change", change)]
    done = subprocess.run([*command, "-", name], input=root_files(image), capture_output=True, check=False)
    if done.returncode:
        raise EngineError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")


def root_files(image: Image) -> bytes:
    """Make a tar of the image's root file system.

    :raises EngineError: a program is not here.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in _with_libraries(image):
            archive.add(path, arcname=path.lstrip("/"), recursive=False)
        known = set(archive.getnames())
        for path, target in {**ROOT_LINKS, **_applets()}.items():
            if path not in known:
                _add(archive, path, type=tarfile.SYMTYPE, linkname=target)
        for path, owner in image.owned.items():
            ids = (pwd.getpwnam(owner).pw_uid, grp.getgrnam(owner).gr_gid)
            _add(archive, path, type=tarfile.DIRTYPE, mode=0o755, uid=ids[0], gid=ids[1])
        _add(archive, "tmp", type=tarfile.DIRTYPE, mode=0o1777)
        for path, content in {**image.texts, **_accounts(image)}.items():
            _add(archive, path, content, mode=0o755 if content.startswith("#!") else 0o644)
    return buffer.getvalue()


def _with_libraries(image: Image) -> list[str]:
    """The programs, what of shared libraries they need, and what symbolic links among them lead to."""
    files: list[str] = []
    for pattern in image.programs:
        found = sorted(glob.glob(pattern))
        if not found:
            raise EngineError(f"{pattern} is not here; the packages are {', '.join(image.packages)}")
        files += found
    done = subprocess.run(
        ["ldd", *files], capture_output=True, text=True, check=False
    )  # scripts are no failure
    wanted = dict.fromkeys(path for file in (*files, *_LIBRARY.findall(done.stdout)) for path in _chain(file))
    return list(wanted)


def _chain(path: str) -> list[str]:
    """The file and what it is a link to, each where it really lies."""
    chain = [os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))]
    if os.path.islink(chain[0]):
        chain += _chain(os.path.join(os.path.dirname(chain[0]), os.readlink(chain[0])))
    return chain


def _applets() -> dict[str, str]:
    """Every program that busybox is, as a link to it."""
    return {f"usr/bin/{name}": "busybox" for name in must(BUSYBOX, "--list").split() if name != "busybox"}


def _accounts(image: Image) -> dict[str, str]:
    """Those of this machine's accounts that the image has, as their files."""
    said = {"passwd": ("root", *image.users), "group": ("root", *image.groups)}
    return {
        f"etc/{file}": "".join(
            f"{line}\n"
            for line in Path("/etc", file).read_text().splitlines()
            if line.partition(":")[0] in names
        )
        for file, names in said.items()
    }


def _add(archive: tarfile.TarFile, path: str, content: str = "", **said: object) -> None:
    item = tarfile.TarInfo(path)
    for name, value in said.items():
        setattr(item, name, value)
    data = content.encode()
    item.size = len(data)
    archive.addfile(item, io.BytesIO(data))


if __name__ == "__main__":
    for made in ensure(sys.argv[1:] or IMAGES):
        print(made)
