/* SPDX-License-Identifier: Apache-2.0 */
/* telltale-init: PID 1 of a guest, and of the cell in it. */
#include "init/start.h"

int main(int argc, char **argv)
{
	return argc > 0 ? init_start(argv + 1) : 2;
}
