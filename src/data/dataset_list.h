/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_list.h  One line per data set. No include guard: expanded several times.
 */
ES_DATASET(deadleaves)
ES_DATASET(cifar10)
ES_DATASET(stl10)
ES_DATASET(imagefolder)
ES_DATASET(gaussian)
ES_DATASET(hdf5)
