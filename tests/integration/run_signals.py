#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signals, terminals, job control; what becomes of the command when telltale is killed or stopped."""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import tt
from tt import check, none, same

PROBE = tt.program("run_probe")
HIDDEN = tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/"))


def lines(path):
    try:
        return tt.read(path).decode().split()
    except OSError:
        return []


def trace_of(folder):
    return tt.parse_trace(tt.read(tt.one(os.path.join(folder, "trace_*.jsonl"))))


def child_of(p):
    return int(tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()[0])


def forwarded():
    sent = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
            signal.SIGALRM, signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGRTMIN + 1, signal.SIGRTMAX,
            signal.SIGTERM]
    log = os.path.join(tt.scratch(0o777), "log")
    p, _ = tt.start([PROBE, "signals", log])
    check("the command is up", tt.wait_for(lambda: lines(log) == ["ready"]))
    for n, s in enumerate(sent):
        p.send_signal(s)
        tt.wait_for(lambda want=n + 2: len(lines(log)) >= want, 5)
    status = p.wait(10)
    same("signals sent to telltale reach the command, each once, in order",
         (status, lines(log)), (0, ["ready"] + [str(int(s)) for s in sent]))
    p, folder = tt.start(["sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.05; done"])
    time.sleep(0.3)
    p.send_signal(signal.SIGUSR1)
    same("a trap's exit status comes through", p.wait(10), 9)
    if not HIDDEN:
        p, folder = tt.start(["sh", "-c", "trap 'exit 8' TERM; while :; do :; done"],
                          options=["--profile=STRICT"])
        time.sleep(0.4)
        p.send_signal(signal.SIGTERM)
        same("under STRICT, too", p.wait(10), 8)
    p, folder = tt.start(["sleep", "30"])
    time.sleep(0.3)
    p.send_signal(signal.SIGTERM)
    same("TERM ends command and telltale: 143", p.wait(10), 143)
    none("... the trace has its closing line", [] if trace_of(folder)[0][-1].get("phase") == "end" else ["none"])


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, command, env=None):
        self.out = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(command[0], command, env or tt.clean_env(PS1="$ ", TERM="xterm", HOME="/nonexistent"))
            finally:
                os._exit(99)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def pump(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                return False
            self.out += more
            return bool(more)
        return True

    def expect(self, pattern, seconds=10):
        """Wait for @pattern in what comes from now on; what came before it is dropped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.out, re.S)
            if found:
                self.out = self.out[found.end():]
                return True
            if not self.pump(0.05):
                break
        return bool(re.search(pattern, self.out, re.S))

    def send(self, text):
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())

    def mode(self):
        return termios.tcgetattr(self.fd)[:4]

    def close(self, seconds=10):
        """Wait for the end; None if there is none."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            self.pump(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return None


def interrupt_key():
    log = os.path.join(tt.scratch(0o777), "log")
    t = Terminal([tt.TELLTALE, "run", "--no-kernel", "--quiet", "--output-dir", tt.scratch(0o777), "--", PROBE, "signals", log])
    check("at a terminal the command is up", tt.wait_for(lambda: lines(log) == ["ready"]))
    for key, n in ((b"\x03", 2), (b"\x1c", 3), (b"\x1a", 4)):
        t.send(key)
        tt.wait_for(lambda n=n: len(lines(log)) >= n, 5)
    time.sleep(0.3)
    same("Ctrl-C, Ctrl-\\ and Ctrl-Z reach it once each", lines(log), ["ready", "2", "3", "20"])
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    time.sleep(0.3)
    resized = lines(log)[4:]
    check("... a resize, too, once for each", resized == ["28"], resized)
    for pid in [int(c) for c in tt.read(f"/proc/{t.pid}/task/{t.pid}/children").split()]:
        os.kill(pid, signal.SIGTERM)
    same("... and the command ends as it wants", t.close(), 0)
    t = Terminal([tt.TELLTALE, "run", "--no-kernel", "--quiet", "--output-dir", tt.scratch(0o777), "--", "sleep", "30"])
    time.sleep(0.4)
    t.send(b"\x03")
    same("Ctrl-C ends a plain command: 130", t.close(), 130)


def job_control():
    if not shutil.which("bash"):
        tt.skip("job control", "no bash")
        return
    profiles = ["OFF"] + ([] if HIDDEN else ["STRICT"])
    for profile in profiles:
        folder = tt.scratch(0o777)
        t = Terminal(["bash", "--norc", "-i"])
        t.expect(rb"\$ ")
        before = t.mode()
        if profile == "OFF":
            command = "sh -c 'echo be''gun; sleep 0.5; read x; echo got-$x; exit 3'"
        else:
            command = "sh -c 'echo be''gun; read x; echo got-$x; exit 3'"
        t.send(f"{tt.TELLTALE} run --quiet --profile {profile} --output-dir {folder} -- {command}; echo st-$?\n")
        check(f"{profile}: a job of an interactive shell begins", t.expect(rb"begun"), t.out)
        time.sleep(0.3)
        t.send(b"\x1a")
        check("... Ctrl-Z stops the job, the shell is back", t.expect(rb"Stopped.*\$ ", 5), t.out)
        t.send("jobs -l; echo ju''st-now\n")
        check("... jobs shows it stopped", t.expect(rb"Stopped.*just-now", 5), t.out)
        t.send("fg\n")
        time.sleep(0.8)
        t.send("word\n")
        check("... fg goes on with it, with its input and its status", t.expect(rb"got-word", 5), t.out)
        check("... the shell is back again", t.expect(rb"\$ ", 5), t.out)
        t.send("echo al''ive\n")
        check("... and alive", t.expect(rb"alive", 5), t.out)
        t.expect(rb"\$ ")
        same("... the terminal is as it was", t.mode(), before)
        t.send(f"{tt.TELLTALE} run --quiet --profile {profile} --output-dir {folder} -- sh -c 'exit 3'; echo st-$?\n")
        check("... statuses come through", t.expect(rb"st-3", 5), t.out)
        t.send("exit 0\n")
        same("... and it ends", t.close(), 0)


def inner_shell():
    if not shutil.which("bash"):
        tt.skip("an interactive shell as the command", "no bash")
        return
    folder = tt.scratch(0o777)
    t = Terminal([tt.TELLTALE, "run", "--no-kernel", "--quiet", "--output-dir", folder, "--", "bash", "--norc", "-i"])
    check("an interactive shell as the command: prompt", t.expect(rb"\$ "), t.out)
    noise = t.out
    t.send("echo fi''rst; sleep 30\n")
    check("... runs commands", t.expect(rb"first"), t.out)
    time.sleep(0.4)
    t.send(b"\x1a")
    check("... its own Ctrl-Z stops its own job", t.expect(rb"Stopped.*\$ ", 5), t.out)
    t.send("kill %1; wait; echo se''cond\n")
    check("... and it goes on", t.expect(rb"second", 5), t.out)
    t.send("sleep 30\n")
    time.sleep(0.4)
    t.send(b"\x03")
    time.sleep(0.2)
    t.send("echo th''ird-$?\n")
    check("... Ctrl-C ends its job alone", t.expect(rb"third-130", 5), t.out)
    check("... no complaint about job control", b"job control" not in noise, noise)
    if shutil.which("less"):
        t.send("seq 1000 | less\n")
        check("... a pager shows its first page", t.expect(rb"\n ?20\b.*:", 5), t.out)
        t.send("G")
        check("... and its last", t.expect(rb"1000", 5), t.out)
        t.send("q")
        time.sleep(0.3)
        t.send("echo fo''urth\n")
        check("... and gives the terminal back", t.expect(rb"fourth", 5), t.out)
    t.send("exit 6\n")
    same("... its status", t.close(), 6)
    none("... the trace is whole", trace_of(folder)[1])


def killed():
    log = os.path.join(tt.scratch(0o777), "log")
    folder = tt.scratch(0o777)
    code = f"ls / >/dev/null; echo one >>'{log}'; sleep 1; ls / >/dev/null; cat /etc/passwd >/dev/null; echo two >>'{log}'"
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", "sh", "-c", code], env=tt.clean_env(),
                         stdin=subprocess.DEVNULL)
    tt.wait_for(lambda: lines(log) == ["one"])
    time.sleep(0.2)
    p.kill()
    same("telltale is killed", p.wait(10), -9)
    check("... without a sandbox the command goes on undisturbed", tt.wait_for(lambda: lines(log) == ["one", "two"], 5),
          lines(log))
    events, problems = trace_of(folder)
    none("... what was recorded is on disk and whole", problems)
    check("... up to that moment", [e for e in events if e["syscall"] == "exit" and e.get("comm") == "ls"],
          [e["syscall"] for e in events])
    trace = tt.one(os.path.join(folder, "trace_*.jsonl"))
    shown = subprocess.run([tt.TELLTALE, "show", trace], capture_output=True, timeout=20, env=tt.clean_env())
    check("... show says that the end is not known", shown.returncode == 0 and b"recorder" in shown.stdout and
          re.search(rb"died|killed|unproven|no end|not known", shown.stdout), shown.stdout + shown.stderr)
    if HIDDEN:
        tt.skip("STRICT when telltale is killed", "STRICT hides a build folder below /tmp")
        return
    p, folder = tt.start([PROBE, "sleep", "20000"], options=["--profile=STRICT"])
    tt.wait_for(lambda: tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split())
    init = child_of(p)
    tt.wait_for(lambda: tt.read(f"/proc/{init}/task/{init}/children").split())
    command = int(tt.read(f"/proc/{init}/task/{init}/children").split()[0])
    time.sleep(0.2)
    p.kill()
    p.wait(10)
    check("under STRICT everything dies with it", tt.wait_for(lambda: not tt.state_of(init) and not tt.state_of(command), 5),
          (tt.state_of(init), tt.state_of(command)))
    same("... but what was recorded is whole", trace_of(folder)[1], [])


def stopped_telltale():
    folder = tt.scratch(0o777)
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", "sh", "-c",
                          "kill -STOP $PPID; i=0; while [ $i -lt 200 ]; do ls / >/dev/null; i=$((i+1)); done; "
                          "(sleep 0.2; echo late) & echo done; exit 7"],
                         env=tt.clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        began = time.monotonic()
        got = p.stdout.readline()
        same("telltale is stopped: the command runs to its end", got, b"done\n")
        check("... at its usual pace", time.monotonic() - began < 15, time.monotonic() - began)
        time.sleep(0.3)
        same("... telltale is still stopped", tt.state_of(p.pid), "T")
    finally:
        p.send_signal(signal.SIGCONT)
    same("... woken, it ends with the command's status", p.wait(20), 7)
    p.stdout.close()
    none("... and a whole trace", trace_of(folder)[1])


def stopped_command():
    """A command that somebody stops by SIGSTOP does not stop telltale, and can be woken."""
    p, folder = tt.start(["sh", "-c", "sleep 0.5; exit 3"])
    time.sleep(0.2)
    command = child_of(p)
    os.kill(command, signal.SIGSTOP)
    tt.wait_for(lambda: tt.state_of(command) == "T", 5)
    time.sleep(0.8)
    same("the command is stopped, telltale is not", (tt.state_of(command), tt.state_of(p.pid) in ("S", "R")), ("T", True))
    os.kill(command, signal.SIGCONT)
    same("... woken, it ends", p.wait(10), 3)


def stop_without_a_shell():
    """In an orphaned process group nobody could wake telltale: it must not follow the command into a stop."""
    stop = "import os, signal, time; os.kill(os.getpid(), signal.SIGTSTP); time.sleep(60)"
    p, folder = tt.start(["python3", "-c", stop], ["--timeout", "700ms"], start_new_session=True)
    same("a stop in a session of its own does not keep the time-out from coming", p.wait(15), 124)
    grouped = "import os, signal, time; os.setpgid(0, 0); os.kill(os.getpid(), signal.SIGTSTP); time.sleep(60)"
    p, folder = tt.start(["python3", "-c", grouped], ["--timeout", "700ms"])
    same("... nor does that of a command in a group of its own", p.wait(15), 124)


forwarded()
interrupt_key()
stop_without_a_shell()
job_control()
inner_shell()
killed()
stopped_telltale()
stopped_command()
tt.done()
