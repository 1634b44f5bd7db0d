# SPDX-License-Identifier: BSD-3-Clause
"""A Spack recipe: copy to a repository's packages/eigenstep/package.py.

Untried: there was no Spack to try it with; written from its packaging guide. Names of
dependencies are those of its built-in repository. There is no release to download:
`spack dev-build eigenstep@main` builds the sources in the current folder.
"""
from spack.package import *


class Eigenstep(AutotoolsPackage):
    """Records, predicts and speeds up the stepwise learning of self-supervised
    encoders."""

    homepage = "https://arxiv.org/abs/2303.15438"
    license("BSD-3-Clause")

    version("main")

    variant("native", default=True, description="Tune for the processor of the build")
    variant("onednn", default=True, description="Fast backend for networks")
    variant("cuda", default=False, description="Backend for NVIDIA GPUs")
    variant("cuda_arch", default="90", multi=True, description="Compute capabilities")

    depends_on("c", type="build")
    depends_on("autoconf", type="build")
    depends_on("automake", type="build")
    depends_on("mpi@3:")
    depends_on("openblas")
    depends_on("netlib-scalapack")
    depends_on("hdf5@1.10: +mpi +hl")
    depends_on("inih")
    depends_on("cjson")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("onednn@2.6: cpu_runtime=omp", when="+onednn")
    depends_on("cuda@12:", when="+cuda")
    depends_on("cudnn@9:", when="+cuda")
    depends_on("nccl", when="+cuda")
    depends_on("cmocka", type="test")

    def autoreconf(self, spec, prefix):
        sh = which("sh")
        sh("autotools/bootstrap")

    def configure_args(self):
        args = [f"CC={self.spec['mpi'].mpicc}", f"--with-hdf5={self.spec['hdf5'].prefix}"]
        args += self.enable_or_disable("native")
        if self.spec.satisfies("+onednn"):
            args.append(f"--with-onednn={self.spec['onednn'].prefix}")
        else:
            args.append("--without-onednn")
        if self.spec.satisfies("+cuda"):
            args += [f"--with-{name}={self.spec[name].prefix}"
                     for name in ("cuda", "cudnn", "nccl")]
            arch = " ".join(self.spec.variants["cuda_arch"].value)
            args.append(f"--with-gpu-arch={arch}")
        return args
