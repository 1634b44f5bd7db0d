#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# bundle.sh  One folder that runs, wherever it is unpacked, on Linux of the same kind of
# processor whose glibc is as new as its BUNDLE.txt says: the program of a build folder, its
# libraries, Open MPI's runtime, inputs and scripts, for machines that can install nothing.
# Left out: glibc, and the libraries of CUDA, which are larger than all the rest;
# bin/launcher finds them.
# Usage: bundle.sh BUILD FOLDER      BUILD: configured with --disable-native; --native before
# it takes one that is tuned for this processor
# Needs Open MPI 4 and patchelf. On Debian the licences of the libraries come with them.
set -eu
native=refused
[ "${1-}" != --native ] || { native=taken; shift; }
build=$(realpath "$1") to=$(realpath "$2")
cd "$(dirname "$0")/.."
give_up() { echo "bundle: $*" >&2; exit 1; }

command -v patchelf > /dev/null || give_up "install patchelf, which relocates libraries"
[ -x "$build/eigenstep" ] || give_up "no program in $build; run make there first"
[ $native = taken ] || ! "$build/eigenstep" --version | grep -q '^cflags.*-march=native' ||
  give_up "$build/eigenstep is tuned for this processor; configure with --disable-native"
[ ! -e "$to" ] || give_up "$to exists; remove it"

# --- where Open MPI is
mpirun=$(readlink -f "$(command -v "${MPIRUN:-mpirun}")") || give_up "no mpirun"
info=$(dirname "$mpirun")/ompi_info
where() { "$info" --path "$1" --parsable 2> /dev/null | sed 's/^path:[a-z]*://'; }
"$info" --version 2> /dev/null | grep -q '^Open MPI v4\.' ||
  give_up "the runtime of Open MPI 4 can be bundled; $mpirun is another MPI"

# --- programs and plugins
mkdir -p "$to"/bin "$to"/libexec/tests "$to"/lib/{openmpi,pmix,ucx} "$to"/share/openmpi "$to"/etc
cp "$build/eigenstep" "$to/libexec/"
for program in orterun orted; do cp -L "$(dirname "$mpirun")/$program" "$to/libexec/"; done
for name in unit_ops unit_conv unit_bn_modes unit_net unit_replay unit_recipe \
    unit_orthogonal unit_precision ref_torch; do
  [ ! -x "$build/tests/$name" ] || cp "$build/tests/$name" "$to/libexec/tests/"
done
find "$to"/libexec/eigenstep "$to"/libexec/tests -type f -exec strip --strip-unneeded {} +
for plugin in "$(where pkglibdir)"/mca_*.so; do
  case $plugin in # of OpenSHMEM, and what observes messages
    *_memheap_* | *_spml_* | *_scoll_* | *_sshmem_* | *_atomic_* | *_monitoring.so) ;;
    *) cp -L "$plugin" "$to/lib/openmpi/" ;;
  esac
done
cp -RL "$(where pkgdatadir)"/. "$to/share/openmpi/"
cp "$(where sysconfdir)"/*.conf "$to/etc/"
loaded() { # loaded LIBRARY: where the loader finds it for Open MPI and its plugins
  ldd "$mpirun" "$(where pkglibdir)"/*.so 2> /dev/null |
    awk -v name="$1" 'index($1, name) == 1 && $2 == "=>" { print $3; exit }'
}
beside() { # beside LIBRARY FOLDER: plugins that LIBRARY loads by itself
  local found
  found=$(loaded "$1")
  [ -z "$found" ] || cp -L "$(dirname "$(readlink -f "$found")")/$2"/*.so* "$to/lib/$2/"
}
beside libpmix.so pmix
beside libucs.so ucx

# --- libraries of all of them
glibc='^(ld-linux|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nsl|nss_[a-z]*|thread_db))[-.]'
nvidia='^lib(cuda|cublas|cudnn|nccl|nvrtc|nvJitLink|nvidia)'
sources=$to/share/sources
find "$to/libexec" "$to/lib" -type f -print0 | xargs -0 ldd 2> /dev/null |
  awk '$2 == "=>" { print $1, $3 == "not" ? "-" : $3 }' | sort -u > "$sources"
while read -r name path; do
  ! grep -qE "$glibc" <<< "$name" || continue
  if grep -qE "$nvidia" <<< "$name"; then echo "$name" >> "$to/lib/of-cuda.txt"; continue; fi
  [ -f "$path" ] || give_up "$name, which $build/eigenstep or Open MPI needs, is not found"
  [ -e "$to/lib/$name" ] || cp -L "$path" "$to/lib/$name"
done < "$sources"
chmod -R u+w "$to"
# RPATH, unlike RUNPATH, comes before LD_LIBRARY_PATH: another MPI there is not taken
relocate() { patchelf --force-rpath --set-rpath "$1" "${@:2}"; }
relocate '$ORIGIN' "$to"/lib/*.so*
relocate '$ORIGIN/..' "$to"/lib/*/*.so*
relocate '$ORIGIN/../lib' $(find "$to/libexec" -maxdepth 1 -type f)
tests=$(find "$to/libexec/tests" -type f)
[ -z "$tests" ] || relocate '$ORIGIN/../../lib' $tests

# --- what starts them, and what they read
install -m 755 jobs/launcher.sh "$to/bin/launcher"
for name in eigenstep mpirun orterun orted; do ln -s launcher "$to/bin/$name"; done
ln -s orterun "$to/libexec/mpirun"
cp README.md LICENSE NEWS CITATION.cff "$to/"
cp -R inputs postprocess jobs "$to/"
rm -rf "$to"/inputs/data/*/ "$to"/{postprocess,jobs}/__pycache__
mkdir -p "$to/tests"
cp -R tests/data tests/compare_runs.py "$to/tests/"

# --- licences of the libraries; a package lists its files as in / or as in /usr
lists=/var/lib/dpkg/info
if [ -d $lists ]; then
  mkdir "$to/share/licenses"
  { awk '$2 ~ /^\// { print $2 }' "$sources"; echo "$mpirun"; } | xargs readlink -f |
    sed 'p; s|^/usr||' | sort -u | grep -lxFf - $lists/*.list | while read -r list; do
    package=$(basename "$list" .list)
    cp -L "/usr/share/doc/${package%:*}/copyright" "$to/share/licenses/${package%:*}" ||
      echo "bundle: warning: the copyright file of ${package%:*} cannot be copied;" \
        "add it to $to/share/licenses" >&2
  done
fi
rm "$sources"

newest=$(find "$to/libexec" "$to/lib" -type f -print0 | xargs -0 objdump -T 2> /dev/null |
         grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
{ "$build/eigenstep" --version | sed '1,/^$/d'
  echo "needs          glibc ${newest#GLIBC_} or later"
  [ ! -f "$to/lib/of-cuda.txt" ] || echo "left out       $(tr '\n' ' ' < "$to/lib/of-cuda.txt")"
} > "$to/BUNDLE.txt"
