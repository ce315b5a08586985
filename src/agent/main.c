/* SPDX-License-Identifier: Apache-2.0 */
/* telltale-agent: sees what the workload of a cell does and tells the host. */
int main(void)
{
	return 2;
}
