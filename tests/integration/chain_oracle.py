# SPDX-License-Identifier: Apache-2.0
"""The chain of docs/chain.md once more, from its text alone: Python's hashlib and json, and the program openssl."""
import base64
import datetime
import hashlib
import json
import os
import subprocess
import tempfile

CHAIN = b'", "event_type": "chain", '
NO_CALL = b', "syscall": "", "args": [], "result": null, "elapsed_us": 0, '
SEQ = b', "chain_seq": '
KEY = b', "key": "'
DOMAIN = b"telltale.chain/1\n"
PUBLIC_DER = bytes.fromhex("302a300506032b6570032100")


class Bad(Exception):
    pass


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, timeout=60, check=False)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def is_chain(line):
    """A torn one is a record as others are."""
    return line.startswith(b'{"ts": "') and line[43:].startswith(CHAIN) and line.endswith(b"}\n")


def names(line):
    """Head and ids of a chain line, as bytes."""
    begin = 43 + len(CHAIN)
    head, rest = line[begin:].split(NO_CALL, 1)
    return head, rest.split(SEQ, 1)[0]


def genesis(head, ids):
    return hashlib.sha256(DOMAIN + head + b"\n" + ids).digest()


def check_signature(line, chain, public):
    """@public: a file in PEM."""
    with open(public, "rb") as f:
        pem = f.read()
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    if der != PUBLIC_DER + base64.b64decode(chain["key"]):
        raise Bad("another key")
    with tempfile.NamedTemporaryFile() as text, tempfile.NamedTemporaryFile() as signature:
        text.write(DOMAIN + line.split(KEY, 1)[0])
        text.flush()
        signature.write(base64.b64decode(chain["signature"]))
        signature.flush()
        run = openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", text.name, "-sigfile", signature.name)
    if run.returncode:
        raise Bad("the signature does not fit")


def verify(path, public=None):
    """How many records and chain lines there are, and whether the last one closes; raises Bad."""
    with open(path, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    hashed = previous = first_names = None
    records, block, chains, final = 0, [], 0, False
    for line in lines:
        if not is_chain(line):
            block.append(line)
            continue
        chain = json.loads(line)
        if first_names is None:
            first_names = names(line)
            hashed = previous = genesis(*first_names)
        if names(line) != first_names:
            raise Bad("another run")
        digest = hashlib.sha256(hashed + b"".join(block)).digest()
        crcs = b"".join(crc32c(record).to_bytes(4, "big") for record in block[:256])
        want = {"chain_seq": chains, "records": len(block), "first_record": records, "sha256": digest.hex(),
                "previous": previous.hex(), "crcs": base64.b64encode(crcs).decode()}
        for key, value in want.items():
            if chain[key] != value:
                raise Bad(f"chain line {chains}: {key}")
        if public:
            check_signature(line, chain, public)
        records += len(block)
        chains += 1
        final = chain.get("final", False)
        previous, hashed, block = digest, digest + line, []
    return records, chains, final and not block


class Writer:
    """Makes the chain lines of a file; @private: a file in PEM, or None."""

    def __init__(self, head, ids, private=None):
        self.head, self.ids, self.private = head, ids, private
        self.previous = genesis(head, ids)
        self.hashed, self.records, self.chains = self.previous, 0, 0

    def sign(self, text):
        with tempfile.NamedTemporaryFile() as f:
            f.write(DOMAIN + text)
            f.flush()
            signature = openssl("pkeyutl", "-sign", "-inkey", self.private, "-rawin", "-in", f.name).stdout
        der = openssl("pkey", "-in", self.private, "-pubout", "-outform", "DER").stdout
        return KEY + base64.b64encode(der[-32:]) + b'", "signature": "' + base64.b64encode(signature) + b'"'

    def line(self, block, final):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000+00:00")
        digest = hashlib.sha256(self.hashed + b"".join(block)).digest()
        crcs = b"".join(crc32c(record).to_bytes(4, "big") for record in block[:256])
        text = (b'{"ts": "' + now.encode() + CHAIN + self.head + NO_CALL + self.ids + SEQ
                + f'{self.chains}, "records": {len(block)}, "first_record": {self.records}, "sha256": "{digest.hex()}", '
                  f'"previous": "{self.previous.hex()}", "crcs": "{base64.b64encode(crcs).decode()}"'.encode()
                + (b', "final": true' if final else b""))
        text += (self.sign(text) if self.private else b"") + b"}\n"
        self.records += len(block)
        self.chains += 1
        self.previous, self.hashed = digest, digest + text
        return text


def make_key(folder, name):
    """A private and a public key, both files in PEM."""
    private, public = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
    for args in (("genpkey", "-algorithm", "ed25519", "-out", private), ("pkey", "-in", private, "-pubout", "-out", public)):
        run = openssl(*args)
        if run.returncode:
            raise OSError(run.stderr.decode())
    return private, public
