#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# faults_list.sh LIBRARY HEADER OPTIONS  What tests/faults.c wraps, and the linker's options
# for it: of HDF5 all functions that the library calls, of the system those named here.
set -eu
LC_ALL=C; export LC_ALL
sites() {
  nm -u "$1" | sed -n 's/^ *U \([a-zA-Z_][a-zA-Z0-9_]*\).*/\1/p' | sort -u |
    while read -r name; do
      case $name in
        H5*_g | H5E* | H5check_version | H5dont_atexit | H5free_memory | H5open) ;;
        H5Tget_size) echo "WRAP_AFTER(H5, $name, 0, 0)" ;;
        H5*) echo "WRAP_AFTER(H5, $name, -1, 0)" ;;
        close | fclose | fflush) echo "WRAP_AFTER(FILES, $name, -1, EIO)" ;;
        calloc) echo "WRAP_BEFORE(MEM, $name, NULL, ENOMEM)" ;;
        mmap) echo "WRAP_BEFORE(FILES, $name, MAP_FAILED, ENOMEM)" ;;
        fopen | fdopen | opendir) echo "WRAP_BEFORE(FILES, $name, NULL, EMFILE)" ;;
        open | shm_open) echo "WRAP_BEFORE(FILES, $name, -1, EMFILE)" ;;
        posix_fallocate) echo "WRAP_BEFORE(FILES, $name, ENOSPC, 0)" ;;
        pthread_create) echo "WRAP_BEFORE(MEM, $name, EAGAIN, 0)" ;;
        copy_file_range | fallocate | fsync | ftruncate | link | memfd_create | mkdir | \
        mprotect | pread | pwrite | read | rename | renameat2 | rmdir | scandir | symlink | \
        unlink | unlinkat | write) echo "WRAP_BEFORE(FILES, $name, -1, ENOSPC)" ;;
      esac
    done
}
sites "$1" > "$2.new"
{
  sed 's/.*, \([a-z_A-Z0-9]*\), .*, .*/--wrap=\1/' "$2.new"
  echo "--wrap=es_comm_agree"
  echo "--wrap=es_collective_error_agree"
  echo "--wrap=es_collective_error_agree_max"
} > "$3.new"
mv "$2.new" "$2"
mv "$3.new" "$3"
