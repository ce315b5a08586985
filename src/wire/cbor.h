/* SPDX-License-Identifier: Apache-2.0 */
/* The few types of CBOR (RFC 8949) that frames are made of, for encoder and decoder. */
#ifndef TT_WIRE_CBOR_H
#define TT_WIRE_CBOR_H

/* The upper three bits of an item's first byte. */
enum {
	CBOR_UINT = 0,
	CBOR_TEXT = 3,
	CBOR_ARRAY = 4,
	CBOR_MAP = 5,
};

/* The lower five: a value below 24 itself, or the size of the one that follows. */
enum {
	CBOR_INFO_U8 = 24,
	CBOR_INFO_U64 = 27,
};

#endif
