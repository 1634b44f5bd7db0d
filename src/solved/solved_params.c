/* SPDX-License-Identifier: BSD-3-Clause */
/** @file solved_params.c  Sections [linear] and [kernel]. */
#include "eigenstep/solved_params.h"

typedef es_linear_params linear;
const es_param es_linear_table[] = {
    ES_CHOICE(linear, model, "loss", "loss|jepa|mae",
              "what is solved: one layer under the loss of loss.name, or a deep linear "
              "encoder with a predictor of the other view's embedding (jepa) or of the "
              "other view (mae)"),
    ES_INT(linear, depth, "1", 1, 64, "layers", "of the encoder of jepa and mae"),
    ES_INT(linear, dim, "10", 1, 4096, "1", "outputs d of the model"),
    ES_DOUBLE(
        linear, alpha, "1e-7", 1e-150, 1e6, "1",
        "standard deviation of the entries of W(0); jepa, mae: amplitude of each mode "
        "at the start, 0.01 to 0.1"),
    ES_DOUBLE(linear, lr, "0", 0, ES_INF, "1",
              "learning rate; 0 = 1 / (16 gamma_1), less where offdiag > 1, or what the "
              "loss and the method allow; stable below 4 times that"),
    ES_INT(linear, steps, "0", 0, 1e12, "steps",
           "length of gradient descent; 0 = until all modes are learned"),
    ES_LIST(
        linear, times, "", 0, ES_INF, "lr steps",
        "ascending effective times to record, the last ends the run; empty = automatic"),
    ES_CHOICE(
        linear, method, "gd", "gd|flow|direct|muon",
        "gradient descent in the eigenvectors of Gamma, gradient flow by an adaptive "
        "integrator, gradient descent on the samples, or Muon on the samples: updates of "
        "singular values linear.lr, by exact decomposition"),
    ES_DOUBLE(linear, momentum, "0", 0, 0.999999, "1",
              "heavy ball: M = momentum M + gradient, W -= lr M"),
    ES_INT(linear, sample, "500", 1, 1e9, "pairs", "pairs of views"),
    ES_BOOL(linear, center, "false", "subtract from each view its mean over the pairs"),
    ES_INT(linear, batch, "0", 0, 1e9, "pairs",
           "minibatch of direct descent, drawn anew each step; 0 = all pairs"),
    ES_DOUBLE(linear, offdiag, "1", 0, 1e6, "1", "weight of the off-diagonal terms"),
    ES_DOUBLE(linear, weight_decay, "0", 0, 1e6, "1", "weight decay: gradient + wd W"),
    ES_INT(linear, modes, "0", 0, 1e6, "1",
           "eigenpairs of Gamma to compute and simulate; 0 = all"),
    ES_STRING(linear, solver, "auto",
              "eigenpairs: auto, samples (of the 2n x 2n matrix), products (with the "
              "samples; few modes), or a spectrum.solver"),
    ES_INT(linear, rows, "2000", 4, 1000000, "1",
           "approximate number of times to record"),
    ES_DOUBLE(linear, tol, "1e-9", 1e-13, 1e-2, "1",
              "error tolerance of a step of the flow integrator"),
    ES_PARAM_END};

typedef es_kernel_params kernel;
const es_param es_kernel_table[] = {
    ES_STRING(
        kernel, name, "rbf",
        "linear, polynomial, rbf, laplace, arccos, ntk_relu: section [kernel.NAME]"),
    ES_INT(kernel, dim, "10", 1, 4096, "1", "outputs d of the model"),
    ES_DOUBLE(kernel, alpha, "1e-7", 1e-150, 1e6, "1",
              "start: d draws from the Gaussian process of the kernel, times alpha"),
    ES_DOUBLE(
        kernel, lr, "0", 0, ES_INF, "1",
        "learning rate; 0 = 1 / (16 gamma_1), less where offdiag > 1; stable below 4 "
        "times that"),
    ES_INT(kernel, steps, "0", 0, 1e12, "steps",
           "length of gradient descent; 0 = until all modes are learned"),
    ES_LIST(
        kernel, times, "", 0, ES_INF, "lr steps",
        "ascending effective times to record, the last ends the run; empty = automatic"),
    ES_CHOICE(
        kernel, method, "gd", "gd|flow|direct",
        "gradient descent on the modes, gradient flow by an adaptive integrator, or "
        "gradient descent in function space"),
    ES_INT(kernel, sample, "500", 1, 1e6, "pairs",
           "training pairs: a matrix of 2 x sample"),
    ES_INT(kernel, held_out, "100", 0, 1e6, "pairs",
           "further pairs, not trained on, whose embeddings are predicted too"),
    ES_BOOL(kernel, center, "false", "subtract from all views the mean training point"),
    ES_DOUBLE(kernel, offdiag, "1", 0, 1e6, "1", "weight of the off-diagonal terms"),
    ES_DOUBLE(kernel, weight_decay, "0", 0, 1e6, "1",
              "weight decay: gradient of (wd / 2) |f|^2 in the kernel's own norm"),
    ES_INT(kernel, rows, "1000", 4, 1000000, "1",
           "approximate number of times to record"),
    ES_DOUBLE(kernel, tol, "1e-9", 1e-13, 1e-2, "1",
              "error tolerance of a step of the flow integrator"),
    ES_CHOICE(
        kernel, solver, "auto", "auto|full|subspace",
        "modes: all from a full decomposition, or the leading ones by subspace "
        "iteration, whose start is drawn on the modes; auto: full up to 1,024 pairs"),
    ES_INT(kernel, modes, "0", 0, 1e5, "1",
           "modes that subspace iteration finds and that are simulated; 0 = dim + 8"),
    ES_DOUBLE(kernel, memory, "0", 0, 1e9, "MB",
              "memory that a rank may take with subspace iteration: the kernel matrix is "
              "in double precision, in single precision or computed anew as it fits; 0 = "
              "three quarters of what is free"),
    ES_LIST(kernel, widths, "", 1, 1e6, "units",
            "ReLU networks of these widths are trained for comparison (arccos; ntk_relu "
            "of depth "
            "1, even widths); single precision: alpha 1e-4 or more"),
    ES_INT(kernel, seeds, "3", 1, 1000, "1", "networks of each width"),
    ES_PARAM_END};
