/* SPDX-License-Identifier: Apache-2.0 */
/* Building and undoing the environment that carries a run. */
#include "event/contract.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/out.h"
#include "base/sys.h"

/* room for our names, the ctx once more, and the NULL */
#define ENTRIES_MORE (CONTRACT_NAMES + 2)

#define MASK_ADDED(name) (1u << (name))
#define MASK_PAIR        (1u << 12) /* LD_PRELOAD: ours are two entries, ASan's run time and us */
#define MASK_BEHIND      (1u << 13) /* LD_PRELOAD: ours stands behind the caller's */
#define MASK_AUDIT       (1u << 14) /* LD_AUDIT: ours stands in front of the caller's */
#define MASK_OTHER_ROOT  (1u << 15)
#define MASK_PREFIXED    (1u << 16) /* LD_PRELOAD: ours stands in front of the caller's */
#define MASK_REPLACED    (1u << 17) /* the parent span: the caller's own is in the ctx */

/* a relative log or configuration was made absolute: bytes put in front of it */
#define MASK_LOG_SHIFT        18
#define MASK_CONFIG_SHIFT     32
#define MASK_CUT(mask, shift) ((mask) >> (shift)&0x3fff)

#define CTX_ROOM 128 /* numbers and separators of TELLTALE_CTX */

static const char names[CONTRACT_NAMES][24] = {
	"LD_PRELOAD",
	"LD_AUDIT",
	"SUBSTRATE_SESSION_ID",
	"SUBSTRATE_TRACE_LOG",
	"SUBSTRATE_PARENT_SPAN",
	"SUBSTRATE_WORLD_ID",
	"SUBSTRATE_AGENT_ID",
	"SUBSTRATE_POLICY_ID",
	"TELLTALE_CONFIG",
	"TELLTALE_LOG_MAX",
	"TELLTALE_LOG_KEEP",
	"TELLTALE_CTX",
};

const char *event_contract_name_text(enum contract_name name)
{
	return names[name];
}

/* How long each name is, known to the compiler: every exec looks at every variable. */
static const uint8_t name_len[CONTRACT_NAMES] = {10, 8, 20, 19, 21, 18, 18, 19, 15, 16, 17, 12};
_Static_assert(sizeof("SUBSTRATE_PARENT_SPAN") - 1 == 21 && sizeof("TELLTALE_CTX") - 1 == 12,
	       "as above");

static const char *value_of(const char *entry, enum contract_name name)
{
	size_t n = name_len[name];

	return strncmp(entry, names[name], n) == 0 && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* The value if @entry is "NAME=value" of a contract name. */
static const char *match(const char *entry, enum contract_name *ret)
{
	unsigned from, to;

	/* by their beginning: LD_..., SUBSTRATE_..., TELLTALE_... */
	if (entry[0] == 'S' && entry[1] == 'U') {
		from = CONTRACT_SESSION;
		to = CONTRACT_POLICY;
	} else if (entry[0] == 'L' && entry[1] == 'D') {
		from = CONTRACT_LD_PRELOAD;
		to = CONTRACT_LD_AUDIT;
	} else if (entry[0] == 'T' && entry[1] == 'E') {
		from = CONTRACT_CONFIG;
		to = CONTRACT_CTX;
	} else {
		return NULL;
	}
	for (unsigned i = from; i <= to; i++) {
		const char *value = value_of(entry, (enum contract_name)i);

		if (value) {
			*ret = (enum contract_name)i;
			return value;
		}
	}
	return NULL;
}

/* A list of libraries that ld.so reads. */
static bool is_list(enum contract_name name)
{
	return name == CONTRACT_LD_PRELOAD || name == CONTRACT_LD_AUDIT;
}

void event_contract_read(char *const *envp, const char *values[CONTRACT_NAMES])
{
	enum contract_name name;

	memset(values, 0, CONTRACT_NAMES * sizeof(*values));
	for (; envp && *envp; envp++) {
		const char *value = match(*envp, &name);

		/* getenv(3) takes the first of two, ld.so the last */
		if (value && (!values[name] || is_list(name)))
			values[name] = value;
	}
}

#define LIBRARY       "libtelltale.so"
#define LIBRARY_AUDIT "libtelltale-audit.so"
#define LIBRARY_MUSL  "libtelltale-musl.so"

bool event_contract_for_program(struct contract *c, const struct tt_program *program, char *buf,
				size_t cap)
{
	enum contract_name name =
		c->value[CONTRACT_LD_AUDIT] ? CONTRACT_LD_AUDIT : CONTRACT_LD_PRELOAD;
	const char *library = c->value[name], *slash = library ? strrchr(library, '/') : NULL;
	const char *own = library; /* what must be there */
	struct tt_out o;

	if (!slash || program->libc == TT_PROGRAM_FOREIGN)
		return false;
	tt_out_init(&o, buf, cap);
	if (program->libc == TT_PROGRAM_MUSL) {
		/* musl knows no LD_AUDIT; it goes along for the programs that come after */
		name = CONTRACT_LD_PRELOAD;
		own = buf;
		tt_out_mem(&o, library, (size_t)(slash + 1 - library));
		tt_out_str(&o, LIBRARY_MUSL);
	} else if (name == CONTRACT_LD_PRELOAD && program->first[0]) {
		tt_out_str(&o, program->first);
		tt_out_char(&o, ':');
		tt_out_str(&o, library);
	}
	if (o.len) {
		tt_out_char(&o, '\0');
		c->value[name] = buf;
	}
	/* chroot, another mount namespace, a uid that may not read our folder */
	return !tt_out_is_full(&o) && tt_sys3(SYS_faccessat, AT_FDCWD, own, R_OK) == 0;
}

/* The last part of a path in a list of libraries; NULL where it is none. */
static bool is_named(const char *path, size_t len, const char *base)
{
	size_t n = strlen(base);

	return len > n && *path == '/' && path[len - n - 1] == '/' &&
	       memcmp(path + len - n, base, n) == 0;
}

void event_contract_library(struct contract *c, const char *const values[CONTRACT_NAMES],
			    const char *(*keep)(const char *text, size_t len))
{
	for (const char *p = values[CONTRACT_LD_AUDIT]; p && *p;) {
		size_t n = strcspn(p, ":");

		if (is_named(p, n, LIBRARY_AUDIT)) {
			c->value[CONTRACT_LD_AUDIT] = keep(p, n);
			return;
		}
		p += n + (p[n] != '\0');
	}
	for (const char *p = values[CONTRACT_LD_PRELOAD]; p && *p;) {
		size_t n = strcspn(p, ": \t");

		if (is_named(p, n, LIBRARY)) {
			c->value[CONTRACT_LD_PRELOAD] = keep(p, n);
			return;
		}
		if (is_named(p, n, LIBRARY_MUSL)) {
			char other[CONTRACT_LIBRARY_MAX];
			struct tt_out o;

			tt_out_init(&o, other, sizeof(other));
			tt_out_mem(&o, p, n - (sizeof(LIBRARY_MUSL) - 1));
			tt_out_str(&o, LIBRARY);
			if (!tt_out_is_full(&o))
				c->value[CONTRACT_LD_PRELOAD] = keep(other, o.len);
			return;
		}
		p += n + (p[n] != '\0');
	}
}

/* Bytes the new strings may need. Sets the number of entries in @envp. */
static size_t text_size(const struct contract *c, char *const *envp, size_t *ret_count)
{
	size_t n = 0, text = CTX_ROOM;
	enum contract_name name;

	for (; envp && envp[n]; n++)
		if (match(envp[n], &name))
			text += strlen(envp[n]);
	for (unsigned i = 0; i < CONTRACT_NAMES; i++)
		text += name_len[i] + 3u + (c->value[i] ? strlen(c->value[i]) : 0);
	text += c->exe ? strlen(c->exe) : 0;
	*ret_count = n;
	return text;
}

size_t event_contract_env_size(const struct contract *c, char *const *envp)
{
	size_t n, text = text_size(c, envp, &n);

	return (n + ENTRIES_MORE) * sizeof(char *) + text;
}

/*
 * Whether the colon-separated list @value holds @path. ld.so also takes white space as a separator.
 */
static bool lists(const char *value, const char *path)
{
	size_t n = strlen(path);

	for (const char *p = strstr(value, path); p; p = strstr(p + 1, path))
		if ((p == value || strchr(": \t", p[-1])) && (!p[n] || strchr(": \t", p[n])))
			return true;
	return false;
}

/*
 * A log named relative to a folder that the next program may not start in: @value is the absolute
 * form of @own.
 */
static bool is_tail(const char *own, const char *value)
{
	size_t own_len = strlen(own), len = strlen(value);

	return own_len && own[0] != '/' && own_len < len && strcmp(value + len - own_len, own) == 0;
}

static bool has_asan(const char *list)
{
	return strstr(list, "libasan.so") || strstr(list, "libclang_rt.asan");
}

static char *put_entry(struct tt_out *o, enum contract_name name, const char *value,
		       const char *tail)
{
	char *at = o->buf + o->len;

	tt_out_str(o, names[name]);
	tt_out_char(o, '=');
	tt_out_str(o, value);
	if (tail) {
		tt_out_char(o, ':');
		tt_out_str(o, tail);
	}
	tt_out_char(o, '\0');
	return at;
}

static char *put_ctx(struct tt_out *o, const struct contract *c, uint64_t mask,
		     const char *own_parent)
{
	char *at = o->buf + o->len;

	tt_out_str(o, names[CONTRACT_CTX]);
	tt_out_str(o, "=2;");
	if (c->ring_fd < 0 && !c->ring_ino) {
		tt_out_str(o, "log;");
		tt_out_u64(o, c->log_mark);
	} else {
		tt_out_i64(o, c->ring_fd);
		tt_out_char(o, ';');
		tt_out_u64(o, c->ring_ino);
	}
	tt_out_char(o, ';');
	tt_out_str(o, c->ring_socket);
	tt_out_char(o, ';');
	tt_out_hex(o, mask);
	tt_out_char(o, ';');
	tt_out_hex(o, c->exe ? c->exe_of : 0);
	tt_out_char(o, ';');
	tt_out_u64(o, c->exe ? strlen(c->exe) : 0);
	tt_out_char(o, ';');
	tt_out_str(o, c->exe ? c->exe : "");
	tt_out_char(o, ';');
	tt_out_str(o, own_parent);
	tt_out_char(o, '\0');
	return at;
}

char *const *event_contract_env_build(const struct contract *c, char *const *envp, void *buf)
{
	const char *own[CONTRACT_NAMES] = {NULL};
	size_t at[CONTRACT_NAMES] = {0}, before, n, text = text_size(c, envp, &n);
	uint64_t mask = c->other_root ? MASK_OTHER_ROOT : 0;
	enum contract_name name;
	char **vec = buf;
	struct tt_out o;

	for (size_t i = 0; i < n; i++) {
		const char *value = match(envp[i], &name);

		if (value && (!own[name] || is_list(name))) {
			own[name] = value;
			at[name] = i;
		}
		vec[i] = envp[i];
	}
	if (own[CONTRACT_CTX])
		return envp;
	before = n;
	tt_out_init(&o, (char *)(vec + n + ENTRIES_MORE), text);
	for (unsigned i = 0; i < CONTRACT_CTX; i++) {
		const char *value = c->value[i];

		if (!value)
			continue;
		if (!own[i]) {
			vec[n++] = put_entry(&o, (enum contract_name)i, value, NULL);
			mask |= MASK_ADDED(i);
		} else if (is_list((enum contract_name)i) && !lists(own[i], value)) {
			/*
			 * ASan's run time insists on being the first: where the caller puts it
			 * there, it stays; where he puts another there, the program fails as it
			 * would without us
			 */
			bool behind = i == CONTRACT_LD_PRELOAD &&
				      (has_asan(own[i]) ||
				       (strchr(value, ':') && own[i][strspn(own[i], ": \t")]));

			if (behind && strchr(value, ':'))
				value = strchr(value, ':') + 1;
			vec[at[i]] = put_entry(&o, (enum contract_name)i, behind ? own[i] : value,
					       behind ? value : own[i]);
			mask |= i == CONTRACT_LD_AUDIT ? MASK_AUDIT
				: behind               ? MASK_BEHIND
				: strchr(value, ':')   ? MASK_PREFIXED | MASK_PAIR
						       : MASK_PREFIXED;
		} else if ((i == CONTRACT_TRACE_LOG || i == CONTRACT_CONFIG) &&
			   is_tail(own[i], value)) {
			vec[at[i]] = put_entry(&o, (enum contract_name)i, value, NULL);
			mask |= (uint64_t)(strlen(value) - strlen(own[i]))
				<< (i == CONTRACT_CONFIG ? MASK_CONFIG_SHIFT : MASK_LOG_SHIFT);
		} else if (i == CONTRACT_PARENT_SPAN) {
			vec[at[i]] = put_entry(&o, CONTRACT_PARENT_SPAN, value, NULL);
			mask |= MASK_REPLACED;
		}
	}
	vec[n] = put_ctx(&o, c, mask, mask & MASK_REPLACED ? own[CONTRACT_PARENT_SPAN] : "");
	n++;
	/* an even number, see event_contract_env_hide() */
	if ((n - before) & 1) {
		vec[n] = vec[n - 1];
		n++;
	}
	vec[n] = NULL;
	return vec;
}

static bool take_number(const char **p, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = *p;

	for (;; (*p)++) {
		unsigned d;

		if (**p >= '0' && **p <= '9')
			d = (unsigned)(**p - '0');
		else if (base == 16 && **p >= 'a' && **p <= 'f')
			d = (unsigned)(**p - 'a') + 10;
		else
			break;
		v = v * base + d;
	}
	if (*p == start || **p != ';')
		return false;
	(*p)++;
	*ret = v;
	return true;
}

static bool take_hex(const char **p, uint64_t *ret)
{
	if (strncmp(*p, "0x", 2) != 0)
		return false;
	*p += 2;
	return take_number(p, 16, ret);
}

/* All digits or none, then the separator. */
static bool take_socket(const char **p, char ret[CONTRACT_SOCKET_LEN + 1])
{
	size_t n = 0;

	for (; n < CONTRACT_SOCKET_LEN; n++, (*p)++) {
		if (!((**p >= '0' && **p <= '9') || (**p >= 'a' && **p <= 'f')))
			break;
		ret[n] = **p;
	}
	ret[n] = '\0';
	if ((n && n < CONTRACT_SOCKET_LEN) || **p != ';')
		return false;
	(*p)++;
	return true;
}

/* FNV-1a */
uint32_t event_contract_hash(const char *path)
{
	uint32_t h = 2166136261u;

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return h ? h : 1;
}

size_t event_contract_socket_name(char name[CONTRACT_SOCKET_NAME_MAX],
				  const char digits[CONTRACT_SOCKET_LEN + 1])
{
	struct tt_out o;

	tt_out_init(&o, name, CONTRACT_SOCKET_NAME_MAX);
	tt_out_char(&o, '\0');
	tt_out_str(&o, "telltale-");
	tt_out_str(&o, digits);
	return o.len;
}

bool event_contract_ctx_parse(const char *text, struct contract_ctx *ret)
{
	char socket[CONTRACT_SOCKET_LEN + 1];
	uint64_t fd = 0, ino, mask, exe_of, exe_len;
	bool lost, log;

	if (strncmp(text, "2;", 2) != 0)
		return false;
	text += 2;
	lost = strncmp(text, "-1;", 3) == 0;
	log = strncmp(text, "log;", 4) == 0;
	if (lost || log)
		text += lost ? 3 : 4;
	else if (!take_number(&text, 10, &fd) || fd > INT32_MAX)
		return false;
	if (!take_number(&text, 10, &ino) || !take_socket(&text, socket) ||
	    !take_hex(&text, &mask) || !take_hex(&text, &exe_of) ||
	    !take_number(&text, 10, &exe_len) || exe_len > CONTRACT_EXE_MAX ||
	    strnlen(text, exe_len + 1) <= exe_len || text[exe_len] != ';')
		return false;
	ret->exe = text;
	ret->exe_len = exe_len;
	ret->exe_of = (uint32_t)exe_of;
	text += exe_len + 1;
	ret->ring_fd = lost || log ? -1 : (int)fd;
	ret->ring_ino = log ? 0 : ino;
	ret->log_mark = log ? ino : 0;
	memcpy(ret->ring_socket, socket, sizeof(socket));
	ret->mask = mask;
	ret->other_root = mask & MASK_OTHER_ROOT;
	ret->own_parent = text;
	return true;
}

/*
 * The caller's own parent span may be longer than ours, so its entry is rebuilt in front of where
 * the value lies: at the end of TELLTALE_CTX, whose name and numbers leave more room than the name
 * it gets.
 */
static char *restore_parent(const struct contract_ctx *ctx)
{
	size_t n = name_len[CONTRACT_PARENT_SPAN];
	char *at = (char *)ctx->own_parent - n - 1;

	memcpy(at, names[CONTRACT_PARENT_SPAN], n);
	at[n] = '=';
	return at;
}

static void drop_first(char *list)
{
	const char *colon = strchr(list, ':');

	if (colon)
		memmove(list, colon + 1, strlen(colon));
}

static void cut_front(char *value, size_t n)
{
	if (value && n && n < strlen(value))
		memmove(value, value + n, strlen(value + n) + 1);
}

void event_contract_env_hide(const struct contract_ctx *ctx, char **envp)
{
	char **to = envp, **from, **parent = NULL, *preload = NULL, *audit = NULL, *log = NULL,
	     *config = NULL;

	for (from = envp; *from; from++) {
		enum contract_name name;
		char *value = (char *)match(*from, &name);

		if (value && (name == CONTRACT_CTX || (ctx->mask & MASK_ADDED(name))))
			continue;
		if (value && name == CONTRACT_LD_PRELOAD)
			preload = value;
		if (value && name == CONTRACT_LD_AUDIT)
			audit = value;
		if (value && name == CONTRACT_TRACE_LOG && !log)
			log = value;
		if (value && name == CONTRACT_CONFIG && !config)
			config = value;
		if (value && name == CONTRACT_PARENT_SPAN && !parent)
			parent = to;
		*to++ = *from;
	}
	*to = NULL;
	/*
	 * Behind the NULL that ended the environment lies the auxiliary vector, and there are
	 * programs (Go's start-up is one) that look for it behind the NULL they find. The hole is
	 * filled with pairs of AT_IGNORE: it is as wide as an even number of entries.
	 */
	for (char **hole = to + 1; hole < from; hole += 2) {
		hole[0] = (char *)AT_IGNORE;
		hole[1] = NULL;
	}
	/*
	 * of names that stand there twice, the one that event_contract_env_build() took; the text
	 * of the ctx goes last
	 */
	if (preload && (ctx->mask & MASK_PREFIXED))
		drop_first(preload);
	if (preload && (ctx->mask & MASK_PREFIXED) && (ctx->mask & MASK_PAIR))
		drop_first(preload);
	if (preload && (ctx->mask & MASK_BEHIND) && strrchr(preload, ':'))
		*strrchr(preload, ':') = '\0';
	if (audit && (ctx->mask & MASK_AUDIT))
		drop_first(audit);
	cut_front(log, MASK_CUT(ctx->mask, MASK_LOG_SHIFT));
	cut_front(config, MASK_CUT(ctx->mask, MASK_CONFIG_SHIFT));
	if (parent && (ctx->mask & MASK_REPLACED))
		*parent = restore_parent(ctx);
}
