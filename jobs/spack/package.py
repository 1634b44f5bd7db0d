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
        return args
