/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_list.h  One line per augmentation. No include guard: expanded several
 * times. */
ES_AUGMENT(crop)
ES_AUGMENT(flip)
ES_AUGMENT(jitter)
ES_AUGMENT(gray)
ES_AUGMENT(blur)
ES_AUGMENT(solarize)
ES_AUGMENT(normalize)
