/* SPDX-License-Identifier: BSD-3-Clause */
/* One line per sub-command, in the order of --help. No include guard: expanded several
 * times. */
ES_EXPERIMENT(train)
ES_EXPERIMENT(resume)
ES_EXPERIMENT(linear)
ES_EXPERIMENT(kernel)
ES_EXPERIMENT(spectrum)
ES_EXPERIMENT(export)
ES_EXPERIMENT(views)
ES_EXPERIMENT(bench)
ES_EXPERIMENT(check)
ES_EXPERIMENT(params)
