# SPDX-License-Identifier: Apache-2.0
"""Other recorders that need something running beside them: LTTng's session daemon, bpftrace, perf. All end with the bench."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time

START_SECONDS = 15
SESSION = "telltale-bench"
TRACEFS = "/sys/kernel/tracing"
RUN_FOLDER = "/var/run/lttng"  # root's session daemon; others have theirs below $LTTNG_HOME


class Refused(Exception):
    """It cannot run here; says why."""


def stop(process, sign=signal.SIGTERM):
    process.send_signal(sign)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(what, process, ready):
    for _ in range(START_SECONDS * 20):
        if process.poll() is not None:
            raise Refused("%s ended with status %d" % (what, process.returncode))
        if ready():
            return
        time.sleep(0.05)
    raise Refused("%s was not ready after %d s" % (what, START_SECONDS))


def quiet(command, env):
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0


def written(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


@contextlib.contextmanager
def lttng(bench):
    """A session that records bench:open; yields the environment for the command."""
    library = bench.program("liblttng_open.so")
    if not os.path.exists(library):
        raise Refused("bench/lttng_open.c was not built: no headers of LTTng-UST")
    if not shutil.which("lttng-sessiond") or not shutil.which("lttng"):
        raise Refused("lttng-tools is not installed")
    env = dict(bench.env, LTTNG_HOME=os.path.join(bench.state, "lttng"))
    os.mkdir(env["LTTNG_HOME"])
    # one that runs already is used, and left alone
    had_folder, daemon = os.path.exists(RUN_FOLDER), None
    if not quiet(["lttng", "list"], env):
        daemon = subprocess.Popen(["lttng-sessiond", "--no-kernel", "--quiet"], env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if daemon:
            wait_until("lttng-sessiond", daemon, lambda: quiet(["lttng", "list"], env))
        for command in (["create", SESSION, "--output=" + os.path.join(env["LTTNG_HOME"], "trace")],
                        ["enable-channel", "-u", "-s", SESSION, "--subbuf-size=1M", "--num-subbuf=4", "c"],
                        ["enable-event", "-u", "-s", SESSION, "-c", "c", "bench:open"],
                        ["start", SESSION]):
            if not quiet(["lttng"] + command, env):
                raise Refused("'lttng %s' failed" % command[0])
        yield dict(env, LD_PRELOAD=library)
        quiet(["lttng", "stop", SESSION], env)
        if written(env["LTTNG_HOME"]) < 100000:
            raise RuntimeError("LTTng recorded next to nothing")
    finally:
        quiet(["lttng", "destroy", SESSION], env)
        if daemon:
            stop(daemon)
            if not had_folder:
                shutil.rmtree(RUN_FOLDER, ignore_errors=True)


# path and result of each openat of one program
OPENS = """
tracepoint:syscalls:sys_enter_openat /comm == "open_close"/ { printf("%s %d\\n", str(args->filename), args->flags); }
tracepoint:syscalls:sys_exit_openat /comm == "open_close"/ { printf("%d\\n", args->ret); }
"""
# each process: where it came from, what it became, its end
PROCESSES = """
tracepoint:sched:sched_process_fork { printf("%d %d\\n", args->parent_pid, args->child_pid); }
tracepoint:syscalls:sys_enter_execve { printf("%s\\n", str(args->filename)); }
tracepoint:sched:sched_process_exec { printf("%d %s\\n", pid, str(args->filename)); }
tracepoint:sched:sched_process_exit { printf("%d %s\\n", pid, comm); }
"""


@contextlib.contextmanager
def tracefs():
    """Tracepoints by name are looked up there. Mounted for the while only where it was not."""
    if os.geteuid() != 0:
        raise Refused("bpftrace and perf trace need root")
    mounted = False
    if not os.path.exists(os.path.join(TRACEFS, "events")):
        if subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            raise Refused("tracefs cannot be mounted for bpftrace and perf")
        mounted = True
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", TRACEFS], check=False)


@contextlib.contextmanager
def bpftrace(bench, program=OPENS):
    """@program attached, and what it prints written to a file, while the block lasts."""
    if not shutil.which("bpftrace"):
        raise Refused("bpftrace is not installed")
    said, printed = (os.path.join(bench.state, "bpftrace." + name) for name in ("said", "printed"))
    with tracefs(), open(said, "wb") as log:
        # BEGIN runs once everything is attached
        tracer = subprocess.Popen(["bpftrace", "-e", program + 'BEGIN { printf("attached\\n"); }'],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        sink = None
        try:
            os.set_blocking(tracer.stdout.fileno(), False)
            seen = b""

            def ready():
                nonlocal seen
                seen += tracer.stdout.read() or b""
                return b"attached\n" in seen

            wait_until("bpftrace", tracer, ready)
            os.set_blocking(tracer.stdout.fileno(), True)
            with open(printed, "wb") as file:
                sink = subprocess.Popen(["cat"], stdin=tracer.stdout, stdout=file)
            yield
        finally:
            stop(tracer, signal.SIGINT)
            tracer.stdout.close()
            if sink:
                sink.wait(20)


@contextlib.contextmanager
def perf_trace(bench, calls):
    """Yields the words before a command that has @calls written to a file."""
    if not shutil.which("perf"):
        raise Refused("perf is not installed")
    told = os.path.join(bench.state, "perf")
    with tracefs():
        yield ["perf", "trace", "-o", told, "-e", calls, "--"]
    if not os.path.exists(told) or os.path.getsize(told) < 100000:
        raise Refused("perf trace told next to nothing here")


@contextlib.contextmanager
def held(command, env):
    """@command while the block lasts: it says a line once it is there, and ends with its stdin."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        if not select.select([process.stdout], [], [], START_SECONDS)[0] or not process.stdout.readline():
            raise RuntimeError("%s did not start" % command)
        yield
        process.stdin.close()
        if process.wait(20) != 0:
            raise RuntimeError("%s: exit %d" % (command, process.returncode))
    finally:
        if process.poll() is None:
            stop(process)
        process.stdout.close()
