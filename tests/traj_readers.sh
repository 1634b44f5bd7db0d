#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# traj_readers.sh  Trajectories as other programs see them: h5py, xarray (netCDF-4 and
# h5netcdf), h5dump; also those of a killed run. Written by par_traj on 2 ranks.
set -u
writer=./tests/par_traj
[ -x "$writer" ] || { echo "skipped: no $writer (built where cmocka is)"; exit 77; }
for python in /usr/bin/python3 python3; do
  $python -c 'import h5py, xarray, netCDF4' 2>/dev/null && break
done
$python -c 'import h5py, xarray, netCDF4' || {
  echo "skipped: python3 with h5py, xarray and netCDF4 is missing"; exit 77; }

dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
${MPIRUN:-mpirun} ${MPIRUN_FLAGS-} -n 2 "$writer" sample "$dir/closed.h5" || exit 1
${MPIRUN:-mpirun} ${MPIRUN_FLAGS-} -n 2 "$writer" killed "$dir/killed.h5" 2> "$dir/log" &&
  { echo "the killed run was not killed"; exit 1; }

for file in "$dir/closed.h5" "$dir/killed.h5"; do
  echo "== $(basename "$file")"
  $python - "$file" <<'PYTHON' || exit 1
import sys, warnings
import h5py, netCDF4, numpy as np, xarray
warnings.simplefilter("error")
path = sys.argv[1]
ROWS, T, K, D = 9, 5, 5, 7
steps = 2 * np.arange(T)

with h5py.File(path) as f:
    def check(name, item):
        assert item.attrs["description"], name
        if isinstance(item, h5py.Dataset):
            assert item.attrs["units"], name
            is_scale = h5py.h5ds.is_scale(item.id)
            for i, dim in enumerate(item.dims if item.ndim else []):
                assert is_scale or len(dim) == 1, (name, i, "has no scale")
    for name in ("spectrum/covariance", "loss", "vectors", "steps"):
        f[name].visititems(check)
    e = f["/spectrum/covariance/eigenvalues"]
    assert e.dtype == "<f8" and e.shape == (T, K), e
    assert f["/loss/step"].dtype == "<i8"
    assert [d.keys()[0] for d in e.dims] == ["step", "mode"]
    assert np.array_equal(e[:, 0], 100.0 * steps)
    assert f["/parameters/text"][()] == b"[run]\nseed = 1\n"
    assert f["/parameters"].attrs["run.seed"] == "1"
    assert list(f["/loss"]) == ["step", "time", "value"]

for engine in ("netcdf4", "h5netcdf"):
    try:
        s = xarray.open_dataset(path, group="/spectrum/covariance", engine=engine)
    except ModuleNotFoundError:
        print(engine, "is not installed")
        continue
    with s:
        assert s.eigenvalues.dims == ("step", "mode"), s
        assert s.overlap.dims == ("step", "direction", "mode"), s
        assert s.eigenvalues.attrs["units"] == "1"
        assert np.array_equal(s.step, steps) and np.array_equal(s.mode, 1 + np.arange(K))
        assert float(s.eigenvalues.sel(step=4, mode=3)) == 402
        assert np.allclose(s.time, 0.1 * steps)
    with xarray.open_dataset(path, group="/steps", engine=engine) as s:
        assert float(s.step_measured.sel(mode=1)) == 11
    with xarray.open_dataset(path, group="/loss", engine=engine) as s:
        assert s.value.sizes["step"] == ROWS

with netCDF4.Dataset(path) as f:
    assert f["/vectors/eigenvectors"].dimensions == ("step", "row", "mode")
    assert str(f["/parameters/text"][...]) == "[run]\nseed = 1\n"
print("h5py, xarray, netCDF4: all there")
PYTHON
  if command -v h5dump > /dev/null; then
    h5dump -d /spectrum/covariance/eigenvalues -y "$file" > "$dir/dump" || exit 1
    grep -q DIMENSION_LIST "$dir/dump" && grep -q '400, 401, 402' "$dir/dump" ||
      { echo "h5dump does not show the values"; exit 1; }
    echo "h5dump: shown"
  fi
done
