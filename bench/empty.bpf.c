/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing, at the end of every system call: what the kernel takes to call a program there. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sys_exit")
int empty(void *ctx)
{
	(void)ctx;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
