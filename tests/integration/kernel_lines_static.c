/* SPDX-License-Identifier: Apache-2.0 */
/* The same acts by a program that loads no library. */
#include "kernel_lines.c" /* NOLINT(bugprone-suspicious-include) */
