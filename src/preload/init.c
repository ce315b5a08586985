/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning of a span: at exec (constructor), at fork (atfork child). And its end at exit(3).
 */
#include "preload/preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/redact.h"
#include "preload/fds.h"

__thread struct pl_thread pl_thread __attribute__((__tls_model__("initial-exec")));
struct pl_process pl_process;

extern char **environ;

/* Called in each process: looked up with the others that are, which is cheaper than by itself. */
extern __typeof__(on_exit) on_exit TT_NO_PLT;

/*
 * Copies of what children get, one behind the other: programs overwrite their environment strings
 * to show a status in ps(1). Packed, so that most processes touch one page of it. What does not fit
 * is cut.
 */
const char *pl_keep(const char *text, size_t len)
{
	char *to = pl_process.kept + pl_process.kept_len;
	size_t room = sizeof(pl_process.kept) - pl_process.kept_len;

	if (room < 2)
		return NULL;
	if (len >= room)
		len = room - 1;
	memcpy(to, text, len);
	to[len] = '\0';
	pl_process.kept_len += len + 1;
	return to;
}

static const char *keep_id(const char *text)
{
	size_t len = strlen(text);

	return pl_keep(text, len < CONTRACT_ID_MAX ? len : CONTRACT_ID_MAX - 1);
}

static void keep_contract(const char *const values[CONTRACT_NAMES])
{
	struct contract *c = &pl_process.contract;

	for (unsigned i = CONTRACT_SESSION; i < CONTRACT_CTX; i++) {
		const char *value = values[i];

		if (!value || i == CONTRACT_PARENT_SPAN || i == CONTRACT_CONFIG)
			continue;
		if (i == CONTRACT_TRACE_LOG)
			c->value[i] = value; /* until pl_log_open() has its own copy */
		else
			c->value[i] = keep_id(value);
	}
	event_contract_library(c, values, pl_keep);
}

static struct event_text text_of(const char *s)
{
	return (struct event_text){s, s ? strlen(s) : 0};
}

bool pl_ring_is_ours(void)
{
	struct stat st;
	bool ours;

	if (pl_process.ring_fd < 0)
		return false;
	ours = tt_sys2(SYS_fstat, pl_process.ring_fd, &st) == 0 &&
	       st.st_ino == pl_process.ring_ino &&
	       (!pl_process.ring_dev || st.st_dev == pl_process.ring_dev);
	if (ours)
		pl_process.ring_dev = st.st_dev;
	return ours;
}

static bool attach_ring(const struct contract_ctx *ctx)
{
	pl_process.ring_fd = ctx->ring_fd;
	pl_process.ring_ino = ctx->ring_ino;
	if (pl_ring_is_ours()) {
		(void)tt_sys3(SYS_fcntl, ctx->ring_fd, F_SETFD, FD_CLOEXEC);
	} else {
		bool ours;

		/* somebody closed it behind our back, and the number may be another file's now */
		pl_process.ring_fd = ctx->ring_socket[0] ? pl_ring_fetch(ctx->ring_socket) : -1;
		ours = pl_ring_is_ours();
		if (!ours && pl_process.ring_fd >= 0)
			(void)tt_sys1(SYS_close, pl_process.ring_fd);
		if (!ours)
			pl_process.ring_fd = -1;
	}
	if (pl_process.ring_fd >= 0 &&
	    ring_producer_attach(&pl_process.ring, pl_process.ring_fd) < 0)
		pl_process.ring_fd = -1;
	return pl_process.ring_fd >= 0;
}

static void enter_direct_mode(const char *const values[CONTRACT_NAMES], uint64_t mark)
{
	struct contract *c = &pl_process.contract;
	char session[4 + TT_UUID_TEXT_LEN + 1] = "ses_";
	struct tt_uuid id;

	if (!c->value[CONTRACT_SESSION]) {
		id = tt_uuid_make();
		tt_uuid_text(session + 4, &id);
		c->value[CONTRACT_SESSION] = keep_id(session);
	}
	pl_process.ids.session = text_of(c->value[CONTRACT_SESSION]);
	pl_process.ids.world = text_of(c->value[CONTRACT_WORLD]);
	pl_process.ids.agent = text_of(c->value[CONTRACT_AGENT]);
	pl_process.ids.policy = text_of(c->value[CONTRACT_POLICY]);
	pl_process.mode = PL_DIRECT;
	pl_config_read(values);
	pl_log_inherit(mark & PL_LOG_UNSAID_MAX);
	pl_log_open(c->value[CONTRACT_TRACE_LOG], mark);
}

static void new_image(const struct event_span *parent)
{
	struct pl_image *image = &pl_process.image;

	image->parent = *parent;
	image->span = tt_uuid_make();
	image->ended = false;
	image->next_seq = 0;
	image->ppid = (int32_t)tt_sys0(SYS_getppid);
	image->slot = pl_process.mode == PL_RING
			      ? ring_slot_claim(&pl_process.ring, image->pid, &image->span)
			      : NULL;
}

/* "spn_" and a UUID is one of ours; anything else is text from outside. */
static void parse_parent(const char *text, struct event_span *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!text)
		return;
	text = keep_id(text);
	if (!text)
		return;
	if (strlen(text) != PL_SPAN_TEXT_LEN || strncmp(text, "spn_", 4) != 0 ||
	    !tt_uuid_parse(&ret->id, text + 4, TT_UUID_TEXT_LEN))
		ret->text = text_of(text);
}

/* argv where nobody passed it to us; 0 where /proc is not mounted. */
static size_t read_cmdline(char *buf, size_t cap)
{
	long fd = tt_sys4(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0), n;

	if (fd < 0)
		return 0;
	n = tt_sys3(SYS_read, fd, buf, cap);
	(void)tt_sys1(SYS_close, fd);
	return n > 0 ? (size_t)n : 0;
}

/* No thread's stack is that close below the first one's: mmap(2) leaves a gap of 1 MiB. */
#define START_STACK_MAX (256u << 10)

/*
 * The path that the kernel was told to run. It stands in the auxiliary vector, behind the
 * environment as long as that lies where the kernel put it.
 */
static const char *exec_path(int argc, char *const *argv, char *const *envp)
{
	const Elf64_auxv_t *a;

	if (envp != argv + argc + 1)
		return NULL;
	while (*envp)
		envp++;
	for (a = (const Elf64_auxv_t *)(envp + 1); a->a_type != AT_NULL; a++)
		if (a->a_type == AT_EXECFN)
			return (const char *)a->a_un.a_val;
	return NULL;
}

/* What our predecessor told of our program file, if it is us he meant. */
static struct event_text told_exe(const struct contract_ctx *ctx, const char *path)
{
	if (!ctx->exe_len || !path || event_contract_hash(path) != ctx->exe_of)
		return (struct event_text){NULL, 0};
	return (struct event_text){ctx->exe, ctx->exe_len};
}

/* As the kernel names a process at exec. */
static void put_comm(const char *path, char comm[16])
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	memcpy(comm, base, strnlen(base, 15));
}

/*
 * The image is up: say so. A previous image of this process, if we know of one, was replaced by
 * this.
 */
static void announce(const char *path, char *const *argv, bool replaces,
		     const struct event_text *told)
{
	char exe[EVENT_PATH_MAX / 2], args[EVENT_PATH_MAX / 2];
	char comm[16] = "";
	struct event_arg joined = {0};
	struct pl_call c;
	long n;

	if (told->len && told->len < sizeof(exe)) {
		n = (long)told->len;
		memcpy(exe, told->data, told->len);
	} else {
		n = tt_sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", exe, sizeof(exe) - 1);
	}
	if (n > 0)
		exe[n] = '\0';
	if (told->len)
		put_comm(path, comm);
	else
		(void)tt_sys2(SYS_prctl, PR_GET_NAME, comm);
	pl_arg_argv(&c, 0, argv, args, sizeof(args));
	joined = c.args[0];
	if (joined.absent)
		joined.len = read_cmdline(args, sizeof(args));
	if (replaces && pl_process.mode == PL_DIRECT)
		pl_replaced_event(&pl_process.image.parent);
	pl_start_event(&pl_process.image, EVENT_HOW_EXEC, n > 0 && exe[0] == '/' ? exe : NULL,
		       joined.len ? args : NULL, joined.len, comm);
}

static void at_exit(int status, void *arg)
{
	(void)arg;
	pl_exit_event(status);
}

void pl_fork_hold(void)
{
	uint64_t all = ~0ull;

	if (tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &pl_thread.mask, sizeof(all)) == 0)
		pl_thread.held = true;
}

void pl_fork_release(void)
{
	if (!pl_thread.held)
		return;
	pl_thread.held = false;
	(void)tt_sys4(SYS_rt_sigprocmask, SIG_SETMASK, &pl_thread.mask, 0, sizeof(uint64_t));
}

void pl_fork_child(void)
{
	struct event_span parent = {.id = pl_image_now()->span};
	int saved = errno;

	if (pl_process.mode == PL_OFF) {
		pl_fork_release();
		return;
	}
	pl_process.image.pid = (int32_t)tt_sys0(SYS_getpid);
	/* another thread had lent it at that moment */
	if (pl_process.spawning && pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, FD_CLOEXEC);
	pl_process.spawning = 0;
	pl_process.spawning_lock = 0;
	pl_shell_fork_child();
	pl_log_fork_child();
	pl_fds_fork_child();
	pl_thread.tid = 0;
	pl_thread.in_vfork = false;
	pl_thread.writer.lane = NULL;
	/* the calls in flight are the parent's to complete */
	memset(pl_thread.open, 0, sizeof(pl_thread.open));
	pl_thread.depth = 0;
	new_image(&parent);
	pl_start_event(&pl_process.image, EVENT_HOW_FORK, NULL, NULL, 0, NULL);
	pl_fork_release();
	errno = saved;
}

/* Bytes moved are counted and not told one by one, unless somebody asks. */
#define FAMILIES_DEFAULT (((1u << EVENT_FAMILY_COUNT) - 1) & ~(1u << EVENT_FAMILY_IO))

static void choose_what_to_record(void)
{
	const struct ring_header *h = pl_process.ring.header;

	pl_process.argument_max = EVENT_LINE_MAX;
	pl_process.fds.io = EVENT_IO_OFF;
	if (pl_process.mode == PL_OFF)
		return;
	pl_process.fds.io = EVENT_IO_COUNTS;
	pl_process.families = FAMILIES_DEFAULT;
	if (pl_process.mode != PL_RING) {
		/* programs are followed, recorded or not: pl_log_line() judges */
		pl_process.families = event_config_families(&pl_config) | 1u << EVENT_FAMILY_EXEC;
		pl_process.fds.io = pl_config.io_mode;
		return;
	}
	pl_process.clock = h->clock;
	/* who starts what is always told: children are followed by it */
	if (h->families)
		pl_process.families = h->families | 1u << EVENT_FAMILY_EXEC;
	pl_process.fds.io = h->io_mode;
	if (pl_process.fds.io == EVENT_IO_EVENTS)
		pl_process.families |= 1u << EVENT_FAMILY_IO;
	if (h->argument_max)
		pl_process.argument_max = h->argument_max;
}

/*
 * The vectors lie where the kernel put them, and the stack is hardly used: this is the first
 * thread. What need not be asked for any more is its id, and whether its arguments can be read.
 */
static void know_start(const char *path, char *const *argv)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), first = (uintptr_t)argv[0];

	if ((uintptr_t)argv - here > START_STACK_MAX)
		return;
	pl_thread.tid = pl_process.image.pid;
	pl_can_be_read(argv);
	if (first > (uintptr_t)argv && first < (uintptr_t)path)
		pl_can_be_read(argv[0]);
}

/* Whether a list of libraries has one that is not ours. */
static bool names_others(const char *list)
{
	while (list && *list) {
		size_t n = strcspn(list, ": ");
		const char *name = list;

		for (size_t i = 0; i < n; i++)
			if (list[i] == '/')
				name = list + i + 1;
		if (n && strncmp(name, "libtelltale", 11) != 0)
			return true;
		list += n + (list[n] != '\0');
	}
	return false;
}

/* @path: as exec_path() has it, @argv: NULL where nobody passed them to us */
static void set_up(const char *path, char *const *argv, char **envp)
{
	const char *values[CONTRACT_NAMES];
	struct contract_ctx ctx = {.ring_fd = -1};
	struct event_text told;
	struct event_span parent;
	bool has_ctx;

	pl_process.ring_fd = -1;
	/* pid last: it says that the rest is there */
	event_contract_read(envp, values);
	has_ctx = values[CONTRACT_CTX] && event_contract_ctx_parse(values[CONTRACT_CTX], &ctx);
	keep_contract(values);
	pl_process.interposed = names_others(values[CONTRACT_LD_PRELOAD]);
	parse_parent(values[CONTRACT_PARENT_SPAN], &parent);
	for (char *const *e = envp; *e; e++) {
		if ((*e)[0] != 'T' || (*e)[1] != 'E')
			continue;
		if (strcmp(*e, "TELLTALE_ENV=inherit") == 0)
			pl_process.inherit_only = true;
		else if (strncmp(*e, "TELLTALE_REDACT=", 16) == 0)
			event_redact_configure(*e + 16);
	}
	if (has_ctx && (ctx.ring_fd >= 0 || ctx.ring_ino))
		pl_process.mode = attach_ring(&ctx) ? PL_RING : PL_OFF;
	else
		enter_direct_mode(values, has_ctx ? ctx.log_mark : 0);
	choose_what_to_record();
	pl_process.contract.ring_fd = pl_process.mode == PL_RING ? pl_process.ring_fd : -1;
	memcpy(pl_process.contract.ring_socket, ctx.ring_socket, sizeof(ctx.ring_socket));
	if (pl_process.mode == PL_RING) {
		pl_process.contract.ring_ino = pl_process.ring_ino;
		for (unsigned i = CONTRACT_CONFIG; i <= CONTRACT_LOG_KEEP; i++)
			pl_process.contract.value[i] = NULL;
		pl_process.contract.value[CONTRACT_TRACE_LOG] = NULL;
	}
	__atomic_store_n(&pl_process.image.pid, (int32_t)tt_sys0(SYS_getpid), __ATOMIC_RELEASE);
	if (path)
		know_start(path, argv);
	if (pl_process.mode != PL_OFF) {
		new_image(&parent);
		pl_process.image.other_root = has_ctx && ctx.other_root;
		told = told_exe(&ctx, path);
		announce(path, argv, has_ctx, &told);
		if (!has_ctx && pl_process.mode == PL_DIRECT)
			pl_config_complain();
		/* the first to register is the last before a fork and the first after it */
		(void)pthread_atfork(pl_fork_hold, pl_fork_release, pl_fork_child);
		(void)on_exit(at_exit, NULL);
	}
	if (has_ctx)
		event_contract_env_hide(&ctx, envp);
}

/*
 * A hook ran before our constructor: the vectors are where the kernel put them, environ knows
 * where.
 */
void pl_init(void)
{
	static char *no_env[] = {NULL};

	int saved = errno;

	if (__atomic_load_n(&pl_process.image.pid, __ATOMIC_ACQUIRE))
		return;
	set_up(NULL, NULL, environ ? environ : no_env);
	errno = saved;
}

bool pl_is_recorded(enum event_call call)
{
	if (!pl_process.image.pid)
		pl_init();
	return (pl_process.families & 1u << event_call_family(call)) ||
	       (pl_process.mode == PL_RING && event_call_moves(call));
}

void pl_init_at_start(int argc, char **argv, char **envp)
{
	/* errno is left alone: nobody has called anything yet, and asking for it costs a look-up */
	if (!pl_process.image.pid)
		set_up(exec_path(argc, argv, envp), argv, envp);
}
