#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A command worth recording: files, git, python3, a compiler, a server on loopback, a failure, a secret.
#
# Runs by itself too. Works in the current folder, which must be empty; needs no network but loopback.
set -eu

if [ -n "$(ls -A)" ]; then
	echo "demo-workload: the current folder '$PWD' is not empty" >&2
	exit 1
fi

server=
# shellcheck disable=SC2329  # called by the trap
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

echo "== a pipeline: write, rename, delete"
printf 'pear\napple\nfig\napple\n' >fruit.txt
sort fruit.txt | uniq -c | sort -rn >counts.tmp
mv counts.tmp counts.txt
rm fruit.txt
cat counts.txt

echo "== python3"
python3 -c '
import json
with open("counts.json", "w") as f:
    json.dump([line.split() for line in open("counts.txt")], f)
'

echo "== git"
# The user's own settings and hooks stay out of it.
GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
git -c init.defaultBranch=main init -q garden
mv counts.txt counts.json garden
git -C garden add .
git -C garden -c user.name=Demo -c user.email=demo@example.org commit -q -m 'count the fruit'
git -C garden --no-pager log --oneline --stat

echo "== a C program: compile, run"
cat >hello.c <<'EOF'
#include <stdio.h>

int main(void)
{
	puts("hello from a program that did not exist a moment ago");
	return 0;
}
EOF
${CC:-gcc} -O1 -o hello hello.c
./hello

echo "== HTTP on loopback"
cat >server.py <<'EOF'
import http.server, os, socketserver

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

with socketserver.TCPServer(("127.0.0.1", 0), Quiet) as server:
    with open("port.tmp", "w") as f:
        print(server.server_address[1], file=f)
    os.rename("port.tmp", "port")
    server.serve_forever()
EOF
cat >client.py <<'EOF'
import http.client, sys

# The name, not the address: it is looked up first.
connection = http.client.HTTPConnection("localhost", int(sys.argv[1]), timeout=10)
connection.request("GET", "/hello.c")
answer = connection.getresponse()
print(answer.status, answer.reason, len(answer.read()), "bytes")
EOF
python3 server.py &
server=$!
tries=0
until [ -e port ]; do
	tries=$((tries + 1))
	if [ $tries -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
		echo "demo-workload: the server did not start" >&2
		exit 1
	fi
	sleep 0.1
done
python3 client.py "$(cat port)"
kill "$server"
wait "$server" 2>/dev/null || :
server=

echo "== something that fails"
cat no-such-file || echo "(as expected)"

echo "== a secret on a command line"
cat >publish <<'EOF'
#!/bin/sh
echo "published as $2"
EOF
chmod +x publish
./publish --user demo --password hunter2
