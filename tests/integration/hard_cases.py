#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The hard cases: with and without Telltale the same output, exit status, environ and fd numbers.

Which test holds which case:

  vfork and exec in all variants        here (execs), threads.py (memory and environ of the parent)
  posix_spawn with file actions         env.py
  every exec variant once               here (execs), oracle.py (their events)
  env -i                                env.py
  1000 execs in a chain                 threads.py
  setuid programs                       env.py, hard_guests.py (their record)
  static programs                       env.py
  64 threads                            threads.py
  32 processes, lines over 8 KiB        threads.py
  fork under load                       threads.py
  SIGALRM storm                         threads.py
  closefrom, close_range, loops         threads.py
  fd 3 used again                       threads.py
  0, 1 and 2 closed at start            threads.py, here (what a program sees of them)
  errno with logs that fail             logs.py
  stderr full, closed, a broken pipe    logs.py
  logs removed, renamed, rotated, FIFO  logs.py
  ENOSPC and recovery                   logs.py
  a tiny RLIMIT_FSIZE                   logs.py
  chroot, setuid-drop, unshare          env.py; relative log path: logs.py
  2 MB of argv, 100,000 arguments       env.py
  non-UTF-8, quotes, ESC                env.py
  O_TMPFILE and O_CREAT modes           here
  bad pointers, short accept lengths    here
  dlopen'd code, other preloads         here, env.py, hard_guests.py
  nested sessions and secrets           here (all bytes on disk), env.py, logs.py
"""
import os
import re

import hard
import tt

PROBE = tt.program("hard_probe")
SHOW = tt.program("env_probe")


def pointers():
    """The kernel refuses them as ever, and nothing of ours reads behind them."""
    found = hard.compare("bad pointers", [PROBE, "pointers", SHOW])
    for mode, rec in hard.recorded(found):
        name = f"{mode}: bad pointers"
        opens = [e for e in rec.calls("open") if e.get("error") == "EFAULT"]
        tt.check(f"{name}: the calls are recorded", len(opens) >= 10, len(opens))
        tt.check(f"{name}: as NULL", opens and opens[0]["args"][0] == "NULL", opens[:1])
        cut = [e for e in rec.calls("open") if e["args"][0] == "e" * 9]
        tt.check(f"{name}: a text without end is shown as far as it goes",
                 cut and all(e.get("truncated") and e["error"] == "EFAULT" for e in cut), cut)
        argv = [e for e in rec.calls("execve") if e["args"][1].startswith('["a"') and e.get("truncated")]
        tt.check(f"{name}: so is an argv", len(argv) >= 5, len(argv))
    hard.compare("texts and addresses at the end of memory, accept with little room", [PROBE, "edges", SHOW])


def modes():
    found = hard.compare("O_CREAT and O_TMPFILE modes", [PROBE, "modes", SHOW])
    for mode, rec in hard.recorded(found):
        name = f"{mode}: O_CREAT and O_TMPFILE modes"
        calls = [e["args"] for e in rec.calls("open", "open64", "openat", "openat64")]
        with_mode = [a for a in calls if "O_CREAT" in a[-2] or "O_TMPFILE" in a[-2]]
        tt.check(f"{name}: recorded", len(with_mode) == 7 * 21, len(with_mode))
        tt.same(f"{name}: each mode", sorted({a[-1] for a in with_mode}),
                sorted(["0", "0600", "0644", "0777", "04755", "01777"]))
        plain = [a for a in calls if "O_CREAT" not in a[-1] and "O_TMPFILE" not in a[-1]]
        tt.check(f"{name}: none where there is none", [".", "O_RDONLY|O_DIRECTORY"] in plain, plain)


def execs():
    found = hard.compare("each way to exec, after fork and vfork", [PROBE, "execs", SHOW])
    for mode, rec in hard.recorded(found):
        name = f"{mode}: each way to exec"
        images = [e for e in rec.events if e["syscall"] == "start" and e.get("exe") == os.path.realpath(SHOW)]
        followed = [e for e in rec.events if e["syscall"] == "start" and e["how"] == "exec"]
        tt.same(f"{name}: each image is recorded", len(images), 2 * 16)
        tt.same(f"{name}: and none besides", len(followed), 2 * 16 + 2)
        tt.none(f"{name}: spans", tt.span_problems(rec.events))


def plugin():
    folder = tt.scratch()
    source, library = os.path.join(folder, "plugin.c"), os.path.join(folder, "plugin.so")
    with open(source, "w", encoding="ascii") as f:
        f.write("""
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) { close(open("by-constructor", O_WRONLY | O_CREAT, 0600)); }
__attribute__((destructor)) static void end(void) { close(open("by-destructor", O_WRONLY | O_CREAT, 0600)); }
int plugin_work(const char *name) { return open(name, O_WRONLY | O_CREAT | O_EXCL, 0600); }
""")
    if not hard.made_by(["cc", "-shared", "-fPIC", "-o", library, source]):
        tt.skip("code that comes with dlopen", "cc does not build a library")
        return
    found = hard.compare("code that comes with dlopen", [PROBE, "plugin", library])
    for mode, rec in hard.recorded(found):
        opened = [(os.path.basename(e["path"]), e.get("error")) for e in rec.calls("open")]
        tt.same(f"{mode}: code that comes with dlopen: its calls", opened,
                [("by-constructor", None), ("by-plugin", None), ("by-plugin", "EEXIST"), ("by-destructor", None),
                 ("none", "ENOENT")])


def closed_streams():
    """A program that starts without some of 0, 1, 2 finds them closed, and gets them for its files."""
    script = ('for how in "0<&-" "1>&-" "2>&-" "0<&- 1>&-" "1>&- 2>&-" "0<&- 2>&-" "0<&- 1>&- 2>&-"; do '
              'echo "$how"; eval \'"$0" fds\' $how \'9>report\'; cat report; done')
    hard.compare("0, 1 and 2 closed", ["sh", "-c", script, PROBE])


def nested():
    """The library alone around a run, and a run in a run in a run: each as without."""
    inner = tt.scratch(0o777)
    line = [tt.TELLTALE, "run", "--no-kernel", "--output-dir", inner, "--"]
    show = [SHOW, "show", "inside"]
    if "recorder" not in tt.modes():
        tt.skip("nested sessions", "no telltale in this build folder")
        return
    plain = hard.compare("a plain program", show)["native"]
    for name, cmd in (("a run", [*line, *show]), ("a run in a run", [*line, *line, *show])):
        for mode, rec in hard.recorded(hard.compare(name, cmd)):
            out, complaints = hard.without_own_fds(rec.stdout)
            tt.none(f"{mode}: {name} inside: as without any",
                    hard.differences(plain.stdout, out, "stdout") + complaints)
            # alone, the library does not see the launcher's clone, a system call of its own
            if mode == "recorder":
                tt.none(f"{mode}: {name} inside: spans", tt.span_problems(rec.events))


SECRETS = """
import os, subprocess, sys
env = dict(os.environ, MY_TOKEN="hidden-aa", DB_PASSWORD="hidden-bb")
def run(*argv):
    subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
run("/bin/true", "--password", "hidden-cc", "--token=hidden-dd", "-H", "Authorization: Bearer hidden-ee")
run("/bin/echo", "https://user:hidden-ff@localhost/x", "API_KEY=hidden-gg", '{"secret": "hidden-hh"}')
run("/bin/sh", "-c", "PGPASSWORD=hidden-ii /bin/true; exec /bin/true --api-key hidden-jj")
try:
    run("/no/such/program", "--password=hidden-kk")
except OSError:
    pass
run("/bin/env", "-i", "ACCESS_TOKEN=hidden-ll", "/bin/true", "--client-secret", "hidden-mm")
os.system("true --token hidden-nn; curl_token=hidden-oo true")
os.popen("/bin/true --password=hidden-pp").close()
try:
    open("/nowhere/?token=hidden-qq")
except OSError:
    pass
os.spawnv(os.P_WAIT, "/bin/true", ["true", "--secret", "hidden-rr"])
os.posix_spawn("/bin/true", ["true", "--password", "hidden-ss"], env)
os.wait()
# killed in the middle of its life, before anything could be tidied up
subprocess.run(["/bin/sh", "-c", "kill -KILL $$", "sh", "--password", "hidden-tt"])
"""


def secrets():
    """No byte of any file, in any folder that is written to."""
    for mode in tt.modes():
        state = tt.scratch(0o777)
        script = os.path.join(tt.scratch(), "script.py")
        with open(script, "w", encoding="ascii") as f:
            f.write(SECRETS)
        rec = tt.record(mode, ["/usr/bin/python3", "-I", script],
                        env=hard.env(XDG_STATE_HOME=state, XDG_RUNTIME_DIR=state, TMPDIR=state), cwd=state)
        found, size = [], 0
        for top in (os.path.dirname(rec.path), state):
            for folder, _, names in os.walk(top):
                for name in names:
                    data = tt.read(os.path.join(folder, name))
                    size += len(data)
                    found += [f"{name}: {m.decode()}" for m in re.findall(rb"hidden-..", data)]
                    found += [name for part in (name, folder) if "hidden-" in part]
        tt.same(f"{mode}: secrets: the program", (rec.status, rec.stderr), (0, b""))
        tt.none(f"{mode}: secrets: none on disk", found)
        tt.check(f"{mode}: secrets: but what was run is", size > 1000 and rec.raw.count(b"***") >= 15,
                 (size, rec.raw.count(b"***")))


def main():
    tt.modes()
    pointers()
    modes()
    execs()
    plugin()
    closed_streams()
    nested()
    secrets()
    tt.done()


main()
