/* SPDX-License-Identifier: Apache-2.0 */
/* LTTng-UST's description of one event; its macros include this file again and again. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_provider.h"

#if !defined(TT_BENCH_LTTNG_PROVIDER_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TT_BENCH_LTTNG_PROVIDER_H

#include <lttng/tracepoint.h>

/* clang-format off */
LTTNG_UST_TRACEPOINT_EVENT(bench, open,
	LTTNG_UST_TP_ARGS(const char *, path, int, flags, int, result, int, error),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(path, path)
		lttng_ust_field_integer(int, flags, flags)
		lttng_ust_field_integer(int, result, result)
		lttng_ust_field_integer(int, error, error)
	)
)
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>
