#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`telltale run --allow-host`: a sandboxed command reaches the hosts that were named and nobody else.

The test makes a small Internet of its own: a network namespace that plays this machine, another that plays the rest of
the world, and a file of names. Nothing leaves them. As root, as an ordinary user and in a user namespace.
"""
import base64
import collections
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

import tt
from tt import check, none, same

FAR, NEAR, FAR6 = "192.0.2.80", "192.0.2.1", "2001:db8::80"
NAMES = f"""127.0.0.1 localhost
{FAR} good.example other.example a.wild.example wild.example closed.example
127.0.0.1 rebound.example
10.1.2.3 private.example
{NEAR} mine.example
10.1.2.3 both.example
{FAR} both.example
::1 localhost6
{FAR6} six.example
"""
PROFILE = 'summary "a network with nothing in it"\ninclude RESOURCE-AWARE\nforget limits\nnetwork %s\n'
PROXY = ("127.0.0.1", 3128)
BIG = 3 << 20

# Inside the sandbox: a list of acts from argv, a list of what became of them on stdout.
CLIENT = r"""
import base64, errno, hashlib, json, os, socket, subprocess, sys, urllib.request, urllib.error

def hear(s):
    got = b""
    while True:
        try:
            more = s.recv(65536)
        except OSError as e:
            return got + errno.errorcode.get(e.errno, str(e)).encode()
        if not more:
            return got
        got += more

def ask(data):
    with socket.create_connection(("127.0.0.1", 3128), 10) as s:
        s.settimeout(10)
        s.sendall(base64.b64decode(data))
        return hear(s)[:2000].decode("latin-1")

def direct(family, kind, host, port):
    try:
        with socket.socket(family, kind) as s:
            s.settimeout(5)
            s.connect((host, port))
            s.send(b"x")
        return "ok"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))

def fetch(url, size=0):
    try:
        data = bytes(range(256)) * (size // 256) if size else None
        with urllib.request.urlopen(url, data, timeout=20) as r:
            got = r.read()
        return [r.status, len(got), hashlib.sha256(got).hexdigest()]
    except urllib.error.HTTPError as e:
        return [e.code, e.read().decode()]
    except OSError as e:
        return [0, str(e)]

def run(*words):
    r = subprocess.run(words, capture_output=True, text=True, timeout=30)
    return [r.returncode, r.stdout[:500], r.stderr[:500]]

def hold(data):
    global held
    held = socket.create_connection(("127.0.0.1", 3128), 10)
    held.sendall(base64.b64decode(data))
    return held.recv(100).decode("latin-1")

def flood(data, times):
    return sum(ask(data).startswith("HTTP/1.1 403") for _ in range(times))

def look(*names):
    return [os.environ.get(n) for n in names]

def fds():
    links = ["/proc/self/fd/" + f for f in os.listdir("/proc/self/fd") if int(f) > 2]
    return [os.readlink(f) for f in links if os.path.islink(f)]

out = []
for act, *words in json.loads(sys.argv[1]):
    out.append(globals()[act](*words))
print(json.dumps(out))
"""

mode, prefix, folder, profile, limits = "", [], "", "", []


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode("latin-1")).decode()


def run(*acts, hosts=("good.example",), options=(), **more):
    """Do @acts in a sandbox that may reach @hosts: what they gave, and the Recording-like pair (trace, run.json)."""
    out = tt.scratch(0o777)
    line = prefix + [tt.TELLTALE, "run", "--no-kernel", "--output-dir", out, f"--profile={profile}", *options, *limits,
                     *(f"--allow-host={h}" for h in hosts), "--", "/usr/bin/python3", "-c", CLIENT, json.dumps(acts)]
    done = subprocess.run(line, cwd=folder, env=tt.clean_env(HOME=folder), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=90, **more)
    doc = json.loads(tt.read(tt.one(os.path.join(out, "run_*.json"))))
    raw = tt.read(tt.one(os.path.join(out, "trace_*.jsonl")))
    events, problems = tt.parse_trace(raw)
    try:
        got = json.loads(done.stdout)
    except ValueError:
        print("# the client said:", done.returncode, repr((done.stdout + done.stderr)[-1500:]))
        got = [["", ""]] * len(acts)
    if problems:
        check(f"{mode}: the trace is whole", False, problems)
    return got, [e for e in events if e["event_type"] == "connection"], doc


def connect_to(where):
    return ["ask", b64(f"CONNECT {where} HTTP/1.1\r\n\r\n")]


def status(answer):
    return answer.split(" ", 2)[1] if isinstance(answer, str) and answer.startswith("HTTP/1.1 ") else answer


def named_hosts_work():
    big = bytes(range(256)) * (BIG // 256)
    acts = [["fetch", "http://good.example/hello"], ["fetch", "http://good.example/echo", BIG],
            ["fetch", "http://a.wild.example:8080/hello"], ["fetch", "http://[" + FAR6 + "]/hello"],
            ["fetch", f"http://{FAR}/hello"], ["fetch", "http://both.example/hello"],
            ["look", "http_proxy", "HTTPS_PROXY", "all_proxy", "NO_PROXY"], ["fds"]]
    curl = shutil.which("curl")
    if curl:
        acts += [["run", curl, "-sS", *more, "http://good.example/hello"]
                 for more in ([], ["--proxytunnel"], ["--socks5-hostname", "%s:%d" % PROXY],
                              ["-H", "Transfer-Encoding: chunked", "-d", "x=1"])]
    got, events, doc = run(*acts, hosts=("good.example", "*.wild.example:8080", FAR, FAR6 + "/64", "both.example"))
    same(f"{mode}: a named host answers", got[0][:2], [200, 5])
    same(f"{mode}: 3 MiB up and 3 MiB down are the same bytes", got[1],
         [200, BIG, hashlib.sha256(big).hexdigest()])
    same(f"{mode}: a suffix and a port", got[2][:2], [200, 5])
    same(f"{mode}: an address of a network that is named", got[3][:2], [200, 5])
    same(f"{mode}: an address that is named", got[4][:2], [200, 5])
    same(f"{mode}: of two addresses the private one is passed over", got[5][:2], [200, 5])
    same(f"{mode}: programs find the proxy in their environment", got[6],
         ["http://127.0.0.1:3128", "http://127.0.0.1:3128", "http://127.0.0.1:3128", "localhost,127.0.0.1,::1"])
    none(f"{mode}: no fd of the launch reaches the command", [f for f in got[7] if "socket" in f])
    if curl:
        for name, answer in zip(("plain", "through a tunnel", "through SOCKS 5", "with a chunked body"), got[8:]):
            same(f"{mode}: curl {name}", answer, [0, "hello", ""])
    else:
        tt.skip(f"{mode}: curl", "no curl")
    by_host = collections.Counter((e["host"], e.get("port"), e["outcome"]) for e in events)
    want = {("good.example", 80, "closed"): 2 + (4 if curl else 0), ("a.wild.example", 8080, "closed"): 1,
            (FAR6, 80, "closed"): 1, (FAR, 80, "closed"): 1, ("both.example", 80, "closed"): 1}
    same(f"{mode}: each is an event", dict(by_host), want)
    echo = max(events, key=lambda e: e["bytes_sent"], default={"bytes_sent": 0})
    check(f"{mode}: its bytes are counted both ways",
          BIG < echo["bytes_sent"] < BIG + 1000 and BIG < echo["bytes_received"] < BIG + 1000, echo)
    same(f"{mode}: and its address is told", {e["addr"] for e in events if e["host"] == "good.example"}, {FAR + ":80"})
    sums = {(c["host"], c["port"]): 0 for c in doc["connections"]}
    for c in doc["connections"]:
        sums[c["host"], c["port"]] += c["count"]
    same(f"{mode}: run.json has the sums", sums, {k[:2]: n for k, n in want.items()})
    return events, doc


def others_are_refused():
    got, events, doc = run(["fetch", "http://other.example/hello"], ["fetch", "http://good.example:8080/hello"],
                           connect_to("other.example:443"), connect_to(FAR + ":80"), connect_to("wild.example:8080"),
                           ["ask", b64(b"\5\1\0\5\1\0\3\x0dother.example\0\x50")],
                           ["ask", b64(b"\5\1\0\5\1\0\1\xc0\0\2\x50\0\x50")],
                           connect_to("sub.good.example:80"), connect_to("good.example.other.example:80"),
                           hosts=("good.example", "*.wild.example:8080"))
    for i, name in enumerate(("another host", "another port", "another host through CONNECT", "its bare address",
                              "the name above a suffix")):
        answer = str(got[i][0]) if isinstance(got[i], list) else status(got[i])
        same(f"{mode}: {name} is refused with 403", answer, "403")
    check(f"{mode}: the answer says why", "other.example port 80 is not among the hosts" in got[0][1], got[0])
    same(f"{mode}: SOCKS says 'not allowed' to a name", got[5][:4], "\5\0\5\2")
    same(f"{mode}: SOCKS says 'not allowed' to an address", got[6][:4], "\5\0\5\2")
    same(f"{mode}: neither what is below a name nor what begins like it", [status(a) for a in got[7:9]], ["403"] * 2)
    same(f"{mode}: each refusal is an event", sorted((e["host"], e["port"], e["outcome"], e["action"]) for e in events),
         sorted((h, p, "not_named", "deny") for h, p in (
             ("other.example", 80), ("good.example", 8080), ("other.example", 443), (FAR, 80), ("wild.example", 8080),
             ("other.example", 80), (FAR, 80), ("sub.good.example", 80), ("good.example.other.example", 80))))
    check(f"{mode}: none was reached", all("bytes_sent" not in e and "addr" not in e for e in events), events)
    same(f"{mode}: the sums say so", sum(c["count"] for c in doc["connections"] if not c["allowed"]), 9)
    return events, doc


def nothing_else_leads_out():
    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    got, events, _ = run(["direct", socket.AF_INET, tcp, FAR, 80], ["direct", socket.AF_INET, udp, FAR, 53],
                         ["direct", socket.AF_INET6, tcp, FAR6, 80], ["direct", socket.AF_INET, tcp, NEAR, 80],
                         ["direct", socket.AF_INET, tcp, "127.0.0.1", 80], ["direct", socket.AF_INET6, tcp, "::1", 80])
    for i, name in enumerate(("TCP", "UDP", "IPv6", "this machine's address")):
        check(f"{mode}: {name} past the proxy leads nowhere", got[i] in ("ENETUNREACH", "EADDRNOTAVAIL"), got[i])
    same(f"{mode}: the loopback services of this machine are not the sandbox's", got[4:6], ["ECONNREFUSED"] * 2)
    none(f"{mode}: the proxy saw none of it", events)


def tricks_are_refused():
    """The address of this machine's loopback and of the named host, in every dress; heads that read two ways."""
    dresses = ["127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "localhost",
               "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]",
               "[::1%lo]", "[fe80::1%25lo]", "user@127.0.0.1", "good.example@127.0.0.1", "good.example%00.other.example",
               "good.example#.other.example", "good.example\\@other.example", "%67ood.example", "good_.example",
               "xn--good-example", "g\u00f6od.example", "good.example\x00", "good.example..", ".good.example",
               "3221225552", "192.0.2.080", "192.0.592", "[::ffff:192.0.2.80]", "[64:ff9b::192.0.2.80]", "a" * 254, ""]
    acts = [connect_to(d + ":80") for d in dresses]
    acts += [["ask", b64(f"GET http://{d}/hello HTTP/1.1\r\n\r\n")] for d in dresses]
    heads = ["GET http://good.example/ HTTP/1.1\nHost: x\n\n", "GET http://good.example/\rX: y HTTP/1.1\r\n\r\n",
             "GET http://good.example/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n",
             "GET http://good.example/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
             "GET ftp://good.example/ HTTP/1.1\r\n\r\n", "GET https://good.example/ HTTP/1.1\r\n\r\n",
             "CONNECT good.example HTTP/1.1\r\n\r\n", "CONNECT good.example:80 HTTP/1.1\r\n\nX: y\r\n\r\n",
             "GET http://good.example/" + "x" * 9000 + " HTTP/1.1\r\n\r\n"]
    acts += [["ask", b64(h)] for h in heads]
    got, events, _ = run(*acts)
    wrong = []
    for act, answer in zip(acts, got):
        if status(answer) not in ("400", "403", "431"):
            wrong.append((base64.b64decode(act[1])[:80], answer))
    none(f"{mode}: {len(acts)} tricks are all refused", wrong)
    same(f"{mode}: and each is an event", len(events), len(acts))
    none(f"{mode}: none of them reached anybody", [e for e in events if e.get("action") != "deny"])
    none(f"{mode}: what stands before an @ is not told", [e for e in events if "@" in e["host"] or "user" in e["host"]])


def one_request_is_one():
    """What follows the body of a plain request goes nowhere; the Host it names is the one of its URL."""
    smuggled = ("POST http://good.example/echo HTTP/1.1\r\nHost: other.example\r\nContent-Length: 4\r\n\r\nbody"
                "GET /count HTTP/1.1\r\nHost: other.example\r\n\r\n")
    got, _, _ = run(["ask", b64(smuggled)], ["ask", b64("GET http://good.example/seen HTTP/1.1\r\n\r\n")])
    check(f"{mode}: the request is answered", got[0].startswith("HTTP/1.") and got[0].endswith("\r\n\r\nbody"), got[0])
    check(f"{mode}: its host is the URL's", "POST /echo good.example\n" in got[1], got[1])
    check(f"{mode}: nothing was smuggled behind it", "/count" not in got[1] and "other.example" not in got[1], got[1])


def names_that_lead_inside():
    got, events, _ = run(*[connect_to(h + ":80") for h in ("rebound.example", "private.example", "mine.example",
                                                            "localhost", "gone.example")],
                         ["fetch", "http://closed.example:81/"],
                         hosts=("rebound.example", "private.example", "mine.example", "localhost", "gone.example",
                                "closed.example:81"))
    for answer, name in zip(got, ("loopback", "a private network", "this machine's own address", "localhost")):
        same(f"{mode}: a named host that leads to {name} is refused", status(answer), "403")
    same(f"{mode}: a name that is none", status(got[4]), "502")
    same(f"{mode}: a port where nobody listens", got[5][0], 502)
    same(f"{mode}: the events say which address it was",
         [(e["host"], e["outcome"], e.get("addr")) for e in events],
         [("rebound.example", "inner_address", "127.0.0.1:80"), ("private.example", "inner_address", "10.1.2.3:80"),
          ("mine.example", "inner_address", NEAR + ":80"), ("localhost", "inner_address", "127.0.0.1:80"),
          ("gone.example", "failed", None), ("closed.example", "failed", FAR + ":81")])
    got, _, _ = run(["ask", b64("GET http://rebound.example/hello HTTP/1.1\r\n\r\n")],
                    hosts=("rebound.example", "127.0.0.1"))
    check(f"{mode}: unless that very address is named", got[0].endswith("near"), got[0])


def what_is_open_at_the_end():
    got, events, doc = run(["hold", b64("CONNECT good.example:80 HTTP/1.1\r\n\r\n")])
    check(f"{mode}: a connection is open", status(got[0]) == "200", got)
    same(f"{mode}: when the run ends it is told of", len(events), 1)
    check(f"{mode}: as closed or cut", events and events[0]["outcome"] in ("closed", "cut"), events)
    return events, doc


def floods_are_counted():
    got, events, doc = run(["flood", b64("CONNECT other.example:443 HTTP/1.1\r\n\r\n"), 1000])
    same(f"{mode}: 1000 refusals", got[0], 1000)
    same(f"{mode}: are counted to the last", [(c["host"], c["count"]) for c in doc["connections"]],
         [("other.example", 1000)])
    check(f"{mode}: but do not fill the trace", 30 < len(events) < 50, len(events))
    same(f"{mode}: each line says for how many it stands", sum(e["count"] for e in events), 512)


def contradictions():
    def said(name, *options):
        out = tt.scratch(0o777)
        r = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--output-dir", out, f"--profile={name}", *options, "--", "echo", "ran"],
                           cwd=folder, env=tt.clean_env(HOME=folder), capture_output=True, text=True, timeout=30)
        return r.returncode, r.stdout, r.stderr

    for name, options, words in (("OFF", ["--allow-host=a.example"], "leaves the whole network open"),
                                 ("STRICT", ["--allow-host=a.example"], "refuses sockets"),
                                 (profile, ["--allow-host=127.1"], "neither a host name nor an address"),
                                 (profile, ["--allow-host=a.example:0"], "a port is 1 to 65535")):
        code, out, err = said(name, *options)
        check(f"{' '.join(options)} with {os.path.basename(name)}: {words}", code == 125 and words in err and not out,
              [code, out, err])
    path = os.path.join(folder, "wrong.profile")
    for text, words in (("include RESOURCE-AWARE\nallow-host good.example 127.1\n", "wrong.profile:2:25: "),
                        ("allow-host good.example\n", "allow-host goes with 'network loopback'")):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        code, out, err = said(path)
        check(f"a profile that is wrong: {words}", code == 125 and words in err and not out, [code, out, err])
    with open(path, "w", encoding="utf-8") as f:
        f.write(PROFILE % "off" + "allow-host other.example good.example:8080\n")
    got, events, _ = run_with(path, ["fetch", "http://other.example/hello"], ["fetch", "http://good.example/hello"])
    same("hosts of a profile and of the command line come together", [g[0] for g in got], [200, 200])


def run_with(path, *acts):
    global profile
    saved, profile = profile, path
    try:
        return run(*acts)
    finally:
        profile = saved


def find_proxy(pid):
    for p in os.listdir("/proc"):
        if not p.isdigit():
            continue
        try:
            fields = tt.read(f"/proc/{p}/stat").rsplit(b")", 1)
            if fields[0].endswith(b"(telltale-proxy") and int(fields[1].split()[1]) == pid:
                return int(p)
        except OSError:
            continue
    return None


def start(*words):
    out = tt.scratch(0o777)
    return subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--output-dir", out, f"--profile={profile}",
                             "--allow-host=good.example", "--", *words], cwd=folder, env=tt.clean_env(HOME=folder),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE), out


def the_process():
    """What the proxy is, and that it neither outlives telltale nor holds it up."""
    p, _ = start("sleep", "30")
    tt.wait_for(lambda: find_proxy(p.pid) and tt.state_of(find_proxy(p.pid)) == "S")
    pid = find_proxy(p.pid)
    if not check("the proxy is a child of telltale", pid is not None):
        p.kill()
        p.wait()
        return
    text = tt.read(f"/proc/{pid}/status").decode()
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    same("it has no capabilities", fields["CapEff"], "0" * 16)
    same("no way to new privileges, and a filter", (fields["NoNewPrivs"], fields["Seccomp"]), ("1", "2"))
    if os.environ["PROXY_TEST_ROOT"] == "1":  # in a user namespace there is no such user
        same("it is nobody", set(fields["Uid"].split() + fields["Gid"].split()), {"65534"})
    check("it holds none of telltale's fds",
          all(os.readlink(f"/proc/{pid}/fd/{f}").startswith(("/dev/null", "socket:", "anon_inode:[eventpoll]"))
              for f in os.listdir(f"/proc/{pid}/fd")))
    p.kill()
    p.communicate()
    check("it goes when telltale is killed", tt.wait_for(lambda: tt.state_of(pid) in (None, "Z")))

    p, out = start("/usr/bin/python3", "-c", CLIENT.replace("out = []", "input = sys.stdin; out = []; import time; "
                   "time.sleep(1.5)"), json.dumps([["fetch", "http://good.example/"]]))
    tt.wait_for(lambda: find_proxy(p.pid))
    os.kill(find_proxy(p.pid), signal.SIGKILL)
    said, err = p.communicate(timeout=60)
    check("without its proxy the command reaches nobody, and the run ends as ever",
          p.returncode == 0 and json.loads(said)[0][0] == 0, [p.returncode, said, err])
    run_doc = json.loads(tt.read(tt.one(os.path.join(out, "run_*.json"))))
    same("and is recorded", run_doc["summary"]["exit_reason"], "EXITED(0)")


def schemas(samples):
    try:
        import jsonschema
    except ImportError:
        tt.skip("events and documents fit their schemas", "no python3-jsonschema")
        return
    event, doc = (jsonschema.Draft202012Validator(json.loads(subprocess.run(
        [tt.TELLTALE, "schema", name], capture_output=True, check=True).stdout)) for name in ("event", "run"))
    bad = [e.message[:300] for events, _ in samples for line in events for e in event.iter_errors(line)]
    bad += [e.message[:300] for _, d in samples for e in doc.iter_errors({"connections": d["connections"]})
            if e.validator != "required"]
    none("events and documents fit their schemas", bad)


class FarServer(http.server.BaseHTTPRequestHandler):
    seen = []
    answer = b"hello"

    def do_GET(self):
        self.seen.append(f"GET {self.path} {self.headers['Host']}")
        self.reply("\n".join(self.seen[-20:]).encode() if self.path == "/seen" else self.answer)

    def do_POST(self):
        self.seen.append(f"POST {self.path} {self.headers['Host']}")
        if self.headers.get("Transfer-Encoding") == "chunked":
            while (n := int(self.rfile.readline(), 16)):
                self.rfile.read(n + 2)
            self.rfile.readline()
            self.reply(self.answer)
        else:
            self.reply(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Server6(Server):
    address_family = socket.AF_INET6


def serve(*places, answer=b"hello"):
    handler = type("Handler", (FarServer,), {"answer": answer})
    for cls, place in places:
        threading.Thread(target=cls(place, handler).serve_forever, daemon=True).start()


def world():
    """In the namespace of the rest of the world, until stdin ends."""
    for line in ("ip link set lo up", "ip link set far up", f"ip addr add {FAR}/24 dev far",
                 f"ip -6 addr add {FAR6}/64 dev far nodad"):
        subprocess.run(line.split(), check=True)
    serve((Server, (FAR, 80)), (Server, (FAR, 8080)), (Server6, (FAR6, 80)))
    print("ready", flush=True)
    sys.stdin.read()


def make_world(where):
    """This machine's side; returns the process that is the other one."""
    far = subprocess.Popen(["unshare", "-n", sys.executable, os.path.abspath(__file__), "--world-waits"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    far.stdout.readline()
    for line in ("ip link set lo up", "ip link add near type veth peer name far", f"ip link set far netns {far.pid}",
                 f"ip addr add {NEAR}/24 dev near", "ip link set near up", "ip -6 addr add 2001:db8::1/64 dev near nodad"):
        subprocess.run(line.split(), check=True, capture_output=True)
    far.stdin.write("go\n")
    far.stdin.flush()
    if far.stdout.readline() != "ready\n":
        raise OSError("no world")
    for name, text in (("hosts", NAMES), ("nsswitch.conf", "hosts: files\n"), ("resolv.conf", "")):
        path = os.path.join(where, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)
        if os.path.exists("/etc/" + name):
            subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True, capture_output=True)
    serve((Server, ("127.0.0.1", 80)), (Server, (NEAR, 80)), answer=b"near")
    return far


def modes():
    yield "root" if os.environ["PROXY_TEST_ROOT"] == "1" else "namespace root", []
    if os.environ["PROXY_TEST_ROOT"] == "1":
        yield "user", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        yield "namespace", ["unshare", "-Ur"]


def main():
    global mode, prefix, folder, profile
    if sys.argv[1:] == ["--world-waits"]:
        print("here", flush=True)
        sys.stdin.readline()
        world()
        return
    if os.environ.get("PROXY_TEST_ROOT") is None:
        for path in (tt.TELLTALE, "/usr/bin/python3"):
            if not os.access(path, os.X_OK):
                tt.skip_all(f"no '{path}'")
        root = os.geteuid() == 0
        flags = ["-nm"] if root else ["-Urnm"]
        if subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode:
            tt.skip_all("no namespaces to be had")
        env = dict(os.environ, PROXY_TEST_ROOT=str(int(root)))
        sys.exit(subprocess.run(["unshare", *flags, sys.executable, os.path.abspath(__file__)], env=env,
                                check=False).returncode)
    folder = tt.scratch(0o777)
    try:
        far = make_world(folder)
    except (OSError, subprocess.CalledProcessError) as e:
        tt.skip_all(f"cannot make a network: {e}")
    own = os.path.join(folder, "off.profile")
    with open(own, "w", encoding="utf-8") as f:
        f.write(PROFILE % "off")
    profile, samples = own, []
    try:
        for mode, prefix in modes():
            able = prefix + ["true"]
            if subprocess.run(able, capture_output=True, check=False).returncode:
                tt.skip(mode, "this machine does not let us")
                continue
            samples += [named_hosts_work(), others_are_refused()]
            nothing_else_leads_out()
            if not prefix:
                tricks_are_refused()
                one_request_is_one()
                samples.append(what_is_open_at_the_end())
                floods_are_counted()
            names_that_lead_inside()
        mode, prefix = "AGENT", []
        profile = "AGENT"
        # what only a control group could hold, and an ordinary user may have none
        limits[:] = ["--limit=pids=none", "--limit=memory=none"]
        samples.append(named_hosts_work())
        samples.append(others_are_refused())
        nothing_else_leads_out()
        profile = own
        contradictions()
        the_process()
        schemas(samples)
    finally:
        far.stdin.close()
        far.wait(10)
    tt.done()


main()
