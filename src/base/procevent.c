/* SPDX-License-Identifier: Apache-2.0 */
/* The proc connector: see procevent.h. */
#include "base/procevent.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MS 200

/* Fields of the kernel's struct proc_event up to the end of the part that a kind has. */
static bool has_part(size_t len, size_t part)
{
	return len >= offsetof(struct proc_event, event_data) + part;
}

static int take_event(const struct proc_event *e, size_t len, struct tt_proc_event *ret)
{
	ret->cpu = e->cpu;
	ret->ts_ns = e->timestamp_ns;
	switch ((uint32_t)e->what) {
	case PROC_EVENT_FORK:
		if (!has_part(len, sizeof(e->event_data.fork)))
			return -EBADMSG;
		ret->kind = TT_PROC_FORK;
		ret->tid = e->event_data.fork.child_pid;
		ret->pid = e->event_data.fork.child_tgid;
		ret->parent_pid = e->event_data.fork.parent_tgid;
		return 1;
	case PROC_EVENT_EXEC:
		if (!has_part(len, sizeof(e->event_data.exec)))
			return -EBADMSG;
		ret->kind = TT_PROC_EXEC;
		ret->tid = e->event_data.exec.process_pid;
		ret->pid = e->event_data.exec.process_tgid;
		return 1;
	case PROC_EVENT_EXIT:
		if (!has_part(len, sizeof(uint32_t) * 4))
			return -EBADMSG;
		ret->kind = TT_PROC_EXIT;
		ret->tid = e->event_data.exit.process_pid;
		ret->pid = e->event_data.exit.process_tgid;
		ret->status = (int)e->event_data.exit.exit_code;
		return 1;
	default:
		ret->kind = TT_PROC_OTHER;
		return 1;
	}
}

int tt_proc_event_parse(const void *datagram, size_t len, size_t *at, struct tt_proc_event *ret)
{
	struct nlmsghdr h;
	struct cn_msg m;
	struct proc_event e;
	size_t body;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (*at >= len)
		return 0;
	if (len - *at < sizeof(h))
		return -EBADMSG;
	memcpy(&h, (const char *)datagram + *at, sizeof(h));
	if (h.nlmsg_len < sizeof(h) + sizeof(m) || h.nlmsg_len > len - *at)
		return -EBADMSG;
	memcpy(&m, (const char *)datagram + *at + sizeof(h), sizeof(m));
	body = h.nlmsg_len - sizeof(h) - sizeof(m);
	if (m.id.idx != CN_IDX_PROC || m.id.val != CN_VAL_PROC || m.len > body ||
	    m.len < offsetof(struct proc_event, event_data))
		return -EBADMSG;
	body = m.len < sizeof(e) ? m.len : sizeof(e);
	memset(&e, 0, sizeof(e));
	memcpy(&e, (const char *)datagram + *at + sizeof(h) + sizeof(m), body);
	ret->seq = m.seq;
	r = take_event(&e, body, ret);
	if (r < 0)
		return r;
	*at += NLMSG_ALIGN(h.nlmsg_len);
	return 1;
}

static int send_op(int fd, uint32_t op)
{
	_Alignas(struct nlmsghdr) char bytes[NLMSG_LENGTH(sizeof(struct cn_msg) + sizeof(op))] = "";
	struct nlmsghdr *h = (struct nlmsghdr *)bytes;
	struct cn_msg *m = NLMSG_DATA(h);

	h->nlmsg_len = sizeof(bytes);
	h->nlmsg_type = NLMSG_DONE;
	m->id.idx = CN_IDX_PROC;
	m->id.val = CN_VAL_PROC;
	m->len = sizeof(op);
	memcpy(m->data, &op, sizeof(op));
	return send(fd, bytes, sizeof(bytes), 0) < 0 ? -errno : 0;
}

/* The kernel acknowledges where it is going to tell; elsewhere it is silent. */
static int await_answer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = poll(&p, 1, ANSWER_MS);

	if (n > 0)
		return 0;
	tt_proc_ignore(fd);
	return n < 0 ? -errno : -EOPNOTSUPP;
}

int tt_proc_listen(int receive_bytes)
{
	TT_CLEANUP(tt_closep)
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	int r;

	if (fd < 0)
		return -errno;
	/* both: past the limit of the machine only root may go */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes));
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	r = send_op(fd, PROC_CN_MCAST_LISTEN);
	if (r == 0)
		r = await_answer(fd);
	return r < 0 ? r : tt_take_fd(&fd);
}

void tt_proc_ignore(int fd)
{
	(void)send_op(fd, PROC_CN_MCAST_IGNORE);
}
