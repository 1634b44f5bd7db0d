/* SPDX-License-Identifier: BSD-3-Clause */
/* One line per benchmark, in the order of `eigenstep bench`. No include guard: expanded
 * several times. */
ES_BENCH(step)
ES_BENCH(eig)
ES_BENCH(augment)
ES_BENCH(io)
ES_BENCH(allreduce)
