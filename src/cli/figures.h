/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and times as people read them. All texts lie in buffers of the caller. */
#ifndef TT_CLI_FIGURES_H
#define TT_CLI_FIGURES_H

#include <jansson.h>
#include <stdint.h>

#define CLI_FIGURE_MAX 48

/* cli_count - "12,345" */
const char *cli_count(char buf[CLI_FIGURE_MAX], uint64_t n);

/* cli_bytes - "512 B", "3.1 MiB" */
const char *cli_bytes(char buf[CLI_FIGURE_MAX], uint64_t bytes);

/* cli_duration - "12 us", "8.4 ms", "1.32 s", "2 min 05 s", "3 h 20 min" */
const char *cli_duration(char buf[CLI_FIGURE_MAX], uint64_t ns);

/* cli_when - local time with its zone: "2025-09-03 15:55:14 CEST" */
const char *cli_when(char buf[CLI_FIGURE_MAX], uint64_t ns);

/*
 * cli_sparkline - @cells letters that draw an array of numbers, each the highest of its share; ""
 * without UTF-8
 */
#define CLI_SPARK_MAX 40
const char *cli_sparkline(char buf[CLI_SPARK_MAX * 3 + 1], const json_t *numbers, int cells);

#endif
