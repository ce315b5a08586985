/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Specs and lines that describe cells: what they mean, and how each way to get them wrong is told.
 */
#include "../tap.h"

#include "receiver/spec.h"

#define BIT(source) (1u << WIRE_##source)

static struct tt_err err;

static int parse(struct receiver_spec *s, const char *text, const char *declared)
{
	return receiver_spec_parse(s, text, strlen(text), declared, declared ? strlen(declared) : 0,
				   &err);
}

static void test_spec(void)
{
	struct receiver_spec s;

	CHECK_INT(parse(&s,
			"{\"telemetry\": {\"authorized\": [\"process.spawned\", \"gate.denied\"]}}",
			NULL),
		  0);
	CHECK_INT(s.authorized, BIT(PROCESS_SPAWNED) | BIT(GATE_DENIED));
	CHECK_INT(s.declared, s.authorized);
	CHECK(!s.argv);
	/* as sha256sum(1) has it */
	CHECK_STR(s.hash, "186b46209a7e2d4e12430419b41157f33e7e8f6d89b12e8ff7656ab47c7c0b25");
	CHECK_INT(parse(&s,
			"{\"telemetry\": {\"authorized\": [\"process.spawned\", \"gate.denied\"], "
			"\"declared\": [\"gate.denied\"]}, \"argv\": [\"x\", \"--token\", \"y\"]}",
			NULL),
		  0);
	CHECK_INT(s.declared, BIT(GATE_DENIED));
	CHECK_STR(s.argv, "[\"x\", \"--token\", \"***\"]");
	receiver_spec_done(&s);
	CHECK_INT(
		parse(&s,
		      "{\"telemetry\": {\"authorized\": [\"process.spawned\"], \"declared\": []}}",
		      "[\"process.spawned\", \"agent.hello\"]"),
		0);
	CHECK_INT(s.declared, BIT(PROCESS_SPAWNED) | BIT(AGENT_HELLO));
}

/* It stands in the first line of the trace, which must be whole. */
static void test_long_argv(void)
{
	static char text[RECEIVER_ARGV_MAX + 200];
	struct receiver_spec s;

	for (int more = 0; more < 2; more++) {
		/* brackets and quotes make the rest */
		(void)snprintf(text, sizeof(text),
			       "{\"telemetry\": {\"authorized\": []}, \"argv\": [\"%0*d\"]}",
			       RECEIVER_ARGV_MAX - 4 + more, 0);
		CHECK_INT(parse(&s, text, NULL), more ? -E2BIG : 0);
		if (!more)
			receiver_spec_done(&s);
	}
	CHECK_STR(err.text, "'argv' of the spec is longer than 32768 bytes");
}

static void test_wrong_specs(void)
{
	static const struct {
		const char *text, *declared, *why;
	} rows[] = {
		{"", NULL, "the spec is no JSON: line 1: '[' or '{' expected near end of file"},
		{"{}", NULL, "'telemetry.authorized' of the spec is no array of sources"},
		{"[]", NULL, "'telemetry.authorized' of the spec is no array of sources"},
		{"{\"telemetry\": {\"authorized\": \"process.spawned\"}}", NULL,
		 "'telemetry.authorized' of the spec is no array of sources"},
		{"{\"telemetry\": {\"authorized\": [1]}}", NULL,
		 "'telemetry.authorized' of the spec names 'something else than a text', "
		 "which is no source"},
		{"{\"telemetry\": {\"authorized\": [\"x\"]}}", NULL,
		 "'telemetry.authorized' of the spec names 'x', which is no source"},
		{"{\"telemetry\": {\"authorized\": [], \"declared\": [\"gate.denied\"]}}", NULL,
		 "'gate.denied' is declared but not authorized"},
		{"{\"telemetry\": {\"authorized\": []}}", "[\"process.exited\"]",
		 "'process.exited' is declared but not authorized"},
		{"{\"telemetry\": {\"authorized\": []}}", "{}",
		 "the declaration is no array of sources"},
	};
	struct receiver_spec s;

	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		CHECK_INT(parse(&s, rows[i].text, rows[i].declared), -EINVAL);
		CHECK_STR(err.text, rows[i].why);
	}
}

static int request(struct receiver_request *q, const char *line)
{
	return receiver_request_parse(q, line, strlen(line), &err);
}

static void test_requests(void)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{"[]", "the line is no object"},
		{"{\"cell\": \"x\"}", "unknown key 'cell'"},
		{"{\"cell_id\": 7}", "'cell_id' is no text"},
		{"{\"cell_id\": \"\"}", "'cell_id' is no text"},
		{"{\"cid\": 0}", "'cid' is no CID"},
		{"{\"cid\": 4294967295}", "'cid' is no CID"},
		{"{\"cid\": \"3\"}", "'cid' is no CID"},
		{"{\"remove\": \"x\", \"cell_id\": \"x\"}", "'remove' stands alone"},
	};
	struct receiver_request q;

	CHECK_INT(request(&q,
			  "{\"cell_id\": \"a\", \"cid\": 3, \"spec\": \"/s\", \"run_id\": \"r\", "
			  "\"declared\": \"/d\", \"output_dir\": \"/o\"}"),
		  0);
	CHECK_STR(q.cell.cell_id, "a");
	CHECK_STR(q.cell.spec, "/s");
	CHECK_STR(q.cell.run_id, "r");
	CHECK_STR(q.cell.declared, "/d");
	CHECK_STR(q.cell.output_dir, "/o");
	CHECK(q.cell.has_cid && q.cell.cid == 3 && !q.cell.vsock_base && !q.remove);
	receiver_request_done(&q);
	CHECK_INT(request(&q, "{\"remove\": \"a\"}"), 0);
	CHECK_STR(q.remove, "a");
	receiver_request_done(&q);
	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		CHECK_INT(request(&q, rows[i].line), -EINVAL);
		CHECK_STR(err.text, rows[i].why);
	}
}

static void test_ids(void)
{
	CHECK(receiver_id_is_valid("cell-1.a_B"));
	CHECK(receiver_id_is_valid("01234567890123456789012345678901234567890123456789"));
	CHECK(!receiver_id_is_valid("012345678901234567890123456789012345678901234567890"));
	CHECK(!receiver_id_is_valid(""));
	CHECK(!receiver_id_is_valid("a/b"));
	CHECK(!receiver_id_is_valid(".."));
	CHECK(!receiver_id_is_valid("a\"b"));
	CHECK(!receiver_id_is_valid("a\n"));
}

int main(void)
{
	TAP_RUN(test_spec);
	TAP_RUN(test_long_argv);
	TAP_RUN(test_wrong_specs);
	TAP_RUN(test_requests);
	TAP_RUN(test_ids);
	return tap_done();
}
