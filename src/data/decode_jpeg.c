/* SPDX-License-Identifier: BSD-3-Clause */
/** @file decode_jpeg.c  JPEG through libjpeg (libjpeg-turbo).
 *
 *  libjpeg repairs broken data with a warning and grey pixels; here the warnings that
 *  mean lost image data are errors, the harmless ones (extra bytes) are not. */
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>

#include "decode.h"

/** libjpeg calls these instead of exit() and stderr. */
typedef struct errors {
  struct jpeg_error_mgr base; /**< must be first: libjpeg knows only this */
  jmp_buf escape;
  char *why;
} errors;

static void stop(j_common_ptr info) {
  errors *e = (errors *) info->err;
  char text[JMSG_LENGTH_MAX];
  e->base.format_message(info, text);
  snprintf(e->why, ES_DECODE_WHY, "libjpeg: %.200s", text);
  longjmp(e->escape, 1);
}

static void hear(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  const bool lost = code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER ||
                    code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC;
  if (level < 0 && lost) stop(info);
}

static void begin(struct jpeg_decompress_struct *info, errors *e, char *why) {
  info->err = jpeg_std_error(&e->base);
  e->base.error_exit = stop;
  e->base.emit_message = hear;
  e->why = why;
}

/** Bytes of the coefficients of all blocks, which come in several scans. Their numbers in
 *  a component are rounded up to those of its part of an MCU. */
static size_t coefficient_bytes(const struct jpeg_decompress_struct *info) {
  size_t blocks = 0;
  for (int i = 0; i < info->num_components; i++) {
    const jpeg_component_info *const c = &info->comp_info[i];
    const size_t h = (size_t) c->h_samp_factor, v = (size_t) c->v_samp_factor;
    blocks +=
        (c->width_in_blocks + h - 1) / h * h * ((c->height_in_blocks + v - 1) / v * v);
  }
  return blocks * DCTSIZE2 * sizeof(JCOEF);
}

bool es_decode_jpeg_header(const uint8_t *bytes, size_t n, es_picture *p, char *why) {
  struct jpeg_decompress_struct info;
  errors e;
  begin(&info, &e, why);
  if (setjmp(e.escape) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, n);
  jpeg_read_header(&info, TRUE);
  *p = (es_picture){.h = (int) info.image_height,
                    .w = (int) info.image_width,
                    .whole = jpeg_has_multiple_scans(&info) != 0,
                    .scratch = 3 * (size_t) info.image_width};
  if (p->whole) p->library = coefficient_bytes(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

/** A row of CMYK (Adobe's files store it inverted) -> RGB. */
static void convert_cmyk(const uint8_t *cmyk, int w, bool inverted, uint8_t *rgb) {
  for (int x = 0; x < w; x++)
    for (int c = 0; c < 3; c++) {
      const int ink = cmyk[4 * x + c], black = cmyk[4 * x + 3];
      const int light = inverted ? ink : 255 - ink, rest = inverted ? black : 255 - black;
      rgb[3 * x + c] = (uint8_t) ((light * rest + 127) / 255);
    }
}

static void read_rows(struct jpeg_decompress_struct *info, uint8_t *rgb,
                      const es_rows *to) {
  const bool cmyk = info->out_color_space == JCS_CMYK;
  const JDIMENSION w = info->output_width;
  JSAMPROW row = rgb;
  JSAMPARRAY line = NULL;
  if (cmyk) /* libjpeg's memory: released with info, also after an error */
    line = info->mem->alloc_sarray((j_common_ptr) info, JPOOL_IMAGE, 4 * w, 1);
  while (info->output_scanline < info->output_height) {
    const int y = (int) info->output_scanline;
    jpeg_read_scanlines(info, cmyk ? line : &row, 1);
    if (cmyk) convert_cmyk(line[0], (int) w, info->saw_Adobe_marker, rgb);
    to->row(to->ctx, y, rgb);
  }
}

bool es_decode_jpeg(const uint8_t *bytes, size_t n, const es_picture *p, uint8_t *scratch,
                    const es_rows *to, char *why) {
  struct jpeg_decompress_struct info;
  errors e;
  begin(&info, &e, why);
  if (setjmp(e.escape) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, n);
  jpeg_read_header(&info, TRUE);
  const bool cmyk =
      info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  const bool same = info.image_height == (JDIMENSION) p->h &&
                    info.image_width == (JDIMENSION) p->w &&
                    (jpeg_has_multiple_scans(&info) != 0) == p->whole &&
                    (!p->whole || coefficient_bytes(&info) == p->library);
  if (same) {
    jpeg_start_decompress(&info);
    read_rows(&info, scratch, to);
    jpeg_finish_decompress(&info);
  } else {
    snprintf(why, ES_DECODE_WHY, "the file has changed");
  }
  jpeg_destroy_decompress(&info);
  return same;
}
