/* SPDX-License-Identifier: Apache-2.0 */
/* A program that loads no library: makes the file it is told to, takes it away, and ends with 3. */
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd;

	if (argc != 2)
		return 1;
	fd = open(argv[1], O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0)
		return 1;
	if (open("/nonexistent", O_RDONLY) >= 0 || unlink(argv[1]) < 0)
		return 1;
	return 3;
}
