#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""guest-kernel.py [FOLDER]: fetch Debian's kernel for the guest of tests/guest; nothing is installed.

The package that tools/packages.txt names in [guest] is downloaded with apt-get and unpacked below FOLDER
(default: build-guest): `vmlinux`, the uncompressed kernel, which boots in half the time; `modules/`, those that a
guest may want; `release`, its name. Does nothing if they are there.
"""
import glob
import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(SOURCE, "build-guest")
MODULES = ("drivers/virtio/*.ko", "net/vmw_vsock/*vsock*.ko", "fs/overlayfs/*.ko")
SECONDS = 600  # no command takes longer


class Failed(Exception):
    """What cannot be had, in one line."""


def run(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Failed(f"{command[0]}: {e}") from e
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout


def wanted_package():
    """The one row of [guest]; a meta package leads to the newest kernel of its kind."""
    with open(os.path.join(SOURCE, "tools", "packages.txt"), encoding="utf-8") as f:
        section = f.read().split("\n[guest]\n", 1)[1].split("\n[", 1)[0]
    name = re.findall(r"^([\w.+-]+)", section, re.M)[0]
    for line in run("apt-cache", "depends", name).splitlines():
        match = re.match(r"\s*Depends: (linux-image-\d\S+)", line)
        if match:
            return match.group(1)
    return name


def lz4_legacy(data):
    """What `lz4 -l` made: a magic number, then blocks, each with its size."""
    out = []
    at = 4
    while at + 4 <= len(data):
        size = struct.unpack_from("<I", data, at)[0]
        at += 4
        if size == 0 or at + size > len(data):
            break  # the size of the whole, which the kernel's build adds
        out.append(lz4_block(data[at:at + size]))
        at += size
    return b"".join(out)


def lz4_length(data, at, count):
    """A length and where it ends: 15 goes on in the bytes that follow."""
    if count < 15:
        return count, at
    while data[at] == 255:
        count += 255
        at += 1
    return count + data[at], at + 1


def lz4_block(data):
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        token = data[at]
        at += 1
        count, at = lz4_length(data, at, token >> 4)
        out += data[at:at + count]
        at += count
        if at >= end:
            break  # the last sequence has literals only
        back = data[at] | data[at + 1] << 8
        at += 2
        count, at = lz4_length(data, at, token & 15)
        count += 4
        begin = len(out) - back
        if count <= back:
            out += out[begin:begin + count]
        else:  # the match runs into what it makes itself
            piece = bytes(out[begin:])
            out += (piece * (count // back + 1))[:count]
    return bytes(out)


def unpack_kernel(image):
    """The ELF file in a bzImage: Documentation/arch/x86/boot.rst, payload_offset."""
    if image[0x202:0x206] != b"HdrS":
        raise Failed("the kernel is no bzImage")
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (sectors + 1) * 512 + offset
    payload = image[begin:begin + length]
    if payload[:4] == bytes.fromhex("02214c18"):
        elf = lz4_legacy(payload)
    elif payload[:2] == b"\x1f\x8b":
        elf = gzip.decompress(payload[:-4])
    elif payload[:6] == b"\xfd7zXZ\0":
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload[:4] == b"\x7fELF":
        elf = payload
    else:
        raise Failed(f"the kernel is packed in a way not known here: {payload[:4].hex()}")
    if elf[:4] != b"\x7fELF":
        raise Failed("what the kernel unpacks to is no ELF file")
    return elf


def fetch(folder):
    package = wanted_package()
    print(f"guest-kernel: fetching {package}", flush=True)
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        os.chmod(scratch, 0o755)
        run("apt-get", "-qq", "download", package, cwd=scratch)
        found = glob.glob(os.path.join(scratch, "*.deb"))
        if len(found) != 1:
            raise Failed(f"apt-get left {len(found)} packages")
        tree = os.path.join(scratch, "tree")
        run("dpkg", "-x", found[0], tree)
        image = glob.glob(os.path.join(tree, "boot", "vmlinuz-*"))[0]
        release = os.path.basename(image).removeprefix("vmlinuz-")
        with open(image, "rb") as f:
            elf = unpack_kernel(f.read())
        modules = os.path.join(folder, "modules")
        shutil.rmtree(modules, ignore_errors=True)
        top = os.path.join(tree, "lib", "modules", release, "kernel")
        os.mkdir(modules)
        for pattern in MODULES:
            for module in glob.glob(os.path.join(top, pattern)):
                shutil.copy(module, modules)
        # The kernel last: with it there, all is.
        for name, content in (("release", release.encode() + b"\n"), ("vmlinux", elf)):
            with open(os.path.join(scratch, name), "wb") as f:
                f.write(content)
            os.rename(os.path.join(scratch, name), os.path.join(folder, name))
    print(f"guest-kernel: {release} is in '{folder}'")


def main():
    folder = os.path.abspath(sys.argv[1]) if len(sys.argv) == 2 else FOLDER
    if os.path.exists(os.path.join(folder, "vmlinux")):
        print(f"guest-kernel: there is one in '{folder}'")
        return 0
    if os.uname().machine != "x86_64":
        print("guest-kernel: only on x86_64")
        return 1
    try:
        fetch(folder)
    except Failed as e:
        print(f"guest-kernel: {e}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
