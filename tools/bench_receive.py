# SPDX-License-Identifier: Apache-2.0
"""What the receiver takes: frames a second on one core, and memory with many cells."""

import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import time

from bench_lib import rows

FRAMES = 200000
CELLS = (1, 100, 1000)
EACH = 100  # frames of a cell whose memory is measured
SECONDS = 60
WHATS = {
    "decode": "decoded",
    "chain": "decoded, stamped, chained",
    "chain-signed": "decoded, stamped, chained, signed",
    "trace-signed": "the same, `trace.jsonl` written",
    "both-signed": "the same, `cloudevents.jsonl` written as well",
}
SPEC = {"telemetry": {"authorized": ["process.spawned", "process.exited", "capability.denied", "net.connect_attempted",
                                     "fs.inotify_fired"]}}


def wait_for(path, process):
    """Bounded; a receiver that ended is not waited for."""
    for _ in range(SECONDS * 100):
        if os.path.exists(path):
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError("no '%s'" % path)


def prepare(b, name):
    folder = os.path.join(b.folder, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    with open(os.path.join(folder, "spec.json"), "w", encoding="utf-8") as f:
        json.dump(SPEC, f)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", os.path.join(folder, "host.key")], check=True,
                   stderr=subprocess.DEVNULL, timeout=SECONDS)
    return folder


def inside(b, what):
    """Frames a second, of CPU time."""
    folder = prepare(b, "rate")
    done = subprocess.run([b.program("receive_rate"), folder, str(FRAMES), what], stdout=subprocess.PIPE, check=True,
                          timeout=SECONDS)
    shutil.rmtree(folder)
    return float(done.stdout.split()[3])


def whole(b):
    """The program, over its socket: frames a second of its CPU time."""
    folder = prepare(b, "whole")
    base = os.path.join(folder, "v.sock")
    with subprocess.Popen([b.telltale, "receive", "--vsock-base", base, "--cell-id", "bench", "--spec",
                           os.path.join(folder, "spec.json"), "--output-dir", os.path.join(folder, "out"), "--key",
                           os.path.join(folder, "host.key"), "--once"], env=b.env, stdout=subprocess.DEVNULL) as process:
        wait_for(base + "_9001", process)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([b.program("receive_rate"), folder, str(FRAMES), "send:" + base + "_9001"], check=True, timeout=SECONDS)
        sender = resource.getrusage(resource.RUSAGE_CHILDREN)
        status = process.wait(SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise RuntimeError("telltale receive: exit %d" % status)
    with open(os.path.join(folder, "out", "run.json"), encoding="utf-8") as f:
        json.load(f)
    shutil.rmtree(folder)
    seconds = (after.ru_utime + after.ru_stime) - (sender.ru_utime + sender.ru_stime)
    assert before.ru_utime <= sender.ru_utime
    return FRAMES / seconds


def rate(b):
    """Frames a second."""
    found = {name: [] for name in list(WHATS) + ["whole"]}
    for _ in range(b.rounds):
        for what in WHATS:
            found[what].append(inside(b, what))
        found["whole"].append(whole(b))
    words = {**WHATS, "whole": "`telltale receive --key` itself, over its socket, with both files"}
    lines = [(words[name], "%.0f" % statistics.median(values), "%.0f" % (1e9 / statistics.median(values)))
             for name, values in found.items()]
    return ("## The receiver: frames a second of one core\n\nCPU time; %d frames of major 2, of 165 bytes: births, execs and ends of "
            "processes, connections, a watched file. A frame becomes 1.7 lines, 1,046 bytes of the trace. The files are in a "
            "folder of the build.\n\n" % FRAMES) + rows(["what is done", "frames/s", "ns a frame"], lines)


def frames_of(b, folder):
    """Some frames as they go over a socket."""
    path = os.path.join(folder, "frames.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(1)
        with subprocess.Popen([b.program("receive_rate"), folder, str(EACH), "send:" + path]) as process:
            connection, _ = listener.accept()
            data = b""
            with connection:
                while part := connection.recv(1 << 16):
                    data += part
            process.wait(SECONDS)
    return data


def resident_kib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def memory(b):
    """With so many cells, each of which has connected and sent something."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lines = []
    for count in CELLS:
        folder = prepare(b, "cells")
        data = frames_of(b, folder)
        bases = [os.path.join(folder, "%d" % i) for i in range(count)]
        with subprocess.Popen([b.telltale, "receive", "--cells", "-", "--key", os.path.join(folder, "host.key")],
                              env=b.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            for i, base in enumerate(bases):
                cell = {"cell_id": "c%d" % i, "vsock_base": base, "spec": os.path.join(folder, "spec.json"),
                        "output_dir": base + ".out"}
                process.stdin.write(json.dumps(cell).encode() + b"\n")
            process.stdin.flush()
            wait_for(bases[-1] + "_9001", process)
            empty = resident_kib(process.pid)
            sockets = []
            for base in bases:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.connect(base + "_9001")
                s.sendall(data)
                sockets.append(s)
            # each record grows by what was sent
            for base in bases:
                for _ in range(SECONDS * 100):
                    if os.path.getsize(base + ".out/trace.jsonl") > EACH * 500:
                        break
                    time.sleep(0.01)
            full = resident_kib(process.pid)
            lines.append((count, empty, full, "%.1f" % (full / count)))
            for s in sockets:
                s.close()
            process.terminate()
            process.wait(SECONDS)
        shutil.rmtree(folder)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return ("## The receiver: memory\n\nResident, in KiB (`VmRSS`); with so many cells in one process, before they connect, and each "
            "connected with %d frames received.\n\n" % EACH) + rows(["cells", "waiting", "connected", "per cell"], lines)
