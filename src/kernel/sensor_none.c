/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the kernel sensor in a build that could not make its programs: it never opens. */
#include "kernel/sensor.h"

#include <errno.h>

int kernel_sensor_open(struct kernel_sensor **ret, const struct kernel_sensor_options *opts,
		       struct tt_err *err)
{
	(void)ret;
	(void)opts;
	return tt_fail_text(err, EOPNOTSUPP,
			    "built without the kernel sensor (meson's option 'kernel')");
}

void kernel_sensor_close(struct kernel_sensor *s)
{
	(void)s;
}

int kernel_sensor_follow(struct kernel_sensor *s, int pidfd)
{
	(void)s;
	(void)pidfd;
	return -EOPNOTSUPP;
}

void kernel_sensor_take(struct kernel_sensor *s)
{
	(void)s;
}

int kernel_sensor_next(struct kernel_sensor *s, struct kernel_fact *ret)
{
	(void)s;
	(void)ret;
	return 0;
}

unsigned kernel_sensor_fill(const struct kernel_sensor *s)
{
	(void)s;
	return 0;
}

uint64_t kernel_sensor_lost(const struct kernel_sensor *s)
{
	(void)s;
	return 0;
}

int kernel_sensor_counts(const struct kernel_sensor *s, struct kernel_counts *ret)
{
	(void)s;
	(void)ret;
	return -EOPNOTSUPP;
}

const char *kernel_sensor_parts(const struct kernel_sensor *s)
{
	(void)s;
	return "";
}
