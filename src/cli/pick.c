/* SPDX-License-Identifier: Apache-2.0 */
/* From operands to a run. */
#include "cli/pick.h"

#include "cli/cli.h"

int cli_pick_run(int argc, char **argv, bool last, struct store_run *ret)
{
	struct tt_err err;
	int r;

	if (argc - optind > 1)
		return cli_usage(argv[0], "one run at a time; '%s' is too much", argv[optind + 1]);
	if (last && optind < argc)
		return cli_usage(argv[0], "either --last or '%s', not both", argv[optind]);
	r = store_run_resolve(ret, optind < argc ? argv[optind] : NULL, &err);
	return r < 0 ? cli_fail(argv[0], &err) : CLI_OK;
}

int cli_pick_view(int argc, char **argv, bool last, struct store_run *ret,
		  struct store_view **ret_view)
{
	struct tt_err err;
	int r = cli_pick_run(argc, argv, last, ret);

	if (r != CLI_OK)
		return r;
	r = store_view_load(ret_view, ret, &err);
	if (r < 0) {
		store_run_done(ret);
		return cli_fail(argv[0], &err);
	}
	return CLI_OK;
}
