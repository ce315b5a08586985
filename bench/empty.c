/* SPDX-License-Identifier: Apache-2.0 */
/* A library with nothing in it: what LD_PRELOAD alone costs. */
extern int bench_empty;
int bench_empty;
