/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the records of the programs in the kernel (bpf/record.h) to facts, and from the table of
 * numbers to what these programs are to tell. Pure; internal to this folder.
 */
#ifndef TT_KERNEL_RECORDS_H
#define TT_KERNEL_RECORDS_H

#include "base/compiler.h"
#include "bpf/record.h"
#include "kernel/fact.h"

/*
 * kernel_record_fact - a record as a fact, whose texts lie in the record
 * Returns 1; 0 for one that makes none (a signal to oneself); -EBADMSG if its parts do not fit.
 */
int kernel_record_fact(const void *record, size_t len, struct kernel_fact *ret) TT_MUST_CHECK;

/*
 * kernel_record_shapes - what is told of each number
 * @families: one bit per enum event_family; 0: all but IO
 */
void kernel_record_shapes(struct sensor_shape shapes[SENSOR_NUMBERS], uint32_t families);

#endif
