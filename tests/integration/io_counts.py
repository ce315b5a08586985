#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes through fds are counted exactly, ends and copies of fds are recorded, and fds have paths."""
import os
import re
import shutil
import subprocess

import tt

FIGURES = ("bytes_read", "bytes_written", "reads", "writes")


def work(mode, *command, options=(), **more):
    folder = tt.scratch()
    rec = tt.record(mode, list(command), cwd=folder, options=options, **more)
    rec.folder = folder
    name = f"{mode}: {' '.join(os.path.basename(word) for word in command[:2])}"
    tt.check(f"{name}: runs to its end", rec.status == 0, f"{rec.status} {rec.stderr.decode(errors='replace')}")
    tt.none(f"{name}: valid lines, spans and numbers", rec.problems + tt.span_problems(rec.events))
    return rec


def probe(mode, way, **more):
    return work(mode, tt.program("io_probe"), way, **more)


def figures(event):
    return tuple(event.get(key, 0) for key in FIGURES)


def short(rec, path):
    return None if path is None else path.replace(rec.folder + "/", "")


def ends(rec, **also):
    """What was closed: call, number, path below the folder, figures."""
    return [(e["syscall"], e["args"][0], short(rec, e.get("path")), *figures(e))
            for e in rec.calls("close", "fclose", "closedir", "pclose")
            if all(e.get(key) == value for key, value in also.items())]


def image(rec, which=-1, how=("exit",)):
    """The line that ends an image of the probe, and its open fds."""
    spans = [e["span_id"] for e in rec.events if e["syscall"] == "start" and
             e.get("exe", "").endswith("io_probe")]
    last = [e for e in rec.events if e["syscall"] in how and e["span_id"] == spans[which]]
    if len(last) != 1:
        raise RuntimeError(f"{len(last)} ends of image {which}")
    return figures(last[0]), [(o["fd"], short(rec, o.get("path")), *figures(o))
                              for o in last[0].get("open_fds", [])], last[0]


def total(mode, rec, want):
    tt.same(f"{mode}: ... and of the image as a whole", image(rec)[0], want)


def ways(mode):
    rec = probe(mode, "read")
    tt.same(f"{mode}: each way to read", ends(rec), [("close", "fd:3", "in", 2047, 0, 12, 0)])
    total(mode, rec, (2047, 0, 12, 0))
    rec = probe(mode, "write")
    tt.same(f"{mode}: each way to write", ends(rec), [("close", "fd:3", "out", 0, 255, 0, 8)])
    total(mode, rec, (0, 255, 0, 8))
    rec = probe(mode, "talk")
    # recvmmsg took two messages in one call
    tt.same(f"{mode}: each way to send and receive", [e[:1] + e[3:] for e in ends(rec)],
            [("close", 0, 71, 0, 7), ("close", 71, 0, 6, 0)])
    rec = probe(mode, "move")
    tt.same(f"{mode}: from fd to fd", ends(rec),
            [("close", "fd:3", "in", 7300, 0, 4, 0), ("close", "fd:4", "out", 0, 7300, 0, 4),
             ("close", "fd:5", None, 600, 0, 2, 0), ("close", "fd:6", None, 0, 300, 0, 1),
             ("close", "fd:8", None, 0, 300, 0, 1)])
    total(mode, rec, (7900, 7900, 6, 6))
    rec = probe(mode, "threads")
    tt.same(f"{mode}: threads lose nothing", ends(rec), [("close", "fd:3", "out", 0, 240000, 0, 80000)])
    rec = probe(mode, "streams")
    pid = image(rec)[2]["pid"]
    tt.same(f"{mode}: streams", [e[:1] + e[2:] for e in ends(rec, pid=pid)],
            [("fclose", "out", 0, 21, 0, 1), ("pclose", None, 0, 5, 0, 1)])


def copies(mode):
    rec = probe(mode, "copies")
    made = [(e["syscall"], *e["args"], e["result"], short(rec, e.get("path")))
            for e in rec.calls("dup", "dup2", "dup3", "fcntl", "fcntl64")]
    if mode == "direct":
        made = [m[:-1] + ({5: "other"}.get(int(m[1][3:]), "out"),) for m in made]
    tt.same(f"{mode}: copies", made,
            [("dup", "fd:3", 4, "out"), ("dup2", "fd:3", "fd:10", 10, "out"),
             ("dup3", "fd:3", "fd:11", "O_CLOEXEC", 11, "out"), (made[3][0], "fd:3", "F_DUPFD", "20", 20, "out"),
             (made[4][0], "fd:3", "F_DUPFD_CLOEXEC", "21", 21, "out"),
             ("dup2", "fd:5", "fd:10", 10, "other")])
    # alone, the library looks up paths of what is closed, but not of whole ranges
    unnamed = [("close", f"fd:{fd}", None, 0, n, 0, int(n > 0))
               for fd, n in ((20, 16), (21, 32), (3, 1), (4, 2))] if mode == "direct" else []
    # what dup2 replaces ends, but for the one where it fails; nothing went through 5
    tt.same(f"{mode}: each number has its own figures", ends(rec),
            [("close", "fd:10", "out", 0, 4, 0, 1),
             ("close", "fd:10", "other", 0, 64, 0, 1), ("close", "fd:11", "out", 0, 16, 0, 2),
             ("close", "fd:20", "out", 0, 16, 0, 1), ("close", "fd:21", "out", 0, 32, 0, 1),
             ("close", "fd:3", "out", 0, 1, 0, 1), ("close", "fd:4", "out", 0, 2, 0, 1)][:None if mode == "recorder" else 3] + unnamed)
    total(mode, rec, (0, 135, 0, 8))


def children(mode):
    rec = probe(mode, "children")
    by_how = {e["how"]: e["pid"] for e in rec.events if e["syscall"] == "start"}
    parent = image(rec)[2]["pid"]
    tt.same(f"{mode}: the parent's bytes", ends(rec, pid=parent), [("close", "fd:3", "out", 0, 1100, 0, 2)])
    last = [e for e in rec.events if e["syscall"] == "exit" and e["pid"] == by_how["fork"]]
    tt.same(f"{mode}: the child's", [figures(e) for e in last], [(0, 7, 0, 1)])
    tt.same(f"{mode}: ... still open", [[(o["fd"], *figures(o)) for o in e["open_fds"]] for e in last],
            [[(3, 0, 7, 0, 1)]])
    last = [e for e in rec.events if e["syscall"] == "exit" and e["pid"] == by_how["vfork"]]
    tt.same(f"{mode}: and a vfork child's are nobody's", [figures(e) for e in last], [(0, 0, 0, 0)])
    tt.same(f"{mode}: which makes no line of its own either", ends(rec, pid=by_how["vfork"]), [])


def images(mode):
    rec = probe(mode, "exec")
    want = [(3, "out", 0, 24, 0, 2), (4, "shut", 0, 12, 0, 1)]
    if mode == "recorder":
        whole, left, _ = image(rec, 0, ("replaced",))
        tt.none(f"{mode}: an exec has no figures", [e for e in rec.calls("execl") if figures(e) != (0,) * 4])
    else:
        e = [e for e in rec.calls("execl") if e["result"] is None][-1]
        whole, left = figures(e), [(o["fd"], *figures(o)) for o in e["open_fds"]]
        want = [(w[0], *w[2:]) for w in want]
        tt.none(f"{mode}: an exec that fails has no figures",
                [e for e in rec.calls("execl") if e["result"] is not None and figures(e) != (0,) * 4])
    tt.same(f"{mode}: what the first image moved", whole, (0, 36, 0, 3))
    tt.same(f"{mode}: what it left open", left, want)
    after = [e for e in ends(rec) if e[1] in ("fd:40", "fd:4")]
    tt.same(f"{mode}: the next one counts from 0", after, [("close", "fd:40", "out", 0, 17, 0, 1)])
    whole, left, _ = image(rec, 1)
    tt.same(f"{mode}: ... in all", whole, (0, 36, 0, 2))
    # 3 is the file still; the pipe has number 4, which was another file before the exec closed it
    tt.same(f"{mode}: a pipe has no path", left, [(5, None, 0, 19, 0, 1)])


def bounds(mode):
    rec = probe(mode, "many")
    whole, left, last = image(rec)
    tt.same(f"{mode}: many open fds: the first ones, and a mark",
            ([o[0] for o in left], last.get("truncated")), ([100 + i for i in range(24)], True))
    tt.same(f"{mode}: ... and the total of all", whole, (0, 310, 0, 31))


def paths(mode):
    rec = probe(mode, "folders")
    named = [(e["syscall"], e["args"][1], short(rec, e.get("path"))) for e in rec.calls("openat", "unlinkat")]
    tt.same(f"{mode}: paths that start from an fd", named,
            [("openat", "b", "a/b"), ("openat", "file", "a/b/file"), ("unlinkat", "file", "a/b/file"),
             ("unlinkat", "none", "a/b/none")])
    tt.same(f"{mode}: fchdir", [short(rec, e["path"]) for e in rec.calls("fchdir")], ["a/b"])
    tt.same(f"{mode}: what is below /proc is left out, with its end and its copies",
            [e for e in rec.calls() if "proc" in e.get("path", "") + str(e["args"][1:2])], [])
    if mode == "recorder":
        basis = {e["syscall"]: e.get("path_basis") for e in rec.calls("openat", "unlinkat", "fchdir")}
        tt.same(f"{mode}: ... and say where they come from", basis,
                {"openat": "tracked", "unlinkat": "tracked", "fchdir": None})


def reused(mode):
    """A recorder may come too late to see where the number leads now: then there is no path."""
    rec = probe(mode, "reused")
    named = [short(rec, e.get("path")) for e in rec.calls("unlinkat")]
    tt.same(f"{mode}: a number that is another folder's now", [n in ("two/none", None) for n in named], [True] * 3)


def each_call(options):
    """--io=events: one line per call, in prototype order."""
    seen = set()
    for way in ("read", "write", "talk", "move"):
        rec = probe("recorder", way, options=options)
        seen |= {e["syscall"] for e in rec.calls()}
        if way == "read":
            first = [(e["syscall"], e["args"], e["result"], short(rec, e.get("path"))) for e in rec.calls("read")]
            tt.same("events: read", first, [("read", ["fd:3", "1"], 1, "in"), ("read", ["fd:-1", "1"], -1, None)])
            pread = rec.calls("pread")[0]
            tt.same("events: pread", pread["args"], ["fd:3", "2", "0"])
            tt.same("events: the figures are there, too", ends(rec), [("close", "fd:3", "in", 2047, 0, 12, 0)])
        if way == "move":
            tt.same("events: sendfile", rec.calls("sendfile")[0]["args"], ["fd:4", "fd:3", "1000"])
    families = dict(tt.function_families())
    missing = [name for name, family in families.items() if family == "IO" and name not in seen]
    tt.none("events: every function that moves bytes", missing)
    rec = probe("recorder", "folders", options=options)
    tt.none("events: none of what the default filter leaves out", rec.calls("read"))


def nothing():
    rec = probe("recorder", "read", options=["--io=off"])
    tt.same("off: no figures", ends(rec), [])
    tt.same("off: none of the whole", image(rec)[0], (0, 0, 0, 0))
    bad = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--io=some", "true"], env=tt.clean_env(), capture_output=True,
                         stdin=subprocess.DEVNULL, timeout=20)
    tt.check("--io=some is refused", bad.returncode == 125 and b"--io" in bad.stderr, bad.stderr.decode())


def programs(mode):
    folder = tt.scratch()
    source, copy = os.path.join(folder, "source"), os.path.join(folder, "copy")
    with open(source, "wb") as f:
        f.write(bytes(range(256)) * 4096)
    size = 256 * 4096

    def moved(rec, comm, path):
        # of inherited fds the image's last line tells
        lines = [(e.get("path"), e) for e in rec.calls("close", "fclose") if e["comm"] == comm]
        for e in rec.events:
            if e["syscall"] in ("exit", "replaced") and e.get("comm") == comm:
                lines += [(o.get("path"), o) for o in e.get("open_fds", [])]
        return [sum(column) for column in zip(*[figures(e)[:2] for p, e in lines if p == path])]

    rec = work(mode, "dd", f"if={source}", f"of={copy}", "bs=64k", "status=none")
    if mode == "recorder":
        # dd puts its files on 0 and 1 and closes these at the end
        tt.same("dd: source", moved(rec, "dd", source), [size, 0])
        tt.same("dd: copy", moved(rec, "dd", copy), [0, size])
        rec = work(mode, "sh", "-c", f"cat {source} > {copy}")
        tt.same("cat: source", moved(rec, "cat", source), [size, 0])
        tt.same("cat: an inherited fd has its path", moved(rec, "cat", copy), [0, size])
        rec = work(mode, "/usr/bin/python3", "-c", f"""
import os, socket, threading
a = socket.create_server(("127.0.0.1", 0))
b = socket.create_connection(a.getsockname())
c, _ = a.accept()
with open({source!r}, "rb") as f:
    t = threading.Thread(target=lambda: b.sendfile(f))
    t.start()
    n = 0
    while n < {size}:
        n += len(c.recv(65536))
    t.join()
b.close(); c.close(); a.close()
""")
        tt.same("python: sendfile from a file", moved(rec, "python3", source), [size, 0])
        ends_ = [figures(e)[:2] for e in rec.calls("close") if "path" not in e]
        tt.check("python: and through two sockets", (0, size) in ends_ and (size, 0) in ends_, ends_)
    total = [figures(e)[:2] for e in rec.events if e["syscall"] == "exit" and any(figures(e))]
    tt.check(f"{mode}: the whole is no less", total and max(total) >= (size, 0), total)


def oracle():
    """strace sees the same totals of a program that moves bytes by libc's calls alone."""
    if not shutil.which("strace"):
        tt.skip("strace agrees", "no strace")
        return
    names = "read,write,pread64,pwrite64,readv,writev,preadv,pwritev,preadv2,pwritev2"
    folder = tt.scratch()
    log = os.path.join(folder, "log")
    for way in ("read", "write"):
        subprocess.run(["strace", "-o", log, "-e", f"trace={names},openat", tt.program("io_probe"), way], cwd=folder,
                       env=tt.clean_env(), stdin=subprocess.DEVNULL, timeout=60, check=True)
        seen, began = [0, 0, 0, 0], False
        for line in tt.read(log).decode().splitlines():
            # what ld.so reads comes before
            began = began or '"in"' in line or '"out"' in line
            m = re.match(r"(p?(read|write)\w*)\(.*= (-?\d+)", line)
            if began and m and int(m[3]) >= 0:
                writes = m[2] == "write"
                seen[writes] += int(m[3])
                seen[2 + writes] += 1
        rec = probe("recorder", way)
        tt.same(f"strace agrees: {way}", image(rec)[0], tuple(seen))


def accounting():
    """A ring that overflows: what was recorded and what is missing are all that was made."""
    rec = probe("recorder", "threads", options=["--io=events"], parse=False)
    problems, seen, gaps = [], 0, 0
    for event in tt.each_event(rec.path, problems):
        seen += event["event_type"] == "syscall"
        gaps += event["count"] if event["event_type"] == "gap" else 0
    tt.none("events of many threads: valid lines", problems)
    # 80,000 writes, the open, the close
    tt.same("events of many threads: recorded + gaps == made", seen + gaps, 80002)


def main():
    for mode in tt.modes():
        ways(mode)
        copies(mode)
        children(mode)
        images(mode)
        bounds(mode)
        paths(mode)
        reused(mode)
        programs(mode)
    if "recorder" in tt.modes():
        each_call(["--io=events"])
        nothing()
        oracle()
        accounting()
    tt.done()


main()
