/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of libc ask the kernel for the same kind of act, and whether two accounts are of
 * one act. Pure. Internal to the recorder.
 */
#ifndef TT_RECORDER_KINDS_H
#define TT_RECORDER_KINDS_H

#include "kernel/fact.h"

enum recorder_kind {
	RECORDER_KIND_NONE = 1, /* it asks for nothing that a fact is made of */
	RECORDER_KIND_EXEC,
	RECORDER_KIND_FORK,
	RECORDER_KIND_PARTS, /* several acts, or those of a child: none is its own */
	RECORDER_KIND_OPEN,
	RECORDER_KIND_UNLINK,
	RECORDER_KIND_RENAME,
	RECORDER_KIND_LINK,
	RECORDER_KIND_SYMLINK,
	RECORDER_KIND_MKDIR,
	RECORDER_KIND_MKNOD,
	RECORDER_KIND_CHMOD,
	RECORDER_KIND_CHOWN,
	RECORDER_KIND_TRUNCATE,
	RECORDER_KIND_TIMES,
	RECORDER_KIND_CHDIR,
	RECORDER_KIND_UMOUNT,
	RECORDER_KIND_UID,
	RECORDER_KIND_GID,
	RECORDER_KIND_GROUPS,
	RECORDER_KIND_ACCEPT,
	RECORDER_KIND_SOCKET,
	RECORDER_KIND_SEND,
	RECORDER_KIND_KILL,
	RECORDER_KIND_MEMFD,
	RECORDER_KIND_ITSELF = 256, /* and its number: function and system call have one name */
};

/* recorder_kind_of - an enum recorder_kind */
unsigned recorder_kind_of(enum event_call call);

/* recorder_kind_must - whether the function cannot succeed without a fact of its kind */
bool recorder_kind_must(enum event_call call);

/*
 * recorder_kind_is_one - whether it makes that one system call and nothing else: what the kernel
 * says of it is what the function returns
 */
bool recorder_kind_is_one(enum event_call call);

/* recorder_kind_has_parts - whether the function may ask the kernel for more than its own act */
bool recorder_kind_has_parts(enum event_call call);

/* recorder_kind_renames - whether the function's text is not what it hands to the kernel */
bool recorder_kind_renames(enum event_call call);

/* recorder_kind_text - the path or name that a call of the library is about; data NULL: none */
struct event_text recorder_kind_text(const struct event *ev);

/* recorder_kind_path - of a fact: the file's own, or the text; data NULL: none */
struct event_text recorder_kind_path(const struct kernel_fact *f);

/*
 * recorder_kind_is_linked - an open of a library or of a dynamic linker's own file: whose code it
 * is that opens it is known by a name, which anybody may give to a file
 */
bool recorder_kind_is_linked(const struct kernel_fact *f);

/* recorder_kind_is_libcs - a file that libc reads for its own sake: locales, time zones, ... */
bool recorder_kind_is_libcs(struct event_text path);

/* recorder_kind_makes - whether the call made the process that @f, a fork, tells of */
bool recorder_kind_makes(const struct event *ev, const struct kernel_fact *f);

enum recorder_same {
	RECORDER_SAME,
	RECORDER_OTHER_RESULT,
	RECORDER_OTHER_END,  /* the same text, but one failed, or another fd came of it */
	RECORDER_OTHER_TEXT, /* all but a path, name or address: memory, which may have changed */
	RECORDER_OTHER_NUMBERS, /* all but a number: what the function was called with */
};

/* recorder_kind_same_words - whether both read the same text */
bool recorder_kind_same_words(const struct event *ev, const struct kernel_fact *f);

/* recorder_kind_compare - a call and a fact of one kind: whether they are one act */
enum recorder_same recorder_kind_compare(const struct event *ev, const struct kernel_fact *f);

#endif
