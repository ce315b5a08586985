/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of Ed25519 (RFC 8410) and what is done with them.
 *
 * Of nettle, linked statically: it uses the processor's instructions for SHA-256 (five times as
 * fast as libsodium, as fast as libcrypto), and adds 180 KB without relocations to the program.
 * Static libcrypto adds 4 MB, and 100 page faults to the start of every "telltale run". What nettle
 * lacks is PEM; of an Ed25519 key that is a fixed prefix and 32 bytes.
 */
#include <errno.h>
#include <nettle/base64.h>
#include <nettle/eddsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "chain/chain_internal.h"
#include "chain/verify.h"

#define KEY_FILE_MAX 4096
/* So that a signature of a chain line is not one of anything else. */
#define SIGNED_PREFIX     "telltale.chain/1\n"
#define SIGNED_PREFIX_LEN (sizeof(SIGNED_PREFIX) - 1)

struct chain_key {
	uint8_t private[CHAIN_KEY_BYTES];
	uint8_t public[CHAIN_KEY_BYTES];
};

/* DER in front of the 32 bytes: of PKCS #8, and of SubjectPublicKeyInfo. */
static const uint8_t private_der[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
				      0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
static const uint8_t public_der[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
				     0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

/* What is between the two lines of PEM. Returns the number of bytes, or -EBADMSG. */
static int pem_decode(const char *text, const char *begin, const char *end, uint8_t *buf,
		      size_t cap)
{
	const char *from = strstr(text, begin), *to = from ? strstr(from, end) : NULL;
	struct base64_decode_ctx b64;
	size_t len;

	if (!to)
		return -EBADMSG;
	from += strlen(begin);
	len = (size_t)(to - from);
	if (BASE64_DECODE_LENGTH(len) > cap)
		return -EBADMSG;
	base64_decode_init(&b64);
	if (!base64_decode_update(&b64, &cap, buf, len, from) || !base64_decode_final(&b64))
		return -EBADMSG;
	return (int)cap;
}

static int read_pem(const char *path, bool private, uint8_t ret[CHAIN_KEY_BYTES],
		    struct tt_err *err)
{
	const uint8_t *der = private ? private_der : public_der;
	size_t der_len = private ? sizeof(private_der) : sizeof(public_der);
	uint8_t bytes[KEY_FILE_MAX];
	char text[KEY_FILE_MAX + 1];
	long n = tt_file_read(path, text, sizeof(text) - 1);
	int r = 0;

	if (n < 0)
		return tt_fail(err, (int)-n, "read key '%s'", path);
	text[n] = '\0';
	r = private ? pem_decode(text, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----",
				 bytes, sizeof(bytes))
		    : pem_decode(text, "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----",
				 bytes, sizeof(bytes));
	if (r == (int)(der_len + CHAIN_KEY_BYTES) && memcmp(bytes, der, der_len) == 0) {
		memcpy(ret, bytes + der_len, CHAIN_KEY_BYTES);
		r = 0;
	} else if (private) {
		r = tt_fail_text(
			err, EBADMSG,
			"'%s' is no private Ed25519 key without a password in PEM; make one: openssl genpkey "
			"-algorithm ed25519 -out FILE",
			path);
	} else {
		r = tt_fail_text(
			err, EBADMSG,
			"'%s' is no public Ed25519 key in PEM; of a private one: openssl pkey -in FILE -pubout",
			path);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

int chain_key_load(struct chain_key **ret, const char *path, struct tt_err *err)
{
	TT_CLEANUP(chain_key_freep) struct chain_key *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return tt_fail(err, ENOMEM, "read key '%s'", path);
	r = read_pem(path, true, k->private, err);
	if (r < 0)
		return r;
	ed25519_sha512_public_key(k->public, k->private);
	*ret = TT_TAKE(k);
	return 0;
}

void chain_key_free(struct chain_key *k)
{
	if (!k)
		return;
	explicit_bzero(k, sizeof(*k));
	free(k);
}

const uint8_t *chain_key_public(const struct chain_key *k)
{
	return k->public;
}

int chain_key_load_public(uint8_t ret[CHAIN_PUBLIC_BYTES], const char *path, struct tt_err *err)
{
	return read_pem(path, false, ret, err);
}

/* The text that is signed; @len is at most that of a chain line. */
static size_t signed_text(char *buf, const char *line, size_t len)
{
	memcpy(buf, SIGNED_PREFIX, SIGNED_PREFIX_LEN);
	memcpy(buf + SIGNED_PREFIX_LEN, line, len);
	return SIGNED_PREFIX_LEN + len;
}

void chain_key_sign(const struct chain_key *k, const char *line, size_t len,
		    uint8_t ret[CHAIN_SIGNATURE_BYTES])
{
	char text[SIGNED_PREFIX_LEN + CHAIN_LINE_MAX];
	size_t n = signed_text(text, line, len);

	ed25519_sha512_sign(k->public, k->private, n, (const uint8_t *)text, ret);
}

bool chain_key_check(const uint8_t key[CHAIN_KEY_BYTES], const char *line, size_t len,
		     const uint8_t signature[CHAIN_SIGNATURE_BYTES])
{
	char text[SIGNED_PREFIX_LEN + CHAIN_LINE_MAX];
	size_t n = signed_text(text, line, len);

	return ed25519_sha512_verify(key, n, (const uint8_t *)text, signature) == 1;
}
