#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh  Everything that must hold, from a bare Debian machine on; unattended.
# Installs what is missing, builds, then: all tests (build/, with ELPA); unit and two-rank
# tests under the sanitizers (build-asan/, without it); a tarball that builds, tests itself
# and installs.
# Last line: "N passed, N failed, N skipped". Exit code 0 if and only if none failed; a test
# that did not run, or that skipped and is not allowed to, has failed.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # also as "sh tests/run.sh"
set -u
case ${1-} in
  -h | --help) awk 'NR > 2 { if (!/^# /) exit; print substr($0, 3) }' "$0"; exit ;;
  -?*) echo "run.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
stages_passed=0
stages_failed=0
idle=0    # tests that did not run, or skipped without leave
skipped=0 # with leave
asked=0   # tests by name
absent=0  # of these without a result
jobs=$(($(nproc) + 1)) # at once: tests wait for each other's ranks and for signals

stage() { # stage NAME COMMAND...: a stage that is one pass or failure by itself
  local name=$1; shift
  echo "== $name"
  if "$@" > "$log" 2>&1; then
    tail -n 3 "$log"
    stages_passed=$((stages_passed + 1))
  else
    tail -n 60 "$log"
    echo "== $name FAILED"
    stages_failed=$((stages_failed + 1))
    return 1
  fi
}

names() { sed -e 's/#.*//' -e '/^ *$/d' -e 's|^|tests/|' "tests/$1.list"; }

cuda_runs() { # tests of cuda.list
  local name ranks n
  grep '^[a-z]' tests/cuda.list | while read -r name ranks; do
    [ -n "$ranks" ] || echo "tests/cuda_host/$name"
    for n in $ranks; do echo "tests/cuda_host/$name.n$n"; done
  done
}

may_skip() { # may_skip DIR TEST: set-up installs all else that a test asks for
  case $2 in
    tests/full_disk | tests/e2e_full_disk | tests/filling_disk) # want to mount a tmpfs
      ! unshare -rm mount -t tmpfs tmpfs /mnt 2> /dev/null ;;
    tests/unit_conv_algo | tests/e2e_plans) # of the backend onednn
      ! grep -q 'define HAVE_ONEDNN 1' "$1/config.h" ;;
    tests/check_cuda) # it says which of nvcc, cuBLAS, cuDNN and NCCL is missing
      grep -qE '^SKIP: (no nvcc|not linked)' "$1/$2.log" ;;
    *) return 1 ;;
  esac
}

check() { # check DIR TARGET TEST...: they are counted one by one from their .trs files
  echo "== make $2 in $1"
  rm -f "$1"/tests/{,*/}*.trs "$1"/tests/{,*/}*.log
  make -C "$1" -k -j"$jobs" "$2" > "$log" 2>&1
  local status=$? dir=$1 unrun= name
  grep -E '^(FAIL|XPASS|ERROR|SKIP):' "$log"
  if [ $status -ne 0 ]; then
    for trs in $(grep -lE '^:test-result: (FAIL|XPASS|ERROR)' "$1"/tests/{,*/}*.trs); do
      echo "-- ${trs%.trs}.log"; tail -n 40 "${trs%.trs}.log"
    done
    if ! cat "$1"/tests/{,*/}*.trs 2>/dev/null | grep -qE '^:test-result: (FAIL|XPASS|ERROR)'
    then # it failed before or beside the tests
      tail -n 60 "$log"
      stages_failed=$((stages_failed + 1))
    fi
  fi
  shift 2
  asked=$((asked + $#))
  for name in "$@"; do
    if [ ! -f "$dir/$name.trs" ]; then
      unrun="$unrun $name"; idle=$((idle + 1)); absent=$((absent + 1))
    elif grep -q '^:test-result: SKIP' "$dir/$name.trs"; then
      if may_skip "$dir" "$name"; then skipped=$((skipped + 1)); continue; fi
      echo "-- skipped, which counts as failed: $dir/$name: $(head -n 1 "$dir/$name.log")"
      idle=$((idle + 1))
    fi
  done
  [ -z "$unrun" ] || echo "-- not run, which counts as failed, in $dir:$unrun"
}

cuda_build() { # the whole program; what a GPU that is not here would take
  sh autotools/build.sh build-cuda CFLAGS=-O0 --disable-native --with-cuda --with-cudnn \
    --with-nccl && ldd build-cuda/eigenstep | grep -c 'libcublas.so\|libcudnn.so\|libnccl.so' |
    grep -qx 3 && build-cuda/eigenstep check - backend.name=cuda check.gpu=80 | grep '^GPU.*fits'
}

count() { cat build{,-asan}/tests/{,*/}*.trs 2>/dev/null |
          grep -cE "^:test-result: ($1)"; }

runs() { names par | sed "s|\$|.n$1|"; }

if stage "set-up" sh autotools/setup.sh --tests &&
   stage "build" sh autotools/build.sh build --with-elpa; then
  check build check $(names unit) $(names sh) $(for n in 1 2 3 4; do runs $n; done) \
    $(cuda_runs)
  if stage "build with sanitizers" sh autotools/build.sh build-asan \
       --enable-debug --enable-sanitizer; then
    check build-asan check-two $(names unit) $(runs 2)
  fi
  if lacks=$(grep -s '^SKIP' build/tests/check_cuda.log); then
    echo "== build with CUDA: $lacks"
    skipped=$((skipped + 1))
  else
    stage "build with CUDA" cuda_build
  fi
  stage "distcheck" make -C build -j"$jobs" distcheck \
    TESTS="$(names unit | tr '\n' ' ') tests/e2e_elpa.sh" DISTCHECK_CONFIGURE_FLAGS="CFLAGS=-O1"
fi

passed=$((stages_passed + $(count 'PASS|XFAIL')))
failed=$((stages_failed + idle + $(count 'FAIL|XPASS|ERROR')))
results=$(count '[A-Z]+')
if [ "$results" -lt $((asked - absent)) ]; then
  echo "-- got $results results of $((asked - absent)) tests, which counts as failed"
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
