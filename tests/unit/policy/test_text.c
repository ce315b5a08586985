/* SPDX-License-Identifier: Apache-2.0 */
/* The language: what it means, every error with its place, and that a shown policy is the same. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/policy.h"
#include "tap.h"

static char folder[] = "/tmp/telltale-policy-XXXXXX";

static struct policy *load(const char *text)
{
	struct policy *p = NULL;
	struct tt_err err = {""};

	if (policy_load_text("t", text, strlen(text), &p, &err) < 0) {
		TAP_FAIL_AT("%s", err.text);
		abort();
	}
	return p;
}

static void words_and_quotes(void)
{
	struct policy *p;

	p = load("\xef\xbb\xbfsummary \"a \\\"b\\\" \\\\ \\t\\x41\" # behind\r\n"
		 "environment set \"A=b c\" B=\"d e\"f \\\n  C= # end\n"
		 "\t namespaces \\\r\n mount pid \\\n\tuts\nmount proc\n"
		 "hostname box#1\n"
		 "network host");
	CHECK_STR(p->summary, "a \"b\" \\ \tA");
	CHECK_INT(p->env.set_count, 3);
	CHECK_STR(p->env.set[0], "A=b c");
	CHECK_STR(p->env.set[1], "B=d ef");
	CHECK_STR(p->env.set[2], "C=");
	CHECK_STR(p->hostname, "box#1");
	CHECK_INT(p->namespaces, POLICY_NS_MOUNT | POLICY_NS_PID | POLICY_NS_UTS);
	policy_free(p);
	p = load("");
	CHECK(!p->sandboxed && !p->filter);
	policy_free(p);
}

static void every_key_is_understood(void)
{
	struct policy *p =
		load("summary \"all\"\n"
		     "namespaces mount pid ipc uts net cgroup time user\n"
		     "network loopback\n"
		     "root empty\n"
		     "mount read /usr\n"
		     "mount read ~/lib /opt/lib optional\n"
		     "mount write .\n"
		     "mount tmpfs /tmp size=1M mode=0700\n"
		     "mount tmpfs /tmp size=2M\n" /* the later one */
		     "mount proc\n"
		     "mount dev /dev size=3M\n"
		     "mount hide ~/.ssh optional\n"
		     "hostname h\n"
		     "map-uid 0 1000 1\nmap-uid 5 5000 10\nuid 14\n"
		     "map-gid 0 1000 1\ngid 0\n"
		     "keep-capability NET_RAW CAP_KILL\n"
		     "rlimit nofile 64 1K\nrlimit core 0\nrlimit as unlimited\nrlimit core 5\n"
		     "limit memory 1G\nlimit swap 0\nlimit cpu 150%\nlimit pids 9\n"
		     "limit read 10M\nlimit write 20M\nlimit wall 90\nlimit cpu-time 250ms\n"
		     "limit major-faults 7\nlimit pids none\n"
		     "landlock handle read write bind connect scope\n"
		     "landlock read / optional\nlandlock write /\nlandlock read,write /x\n"
		     "landlock bind 80 0\nlandlock connect 443\n"
		     "environment listed\nenvironment pass PATH LC_*\nenvironment drop LC_ALL\n"
		     "environment set A=1\nenvironment set A=2 AB=3\n"
		     "count ptrace\nlearn yes\n"
		     "default kill\nallow read\nlog write\ndeny ENOENT open openat\n");

	CHECK_INT(p->namespaces, 255);
	CHECK_INT(p->network, POLICY_NET_LOOPBACK);
	CHECK_INT(p->root, POLICY_ROOT_EMPTY);
	CHECK_INT(p->mount_count, 7);
	CHECK_STR(p->mounts[0].from, "/usr");
	CHECK_STR(p->mounts[0].to, "/usr");
	CHECK(p->mounts[1].optional && p->mounts[1].kind == POLICY_MOUNT_READ);
	CHECK_STR(p->mounts[1].from, "~/lib");
	CHECK_STR(p->mounts[1].to, "/opt/lib");
	CHECK_INT(p->mounts[3].kind, POLICY_MOUNT_TMPFS);
	CHECK_INT(p->mounts[3].bytes, 2 << 20);
	CHECK_INT(p->mounts[3].mode, 01777);
	CHECK_STR(p->mounts[4].to, "/proc");
	CHECK_INT(p->mounts[5].bytes, 3 << 20);
	CHECK(!p->mounts[6].from && p->mounts[6].optional);
	CHECK_INT(p->uid, 14);
	CHECK_INT(p->gid, 0);
	CHECK_INT(p->uid_map_count, 2);
	CHECK_INT(p->uid_map[1].outside, 5000);
	CHECK(p->keep_caps == (1ULL << 13 | 1ULL << 5));
	CHECK_INT(p->rlimit_count, 3);
	CHECK(p->rlimits[0].soft == 64 && p->rlimits[0].hard == 1024);
	CHECK(p->rlimits[1].soft == 5 && p->rlimits[2].soft == UINT64_MAX);
	CHECK_INT(p->limits.memory_bytes, 1 << 30);
	CHECK_INT(p->limits.swap_bytes, 0);
	CHECK_INT(p->limits.cpu_percent, 150);
	CHECK(p->limits.pids == POLICY_NO_LIMIT);
	CHECK_INT(p->limits.write_bytes_per_s, 20 << 20);
	CHECK_INT(p->limits.wall_ms, 90000);
	CHECK_INT(p->limits.cpu_ms, 250);
	CHECK_INT(p->limits.major_faults, 7);
	CHECK_INT(p->landlock.handled, POLICY_LANDLOCK_READ | POLICY_LANDLOCK_WRITE);
	CHECK(p->landlock.bind && p->landlock.connect && p->landlock.scope);
	CHECK_INT(p->landlock.path_count, 2);
	CHECK(p->landlock.paths[0].rights == 3 && !p->landlock.paths[0].optional);
	CHECK_INT(p->landlock.port_count, 3);
	CHECK(p->landlock.ports[1].bind && !p->landlock.ports[2].bind);
	CHECK_INT(p->env.mode, POLICY_ENV_LISTED);
	CHECK_INT(p->env.pass_count, 2);
	CHECK_INT(p->env.set_count, 2);
	CHECK_STR(p->env.set[0], "A=2");
	CHECK(p->learn && p->count == POLICY_COUNT_PTRACE);
	CHECK(p->sandboxed && p->no_new_privs && p->filter);
	CHECK_INT(p->fallback.action, POLICY_KILL);
	policy_free(p);
}

static void later_lines_refine_earlier_ones(void)
{
	struct policy *p = load("include STRICT\n"
				"network host\n"
				"namespaces -uts +time\n"
				"forget mounts landlock\nmount proc\n"
				"allow socket\n");
	uint64_t args[6] = {2};

	CHECK_INT(p->namespaces, POLICY_NS_MOUNT | POLICY_NS_PID | POLICY_NS_IPC |
					 POLICY_NS_CGROUP | POLICY_NS_TIME);
	CHECK_INT(p->mount_count, 1);
	CHECK_INT(p->landlock.handled, 0);
	CHECK_INT(policy_decide(p, policy_call_number("socket"), args).action, POLICY_ALLOW);
	CHECK_INT(policy_decide(p, policy_call_number("bpf"), args).action, POLICY_DENY);
	CHECK_STR(p->name, "t");
	CHECK_STR(p->summary, ""); /* the included one's is not ours */
	policy_free(p);
	p = load("include STRICT\nforget rules\n");
	CHECK(!p->filter && p->sandboxed);
	policy_free(p);
}

/* The text, and what is said about it. */
static const char *const errors[][2] = {
	{"nonsense 1\n", "t:1:1: unknown key 'nonsense': see telltale-profile(5)"},
	{"\n  sumary x\n", "t:2:3: unknown key 'sumary': did you mean 'summary'?"},
	{"network\n", "t:1:1: something is missing: network off|loopback|host"},
	{"network off on\n", "t:1:13: one word too many: network off|loopback|host"},
	{"network of\n", "t:1:9: no network 'of': did you mean 'off'?"},
	{"network zzz\n", "t:1:9: no network 'zzz': there are host, loopback, off"},
	{"summary \"a\n", "t:1:9: quotes that are not closed on this line"},
	{"summary a\"b", "t:1:10: quotes that are not closed on this line"},
	{"summary \"\\q\"\n",
	 "t:1:10: unknown escape: within quotes there are \\\" \\\\ \\n \\t \\xNN"},
	{"summary \"\\x4\"\n", "t:1:10: \\x takes two hexadecimal digits"},
	{"summary \"\\x00\"\n", "t:1:10: \\x00: a word cannot hold a NUL byte"},
	{"summary a\\b\n", "t:1:10: a backslash outside quotes: write \"\\\\\""},
	{"summary \"\xc3\xa4\xc3\xb6\" \x01\n",
	 "t:1:14: control character 0x01: write it as \"\\x01\""},
	{"# \xff\n", "t:1:3: byte 0xff: this is not UTF-8"},
	{"hostname \xc3\n", "t:1:10: byte 0xc3: this is not UTF-8"},
	{"hostname keep\nsummary \"a\\nb\"\n", "t:2:9: a summary is one line of 200 bytes"},
	{"namespaces moont\n", "t:1:12: no namespace 'moont': did you mean 'mount'?"},
	{"namespaces mount +pid\n",
	 "t:1:12: names with and without '+' and '-': either the whole set or changes of it"},
	{"namespaces none pid\n", "t:1:17: 'none' stands alone"},
	{"hostname \"a b\"\n", "t:1:10: a host name has 1 to 64 characters, no blanks"},
	{"uid -4\n", "t:1:5: '-4' is no number"},
	{"uid 4294967295\n", "t:1:5: '4294967295' is not between 0 and 4294967294"},
	{"uid 99999999999999999999\n", "t:1:5: '99999999999999999999' is no number"},
	{"map-uid 0 0 0\n", "t:1:13: '0' is not between 1 and 4294967294"},
	{"map-uid 4294967290 0 9\n", "t:1:22: ids past 4294967294"},
	{"namespaces user\nmap-uid 0 0 5\nmap-uid 4 9 1\n",
	 "t:3:9: overlaps the entry 0 0 5: 'forget maps' takes what was said before away"},
	{"keep-capability NET_ROW\n", "t:1:17: no capability 'NET_ROW': did you mean 'NET_RAW'?"},
	{"no-new-privs maybe\n", "t:1:14: no answer 'maybe': there are no, yes"},
	{"rlimit nofiles 1\n", "t:1:8: no rlimit 'nofiles': did you mean 'nofile'?"},
	{"rlimit nofile 2 1\n", "t:1:15: the soft limit is above the hard one"},
	{"rlimit nofile unlimited 1\n", "t:1:15: the soft limit is above the hard one"},
	{"rlimit nofile 2x\n", "t:1:15: '2x' is no size: 4096, 64K, 256M, 4G"},
	{"limit memory 0\n", "t:1:14: a limit of 0: nothing could run ('none': no limit)"},
	{"limit cpu 0%\n", "t:1:11: a limit of 0: nothing could run ('none': no limit)"},
	{"limit cpu-time 0\n", "t:1:16: a limit of 0: nothing could run ('none': no limit)"},
	{"limit pids many\n", "t:1:12: 'many' is no number"},
	{"limit wall 5x\n", "t:1:12: '5x' is no time: 90s, 250ms, 5m, 2h"},
	{"limit memory 99999999T\n", "t:1:14: '99999999T' is too large"},
	{"limit memry 1\n", "t:1:7: no limit 'memry': did you mean 'memory'?"},
	{"mount reed /\n", "t:1:7: no kind of mount 'reed': did you mean 'read'?"},
	{"mount read\n", "t:1:7: mount read: which path?"},
	{"mount read etc\n", "t:1:12: path 'etc': it begins with '/', './' or '~/'"},
	{"mount read \"\"\n", "t:1:12: path '': it begins with '/', './' or '~/'"},
	{"mount read /a/../b\n", "t:1:12: path '/a/../b': without '..', please"},
	{"mount read ./..\n", "t:1:12: path './..': without '..', please"},
	{"mount hide /a /b\n", "t:1:15: one word too many"},
	{"mount read /a size=1M\n", "t:1:15: 'size' goes with 'mount tmpfs'"},
	{"mount tmpfs /a size=0\n", "t:1:21: a size of 0 leaves no room"},
	{"mount tmpfs /a mode=9\n", "t:1:21: '9' is no mode: 1777, 0755"},
	{"mount tmpfs /a mode=\n", "t:1:21: an empty mode: 1777, 0755"},
	{"mount dev mode=1\n", "t:1:11: 'mode' goes with 'mount tmpfs'"},
	{"landlock handle rite\n", "t:1:17: no Landlock right 'rite': did you mean 'write'?"},
	{"landlock handle none read\n", "t:1:17: 'none' stands alone"},
	{"landlock read\n", "t:1:10: landlock read: which path?"},
	{"landlock read,wrong /\n",
	 "t:1:15: no Landlock right 'wrong': there are read, write, execute"},
	{"landlock read / maybe\n", "t:1:17: 'maybe': only 'optional' may follow"},
	{"landlock connect 0\n", "t:1:18: '0' is not between 1 and 65535"},
	{"landlock bind 70000\n", "t:1:15: '70000' is not between 0 and 65535"},
	{"environment sum\n",
	 "t:1:13: no word about the environment 'sum': there are all, listed, pass, drop, set"},
	{"environment set A\n", "t:1:17: 'A' is not NAME=VALUE"},
	{"environment set =a\n", "t:1:17: '=a' is not NAME=VALUE"},
	{"environment pass A=b\n", "t:1:18: 'A=b' is no variable's name ('*' at its end: any)"},
	{"environment drop A*B\n", "t:1:18: 'A*B' is no variable's name ('*' at its end: any)"},
	{"environment all x\n", "t:1:17: one word too many: 'environment all'"},
	{"environment pass\n", "t:1:13: environment pass: which variables?"},
	{"forget all\n",
	 "t:1:8: no such list 'all': there are mounts, landlock, rules, limits, rlimits, "
	 "environment, maps"},
	{"default refuse\n",
	 "t:1:9: no action 'refuse': there are allow, log, deny, deny-quiet, kill"},
	{"default allow EPERM\n", "t:1:15: 'allow' takes no error"},
	{"default deny EPREM\n", "t:1:14: no error 'EPREM': did you mean 'EPERM'?"},
	{"deny\n", "t:1:1: something is missing: deny [ERRNO] NAME|@GROUP... [when CONDITION]"},
	{"deny EPERM\n", "t:1:6: which calls?"},
	{"allow EPERM read\n", "t:1:7: 'allow' takes no error"},
	{"deny EPREM read\n", "t:1:6: no error 'EPREM': did you mean 'EPERM'?"},
	{"allow reed\n", "t:1:7: no system call 'reed': did you mean 'read'?"},
	{"allow xyzzyxyzzy\n",
	 "t:1:7: no system call 'xyzzyxyzzy': groups begin with '@', see syscalls(2)"},
	{"allow 1073741824\n", "t:1:7: '1073741824' is not between 0 and 1073741823"},
	{"allow @flie\n", "t:1:7: no group '@flie': did you mean '@file'?"},
	{"allow @xyzzyxyzzy\n",
	 "t:1:7: no group '@xyzzyxyzzy': see 'telltale policy list --groups'"},
	{"allow @file when arg0 == 1\n",
	 "t:1:7: a condition is about one call's arguments: name the calls, not a group"},
	{"allow read when\n", "t:1:12: when what? A condition is missing"},
	{"allow when fd == 1\n", "t:1:1: which calls?"},
	{"allow read when fd\n", "t:1:17: what of 'fd'? An operator and a value are missing"},
	{"allow read when fd ==\n", "t:1:20: a value is missing"},
	{"allow read when fd &\n", "t:1:20: a mask is missing"},
	{"allow read when fd & 0 == 0\n", "t:1:22: a mask of 0 takes everything away"},
	{"allow read when fd = 1\n", "t:1:20: '=' is no operator: & == != < <= > >="},
	{"allow read when fd==1 or fd==2\n",
	 "t:1:23: 'or' behind a condition: only 'and' may follow"},
	{"allow read when fd==1 and\n", "t:1:23: a condition is missing"},
	{"allow read when df == 1\n", "t:1:17: read has no argument 'df': did you mean 'fd'?"},
	{"allow socket when domian == 1\n",
	 "t:1:19: socket has no argument 'domian': did you mean 'domain'?"},
	{"allow read when arg6 == 1\n",
	 "t:1:17: read has no argument 'arg6': arg0 to arg5 always serve"},
	{"allow read when arg0:32 == 1\n", "t:1:17: 'arg0:32': only ':64' may follow an argument"},
	{"allow socket when domain == AF_INETT\n",
	 "t:1:29: no constant 'AF_INETT': did you mean 'AF_INET'?"},
	{"allow socket when domain == XYZZY\n", "t:1:29: no constant 'XYZZY': write the number"},
	{"allow socket when domain==0x\n", "t:1:27: '0x' is no number"},
	{"allow socket when domain==08\n", "t:1:27: '08' is no number"},
	{"allow socket when domain==|1\n", "t:1:27: a value is missing"},
	{"allow socket when domain==0x100000000\n",
	 "t:1:27: '0x100000000' does not fit 32 bits: write the argument with ':64'"},
	{"allow read when arg1:64 == 0x10000000000000000\n",
	 "t:1:28: '0x10000000000000000' does not fit 64 bits"},
	{"allow read when fd & 1 == 2\n", "t:1:27: '2' has bits that the mask takes away"},
	{"allow read when fd < 0\n", "t:1:22: no argument is that (values have no sign)"},
	{"allow read when fd >= 0\n", "t:1:23: every argument is that (values have no sign)"},
	{"allow read when fd & 3 > 3\n", "t:1:26: no argument is that (values have no sign)"},
	{"allow read when fd & 3 <= 3\n", "t:1:27: every argument is that (values have no sign)"},
	{"allow read when fd==1 and fd==2 and fd==3 and fd==4 and fd==5\n",
	 "t:1:57: more than 4 conditions"},
	{"include nowhere\n",
	 "t:1:9: unknown profile 'nowhere': the profiles are OFF, STRICT, RESOURCE-AWARE, "
	 "LEARNING, AGENT (a file has a '/' in its name)"},
	{"include /no/such\n", "t:1:9: read '/no/such': No such file or directory"},
	{"include /dev/null\n", "t:1:9: read '/dev/null': no regular file"},
	{"include t\n",
	 "t:1:9: unknown profile 't': the profiles are OFF, STRICT, RESOURCE-AWARE, LEARNING, "
	 "AGENT (a file has a '/' in its name)"},
	/* what contradicts itself */
	{"namespaces net\n",
	 "t:1:1: namespace 'net', but the network is the host's: 'network off' or 'network "
	 "loopback'"},
	{"network off\nnamespaces mount\n",
	 "t:2:1: no namespace 'net', but the network is not the host's: 'network host'"},
	{"hostname x\n", "t:1:1: hostname needs 'namespaces +uts'"},
	{"root read-only\n", "t:1:1: root needs 'namespaces +mount'"},
	{"mount hide /x\n", "t:1:1: mount needs 'namespaces +mount'"},
	{"namespaces mount\nmount proc\n", "t:2:1: mount proc needs 'namespaces +pid'"},
	{"namespaces mount\nroot empty\n",
	 "t:2:1: an empty root without mounts: nothing to execute"},
	{"namespaces mount pid\nroot read-only\nmount proc /proc optional\n",
	 "t:2:1: /proc/PID/root of other processes leads round this root: 'namespaces +pid' and "
	 "'mount proc /proc'"},
	{"namespaces mount pid\nroot empty\nmount read /proc\n",
	 "t:2:1: /proc/PID/root of other processes leads round this root: 'namespaces +pid' and "
	 "'mount proc /proc'"},
	{"namespaces mount\nroot empty\nmount read /usr\n",
	 "t:2:1: /proc/PID/root of other processes leads round this root: 'namespaces +pid' and "
	 "'mount proc /proc'"},
	{"namespaces mount pid\nmount write /a\nmount hide /b\n",
	 "t:3:1: /proc/PID/root of other processes leads round 'mount read' and 'mount hide': "
	 "'namespaces +pid' and 'mount proc /proc'"},
	{"namespaces user\nuid 5\n", "t:2:1: uid 5 is in no map: 'map-uid 5 OUTSIDE 1'"},
	{"namespaces user\nmap-gid 0 0 5\ngid 5\n",
	 "t:3:1: gid 5 is in no map: 'map-gid 5 OUTSIDE 1'"},
	{"map-uid 0 0 1\n", "t:1:1: map-uid needs 'namespaces +user'"},
	{"map-gid 0 0 1\n", "t:1:1: map-gid needs 'namespaces +user'"},
	{"landlock handle read\nlandlock write /x\n",
	 "t:2:1: 'landlock write' of '/x' grants what is not refused: 'landlock handle ... write'"},
	{"landlock connect 80\n",
	 "t:1:1: port 80 grants what is not refused: 'landlock handle ... connect'"},
	{"no-new-privs no\nallow read\n", "t:1:1: rules and Landlock need 'no-new-privs yes'"},
	{"environment pass A\n",
	 "t:1:1: 'environment pass' goes with 'environment listed': now all pass"},
	{"learn yes\ncount off\n", "t:2:1: 'count off', but 'learn yes' has to count"},
};

static void errors_have_places_and_ways_out(void)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(errors); i++) {
		struct policy *p = NULL;
		struct tt_err err = {""};

		CHECK_INT(policy_load_text("t", errors[i][0], strlen(errors[i][0]), &p, &err), -22);
		CHECK_STR(err.text, errors[i][1]);
		CHECK(!p);
		policy_free(p);
	}
}

/* Cut and mutated texts never do more than fail. */
static void broken_texts_are_refused_or_loaded(void)
{
	static const char odd[] = "\0\n\"\\#@=&|~\xff\t9 ";
	const char *text, *name;
	size_t len;
	int loaded = 0;

	for (size_t i = 0; (name = policy_shipped_at(i, &text, &len)); i++) {
		char *copy = malloc(len + 1);

		if (!copy)
			abort();
		for (size_t cut = 0; cut < len; cut += 7) {
			struct policy *p = NULL;

			memcpy(copy, text, len);
			loaded += policy_load_text("t", copy, cut, &p, NULL) == 0;
			policy_free(p);
			p = NULL;
			copy[cut] = odd[cut % (sizeof(odd) - 1)];
			loaded += policy_load_text("t", copy, len, &p, NULL) == 0;
			policy_free(p);
		}
		free(copy);
	}
	CHECK(loaded > 100);
}

static void limits_have_names(void)
{
	char *text = malloc(3 << 20);
	struct policy *p = NULL;
	struct tt_err err;
	size_t used = 0;

	if (!text)
		abort();
	memset(text, 'a', 20000);
	CHECK_INT(policy_load_text("t", text, 20000, &p, &err), -22);
	CHECK_STR(err.text, "t:1:1: a line of more than 16384 bytes");
	for (int i = 0; i < 600; i++)
		used += (size_t)sprintf(text + used, "a ");
	CHECK_INT(policy_load_text("t", text, used, &p, &err), -22);
	CHECK_STR(err.text, "t:1:1025: more than 512 words on one line");
	used = (size_t)sprintf(text, "allow \\\n");
	for (int i = 0; i < 300; i++)
		used += (size_t)sprintf(text + used, "%080d\\\n", 1);
	CHECK_INT(policy_load_text("t", text, used, &p, &err), -22);
	CHECK(strstr(err.text, ": a line of more than 16384 bytes"));
	used = 0;
	for (int i = 0; i < 100; i++)
		used += (size_t)sprintf(text + used, "deny @basic\n");
	CHECK_INT(policy_load_text("t", text, used, &p, &err), -22);
	CHECK(strstr(err.text, ": more than 16384 rules"));
	used = (size_t)sprintf(text, "namespaces mount\n");
	for (int i = 0; i < 1100; i++)
		used += (size_t)sprintf(text + used, "mount hide /%d\n", i);
	CHECK_INT(policy_load_text("t", text, used, &p, &err), -22);
	CHECK_STR(err.text, "t:1026:1: more than 1024 mounts");
	used = 0;
	for (int i = 0; i < 70; i++)
		used += (size_t)sprintf(text + used, "include OFF\n");
	CHECK_INT(policy_load_text("t", text, used, &p, &err), -22);
	CHECK_STR(err.text, "t:64:9: more than 64 files");
	CHECK_INT(policy_load_text("t", "network\0off\n", 12, &p, &err), -22);
	CHECK_STR(err.text, "t:1:8: a NUL byte: this is no text");
	free(text);
}

static const char *in_folder(const char *name)
{
	static char path[4][256];
	static int next;

	next = (next + 1) % 4;
	(void)snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
	return path[next];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "we");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void files_and_includes(void)
{
	struct policy *p = NULL;
	struct tt_err err = {""};
	char want[512], text[64], real[256];

	CHECK_INT(mkdir(in_folder("telltale"), 0755), 0);
	CHECK_INT(mkdir(in_folder("telltale/profiles"), 0755), 0);
	CHECK_INT(setenv("XDG_CONFIG_HOME", folder, 1), 0);
	put("telltale/profiles/mine.profile", "include ./sub\nsummary mine\n");
	put("telltale/profiles/sub", "include beside\ninclude STRICT\n");
	put("telltale/profiles/beside.profile", "limit pids 3\nsummary beside\n");
	put("telltale/profiles/STRICT.profile", "default kill\n");
	CHECK_INT(policy_load("mine", &p, &err), 0);
	CHECK_STR(err.text, "");
	if (p) {
		CHECK_STR(p->name, "mine");
		CHECK_STR(p->summary, "mine");
		CHECK_INT(p->limits.pids, 3);
		/* what came with the program cannot be replaced by a file of its name */
		CHECK_INT(p->fallback.action, POLICY_DENY);
	}
	policy_free(p);
	p = NULL;
	CHECK_INT(policy_load(in_folder("telltale/profiles/STRICT.profile"), &p, &err), 0);
	if (p)
		CHECK_INT(p->fallback.action, POLICY_KILL);
	policy_free(p);
	p = NULL;
	/* an error below tells the way there */
	put("telltale/profiles/beside.profile", "\nlimit\n");
	CHECK_INT(policy_load("mine", &p, &err), -22);
	(void)snprintf(want, sizeof(want),
		       ":2:1: something is missing: limit NAME VALUE|none "
		       "(included from ");
	CHECK(strstr(err.text, want));
	CHECK(strstr(err.text, "/sub:1) (included from "));
	/* loops */
	put("telltale/profiles/beside.profile", "include mine\n");
	CHECK_INT(policy_load("mine", &p, &err), -22);
	CHECK(strstr(err.text, ":1:9: it includes itself: "));
	put("self.profile", "include ./self.profile\n");
	CHECK_INT(policy_load(in_folder("self.profile"), &p, &err), -22);
	CHECK(strstr(err.text, "self.profile:1:9: it includes itself: "));
	/* depth */
	for (int i = 0; i < 12; i++) {
		char body[64];

		(void)snprintf(text, sizeof(text), "d%d", i);
		(void)snprintf(body, sizeof(body), "include ./d%d\n", i + 1);
		put(text, body);
	}
	CHECK_INT(policy_load(in_folder("d0"), &p, &err), -22);
	CHECK(strstr(err.text, "/d8:1:9: more than 8 includes within each other"));
	put("d8", "limit pids 4\n");
	CHECK_INT(policy_load(in_folder("d0"), &p, &err), 0);
	policy_free(p);
	p = NULL;
	/* what cannot be read */
	CHECK_INT(policy_load("/no/such", &p, &err), -2);
	CHECK_STR(err.text, "read profile '/no/such': No such file or directory");
	CHECK_INT(policy_load("/dev/zero", &p, &err), -22);
	CHECK_STR(err.text, "read profile '/dev/zero': no regular file");
	CHECK_INT(truncate(in_folder("self.profile"), 10 << 20), 0);
	CHECK_INT(policy_load(in_folder("self.profile"), &p, &err), -27);
	(void)snprintf(want, sizeof(want), "read profile '%s': more than 1 MiB of text",
		       in_folder("self.profile"));
	CHECK_STR(err.text, want);
	put("self.profile", "limit pids 3\n");
	CHECK_INT(truncate(in_folder("self.profile"), 5000), 0);
	CHECK_INT(policy_load(in_folder("self.profile"), &p, &err), -22);
	CHECK(strstr(err.text, ": a NUL byte: this is no text"));
	CHECK_INT(policy_folder(0, real, sizeof(real)), 0);
	(void)snprintf(want, sizeof(want), "%s/telltale/profiles", folder);
	CHECK_STR(real, want);
	(void)snprintf(want, sizeof(want), "rm -r %s", folder);
	CHECK_INT(system(want), 0);
}

static void count_complaints(void *arg, const char *text)
{
	(void)text;
	(*(int *)arg)++;
}

static void a_check_tells_of_all(void)
{
	struct policy *p = NULL;
	struct tt_err err = {""};
	char path[] = "/tmp/telltale-check-XXXXXX";
	int fd = mkstemp(path), told = 0;
	FILE *f = fdopen(fd, "w");

	if (!f)
		abort();
	(void)fputs("netwrk off\nlimit pids 0\nroot empty\nallow reed\n", f);
	(void)fclose(f);
	CHECK_INT(policy_check(path, count_complaints, &told, &p, &err), -22);
	CHECK_INT(told, 3);
	CHECK(strstr(err.text, ":1:1: unknown key 'netwrk'"));
	f = fopen(path, "we");
	for (int i = 0; f && i < 100; i++)
		(void)fputs("x\n", f);
	if (f)
		(void)fclose(f);
	told = 0;
	CHECK_INT(policy_check(path, count_complaints, &told, &p, &err), -22);
	CHECK_INT(told, 20);
	(void)unlink(path);
}

/* Everything of two policies, but their names. */
static void same(const struct policy *a, const struct policy *b)
{
	char *x = NULL, *y = NULL;
	size_t n, m;

	CHECK_INT(policy_text(a, &x, &n), 0);
	CHECK_INT(policy_text(b, &y, &m), 0);
	CHECK_STR(x, y);
	CHECK(a->sandboxed == b->sandboxed && a->no_new_privs == b->no_new_privs &&
	      a->filter == b->filter && a->namespaces == b->namespaces &&
	      a->network == b->network && a->root == b->root && a->keep_caps == b->keep_caps &&
	      a->learn == b->learn && a->count == b->count);
	CHECK(memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0);
	CHECK(a->mount_count == b->mount_count && a->rlimit_count == b->rlimit_count &&
	      a->landlock.path_count == b->landlock.path_count &&
	      a->landlock.port_count == b->landlock.port_count &&
	      a->env.set_count == b->env.set_count && a->rule_count == b->rule_count);
	for (size_t i = 0; i < a->rule_count && i < b->rule_count; i++) {
		const struct policy_rule *s = &a->rules[i], *t = &b->rules[i];

		CHECK(s->nr == t->nr && s->verdict.action == t->verdict.action &&
		      s->verdict.err == t->verdict.err && s->condition_count == t->condition_count);
		for (size_t k = 0; k < s->condition_count; k++)
			CHECK(s->conditions[k].arg == t->conditions[k].arg &&
			      s->conditions[k].wide == t->conditions[k].wide &&
			      s->conditions[k].compare == t->conditions[k].compare &&
			      s->conditions[k].mask == t->conditions[k].mask &&
			      s->conditions[k].value == t->conditions[k].value);
	}
	free(x);
	free(y);
}

static void what_is_shown_loads_to_the_same(void)
{
	static const char *const texts[] = {
		"namespaces none\nno-new-privs yes\n",
		"summary \"a \\\"\\\\\\t\\x07 #\"\nenvironment set \"A=\\n\\x7f\" \"B=#\"\n",
		"environment listed\nenvironment pass A* \"#x\"\nenvironment drop AB\n",
		"namespaces mount pid user\nroot read-only\nmount proc\n"
		"mount read \"/a b\" \"/c\\\"d\" optional\n"
		"mount tmpfs /t size=1000 mode=0\nmount dev\nmap-uid 3 4 5\nuid 5\n",
		"rlimit core 0 unlimited\nrlimit nofile 1000\nlimit wall 1500ms\nlimit cpu 33\n"
		"limit major-faults 0\nlimit cpu-time 5m\nlimit memory 12345\n",
		"landlock handle execute bind\nlandlock execute /\nlandlock bind 1 2 3\n",
		"default log\nallow 500 501\nkill 500 when arg5:64 & 0xff00000000 != 0x100000000\n"
		"deny E2BIG read write when arg1:64 >= 7 and fd & ~1 == 4\ncount off\n",
		"keep-capability SYS_ADMIN CHOWN CHECKPOINT_RESTORE\n",
	};
	const char *name, *text;
	size_t len;

	for (size_t i = 0; i < TT_ARRAY_SIZE(texts) + 8; i++) {
		struct policy *a = NULL, *b = NULL;
		struct tt_err err = {""};
		char *shown = NULL;
		size_t n = 0;

		if (i < TT_ARRAY_SIZE(texts)) {
			a = load(texts[i]);
		} else {
			name = policy_shipped_at(i - TT_ARRAY_SIZE(texts), &text, &len);
			if (!name)
				break;
			CHECK_INT(policy_load(name, &a, NULL), 0);
		}
		CHECK_INT(policy_text(a, &shown, &n), 0);
		CHECK_INT(policy_load_text("shown", shown, n, &b, &err), 0);
		CHECK_STR(err.text, "");
		if (b)
			same(a, b);
		free(shown);
		policy_free(a);
		policy_free(b);
	}
}

static void a_refusal_is_eperm_unless_said(void)
{
	struct policy *p = load("deny uname\ndeny-quiet getpid\nkill getuid\ndefault log\n");
	uint64_t args[6] = {0};

	CHECK_INT(policy_decide(p, policy_call_number("uname"), args).err, 1);
	CHECK_INT(policy_decide(p, policy_call_number("getpid"), args).err, 1);
	CHECK_INT(policy_decide(p, policy_call_number("getuid"), args).err, 0);
	CHECK_INT(p->fallback.err, 0);
	policy_free(p);
	p = load("default deny\n");
	CHECK_INT(p->fallback.err, 1);
	policy_free(p);
}

static void rules_know_their_places(void)
{
	struct policy *p = load("include STRICT\n\n  deny ENOENT  uname\n");
	uint64_t args[6] = {0};
	long rule = policy_deciding_rule(p, policy_call_number("uname"), args);

	CHECK(rule >= 0);
	CHECK_STR(p->rule_places[rule].file, "t");
	CHECK_INT(p->rule_places[rule].line, 3);
	CHECK_INT(p->rule_places[rule].column, 16);
	rule = policy_deciding_rule(p, policy_call_number("bpf"), args);
	CHECK_STR(p->rule_places[rule].file, "STRICT");
	CHECK_INT(policy_deciding_rule(p, 5000, args), -1);
	policy_free(p);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	TAP_RUN(words_and_quotes);
	TAP_RUN(every_key_is_understood);
	TAP_RUN(later_lines_refine_earlier_ones);
	TAP_RUN(errors_have_places_and_ways_out);
	TAP_RUN(broken_texts_are_refused_or_loaded);
	TAP_RUN(limits_have_names);
	TAP_RUN(files_and_includes);
	TAP_RUN(a_check_tells_of_all);
	TAP_RUN(what_is_shown_loads_to_the_same);
	TAP_RUN(a_refusal_is_eperm_unless_said);
	TAP_RUN(rules_know_their_places);
	return tap_done();
}
