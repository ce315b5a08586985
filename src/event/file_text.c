/* SPDX-License-Identifier: Apache-2.0 */
/* Values of calls on files and identities as text: flags, owners, devices, times. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "base/compiler.h"
#include "event/flags.h"
#include "event/text.h"

static const struct flag xattr_flags[] = {
	FLAG(XATTR_CREATE),
	FLAG(XATTR_REPLACE),
};

static const struct flag memfd_flags[] = {
	FLAG(MFD_CLOEXEC),
	FLAG(MFD_ALLOW_SEALING),
	FLAG(MFD_HUGETLB),
	/* Linux 6.3 */
	{8, "MFD_NOEXEC_SEAL"},
	{16, "MFD_EXEC"},
};

static const struct flag mount_flags[] = {
	FLAG(MS_RDONLY),    FLAG(MS_NOSUID),      FLAG(MS_NODEV),
	FLAG(MS_NOEXEC),    FLAG(MS_SYNCHRONOUS), FLAG(MS_REMOUNT),
	FLAG(MS_MANDLOCK),  FLAG(MS_DIRSYNC),     {256, "MS_NOSYMFOLLOW"}, /* Linux 5.10 */
	FLAG(MS_NOATIME),   FLAG(MS_NODIRATIME),  FLAG(MS_BIND),
	FLAG(MS_MOVE),      FLAG(MS_REC),         FLAG(MS_SILENT),
	FLAG(MS_POSIXACL),  FLAG(MS_UNBINDABLE),  FLAG(MS_PRIVATE),
	FLAG(MS_SLAVE),     FLAG(MS_SHARED),      FLAG(MS_RELATIME),
	FLAG(MS_KERNMOUNT), FLAG(MS_I_VERSION),   FLAG(MS_STRICTATIME),
	FLAG(MS_LAZYTIME),
};

static const struct flag umount_flags[] = {
	FLAG(MNT_FORCE),
	FLAG(MNT_DETACH),
	FLAG(MNT_EXPIRE),
	FLAG(UMOUNT_NOFOLLOW),
};

static const struct flag namespace_flags[] = {
	{0x80, "CLONE_NEWTIME"}, /* Linux 5.6 */
	FLAG(CLONE_VM),          FLAG(CLONE_FS),     FLAG(CLONE_FILES),   FLAG(CLONE_SIGHAND),
	FLAG(CLONE_THREAD),      FLAG(CLONE_NEWNS),  FLAG(CLONE_SYSVSEM), FLAG(CLONE_NEWCGROUP),
	FLAG(CLONE_NEWUTS),      FLAG(CLONE_NEWIPC), FLAG(CLONE_NEWUSER), FLAG(CLONE_NEWPID),
	FLAG(CLONE_NEWNET),
};

#define PUT(o, flags, table) event_put_flags(o, flags, false, table, TT_ARRAY_SIZE(table))

void event_put_file_flags(struct tt_out *o, char letter, int64_t flags)
{
	switch (letter) {
	case 'O':
		event_put_more_open_flags(o, flags);
		break;
	case 'B':
		PUT(o, flags, xattr_flags);
		break;
	case 'E':
		PUT(o, flags, memfd_flags);
		break;
	case 'M':
		/* a number of old that the kernel takes off again */
		if ((flags & MS_MGC_MSK) == MS_MGC_VAL) {
			tt_out_str(o, "MS_MGC_VAL|");
			flags &= ~(int64_t)MS_MGC_MSK;
		}
		PUT(o, flags, mount_flags);
		break;
	case 'U':
		PUT(o, flags, umount_flags);
		break;
	default:
		PUT(o, flags, namespace_flags);
		break;
	}
}

void event_put_owner(struct tt_out *o, int64_t id)
{
	if ((uint32_t)id == UINT32_MAX)
		tt_out_str(o, "-1");
	else
		tt_out_u64(o, (uint32_t)id);
}

void event_put_device(struct tt_out *o, uint64_t dev)
{
	tt_out_u64(o, major(dev));
	tt_out_char(o, ':');
	tt_out_u64(o, minor(dev));
}

void event_put_typed_mode(struct tt_out *o, uint64_t mode)
{
	static const struct {
		uint32_t type;
		char name[12];
	} types[] = {
		{S_IFIFO, "S_IFIFO|"}, {S_IFCHR, "S_IFCHR|"},   {S_IFBLK, "S_IFBLK|"},
		{S_IFREG, "S_IFREG|"}, {S_IFSOCK, "S_IFSOCK|"}, {S_IFDIR, "S_IFDIR|"},
	};

	mode &= 0xffffffffu;
	for (size_t i = 0; i < TT_ARRAY_SIZE(types); i++)
		if ((mode & S_IFMT) == types[i].type) {
			tt_out_str(o, types[i].name);
			mode &= ~(uint64_t)S_IFMT;
			break;
		}
	tt_out_octal(o, mode);
}

static void put_time(struct tt_out *o, int64_t seconds, int64_t part, int digits)
{
	uint64_t scale = 1;

	tt_out_i64(o, seconds);
	tt_out_char(o, '.');
	for (int i = 1; i < digits; i++)
		scale *= 10;
	if (part < 0 || (uint64_t)part >= scale * 10) {
		tt_out_i64(o, part); /* no such fraction: the call is refused */
		return;
	}
	for (; scale > 1 && (uint64_t)part < scale; scale /= 10)
		tt_out_char(o, '0');
	tt_out_i64(o, part);
}

void event_put_times(struct tt_out *o, const void *two, size_t len, int is_timespec)
{
	int64_t part[2];

	_Static_assert(sizeof(struct timespec) == 16 && sizeof(struct timeval) == 16, "LP64");
	if (len < 2 * sizeof(part)) {
		tt_out_str(o, "short");
		return;
	}
	for (int i = 0; i < 2; i++) {
		memcpy(part, (const char *)two + (size_t)i * sizeof(part), sizeof(part));
		if (i)
			tt_out_str(o, ", ");
		if (is_timespec && part[1] == UTIME_NOW)
			tt_out_str(o, "UTIME_NOW");
		else if (is_timespec && part[1] == UTIME_OMIT)
			tt_out_str(o, "UTIME_OMIT");
		else
			put_time(o, part[0], part[1], is_timespec ? 9 : 6);
	}
}
