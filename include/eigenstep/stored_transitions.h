/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stored_transitions.h  The transitions of a training run, found again from the
 *  spectra and parameters in its trajectory. */
#ifndef ES_STORED_TRANSITIONS_H
#define ES_STORED_TRANSITIONS_H

#include "eigenstep/traj_read.h"
#include "eigenstep/transitions.h"

/** Collective. Feed the transition detector with all snapshots of a file: what /steps
 *  says, by the rules of this version whatever version wrote it, and also while the run
 *  goes on or where it was killed. The number of pairs is that of the probe, by the
 *  attribute /spectrum:samples; of files without it spectrum.probe, which may be more.
 *  @param c     of the file
 *  @param f     open for reading
 *  @param rows  [*n] by descending eigenvalue; owned by the caller (es_free)
 *  @return ES_OK; ES_EFORMAT (no spectrum, no parameters); ES_ECONFIG (parameters that
 *          this version does not know); ES_EMATH (an eigenvalue that is not finite);
 *          ES_EIO; ES_ENOMEM: the same on all ranks */
es_status es_stored_transitions(const es_comm *c, es_h5 *f, es_transition **rows, int *n);

#endif
