/* SPDX-License-Identifier: Apache-2.0 */
/* telltale schema: print the JSON Schema of one of the two documents. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/schemas.h"

int cli_cmd_schema(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	const char *name;
	int status = -1;

	cli_begin();
	optind = 0;
	while (cli_next_option(argc, argv, options, &status) != -1)
		;
	if (status >= 0)
		return cli_end(status);
	if (argc - optind != 1)
		return cli_usage(argv[0], "name one schema: event or run");
	name = argv[optind];
	if (strcmp(name, "event") == 0)
		fwrite(cli_schema_event, 1, cli_schema_event_len, stdout);
	else if (strcmp(name, "run") == 0)
		fwrite(cli_schema_run, 1, cli_schema_run_len, stdout);
	else
		return cli_usage(argv[0], "unknown schema '%s': event or run", name);
	return cli_end(CLI_OK);
}
