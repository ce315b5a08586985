/* SPDX-License-Identifier: Apache-2.0 */
/* telltale-init: PID 1 of a guest, and of the cell in it. */
int main(void)
{
	return 2;
}
