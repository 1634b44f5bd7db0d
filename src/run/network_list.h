/* SPDX-License-Identifier: BSD-3-Clause */
/** @file network_list.h  Networks between nodes: name, latency of a short message through
 *  MPI in seconds, bytes/s through a node's link one way. Ethernet as TCP sockets see it,
 *  at 94 % of the line's rate; the others as OSU's benchmarks usually come out, at 96 %.
 *  A study of jobs/scaling.py measures one's own. */
#define ES_NETWORKS(NETWORK)                                                             \
  NETWORK(1gbit, 50e-6, 0.1175e9)                                                        \
  NETWORK(10gbit, 25e-6, 1.175e9)                                                        \
  NETWORK(25gbit, 20e-6, 2.94e9)                                                         \
  NETWORK(100gbit, 15e-6, 11.75e9)                                                       \
  NETWORK(edr100, 1.5e-6, 12e9)                                                          \
  NETWORK(hdr200, 1.3e-6, 24e9)                                                          \
  NETWORK(ndr400, 1.3e-6, 48e9)                                                          \
  NETWORK(slingshot200, 2e-6, 24e9)
