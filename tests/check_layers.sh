#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_layers.sh  A file includes only from its own layer or a lower one, and what
# belongs to one place stays there: world communicator, exit, getenv, HDF5, BLACS, CUDA.
# layers.py does the work; the layers are here.
set -u
cd "${srcdir:-.}"

# Layers, lowest first. {data nn} and {spectrum theory} do not see each other, nor do
# predict, solved, ntk, compare and modes. A public header belongs to the folder of the
# line that names it.
layers='
0 base       blas_memory cadence clock log mem param progress registry rng status thread version
0 base       visit
1 par        comm grid partition phases reduction row_layout shared stop tree
2 io         array_file file_kind ckpt collective_error h5 h5_input path
2 io         provenance safetensors table traj traj_read
3 backend    backend orthogonal shape view_recipe
4 tensor     dmat
5a data      data stratify
5a nn        encoder net net_layers optim params
5b spectrum  basis cov eig metric snapshot transitions
5b theory    compare descent flow kernel linear rates similarity
6 ssl        loss loss_theory mode_descent mode_start precondition surgery
7 train      accuracy probe probe_data run_loop step_result train
8 run        assembly config_load cost deadline embedding_file folder_name held_out
8 run        label_data load_pairs reopen run_facts run_files run_folder selected
8 run        settings step_model step_rate step_table stored_transitions views_file watch
9a predict   initial_prediction
9b solved    kernel_cost kernel_machine linear_model solved_params
9c ntk       ntk
9d compare   compare_runs
9e modes     mode_study
10 bench     bench
11 sweep     sweep
12 command   command
13 main
'
exec python3 tests/layers.py "$layers"
