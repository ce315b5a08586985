/* SPDX-License-Identifier: Apache-2.0 */
/* The same questions by a program that loads no library. */
#include "kernel_dns.c" /* NOLINT(bugprone-suspicious-include) */
