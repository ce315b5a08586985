/* SPDX-License-Identifier: Apache-2.0 */
/* A library that oracle.c loads. */
int oracle_part(void);
int oracle_part(void)
{
	return 42;
}
