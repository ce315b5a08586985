#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale verify: what was done to a chained trace is named; what is proven is said, and no more; killed writers."""
import json
import os
import re
import shutil
import subprocess

import chain_oracle
import tt

if not shutil.which("openssl"):
    tt.skip_all("no openssl: the oracle of signatures")

SOURCE = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
PROBE = tt.program("chain_probe")
HEAD = (b'"session_id": "ses_01990f2a-7c11-7a3e-8b52-000000000001", "span_id": null, "parent_span": null, '
        b'"component": "guest"')
IDS = b'"run_id": "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70", "sensor": "guest", "standing": "attested"'
FOLDER = tt.scratch()
PRIVATE, PUBLIC = chain_oracle.make_key(FOLDER, "host")
OTHER, OTHER_PUBLIC = chain_oracle.make_key(FOLDER, "other")
PER_BLOCK, BLOCKS = 5, 4


def record(number):
    return b'{"ts": "2025-09-03T13:55:14.018517011+00:00", "event_type": "process", "guest_pid": %d}\n' % number


def place(name):
    return os.path.join(FOLDER, name)


def write(path, first, count, *options, check=True):
    """The heads that were told."""
    run = subprocess.run([PROBE, *options, path], input=b"".join(map(record, range(first, first + count))),
                         capture_output=True, timeout=tt.SECONDS, check=check)
    return [json.loads(line) for line in run.stdout.splitlines()]


def made(name, *options, key=PRIVATE):
    """The lines of a file with four blocks of five records, and its heads."""
    path = place(name)
    heads = write(path, 0, PER_BLOCK * BLOCKS, "-b", str(PER_BLOCK), *(("-k", key) if key else ()), *options)
    return tt.read(path).splitlines(keepends=True), heads


def verify(data, *options):
    """Status and document; @data: lines or bytes."""
    path = place("case.jsonl")
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else b"".join(data))
    run = subprocess.run([tt.TELLTALE, "verify", "--json", *options, path], capture_output=True, timeout=tt.SECONDS, check=False)
    if run.stderr:
        return run.returncode, run.stderr.decode()
    return run.returncode, json.loads(run.stdout)


def found(data, *options):
    """Status, kind and line of what is wrong."""
    status, said = verify(data, *options)
    problem = said["problem"] or {"kind": None, "line": None}
    return status, problem["kind"], problem["line"]


def accept(path, public=None):
    """What the oracle says."""
    try:
        return chain_oracle.verify(path, public)
    except chain_oracle.Bad as e:
        return f"bad: {e}"


# Line numbers from 1: records 1-5, chain line 6, 7-11, 12, 13-17, 18, 19-23, 24, and 25 that closes.
signed, signed_heads = made("signed.jsonl")
plain, plain_heads = made("plain.jsonl", key=None)
LAST = len(signed)
with_key = ("--key", PUBLIC)


def check_oracle():
    tt.same("25 lines were written", (len(signed), len(plain)), (25, 25))
    tt.same("the oracle accepts what is signed", accept(place("signed.jsonl"), PUBLIC), (20, 5, True))
    tt.same("and what is not", accept(place("plain.jsonl")), (20, 5, True))
    tt.same("the oracle knows another key", accept(place("signed.jsonl"), OTHER_PUBLIC), "bad: another key")
    for private in (PRIVATE, None):
        writer = chain_oracle.Writer(HEAD, IDS, private)
        lines = []
        for size in (1, 256, 0, 3):
            block = [record(i) for i in range(size)]
            lines += block + [writer.line(block, size in (0, 3))]
        status, said = verify(lines, *(with_key if private else ()))
        tt.check(f"what the oracle writes is accepted, {'' if private else 'not '}signed", status == 0 and said["records"] == 260
                 and said["chain_lines"] == 4 and said["closed"] and said["end_proven"] == bool(private), said)


def check_document():
    with open(os.path.join(SOURCE, "docs/chain.md"), encoding="utf-8") as f:
        fences = dict(re.findall(r"^```(\w*)\n(\{\"ts\".*?|-----BEGIN.*?)^```$", f.read(), re.M | re.S))
    path, public = place("document.jsonl"), place("document.pem")
    for name, text in ((path, fences["json"]), (public, fences[""])):
        with open(name, "w", encoding="utf-8") as f:
            f.write(text)
    tt.same("docs/chain.md: its example verifies", verify(tt.read(path), "--key", public)[0], 0)
    tt.same("by the oracle as well", accept(path, public), (1, 1, True))


def check_proven():
    cases = [
        ("signed, with the key", signed, with_key, 0, True, True),
        ("signed, without it", signed, (), 0, True, False),
        ("not signed", plain, (), 0, True, False),
        ("not signed, with the head", plain, ("--head", plain_heads[-1]["sha256"]), 0, True, True),
        ("and how many records", plain, ("--head", plain_heads[-1]["sha256"] + ":20"), 0, True, True),
        ("an earlier head", plain, ("--head", plain_heads[1]["sha256"] + ":10"), 0, True, False),
        ("still open, without a key", signed[:18], (), 0, False, False),
        ("still open, with its head", plain[:12], ("--head", plain_heads[1]["sha256"]), 0, False, True),
        ("key and earlier head, still open", signed[:18], (*with_key, "--head", signed_heads[0]["sha256"]), 0, False, False),
        ("records behind the last chain line", plain[:15], (), 0, False, False),
    ]
    for name, lines, options, status, closed, proven in cases:
        got, said = verify(lines, *options)
        tt.check(f"{name}: {'closed, ' if closed else ''}{'proven' if proven else 'unproven'}",
                 (got, said["closed"], said["end_proven"], said["problem"]) == (status, closed, proven, None), said)
    tt.same("lines that are not covered are counted", verify(plain[:15])[1]["uncovered"], 3)
    tt.same("a key that signed is named", verify(signed)[1]["key"] is None, verify(plain)[1]["key"] is not None)
    tt.same("heads as they were told", [(h["cell_id"], h["chain_seq"], h["records"]) for h in plain_heads],
            [("cell-1", 0, 5), ("cell-1", 1, 10), ("cell-1", 2, 15), ("cell-1", 3, 20), ("cell-1", 4, 20)])
    tt.same("the newest hash", verify(plain)[1]["sha256"], plain_heads[-1]["sha256"])


def check_text():
    def said(data, *options):
        verify(data)  # writes the file
        run = subprocess.run([tt.TELLTALE, "verify", *options, place("case.jsonl")], capture_output=True, text=True,
                             timeout=tt.SECONDS, check=False)
        return run.stdout.replace(FOLDER + "/", "") + run.stderr
    tt.check("signed and closed", "20 records, chain consistent, signed by " in said(signed, *with_key)
             and "host.pem, closed\n" in said(signed, *with_key), said(signed, *with_key))
    tt.check("without a head", "20 records, chain consistent, closed, end unproven\n" in said(plain), said(plain))
    tt.check("whose record it is", said(plain).endswith(f"  of run {verify(plain)[1]['ids']['run_id']}\n"), said(plain))
    tt.check("altered", "case.jsonl: line 8: record 6 is altered\n" in said(plain[:7] + [plain[7].replace(b'"', b"'")] + plain[8:]))


def check_harm():
    """Each kind of harm, to each line, in a signed file and with the key: always found, and named by its line."""
    chains = {n for n in range(1, LAST + 1) if chain_oracle.is_chain(signed[n - 1])}
    wrong = {"altered": [], "removed": [], "doubled": [], "swapped": [], "cut": []}
    for n in range(1, LAST + 1):
        i = n - 1
        for at in range(0, len(signed[i]) - 1, 7 if n in (1, 6, 7, LAST) else 29):
            bad = bytes([signed[i][at] ^ 1])
            got = found(signed[:i] + [signed[i][:at] + bad + signed[i][at + 1:]] + signed[n:], *with_key)
            # a byte that becomes a newline makes two lines of one
            if got[0] != 1 or got[2] != n:
                wrong["altered"].append((n, at, got))
        got = found(signed[:i] + signed[n:], *with_key)
        if n in chains:
            # the closing line: the last one is open then
            want = (1, "not_closed", 25) if n == LAST else (1, "chain_line_missing", n)
        else:
            want = (1, "removed", n)
        if got != want:
            wrong["removed"].append((n, got))
        got = found(signed[:n] + signed[i:], *with_key)
        want = (1, "moved", n + 1) if n in chains else (1, "inserted", None)
        if got[:2] != want[:2] or abs(got[2] - n) > 1:
            wrong["doubled"].append((n, got))
        if n < LAST:
            got = found(signed[:i] + [signed[n], signed[i]] + signed[n + 1:], *with_key)
            if got[0] != 1 or not n <= got[2] <= n + 1 or (not {n, n + 1} & chains and got[1] != "moved"):
                wrong["swapped"].append((n, got))
        got = found(signed[:i], *with_key)
        if got[0] != 1 or got[1] not in (("no_chain",) if n <= 6 else ("not_closed",)):
            wrong["cut"].append((n, got))
    for kind, complaints in wrong.items():
        tt.none(f"signed, {kind}: found, and where", complaints)
    wrong = []
    data = b"".join(signed)
    for at in range(0, len(data), 29):
        got = found(data[:at], *with_key)
        if got[0] != 1 or got[1] not in ("no_chain", "not_closed"):
            wrong.append((at, got))
    tt.none("cut anywhere: the end is not proven", wrong)
    tt.same("without its last newline", found(data[:-1], *with_key), (1, "not_closed", LAST))


def check_plain_harm():
    """Without a key the same shows where a chain line follows."""
    wrong = []
    for n in range(1, 19):
        i = n - 1
        for at in range(0, len(plain[i]) - 1, 11):
            got = found(plain[:i] + [plain[i][:at] + bytes([plain[i][at] ^ 1]) + plain[i][at + 1:]] + plain[n:])
            if got[0] != 1 or got[1] not in ("altered", "removed", "foreign", "chain_line_missing", "moved"):
                wrong.append((n, at, got))
            if n not in (6, 12, 18) and got != (1, "altered", n):
                wrong.append((n, at, got))
    tt.none("not signed, altered: found", wrong)
    # the last chain line: nothing behind it covers it
    for old, new in ((b'"chain_seq": 4', b'"chain_seq": 5'), (b'"records": 0', b'"records": 1'), (b'"first_record": 20', b'"first_record": 2'),
                     (b'"crcs": ""', b'"crcs": "AAAAAA=="'), (b'"sha256": "', b'"sha256": "0'), (b"}\n", b"}}\n")):
        tt.same(f"the last chain line, with {new}", found(plain[:24] + [plain[24].replace(old, new)]), (1, "altered", 25))
    status, said = verify(plain[:24] + [plain[24][:-1] + b" \n"])
    tt.check("and with something behind it: it closes nothing", status == 0 and not said["closed"] and said["torn"] == 1, said)
    tt.same("signed", found(signed[:24] + [signed[24][:-1] + b" \n"], *with_key), (1, "not_closed", 25))
    bad = plain[5].replace(b'"records": 5', b'"records": 05')
    tt.same("a chain line altered, and a record before it removed", found(plain[:1] + plain[2:5] + [bad] + plain[6:]), (1, "altered", 5))
    cut = plain[:18]
    tt.same("a cut with its chain line shows by the head", found(cut, "--head", plain_heads[-1]["sha256"] + ":20"), (1, "cut", 19))
    tt.same("and without the number of records", found(cut, "--head", plain_heads[-1]["sha256"]), (1, "cut", None))
    tt.same("another number of records", found(plain, "--head", plain_heads[-1]["sha256"] + ":19"), (1, "cut", None))
    tt.same("without key and head it does not", found(cut), (0, None, None))
    tt.same("several records removed", found(plain[:13] + plain[16:]), (1, "removed", 14))
    tt.same("several put in", found(plain[:13] + plain[:3] + plain[13:]), (1, "inserted", 14))
    tt.same("a block removed with its chain line", found(plain[:6] + plain[12:]), (1, "removed", 7))
    tt.same("two blocks", found(plain[:6] + plain[18:]), (1, "removed", 7))
    tt.same("the first block", found(plain[6:]), (1, "removed", 1))
    tt.same("two blocks swapped", found(plain[:6] + plain[12:18] + plain[6:12] + plain[18:])[:2], (1, "removed"))
    tt.same("altered and one put in", found(plain[:7] + [record(99)] + plain[8:10] + [record(98)] + plain[10:]), (1, "altered", 8))
    tt.same("altered and one removed", found(plain[:7] + [record(99)] + plain[9:]), (1, "altered", 8))


def check_keys():
    tt.same("another key is asked for", found(signed, "--key", OTHER_PUBLIC), (1, "wrong_key", 6))
    tt.same("a signature is asked for", found(plain, *with_key), (1, "unsigned", 6))
    for private, kind in ((OTHER, "wrong_key"), (None, "unsigned")):
        # somebody makes it all anew behind the first block
        writer = chain_oracle.Writer(HEAD, IDS, private)
        writer.previous = bytes.fromhex(signed_heads[0]["sha256"])
        writer.hashed, writer.records, writer.chains = writer.previous + signed[5], 5, 1
        block = [record(77)]
        lines = signed[:6] + block + [writer.line(block, True)]
        tt.same(f"made anew and {'resigned' if private else 'not signed'}", found(lines, *with_key), (1, kind, 8))
        tt.same("without the key, too, as one file has one key", found(lines), (1, kind, 8))
    forged = chain_oracle.Writer(HEAD, IDS, OTHER)
    mine = json.loads(signed[5])["key"].encode()
    block = [record(1)]
    line = forged.line(block, True)
    line = line.replace(json.loads(line)["key"].encode(), mine)
    tt.same("another's key is put in", found(block + [line], *with_key), (1, "forged", 2))
    mixed, _ = made("mixed.jsonl", "-i", "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a71")
    tt.same("another run's blocks", found(signed[:12] + mixed[12:], *with_key), (1, "foreign", 18))
    second, _ = made("second.jsonl", "-b", "4")
    tt.same("another chain of the same names", found(signed[:12] + second[10:], *with_key)[0], 1)
    tt.same("a chain line of another run between", found(signed[:7] + [mixed[11]] + signed[7:], *with_key), (1, "foreign", 8))


def check_resume():
    """A writer that was killed, and one that goes on behind it; tests/unit/chain/test_verify.c does so at every byte."""
    path, wrong, torn, whole = place("kill.jsonl"), [], 0, 0
    data = b"".join(signed[:-1])
    begin = len(b"".join(signed[:18]))
    for at in [0, 1, len(signed[0]), *range(begin, len(data) + 1, 9), len(data) - 1, len(data)]:
        with open(path, "wb") as f:
            f.write(data[:at])
        write(path, 100, 2, "-b", "2", "-k", PRIVATE)
        run = subprocess.run([tt.TELLTALE, "verify", "--json", *with_key, path], capture_output=True, timeout=tt.SECONDS, check=False)
        said = json.loads(run.stdout)
        got = tt.read(path)
        # the lines that were there, what was begun, and the two that came; but for chain lines all are records
        tail = data[:at].rpartition(b"\n")[2]
        is_torn = bool(tail) and tail + b"\n" not in signed
        lines = got.splitlines()
        if (run.returncode or said["torn"] != is_torn or not got.startswith(data[:at])
                or said["records"] + said["chain_lines"] != len(lines) or not said["end_proven"]
                or (is_torn and said["torn"] and tail != lines[lines.index(tail)])):
            wrong.append((at, said, is_torn))
        torn += is_torn
        whole += not is_torn
        if at % 20 == 0 and accept(path, PUBLIC) != (said["records"], said["chain_lines"], True):
            wrong.append((at, accept(path, PUBLIC)))
    tt.none("going on behind a kill: consistent, and what is torn is named", wrong)
    tt.check("both kinds were there", torn > 100 and whole > 2, (torn, whole))
    for times in range(3):
        with open(path, "wb") as f:
            f.write(data[:begin + 30])
        for _ in range(times):  # killed again, before the newline or behind records
            write(path, 200, 1, "-b", "0", "-n", "-k", PRIVATE)
        write(path, 300, 1, "-k", PRIVATE)
        status, said = verify(tt.read(path), *with_key)
        tt.check(f"killed {times} times more", status == 0 and said["torn"] == 1 and said["records"] == 15 + 1 + times + 1, said)
    for at in (30, 60):
        status, said = verify(signed[:18] + [signed[18][:at]])
        tt.check("a torn end is told", status == 0 and said["torn"] == 1 and said["uncovered"] == 1, said)
    altered = signed[:17] + [signed[17].replace(b'"records": 5', b'"records": 5 ')] + signed[18:20]
    with open(path, "wb") as f:
        f.write(b"".join(altered))
    write(path, 400, 1, "-k", PRIVATE)
    tt.same("a chain line that was altered between two runs of the receiver", found(tt.read(path), *with_key), (1, "altered", 18))
    with open(path, "wb") as f:
        f.write(b"".join(signed))
    write(path, 500, 3, "-k", PRIVATE)
    status, said = verify(tt.read(path), *with_key)
    tt.check("a closed file may be gone on with", status == 0 and said["records"] == 23 and said["closed"], said)
    write(path, 600, 3, "-k", PRIVATE, "-b", "0", "-n")
    tt.same("until then lines behind the close are not covered", found(tt.read(path), *with_key), (1, "not_closed", 30))
    with open(path, "wb") as f:
        f.write(b"".join(signed))
    run = subprocess.run([PROBE, "-k", PRIVATE, "-i", "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a71", path], input=record(1), capture_output=True,
                         timeout=tt.SECONDS, check=False)
    tt.check("another run does not go on in it", run.returncode == 1 and b"another run" in run.stderr and tt.read(path) == b"".join(signed))
    for lines, options, words in ((signed, ("-k", OTHER), b"another key"), (signed, (), b"its key is needed"),
                                  (plain, ("-k", PRIVATE), b"is not signed")):
        with open(path, "wb") as f:
            f.write(b"".join(lines))
        run = subprocess.run([PROBE, *options, path], input=record(1), capture_output=True, timeout=tt.SECONDS, check=False)
        tt.check(f"nor a chain with other signatures: {words.decode()}", run.returncode == 1 and words in run.stderr
                 and tt.read(path) == b"".join(lines), run)


def check_strange():
    long_line = b'{"ts": "' + b"x" * 300000 + b'"}\n'
    tt.same("an empty file has no chain", found(b""), (1, "no_chain", None))
    tt.same("nor has a trace without", found(b"".join(map(record, range(600)))), (1, "no_chain", None))
    tt.same("nor has noise", found(os.urandom(400000)), (1, "no_chain", None))
    tt.same("nor one endless line", found(b"\0" * 400000), (1, "no_chain", None))
    tt.same("a line longer than any", found([long_line] + plain), (1, "inserted", 1))
    path = place("long.jsonl")
    run = subprocess.run([PROBE, path], input=record(0) + long_line + record(1), capture_output=True, timeout=tt.SECONDS, check=True)
    status, said = verify(tt.read(path))
    tt.check("is a record like others", status == 0 and said["records"] == 3 and run.stdout, said)
    tt.same("and the oracle thinks so, too", accept(path), (3, 1, True))
    path = place("big.jsonl")
    write(path, 0, 1000, "-b", "0")
    status, said = verify(tt.read(path))
    tt.check("a block of more than 256", status == 0 and said["records"] == 1000 and accept(path) == (1000, 1, True), said)
    lines = tt.read(path).splitlines(keepends=True)
    tt.same("altered within the first 256", found(lines[:200] + [record(7)] + lines[201:]), (1, "altered", 201))
    tt.same("altered behind them", found(lines[:800] + [record(7)] + lines[801:])[:2], (1, "altered"))
    tt.same("one removed behind them", found(lines[:800] + lines[801:])[:2], (1, "removed"))
    tt.same("a thousand put in", found(lines[:100] + [record(5)] * 1000 + lines[100:]), (1, "altered", 101))


def check_usage():
    folder = tt.scratch()
    shutil.copy(place("signed.jsonl"), os.path.join(folder, "trace.jsonl"))
    run = subprocess.run([tt.TELLTALE, "verify", folder, "--key", PUBLIC], capture_output=True, timeout=tt.SECONDS, check=False)
    tt.check("a folder stands for its trace", run.returncode == 0 and b"20 records, chain consistent, signed by" in run.stdout, run)
    state = tt.scratch()
    run_id = "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70"
    shutil.copytree(folder, os.path.join(state, "telltale/runs", run_id))
    for name in (run_id, "01990f2a", "--last"):
        run = subprocess.run([tt.TELLTALE, "verify", "--key", PUBLIC, name], capture_output=True, timeout=tt.SECONDS, cwd=state,
                             env=tt.clean_env(XDG_STATE_HOME=state), check=False)
        tt.check(f"a run by its name: {name}", run.returncode == 0 and b"20 records, chain consistent, signed by" in run.stdout, run)
    hash64 = "0" * 64
    cases = [((), 2), ((FOLDER, FOLDER), 2), (("--head", "12", folder), 2), (("--head", hash64 + ":", folder), 2),
             (("--head", hash64 + ":x", folder), 2), (("--head", hash64[:-1] + "G", folder), 2), (("--head", hash64 + ":1x", folder), 2),
             (("--no-such", folder), 2), (("--key", PRIVATE, folder), 1), (("--key", "/nonexistent", folder), 1),
             (("--key", "/dev/null", folder), 1), (("/nonexistent",), 1), (("/dev/null",), 1), ((tt.scratch(),), 1),
             (("--last", folder), 2), (("no-such-run",), 1)]
    for args, want in cases:
        run = subprocess.run([tt.TELLTALE, "verify", *args], capture_output=True, text=True, timeout=tt.SECONDS, check=False)
        tt.check(f"used wrongly: {args}", run.returncode == want and not run.stdout and run.stderr.startswith("telltale verify: "), run)
    encrypted = place("encrypted.key")
    chain_oracle.openssl("pkey", "-in", PRIVATE, "-aes256", "-passout", "pass:x", "-out", encrypted)
    rsa = place("rsa.key")
    chain_oracle.openssl("genpkey", "-algorithm", "x25519", "-out", rsa)
    for bad in (PUBLIC, encrypted, rsa):
        run = subprocess.run([PROBE, "-k", bad, place("never.jsonl")], input=b"", capture_output=True, timeout=tt.SECONDS, check=False)
        tt.check(f"no key to sign with: {os.path.basename(bad)}", run.returncode == 1 and b"no private Ed25519 key" in run.stderr
                 and not os.path.exists(place("never.jsonl")), run)


check_oracle()
check_document()
check_proven()
check_text()
check_harm()
check_plain_harm()
check_keys()
check_resume()
check_strange()
check_usage()
tt.done()
