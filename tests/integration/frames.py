# SPDX-License-Identifier: Apache-2.0
"""Frames of the guest wire: CBOR as RFC 8949 has it, written here for the tests alone."""
import struct


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    size = next(i for i in range(4) if value < 1 << (8 << i))
    return bytes([major << 5 | 24 + size]) + value.to_bytes(1 << size, "big")


def cbor(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def framed(payload):
    return struct.pack("<I", len(payload)) + payload
