/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp BPF, run in user space as seccomp(2) and the kernel's checks of a program describe it. */
#ifndef TT_TESTS_BPF_H
#define TT_TESTS_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>

#define BPF_BROKEN 0xdeadU /* no answer of seccomp's: the kernel would refuse the program */

/* The answer to one call. @ret_steps: how many instructions it took; NULL is fine. */
static inline uint32_t bpf_run(const struct sock_filter *insns, size_t count,
			       const struct seccomp_data *data, unsigned *ret_steps)
{
	uint32_t acc = 0;
	unsigned steps = 0;

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &insns[pc];
		int jump = -1;

		steps++;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 || i->k > sizeof(*data) - 4)
				return BPF_BROKEN;
			memcpy(&acc, (const char *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			if (i->k >= count - pc - 1)
				return BPF_BROKEN;
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = acc == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			jump = acc > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			jump = acc >= i->k;
			break;
		case BPF_RET | BPF_K:
			if (ret_steps)
				*ret_steps = steps;
			return i->k;
		default:
			return BPF_BROKEN;
		}
		if (jump >= 0) {
			pc += jump ? i->jt : i->jf;
			if (pc + 1 >= count)
				return BPF_BROKEN;
		}
	}
	return BPF_BROKEN;
}

#endif
