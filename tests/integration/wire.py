#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale wire: frames to JSON lines and back; bad frames; docs/wire.md says what is true."""
import json
import os
import pty
import re
import select
import struct
import subprocess
import tempfile

import tt
from frames import cbor, framed

SOURCE = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
FIVE = {"content_version": 1, "probe_source": "process.spawned", "guest_pid": 3, "guest_comm": "sh",
        "guest_monotonic_ns": 0}
TWO = {**FIVE, "content_version": 2, "seq": 7}


def wire(*args, data=b""):
    """Status, output and complaint of one call."""
    run = subprocess.run([tt.TELLTALE, "wire", *args], input=data, capture_output=True, timeout=tt.SECONDS)
    return run.returncode, run.stdout, run.stderr.decode()


def frame(value):
    return framed(value if isinstance(value, bytes) else cbor(value))


def as_json(value):
    """One line as the verb should print it, read again."""
    return {k: str(v) if isinstance(v, int) and v > 2**53 else v for k, v in value.items()}


def lines(data):
    return [json.loads(line) for line in data.decode().split("\n") if line]


def diagnostic(value):
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(diagnostic, value)) + "]"
    return "{" + ", ".join(diagnostic(k) + ": " + diagnostic(v) for k, v in value.items()) + "}"


def check_round_trip():
    values = [
        FIVE,
        {**FIVE, "guest_pid": 2**32 - 1, "guest_comm": "", "guest_monotonic_ns": 2**64 - 1},
        {**FIVE, "guest_monotonic_ns": 2**53}, {**FIVE, "guest_monotonic_ns": 2**53 + 1},
        {**FIVE, "guest_comm": "a\\x00\\xff\\ \"\x00\x1f\u2028\U0010ffff"},
        {**TWO, "exe": "/bin/caf\u00e9", "argv": ["", "a b", "\x00"], "uid": 0},
        {**TWO, "argv": []},
        {**TWO, "argv": ["x"] * 1900},
        {**FIVE, "guest_comm": "\x01" * 3900},
    ]
    data = b"".join(map(frame, values))
    status, out, complaint = wire("decode", data=data)
    tt.same("frames are decoded", (status, lines(out), complaint), (0, list(map(as_json, values)), ""))
    tt.same("and encoded again, byte for byte", wire("encode", data=out), (0, data, ""))
    plain = "\n".join(map(json.dumps, values)).encode()
    tt.same("large numbers may be numbers", wire("encode", data=plain.replace(b"18446744073709551615", b'"18446744073709551615"')),
            (0, data, ""))
    shuffled = json.dumps(dict(reversed(list(TWO.items())))).encode()
    tt.same("keys may come in any order as JSON", wire("encode", data=shuffled), (0, frame(TWO), ""))
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        tt.same("a file is read as well", wire("decode", f.name), (0, out, ""))
        f.seek(0)
        f.truncate()
        f.write(out)
        f.flush()
        tt.same("for both", wire("encode", f.name), (0, data, ""))
    tt.same("nothing becomes nothing", (wire("decode"), wire("encode")), ((0, b"", ""), (0, b"", "")))
    many = frame(TWO) * 5000
    status, out, complaint = wire("decode", data=many)
    tt.check("more than one buffer of frames", status == 0 and out.count(b"\n") == 5000, complaint)
    tt.check("and back", wire("encode", data=out) == (0, many, ""))


def check_errors():
    good = frame(FIVE)
    payload = cbor(FIVE)
    cases = [
        ("frame_too_large", struct.pack("<I", 4097), 0),
        ("frame_truncated", good[:-1], 0),
        ("short_header", good[:3], 0),
        ("unexpected_end", frame(payload[:-1]), len(good) - 1),
        ("unsupported_major_type", frame(b"\xc1" + payload), 4),
        ("unsupported_additional_info", frame(b"\xbf" + payload[1:]), 4),
        ("not_a_map_of_five", frame(b"\xa6" + payload[1:]), 4),
        ("unsupported_content_version", frame({**FIVE, "content_version": 3}), 21),
        ("field_type", frame({**FIVE, "guest_monotonic_ns": "0"}), len(good) - 1),
        ("integer_overflow", frame({**FIVE, "guest_pid": 2**32}), None),
        ("unknown_probe_source", frame({**FIVE, "probe_source": "agent.hello"}), 35),
        ("trailing_bytes", frame(payload + b"\0"), len(good)),
    ]
    for name, data, offset in cases:
        for before in (0, 3):
            status, out, complaint = wire("decode", data=good * before + data)
            want = f"telltale wire: offset {len(good) * before + offset}: {name}: " if offset is not None else f": {name}: "
            tt.check(f"{name}, {before} frames before it", status == 1 and lines(out) == [FIVE] * before
                     and want in complaint and complaint.count("\n") == 1, [status, out, complaint])
    strange = {"content_version": 2, "guest_pid": 3, "probe_source": "process.exited", "guest_comm": "sh",
               "guest_monotonic_ns": 1, "later": [1, {"a": "b"}], "seq": 5}
    data = frame(cbor(strange) + b"\0")
    tt.same("strict mode refuses what older and newer agents send", wire("decode", data=data)[:2], (1, b""))
    status, out, complaint = wire("decode", "--lenient", data=data)
    del strange["later"]
    tt.same("lenient mode takes it", (status, lines(out), complaint), (0, [strange], ""))
    order = ["content_version", "probe_source", "guest_pid", "guest_comm", "guest_monotonic_ns", "seq"]
    tt.same("and it is encoded as it should be", wire("encode", data=out), (0, frame({k: strange[k] for k in order}), ""))


def check_bad_lines():
    good = json.dumps(FIVE).encode()
    cases = [
        (b"{", "not JSON"), (b"[]", "not a JSON object"), (b"", "not JSON"),
        (b'{"a": 1}', "unknown key 'a'"), (b'{"content_version": 1}', "no key 'probe_source'"),
        (good.replace(b": 3", b": -3"), "'guest_pid' cannot"), (good.replace(b": 3", b": 3.0"), "'guest_pid' cannot"),
        (good.replace(b": 3", b': "3x"'), "'guest_pid' cannot"), (good.replace(b": 3", b": 4294967296"), "'guest_pid' is past 4294967295"),
        (good.replace(b": 3", b': "18446744073709551616"'), "'guest_pid' cannot"),
        (good.replace(b'"sh"', b"1"), "'guest_comm' cannot"), (good.replace(b'"sh"', b'"\xff"'), "not JSON"),
        (good.replace(b"spawned", b"spawn"), "no probe_source 'process.spawn'"),
        (good.replace(b"process.spawned", b"agent.heartbeat"), "major version 1 has no probe_source"),
        (good.replace(b": 1,", b": 3,"), "neither 1 nor 2"), (good.replace(b": 1,", b": 2,"), "needs a key 'seq'"),
        (good.replace(b"}", b', "seq": 1}'), "major version 1 has no key 'seq'"),
        (good.replace(b"}", b', "guest_pid": 1}'), "not JSON: duplicate"),
        (good.replace(b"sh", b"s" * 4096), "essage too long"), (good.replace(b"sh", b"s" * 70000), "longer than 65536"),
        (json.dumps({**TWO, "argv": ["x"] * 5000}).encode(), "'argv' cannot"),
        (json.dumps({**TWO, "argv": [1]}).encode(), "'argv' cannot"),
    ]
    for line, words in cases:
        status, out, complaint = wire("encode", data=good + b"\n" + line + b"\n" + good + b"\n")
        tt.check(f"{words}: {line[:40]!r}", status == 1 and out == frame(FIVE) and complaint.startswith("telltale wire: line 2: ")
                 and words in complaint and complaint.count("\n") == 1, [status, out, complaint])
    for args in ((), ("look",), ("decode", "a", "b"), ("encode", "--lenient"), ("decode", "--no-such")):
        tt.same(f"used wrongly: {args}", wire(*args)[:2], (2, b""))
    tt.check("a file that is not there", wire("decode", "/nonexistent/file")[0] == 1)


def check_stream():
    """A frame is shown when it is there, not when the stream ends."""
    with subprocess.Popen([tt.TELLTALE, "wire", "decode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        data = frame(FIVE)
        run.stdin.write(data[:50])
        run.stdin.flush()
        run.stdin.write(data[50:] + data[:1])
        run.stdin.flush()
        ready = select.select([run.stdout], [], [], tt.SECONDS)[0]
        tt.check("a live stream is shown as it comes", ready and json.loads(os.read(run.stdout.fileno(), 4096)) == FIVE)
        run.stdin.write(data[1:])
        run.stdin.close()
        tt.same("and goes on", json.loads(run.stdout.read()), FIVE)
        tt.same("and ends well", run.wait(timeout=tt.SECONDS), 0)
    ours, theirs = pty.openpty()
    strange = {**FIVE, "guest_comm": "\x1b[31m\u009b31m\u202e\u00e9"}
    subprocess.run([tt.TELLTALE, "wire", "decode"], input=frame(strange), stdout=theirs, timeout=tt.SECONDS, check=True)
    shown = os.read(ours, 4096)
    tt.check("a terminal gets plain ASCII", shown.isascii() and b"\x1b" not in shown and lines(shown) == [strange], shown)
    gone = subprocess.run(f"'{tt.TELLTALE}' wire decode | head -n 1", shell=True, input=frame(TWO) * 20000,
                          capture_output=True, timeout=tt.SECONDS, check=False)
    tt.same("a reader that goes away is no failure", (lines(gone.stdout), gone.stderr), ([TWO], b""))


def check_document():
    """Examples in hex and as notation are the same frame, and every row of the tables is described."""
    with open(os.path.join(SOURCE, "docs/wire.md"), encoding="utf-8") as f:
        text = f.read()
    complaints, seen = [], {1: set(), 2: set()}
    for block in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S):
        digits, rest = re.match(r"((?:[0-9a-f]+\n)+)(.*)", block, re.S).groups()
        value = json.loads(rest)  # of this kind of CBOR the notation is JSON
        status, out, complaint = wire("decode", data=bytes.fromhex(digits.replace("\n", "")))
        if status or lines(out) != [as_json(value)]:
            complaints.append(f"{rest}: {complaint} {out}")
        if frame(value).hex() != digits.replace("\n", "") or diagnostic(value) != rest.replace("\n", ""):
            complaints.append(rest)
        seen[value["content_version"]].add(value["probe_source"])
    tt.none("docs/wire.md: its examples are frames", complaints)
    table = {}
    for name, pattern in (("fields", r"^WIRE_[A-Z]+\((\w+)"), ("sources", r'^WIRE_SOURCE\(\w+, +"([^"]+)"'),
                          ("errors", r'^WIRE_ERROR\(\w+, +"(\w+)"')):
        with open(os.path.join(SOURCE, f"src/wire/{name}.def"), encoding="utf-8") as f:
            table[name] = re.findall(pattern, f.read(), re.M)
        rows = [row for row in text.splitlines() if row.startswith("| `")]
        first = {word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])}
        tt.none(f"docs/wire.md has a row for each of {name}.def", [n for n in table[name] if n not in first])
        tt.check(f"{name}.def was read", len(table[name]) > 7)
    with open(os.path.join(SOURCE, "src/wire/fields.def"), encoding="utf-8") as f:
        rows = re.findall(r"^WIRE_(\w+)\((\w+)(?:, (\w+))?\)", f.read(), re.M)
    words = {name: kind.lower() if not most else most.removesuffix("_MAX").lower().replace("uint", "u")
             if "MAX" in most else f"0-{most}" for kind, name, most in rows}
    words["content_version"] = "1, 2"
    said = {name: kind for names, kind in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+?) \|", text, re.M)
            for name in re.findall(r"\w+", names)}
    tt.none("docs/wire.md: the type of each key", [f"{n}: {said.get(n)}, not {w}" for n, w in words.items() if said.get(n) != w])
    tt.same("an example of each source", seen[2], set(table["sources"]))
    tt.same("the vectors of major 1", len(seen[1]), 3)


def check_library():
    """The agent links it: it needs nothing but a few functions of libc, none that allocates or does I/O."""
    library = os.path.join(tt.BUILD, "src/wire/libwire.a")
    run = subprocess.run(["nm", "-u", "-P", library], capture_output=True, text=True, check=True, timeout=tt.SECONDS)
    names = {line.split()[0] for line in run.stdout.splitlines() if " " in line and not line.endswith(":")}
    foreign = {n for n in names if not n.startswith(("wire_", "tt_utf8_", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_",
                                                     "__asan", "__ubsan", "__sanitizer"))}
    tt.none("libwire.a needs memory and string functions alone",
            sorted(foreign - {"memcpy", "memcmp", "memset", "strlen", "bcmp"}))


check_round_trip()
check_errors()
check_bad_lines()
check_stream()
check_document()
check_library()
tt.done()
