/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the run asked of the network through the proxy: the hosts it may reach, an event for each
 * attempt, and their sums. A host that is refused over and over makes an event the first times and
 * is counted then: it is the command that says how often.
 */
#ifndef TT_RECORDER_CONNECTIONS_H
#define TT_RECORDER_CONNECTIONS_H

#include <jansson.h>

#include "policy/policy.h"
#include "proxy/proxy.h"
#include "recorder/output.h"

struct recorder_connections;

/* What a line needs to know of the run. */
struct recorder_connections_run {
	struct recorder_output *out;
	const struct event_ids *ids;
	struct event_span span, parent;
};

/*
 * recorder_connections_open - start the proxy
 * @hosts: rules of --allow-host
 * Must come before the caller looks which children it has. Fails with -EINVAL for a rule that is
 * wrong, or where @p leaves the network open anyway.
 */
int recorder_connections_open(struct recorder_connections **ret, const struct policy *p,
			      const char *const *hosts, size_t host_count,
			      struct tt_err *err) TT_MUST_CHECK;
void recorder_connections_free(struct recorder_connections *c);

/* recorder_connections_proxy - NULL without one (@c NULL) */
struct proxy *recorder_connections_proxy(const struct recorder_connections *c);

/* recorder_connections_fd - where the proxy tells; to be watched */
int *recorder_connections_fd(struct recorder_connections *c);

/* recorder_connections_take - write down what has been told. False: it tells no more. */
bool recorder_connections_take(struct recorder_connections *c,
			       const struct recorder_connections_run *run);

/* recorder_connections_finish - end the proxy, write down what it still has to tell */
void recorder_connections_finish(struct recorder_connections *c,
				 const struct recorder_connections_run *run);

/*
 * recorder_connections_env - set the variables that programs look for a proxy in
 * @envp: a list on the heap; another takes its place
 */
int recorder_connections_env(char ***envp, struct tt_err *err) TT_MUST_CHECK;

/* recorder_connections_list - run.json's `connections`; @c may be NULL */
json_t *recorder_connections_list(const struct recorder_connections *c);

#endif
