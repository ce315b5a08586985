/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of every source in both versions, which together have every key. */
#ifndef TT_TESTS_SAMPLES_H
#define TT_TESTS_SAMPLES_H

#include "wire/frame.h"

#define TEXT(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}
#define FIVE(version, from, pid, name, ns)                                  \
	.content_version = (version), .source = (from), .guest_pid = (pid), \
	.guest_comm = TEXT(name), .guest_monotonic_ns = (ns)

static const struct wire_text sample_argv[] = {TEXT("cat"), TEXT(""), TEXT("caf\xc3\xa9")};
static const struct wire_text sample_surface[] = {TEXT("process.spawned"), TEXT("process.exited")};

static const struct wire_frame samples[] = {
	{FIVE(1, WIRE_PROCESS_SPAWNED, 3, "sh", 0)},
	{FIVE(1, WIRE_PROCESS_EXITED, 300, "python3", 1000000000)},
	{FIVE(1, WIRE_NET_CONNECT_ATTEMPTED, UINT32_MAX, "", UINT64_MAX)},
	{FIVE(1, WIRE_CAPABILITY_DENIED, 23, "a\xff\\x41", 24)},
	{FIVE(1, WIRE_FS_INOTIFY_FIRED, 65536, "\xe2\x82\xac", UINT32_MAX)},
	{FIVE(2, WIRE_PROCESS_SPAWNED, 4, "cat", 5000000000), .seq = 1, .ppid = 3,
	 .start_ns = 4999000000, .exe = TEXT("/bin/cat"), .argv = {3, sample_argv}, .uid = 1000,
	 .truncated = 12,
	 .has = WIRE_HAS(seq) | WIRE_HAS(ppid) | WIRE_HAS(start_ns) | WIRE_HAS(exe) |
		WIRE_HAS(argv) | WIRE_HAS(uid) | WIRE_HAS(truncated)},
	{FIVE(2, WIRE_PROCESS_EXITED, 4, "cat", 5000700000), .seq = 2, .exit_code = UINT8_MAX,
	 .signal = 9, .has = WIRE_HAS(seq) | WIRE_HAS(exit_code) | WIRE_HAS(signal)},
	{FIVE(2, WIRE_CAPABILITY_DENIED, 5, "mount", 5001000000), .seq = 3, .capability = 21,
	 .has = WIRE_HAS(seq) | WIRE_HAS(capability)},
	{FIVE(2, WIRE_NET_CONNECT_ATTEMPTED, 6, "curl", 5002000000), .seq = 4,
	 .addr = TEXT("192.0.2.1"), .port = UINT16_MAX,
	 .has = WIRE_HAS(seq) | WIRE_HAS(addr) | WIRE_HAS(port)},
	{FIVE(2, WIRE_FS_INOTIFY_FIRED, 0, "", 5003000000), .seq = 5, .path = TEXT("/etc/\xff"),
	 .mask = UINT32_MAX, .has = WIRE_HAS(seq) | WIRE_HAS(path) | WIRE_HAS(mask)},
	{FIVE(2, WIRE_AGENT_HELLO, 2, "telltale-agent", 1), .seq = 0,
	 .boot_id = TEXT("7d6c7a4e-52a5-4d5f-8d5c-6cf0a0f2d9c1"), .agent_version = TEXT("0.1.0"),
	 .kernel_version = TEXT("6.1.0-37-cloud-amd64"), .surface = {2, sample_surface},
	 .sensors = {2, sample_surface}, .restarts = UINT32_MAX,
	 .has = WIRE_HAS(seq) | WIRE_HAS(boot_id) | WIRE_HAS(agent_version) |
		WIRE_HAS(kernel_version) | WIRE_HAS(surface) | WIRE_HAS(sensors) |
		WIRE_HAS(restarts)},
	{FIVE(2, WIRE_AGENT_HEARTBEAT, 2, "telltale-agent", 6000000000), .seq = UINT64_MAX,
	 .has = WIRE_HAS(seq)},
	{FIVE(2, WIRE_TELEMETRY_DROPPED, 2, "telltale-agent", 6000000001), .seq = 7, .count = 300,
	 .cause = TEXT("queue_full"), .first_seq = 8, .last_seq = 307,
	 .has = WIRE_HAS(seq) | WIRE_HAS(count) | WIRE_HAS(cause) | WIRE_HAS(first_seq) |
		WIRE_HAS(last_seq)},
	{FIVE(2, WIRE_GATE_DENIED, 7, "sh", 6000000002), .seq = 308, .syscall = UINT32_MAX,
	 .uid = 1000, .has = WIRE_HAS(seq) | WIRE_HAS(syscall) | WIRE_HAS(uid)},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

#endif
