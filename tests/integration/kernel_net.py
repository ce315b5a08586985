#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel sensor tells of io_uring, of refused capabilities, and of names looked up.

The names are asked of a server of the test's own, in a network namespace that has nothing but a loopback.
"""
import collections
import json
import os
import socket
import struct
import subprocess
import sys
import threading

import tt
from tt import check, none, same

URING = tt.program("kernel_uring")
DNS = tt.program("kernel_dns")
DNS_STATIC = tt.program("kernel_dns_static")
INSIDE = "TELLTALE_BUILD_INSIDE"


def record(*words, options=()):
    return tt.record("recorder", list(words), options=["--kernel", *options], kernel=True)


def part(rec, name):
    """Whether a part of the sensor could be had."""
    return [s for s in rec.run["coverage"]["sensors"] if s == name]


# --- io_uring

def uring(mode):
    folder = os.path.realpath(tt.scratch())
    rec = record(URING, mode, folder)
    said = [line.split() for line in rec.stdout.decode().split("\n") if line]
    if said and said[0][0] == "failed":
        tt.skip(f"{mode}: operations of an io_uring", f"{said[0][1]}: {os.strerror(int(said[0][2]))}")
        return
    lines = [e for e in rec.calls() if e.get("via") == "io_uring"]
    want = [(name, int(r) if int(r) >= 0 else -1) for name, r in said if (name, int(r)) != ("bind", -22)]
    same(f"{mode}: each operation is a line, with what came of it", [(e["syscall"], e["result"]) for e in lines], want)
    none(f"{mode}: they are the kernel's word", [e for e in lines if (e["component"], e["sensor"], e["standing"])
                                                 != ("kernel", "kernel", "observed")])
    same(f"{mode}: they are the process's", {e["pid"] for e in lines}, {e["pid"] for e in rec.events if e["syscall"] == "exit"})
    at = collections.defaultdict(list)
    for e in lines:
        at[e["syscall"]].append(e)
    same(f"{mode}: relative paths are those of the folder", [e.get("path") for e in at["openat"]],
         [f"{folder}/{n}" for n in ("made", "missing", "made")])
    same(f"{mode}: flags, mode and error", [(e["args"][2:], e.get("error")) for e in at["openat"][:2]],
         [(["O_RDWR|O_CREAT", "0640"], None), (["O_RDONLY"], "ENOENT")])
    same(f"{mode}: mkdirat", [e["args"] for e in at["mkdirat"]], [["AT_FDCWD", "folder", "0700"]])
    same(f"{mode}: linkat", [e["args"] for e in at["linkat"]], [["AT_FDCWD", "made", "AT_FDCWD", "linked", "0"]])
    same(f"{mode}: symlinkat", [e["args"] for e in at["symlinkat"]], [["target", "AT_FDCWD", "symbolic"]])
    same(f"{mode}: renameat2", [e["args"] for e in at["renameat2"]], [["AT_FDCWD", "linked", "AT_FDCWD", "moved", "0"]])
    same(f"{mode}: unlinkat", [e["args"][1:] for e in at["unlinkat"]], [["moved", "0"], ["folder", "AT_REMOVEDIR"]])
    same(f"{mode}: where it connects to", [e.get("addr") for e in at["connect"]], ["127.0.0.1:9", "[::1]:9", "unix:nobody"])
    if at["bind"]:
        same(f"{mode}: what it binds to", [e.get("addr") for e in at["bind"]], ["127.0.0.1:0"])
    same(f"{mode}: where it sends to", [e.get("addr") for e in at["sendmsg"]], ["127.0.0.1:9"])
    same(f"{mode}: socket", [e["args"] for e in at["socket"]], [["AF_INET", "SOCK_STREAM", "0"]])
    same(f"{mode}: nothing is lost", rec.run["coverage"]["lost"], 0)
    none(f"{mode}: no evasion", [f for f in rec.run["coverage"]["findings"] if f["kind"] == "evasion"])


# --- capabilities

def denied(rec):
    return [e for e in rec.events if e["event_type"] == "denied" and e["action"] == "capability"]


def capabilities():
    body = ("import os, socket, ctypes\n"
            "def t(f):\n"
            "  try: f()\n"
            "  except OSError: pass\n"
            "libc = ctypes.CDLL(None, use_errno=True)\n"
            "t(lambda: os.setuid(0))\n"
            "t(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n"
            "t(lambda: socket.socket().bind(('127.0.0.1', 1)))\n"
            "t(lambda: os.chroot('/'))\n"
            "[libc.sethostname(b'x', 1) for _ in range(70)]\n"
            "t(lambda: open('/etc/hostname').close())\n"
            "t(lambda: socket.socket().bind(('127.0.0.1', 0)))\n")
    rec = record(*tt.DROP, sys.executable, "-S", "-c", body)
    found = denied(rec)
    got = collections.Counter()
    for e in found:
        got[e["syscall"], e["capability"]] += e["count"]
    want = {("setuid", "CAP_SETUID"): 1, ("socket", "CAP_NET_RAW"): 1, ("bind", "CAP_NET_BIND_SERVICE"): 1,
            ("chroot", "CAP_SYS_CHROOT"): 1, ("sethostname", "CAP_SYS_ADMIN"): 70}
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        if int(f.read()) <= 1:
            del want["bind", "CAP_NET_BIND_SERVICE"]
    same("what is refused for want of a capability is told, and how often",
         {k: n for k, n in got.items() if not k[1].startswith("CAP_DAC")}, want)
    many = [e for e in found if e["syscall"] == "sethostname"]
    same("one by one at first, then by powers of two", [e["count"] for e in many], [1] * 32 + [32] + [6])
    none("it is the kernel's word", [e for e in found if (e["component"], e["sensor"], e["standing"], e["error"], e["result"])
                                     != ("kernel", "kernel", "observed", "EPERM", -1) and "DAC" not in e["capability"]
                                     and e["syscall"] != "bind"])
    spans = {e["span_id"] for e in rec.events if e["event_type"] == "process"}
    none("... of a span that there is", [e for e in found if e["span_id"] not in spans])
    listed = {(c["syscall"], c["capability"]): c["count"] for c in rec.run["capabilities"]}
    same("run.json has the sums", {k: n for k, n in listed.items() if not k[1].startswith("CAP_DAC")}, want)
    check("... and who and when", all(c["pid"] and c["comm"] and c["first_at"] for c in rec.run["capabilities"]))
    rec = record(*tt.DROP, "sh", "-c", "ls -la / > /dev/null; id; python3 -S -c 'x = bytearray(1 << 26)'; mount")
    found = [e for e in denied(rec) if not e["capability"].startswith("CAP_DAC")]
    none("what is asked for just in case is not told", found)


# --- names

def answer(query):
    """To any name: one alias, two addresses."""
    at = 12
    while query[at]:
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = struct.unpack(">H", question[-4:-2])[0]
    name = b"\xc0\x0c"
    records = name + struct.pack(">HHIH", 5, 1, 60, 7) + b"\x04edge" + b"\xc0\x0c"
    alias = struct.pack(">H", 0xc000 | (12 + len(question) + 12))
    n = 1
    if kind == 1:
        for last in (77, 78):
            records += alias + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((127, 0, 0, last))
            n += 1
    return query[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, n, 0, 0) + question + records


def serve():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))

    def loop():
        while True:
            query, peer = s.recvfrom(512)
            s.sendto(answer(query), peer)
    threading.Thread(target=loop, daemon=True).start()


def hosts(rec):
    """addr -> name and how it is known, of what was connected to at port 9."""
    return {e["addr"]: (e.get("host"), e.get("host_basis")) for e in rec.calls("connect") if e.get("addr", "").endswith(":9")}


KNOWN = ("example.org", "observed")
NONE = (None, None)


def names():
    serve()
    same("nobody looked it up", hosts(record(DNS, "recvfrom", "example.org", "127.0.0.79")), {"127.0.0.79:9": NONE})
    for how in ("recvfrom", "recvmsg", "recvmmsg", "read", "sendto"):
        same(f"an answer received with {how}", hosts(record(DNS, how, "Example.org", "127.0.0.77", "127.0.0.79")),
             {"127.0.0.77:9": KNOWN, "127.0.0.79:9": NONE})
    same("a child knows what its maker looked up before", hosts(record(DNS, "read", "example.org", "fork", "127.0.0.78")),
         {"127.0.0.78:9": KNOWN})
    same("others do not", hosts(record("sh", "-c", f"{DNS} read example.org; {DNS} read example.com 127.0.0.78")),
         {"127.0.0.78:9": ("example.com", "observed")})
    same("two names: the last one", hosts(record("sh", "-c", f"exec {DNS} read first.example 127.0.0.78")),
         {"127.0.0.78:9": ("first.example", "observed")})
    same("hostile names are none", hosts(record(DNS, "read", "a\nb.example", "127.0.0.77")), {"127.0.0.77:9": NONE})
    if os.path.exists(DNS_STATIC):
        rec = record(DNS_STATIC, "read", "example.org", "127.0.0.77")
        same("of a static program, too", hosts(rec), {"127.0.0.77:9": KNOWN})
    body = ("import socket\n"
            "a = socket.getaddrinfo('www.example.org', 9, socket.AF_INET, socket.SOCK_DGRAM)[0][4]\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(a)\n")
    got = hosts(record(sys.executable, "-S", "-c", body))
    same("by way of libc", set(got.values()), {("www.example.org", "observed")})
    plain = tt.record("recorder", [sys.executable, "-S", "-c", body])
    same("... without the kernel sensor it is the process's word", set(hosts(plain).values()),
         {("www.example.org", "declared")})
    body = ("import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('localhost', 9))\n")
    same("a name that no server was asked for", set(hosts(record(sys.executable, "-S", "-c", body)).values()),
         {("localhost", "declared")})


def in_own_network():
    """names() in a network namespace with its own resolv.conf."""
    folder = tt.scratch()
    with open(os.path.join(folder, "resolv.conf"), "w") as f:
        f.write("nameserver 127.0.0.1\n")
    with open(os.path.join(folder, "nsswitch.conf"), "w") as f:
        f.write("hosts: files dns\n")
    setup = (f"ip link set lo up && mount --bind {folder}/resolv.conf /etc/resolv.conf"
             f" && mount --bind {folder}/nsswitch.conf /etc/nsswitch.conf"
             f" && exec {sys.executable} {os.path.abspath(__file__)}")
    p = subprocess.run(["unshare", "-n", "-m", "sh", "-c", setup], env=dict(os.environ, **{INSIDE: "1"}),
                       capture_output=True, text=True, timeout=120)
    points = [line for line in p.stdout.split("\n") if line.startswith(("ok ", "not ok "))]
    if not points:
        tt.skip("names that were looked up", "no network namespace: " + p.stderr.strip().split("\n")[-1])
        return
    for line in p.stdout.split("\n"):
        if line.startswith("#"):
            print(line)
        elif " - " in line:
            check(line.split(" - ", 1)[1], line.startswith("ok "))


if os.geteuid() != 0:
    tt.skip_all("the kernel sensor needs root")
if os.environ.get(INSIDE):
    names()
else:
    probe = subprocess.run([tt.TELLTALE, "run", "--kernel", "--output-dir", tt.scratch(), "--", "true"],
                           capture_output=True, text=True)
    if probe.returncode == 125:
        tt.skip_all(probe.stderr.strip().split("\n")[-1])
    uring("plain")
    uring("sqpoll")
    capabilities()
    in_own_network()
tt.done()
