/* SPDX-License-Identifier: BSD-3-Clause */
/* One line per sub-command, in the order of --help. No include guard: expanded several
 * times. */
ES_COMMAND(train)
ES_COMMAND(resume)
ES_COMMAND(linear)
ES_COMMAND(kernel)
ES_COMMAND(sweep)
ES_COMMAND(spectrum)
ES_COMMAND(watch)
ES_COMMAND(ntk)
ES_COMMAND(compare)
ES_COMMAND(modes)
ES_COMMAND(export)
ES_COMMAND(views)
ES_COMMAND(bench)
ES_COMMAND(check)
ES_COMMAND(params)
