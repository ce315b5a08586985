#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale-init as a machine's first process: what it makes of a bare kernel, its settings and limits, and how it ends."""
import os
import re

import guest
import cells  # after guest, which knows where it is
import tt
from tt import check, done, same, skip_all


def run(script, **settings):
    base = os.path.join(tt.scratch(), "v")
    host = cells.Host(base)
    words = settings.pop("words", ())
    return guest.Cell(guest.Image(), ["sh", "-c", script], base, words=words, **settings).wait(host)


def makes():
    ended = run("""echo "ids $(id -u) $(id -g) $(id -G)"; echo "pids $$ $(echo /proc/[0-9]*)"; echo "name $(hostname)"
        echo "env $PATH:$HOME:$TERM:$A"; echo "cwd $(pwd)"; echo "oom $(cat /proc/self/oom_score_adj)"; echo "lo $(ifconfig lo | grep -c 127.0.0.1)"
        echo "files $(ulimit -n) $(ulimit -H -n)"; echo "dev $(ls /dev | tr '\\n' ' ')"; echo "modes $(stat -c %a /tmp /dev/shm /run | tr '\\n' ' ')"
        (echo "terminal yes" >/dev/tty) 2>/dev/null || echo "terminal no"
        for d in / /sys /proc/sys/kernel /dev; do touch $d/x 2>/dev/null && echo "wrote $d"; done; touch /tmp/x && echo "tmp can be written"
        dmesg >/dev/null 2>&1 && echo "dmesg"; sleep 100 & setsid sleep 100 & exit 33""", uid=1234, gid=1235, cwd="/usr/bin",
                env=cells.encoded(["A=b c"]), hostname="here", words=["telltale=1", "cellos.other=1"])
    said = dict(re.findall(r"^(ids|pids|name|env|cwd|oom|lo|files|dev|modes|terminal) (.*?)\s*$", ended.said, re.M))
    same("ids", said.get("ids"), "1234 1235 1235")
    same("PID 3, and no other process is to be seen but its own", said.get("pids", "").split()[:2], ["3", "/proc/3"])
    same("the name of the machine", said.get("name"), "here")
    same("the environment", said.get("env"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/:linux:b c")
    same("the folder", said.get("cwd"), "/usr/bin")
    same("it can be ended for want of memory", said.get("oom"), "0")
    same("lo is up", said.get("lo"), "1")
    same("how many files may be open", said.get("files"), "1024 524288")
    check("devices: no more than a program needs", {"null", "tty", "ptmx", "shm"} < set(said.get("dev", "").split()) and
          not {"mem", "kmsg", "vsock", "kvm", "console"} & set(said.get("dev", "").split()), said)
    same("who may write to the folders for all", said.get("modes", "").split()[:2], ["1777", "1777"])
    same("the console is a terminal that it has for itself", said.get("terminal"), "yes")
    check("where it can write", "tmp can be written" in ended.said and "wrote " not in ended.said and "\ndmesg" not in ended.said, ended.lines())
    same("the exit code comes to the host, and the machine is switched off", (ended.code, ended.status), (33, 0))
    check("... by its power switch", "reboot: Power down" in ended.said, ended.lines())


def limits():
    ended = run("x=0123456789abcdef; while :; do x=$x$x; done")
    same("without a limit of one's own there is one on memory: the machine goes on", (ended.code, ended.status), (137, 0))
    check("... and says what happened", "the limit on memory was hit: the kernel killed 1 process" in ended.said, ended.lines())
    ended = run("i=0; while [ $i -lt 60 ]; do sleep 9 & i=$((i+1)); done; exit 4", pids=20, words=["telltale.memory=64M"])
    check("a limit on processes", ended.code == 2 and "the limit on pids was hit" in ended.said, ended.lines())
    ended = run("i=0; while [ $i -lt 9000 ]; do sleep 60 & i=$((i+1)); done; exit 4", words=["telltale.memory=max"])
    check("without one of one's own the machine goes on as well", ended.code == 2 and "Cannot fork" in ended.said and ended.status == 0,
          ended.lines())


def wrong():
    for word, why in (("telltale.uid=0", "telltale.uid: not a number from 1 to 4294967294"),
                      ("telltale.wrong=1", "telltale.wrong: there is no such setting")):
        ended = run("echo it-ran", words=[word])
        same(f"{word}: the host hears that there was no cell, and the machine is switched off", (ended.code, ended.status), (125, 0))
        check("... the console says why, and nothing ran", why in ended.said and "\nit-ran" not in ended.said, ended.lines())


def ends():
    ended = run("exit 5", at_end="restart")
    same("a start anew in place of switching off", (ended.code, ended.status), (5, 0))
    check("... which is what happens", "reboot: Restarting system" in ended.said, ended.lines())


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    makes()
    limits()
    wrong()
    ends()
    done()


main()
