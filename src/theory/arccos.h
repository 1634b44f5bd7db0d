/* SPDX-License-Identifier: BSD-3-Clause */
/** @file arccos.h  Infinitely wide ReLU layers (Cho and Saul, NIPS 2009). */
#ifndef ES_THEORY_ARCCOS_H
#define ES_THEORY_ARCCOS_H

/** Angle between two points; accurate for small angles, as 1 - cos comes from |x -
 *  y|^2. */
double es_arccos_angle(double xx, double yy, double d2);

/** 2 E[relu'(u) relu'(v)] for standard normal u, v at this angle: (pi - angle) / pi. */
double es_arccos_zero(double angle);

/** 2 E[relu(u) relu(v)]: (sin angle + (pi - angle) cos angle) / pi. It is the
 *  cosine of the angle after a layer with weights of variance 2 / fan-in. */
double es_arccos_one(double angle);

#endif
