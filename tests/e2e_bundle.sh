#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_bundle.sh  A bundle needs nothing but glibc: every library that it does not hold is one
# of glibc's, wherever it is unpacked; another MPI on LD_LIBRARY_PATH is not taken; libraries
# of CUDA are found where it says. With BUNDLE=chroot (make check-long) the tarball of a build
# of its own runs in another release of Debian without a package ($RELEASE, from $MIRROR or
# where debootstrap takes it from).
set -u
. "$srcdir/tests/e2e.sh"
command -v patchelf > /dev/null || { echo "SKIP: no patchelf"; exit 77; }
build=$(dirname "$EIGENSTEP")
cd "$work" || exit 99

foreign() { # foreign FOLDER: what the loader takes from elsewhere, or does not find
  find "$1/libexec" "$1/lib" -type f ! -name '*.txt' -print0 | xargs -0 ldd 2> /dev/null |
    awk -v inside="$1/" '$2 == "=>" && index($0, "=> " inside) == 0 { print $1, $3 }' |
    grep -vE '^(lib(c|m|mvec|pthread|dl|rt|resolv|util|anl)\.so|.*/?ld-linux)' | sort -u
}
in_chroot() { # in_chroot ROOT COMMAND
  unshare -mpf bash -c '
    mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" &&
      mount --bind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/dev/shm" &&
      exec chroot "$1" env -i PATH=/usr/bin:/bin HOME=/ OMP_NUM_THREADS=1 \
        OMPI_MCA_mpi_yield_when_idle=1 OMPI_ALLOW_RUN_AS_ROOT=1 \
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 sh -c "$2"' bash "$@"
}

if [ "${BUNDLE:-}" = chroot ]; then
  command -v debootstrap > /dev/null || { echo "SKIP: no debootstrap"; exit 77; }
  unshare -mpf true 2> /dev/null || { echo "SKIP: no right to make namespaces"; exit 77; }
  mkdir made && cd made || exit 99
  { "$srcdir/configure" --disable-native && make -j"$(nproc)" bundle; } > log 2>&1 ||
    { tail -n 20 log; fail "make bundle"; finish; }
  tarball=$(ls "$PWD"/eigenstep-*.tar.gz)
  bytes=$(stat -c %s "$tarball")
  echo "$(basename "$tarball"): $bytes bytes"
  [ "$bytes" -lt 60000000 ] || fail "got $bytes bytes, expected less than 60 MB"
  mkdir broken && printf '#!/bin/sh\nexit 2\n' > broken/tar && chmod +x broken/tar
  PATH="$PWD/broken:$PATH" make bundle > log 2>&1 && fail "a tar that fails is not noticed"
  cd "$work" || exit 99
  root=$work/root
  debootstrap --variant=minbase "${RELEASE:-trixie}" "$root" ${MIRROR:+"$MIRROR"} \
    > log 2>&1 ||
    { tail -n 3 log; echo "SKIP: debootstrap failed"; exit 77; }
  mkdir "$root/some place" "$root/out"
  tar -xzf "$tarball" -C "$root/some place" || fail "cannot unpack $tarball"
  timeout 600 bash -c "$(declare -f in_chroot); "'in_chroot "$@"' bash "$root" '
    cat /etc/debian_version; cd /some*/eigenstep-* && PATH=$PWD/bin:$PATH && cd /out &&
      exec mpirun --oversubscribe --bind-to none -n 2 eigenstep train \
        /some*/eigenstep-*/inputs/quickstart/run.ini output.dir=run run.steps=4 \
        batch.pairs=16 spectrum.probe=32 backend.name=onednn backend.tune=false' > log 2>&1
  got=$?
  [ $got -eq 0 ] && [ "$(cat "$root/out/run/STATUS")" = DONE ] &&
    grep -q '16 pairs over 2 ranks, backend onednn' log ||
    { cat log; fail "in the chroot: exit $got"; }
  head -n 1 log
  finish
fi

# --- a program that is tuned for this processor is refused
if "$EIGENSTEP" --version | grep -q '^cflags.*-march=native'; then
  bash "$srcdir/autotools/bundle.sh" "$build" refused > log 2>&1 && fail "native: taken"
  grep -q 'configure with --disable-native' log || { cat log; fail "native: no reason"; }
fi

# --- a package without its copyright file does not end the bundle
mkdir lacking
cat > lacking/cp <<'EOP'
#!/bin/sh
case $2 in */libpng*/copyright) exit 1 ;; esac
PATH=${PATH#*:} exec cp "$@"
EOP
chmod +x lacking/cp
PATH="$work/lacking:$PATH" bash "$srcdir/autotools/bundle.sh" --native "$build" made \
  > log 2>&1 || { cat log; fail "bundle.sh ended with $?"; finish; }
grep -q 'warning: the copyright file of libpng' log || ! [ -d /var/lib/dpkg/info ] ||
  { cat log; fail "no warning of a copyright file that is missing"; }
mv made "another place" || exit 99
home="$work/another place"
left=$(foreign "$home" | grep -vE '^lib(cuda|cublas|cudnn|nccl)')
[ -z "$left" ] || fail "not in the bundle: $left"
mv "$home/lib/libcjson.so.1" kept
foreign "$home" | grep -q '^libcjson' || fail "a library that is missing is not noticed"
mv kept "$home/lib/libcjson.so.1"
[ -f "$home/share/licenses/libcjson1" ] || ! [ -d /var/lib/dpkg/info ] || fail "no licences"
grep -q '^needs  *glibc 2\.[0-9]* or later' "$home/BUNDLE.txt" || fail "no glibc named"

# --- it runs, by its own MPI
mkdir other
echo "no library" > other/libmpi.so.40
LD_LIBRARY_PATH=$work/other OPAL_PREFIX=/nowhere timeout 100 "$home/bin/mpirun" \
  --oversubscribe --bind-to none -n 2 "$home/bin/eigenstep" train - $tiny run.steps=1 \
  output.dir=out > log 2>&1 || { cat log; fail "the program in the bundle ended with $?"; }
[ "$(cat out/STATUS)" = DONE ] || fail "STATUS: $(cat out/STATUS)"

# --- libraries of CUDA, which are not in it: one that is made up
[ ! -f "$home/lib/of-cuda.txt" ] || finish
patchelf --add-needed libcublas.so.0 "$home/libexec/eigenstep"
echo libcublas.so.0 > "$home/lib/of-cuda.txt"
echo 'int unused;' > none.c
mkdir -p cuda/lib64 wheels/nvidia/cublas/lib
${CC:-gcc} -shared -fPIC -Wl,-soname,libcublas.so.0 -o cuda/lib64/libcublas.so.0 none.c ||
  exit 99
cp cuda/lib64/libcublas.so.0 wheels/nvidia/cublas/lib/
starts() { env "$@" "$home/bin/eigenstep" --version > log 2>&1; }
starts PYTHON=false && fail "started without a library of CUDA"
grep -q '^eigenstep: error: .*got no libcublas.so.0, expected' log || { cat log; fail "why?"; }
starts CUDA_HOME="$work/cuda" || { cat log; fail "CUDA_HOME"; }
starts PYTHON="$python" PYTHONPATH="$work/wheels" || { cat log; fail "beside PyTorch"; }
starts LD_LIBRARY_PATH="$work/cuda/lib64" PYTHON=false || { cat log; fail "LD_LIBRARY_PATH"; }
finish
