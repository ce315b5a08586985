/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs: name, usage, help. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* clang-format off */
#define HELP_RUN \
	"RUN is a run id, the beginning of one that fits no other, or the path of a run's\n" \
	"folder, run.json or trace.jsonl. Without RUN it is the last run.\n"
#define HELP_HELP "  -h, --help            this text\n"

const struct cli_verb cli_verbs[] = {
	{
		"run", "run [OPTIONS] [--] COMMAND [ARGUMENT...]",
		"run a command and record what it does",
		cli_cmd_run,
		"      --profile NAME    OFF: record only (default); STRICT, RESOURCE-AWARE, AGENT: a\n"
		"                        sandbox, too; LEARNING; a name or a FILE: see telltale policy\n"
		"      --degrade         run without those walls and limits of a profile that this\n"
		"                        machine does not allow, and name them; never without its\n"
		"                        syscall filter\n"
		"      --keep-fd N       leave file descriptor N open for the command; may be repeated\n"
		"      --session ID      the session this run belongs to\n"
		"      --output-dir DIR  run_<utc>_<id>.json and trace_<utc>_<id>.jsonl go there\n"
		"      --denials-fd N    refused calls, as they happen, to this fd: a line of JSON each\n"
		"      --timeout TIME    end the command after that time, such as 5s (ms s m h)\n"
		"      --limit NAME=VALUE\n"
		"                        of the whole run: memory swap cpu pids read write wall\n"
		"                        cpu-time major-faults (512M, 150%, 64, 10s, none); repeatable\n"
		"      --sample PERIOD   between two samples, 10ms to 1h (default 100ms)\n"
		"      --no-cgroup       make no control group: figures and limits without one\n"
		"      --orphans HOW     what outlives the command: wait[:TIME] (default wait:2s, then\n"
		"                        TERM, 2 s later KILL) or leave (unrecorded)\n"
		"      --config FILE     what is recorded: telltale-preload(5)\n"
		"      --on-full HOW     events faster than they can be stored: count (lose and count\n"
		"                        them, the default) or block (the command waits)\n"
		"      --sensor HOW      how the library gets into programs: preload (default), or audit\n"
		"                        (LD_AUDIT: also sees what evades symbol interposition)\n"
		"      --io HOW          bytes through fds: counts (default), events (each call) or off\n"
		"      --count HOW       count every system call: auto (default: by the kernel sensor;\n"
		"                        where the profile learns, by ptrace), kernel, latency (and how\n"
		"                        long they take), ptrace (slow) or off\n"
		"      --allow-host HOST[:PORT]\n"
		"                        through a sandbox without a network: HTTP(S) to this host, by\n"
		"                        name, *.SUFFIX, address or network; repeatable\n"
		"      --no-preload      run without the library: processes and figures only\n"
		"      --kernel          fail where the kernel sensor cannot be had (root, eBPF)\n"
		"      --no-kernel       run without the kernel sensor\n"
		"      --observe WHAT    without the kernel sensor: see exec, net, files (a list) of every\n"
		"                        program through a seccomp filter; without root set-user-id\n"
		"                        programs (sudo) then get no rights\n"
		"  -q, --quiet           no closing line on a terminal\n"
		HELP_HELP
		"\n"
		"Exit status: the command's own, 128+n for a signal, 124 time-out,\n"
		"125 Telltale failed, 126 the command is not executable, 127 it was not found,\n"
		"159 its profile killed it.\n",
		.takes_command = true,
	},
	{
		"list", "list [--limit N] [--json]",
		"the recorded runs, newest first",
		cli_cmd_list,
		"  -n, --limit N         at most N runs (default 20; 0: all)\n"
		"      --json            one JSON document\n"
		HELP_HELP
	},
	{
		"show", "show [RUN | --last] [--all] [--json]",
		"the report of one run: what it did, and how much of that is known",
		cli_cmd_show,
		HELP_RUN
		"\n"
		"      --last            the last run\n"
		"  -a, --all             every file, host and failure, not only the first few\n"
		"      --json            one JSON document\n"
		HELP_HELP
	},
	{
		"tree", "tree [RUN | --last] [--json]",
		"the processes of one run",
		cli_cmd_tree,
		HELP_RUN
		"\n"
		"      --last            the last run\n"
		"      --json            one JSON document\n"
		HELP_HELP
	},
	{
		"events", "events [RUN | --last] [--kind KIND] [OPTIONS]",
		"the events of one run, one line each",
		cli_cmd_events,
		HELP_RUN
		"\n"
		"      --last            the last run\n"
		"  -k, --kind KIND       exec, file, net, proc (done to other processes), priv, load, io,\n"
		"                        process (their starts and ends), denied (what the profile\n"
		"                        refused) or all, which adds the samples\n"
		"      --failed          only failed calls, and processes that failed\n"
		"      --sensor NAME     only what preload, kernel, seccomp, proc or proxy told\n"
		"      --standing WORD   only what is declared, observed or attested\n"
		"      --confirmed       only calls that the library and the kernel told alike\n"
		"  -f, --follow          go on until the run ends\n"
		"      --json            the lines of the trace as they are\n"
		HELP_HELP
		"\n"
		"Gaps are shown whatever is asked for: where events were lost, the rest is\n"
		"not the whole.\n"
	},
	{
		"top", "top [RUN | --last] [--once] [--sort ORDER] [--lines N] [--json]",
		"the busiest processes, calls, files and hosts, while the run goes on",
		cli_cmd_top,
		HELP_RUN
		"\n"
		"      --last            the last run\n"
		"      --once            one table, and no screen that is drawn anew each second\n"
		"  -s, --sort ORDER      count (default), recent (in the last second, on a screen),\n"
		"                        failed, time or bytes\n"
		"  -n, --lines N         rows of each table, at most (default: 10, or what fits)\n"
		"      --json            one JSON document\n"
		HELP_HELP
		"\n"
		"On a screen: q quits, s sorts by the next column. Where the run is over, or where\n"
		"there is no terminal, it is as with --once.\n"
	},
	{
		"doctor", "doctor [--json]",
		"what this machine allows, and what is missing then",
		cli_cmd_doctor,
		"      --json            one JSON document\n"
		HELP_HELP
		"\n"
		"Exit status: 0 if commands can be recorded, 1 if they cannot.\n"
	},
	{
		"policy",
		"policy list | show PROFILE | check FILE... | explain PROFILE CALL [ARGUMENT...] | learn RUN...",
		"profiles: which there are, what they say, whether they are right",
		cli_cmd_policy,
		"PROFILE is a name of the list, or a file with a '/' in its name: telltale-profile(5).\n"
		"\n"
		"  list                  the profiles; with --groups the groups of system calls\n"
		"  show PROFILE          all that it asks for, includes resolved: a profile again\n"
		"  check FILE...         complain about errors by line and column, and how to mend them\n"
		"  explain PROFILE CALL [ARGUMENT...]\n"
		"                        what becomes of a system call, and which line says so\n"
		"  learn RUN... | --last\n"
		"                        the smallest profile under which these runs would have passed;\n"
		"                        they were recorded with --count=ptrace or --profile=LEARNING\n"
		"\n"
		"      --groups          list: the groups\n"
		"      --source          show: the text of a profile that came with the program\n"
		"      --json            list, show, explain: one JSON document\n"
		"      --name NAME       learn: what the comment on top calls it\n"
		"      --generalise HOW  learn: none (default) names the folders that were written, dirs\n"
		"                        the folders of what is named at random, by number or version\n"
		HELP_HELP
		"\n"
		"Exit status: 0; 1 if a profile is wrong or not there.\n"
	},
	{
		"schema", "schema event | run",
		"print the JSON Schema of a trace line or of run.json",
		cli_cmd_schema,
		HELP_HELP
	},
	{
		"wire", "wire decode [--lenient] [FILE] | wire encode [FILE]",
		"frames of a guest's agent to JSON lines, and back",
		cli_cmd_wire,
		"FILE, or standard input: frames (decode) or JSON lines (encode).\n\n"
		"      --max-bytes N     a record of that size takes no more: the guest waits\n"
		"      --lenient         take what older agents send: numbers not in shortest form, other\n"
		"                        orders of keys, repeated and unknown keys, trailing bytes\n"
		HELP_HELP
	},
	{
		"verify",
		"verify [--key PUBLIC.pem] [--head HASH[:RECORDS]] [--json] "
		"FILE | DIR | RUN | --last",
		"whether a chained trace was altered, and how much of that is proven",
		cli_cmd_verify,
		"FILE is a trace with chain lines, DIR a folder with a trace.jsonl, RUN a run id, or the\n"
		"beginning of one that fits no other. What is known from elsewhere proves the end;\n"
		"without it a trace can have been cut, or made anew.\n\n"
		"  -k, --key PUBLIC.pem  who must have signed it: openssl pkey -in KEY -pubout\n"
		"  -H, --head HASH[:RECORDS]\n"
		"                        a hash that telltale receive --chain-head told\n"
		"      --last            the last run\n"
		"      --json            one JSON document\n"
		HELP_HELP
		"\n"
		"Exit status: 0 if nothing is wrong; 1 if something is, or if a key is given and the\n"
		"end is not proven.\n"
	},
	{
		"receive", "receive (--vsock-base BASE | --cid N) --cell-id ID --spec FILE [...]",
		"take what the agents of guests send: stamp it, chain it, write it down",
		cli_cmd_receive,
		"      --vsock-base BASE listen on the unix sockets BASE_9001 and BASE_9000, where a\n"
		"                        microVM monitor leads a guest's connections to its host\n"
		"      --cid N           take AF_VSOCK connections of the guest with this CID\n"
		"      --cell-id ID      what the cell is called: letters, digits, '.', '_', '-'\n"
		"      --run-id ID       a UUID; made where it is not given\n"
		"      --spec FILE       the cell's spec: JSON with telemetry.authorized\n"
		"      --declared FILE   a JSON array of sources, in place of telemetry.declared\n"
		"      --vsock-port N    where the agent connects to (default 9001)\n"
		"      --exit-port N     where the exit code comes (default 9000; 0: nowhere)\n"
		"      --output-dir DIR  the folder of the record (default: among the runs)\n"
		"      --silence SECONDS without a word this long a cell is silent (default 10)\n"
		"      --wait SECONDS    a cell of which no frame came by then is over: status 1\n"
		"      --rate N          frames a second of one cell; what is over it waits\n"
		"      --max-bytes N     a record of that size takes no more\n"
		"      --lenient         take what older agents send: see telltale wire\n"
		"      --key FILE        sign the chain: a private Ed25519 key, PEM\n"
		"      --chain-head FD   the newest hash of each chain, to this fd\n"
		"      --status FD       a line of JSON for each change of a cell's state\n"
		"      --once            end when the cells are over: without --wait it waits for\n"
		"                        a guest that never connects\n"
		"      --cells FILE      many cells: a JSON object per line, with cell_id, run_id,\n"
		"                        vsock_base or cid, spec, declared, output_dir, or with remove;\n"
		"                        -: standard input, read as it comes\n"
		HELP_HELP
		"\n"
		"SIGTERM and SIGINT end all records in good order.\n"
	},
	{ NULL, NULL, NULL, NULL, NULL },
};
/* clang-format on */

const struct cli_verb *cli_verb_find(const char *name)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

#define NAME_MAX_LEN 16

/* Edit distance (insert, delete, replace) of two short words. */
static int distance(const char *a, const char *b)
{
	int row[NAME_MAX_LEN + 1];
	int n = (int)strlen(b);

	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= n; j++) {
			int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const struct cli_verb *cli_verb_nearest(const char *name)
{
	const struct cli_verb *best = NULL;
	int best_distance = 3;

	if (strlen(name) > NAME_MAX_LEN)
		return NULL;
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		int d = distance(name, v->name);

		if (d < best_distance && d < (int)strlen(v->name)) {
			best_distance = d;
			best = v;
		}
	}
	return best;
}

void cli_verb_help(const struct cli_verb *verb)
{
	printf("usage: telltale %s\n\n%s\n\n%s", verb->synopsis, verb->summary, verb->help);
}
