/* SPDX-License-Identifier: BSD-3-Clause */
/** @file file_kind.c  What a file is by its first bytes. */
#include "eigenstep/file_kind.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEAD = 512 };

typedef struct magic {
  es_file_kind kind;
  size_t n;
  const char *bytes;
} magic;

static const magic known[] = {{ES_FILE_HDF5, 8, "\x89HDF\r\n\x1a\n"},
                              {ES_FILE_NPY, 6, "\x93NUMPY"},
                              {ES_FILE_ZIP, 4, "PK\x03\x04"},
                              {ES_FILE_PICKLE, 2, "\x80\x02"},
                              {ES_FILE_PICKLE, 2, "\x80\x03"},
                              {ES_FILE_PICKLE, 2, "\x80\x04"},
                              {ES_FILE_PICKLE, 2, "\x80\x05"},
                              {ES_FILE_LFS, 34, "version https://git-lfs.github.com"},
                              {ES_FILE_GZIP, 2, "\x1f\x8b"},
                              {ES_FILE_IMAGE, 3, "\xff\xd8\xff"},
                              {ES_FILE_IMAGE, 4, "\x89PNG"}};

static bool holds(const char *head, size_t n, const char *what) {
  const size_t m = strlen(what);
  for (size_t i = 0; i + m <= n; i++)
    if (strncasecmp(head + i, what, m) == 0) return true;
  return false;
}

/* The name of a zip's first file tells who made it. */
static es_file_kind kind_of_zip(const char *head, size_t n) {
  if (holds(head, n, "data.pkl")) return ES_FILE_PYTORCH;
  return holds(head, n, ".npy") ? ES_FILE_NPZ : ES_FILE_ZIP;
}

/* 8 bytes of a length that begins with zeros, then a JSON object. */
static bool is_safetensors(const unsigned char *head, size_t n) {
  return n > 9 && head[5] == 0 && head[6] == 0 && head[7] == 0 && head[8] == '{';
}

static es_file_kind kind_of_bytes(const char *head, size_t n) {
  /* Its length may begin with the two bytes of another kind. */
  if (is_safetensors((const unsigned char *) head, n)) return ES_FILE_SAFETENSORS;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (n < known[i].n || memcmp(head, known[i].bytes, known[i].n) != 0) continue;
    return known[i].kind == ES_FILE_ZIP ? kind_of_zip(head, n) : known[i].kind;
  }
  if (n == 0) return ES_FILE_EMPTY;
  const bool html = holds(head, n, "<!doctype html") || holds(head, n, "<html");
  return html ? ES_FILE_HTML : ES_FILE_UNKNOWN;
}

es_file_kind es_file_kind_of(const char *path) {
  char head[HEAD];
  const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return ES_FILE_MISSING;
  const ssize_t n = pread(fd, head, sizeof head, 0);
  close(fd);
  return n < 0 ? ES_FILE_MISSING : kind_of_bytes(head, (size_t) n);
}

const char *es_file_kind_cure(es_file_kind k) {
  static const char *const cure[] = {
      [ES_FILE_MISSING] = "it cannot be read",
      [ES_FILE_UNKNOWN] = "its first bytes are of no known format",
      [ES_FILE_EMPTY] = "it is empty",
      [ES_FILE_HDF5] = "it is an HDF5 file",
      [ES_FILE_SAFETENSORS] = "it is a safetensors file",
      [ES_FILE_NPY] =
          "it is a .npy file; store its array in HDF5 (h5py: File('x.h5', 'w')['x'] = "
          "numpy.load(FILE)) or in safetensors",
      [ES_FILE_ZIP] = "it is a zip archive, as torch.save writes; store its tensor with "
                      "safetensors.torch.save_file or numpy.save, or unpack the archive",
      [ES_FILE_NPZ] = "it is NumPy's .npz; store one array with numpy.save",
      [ES_FILE_PYTORCH] =
          "it is a PyTorch file; convert it: safetensors.torch.save_file(torch.load(FILE"
          ", "
          "map_location='cpu'), 'FILE.safetensors'), with its state_dict",
      [ES_FILE_PICKLE] =
          "it is a pickle of Python, as old PyTorch files; convert it: "
          "safetensors.torch.save_file(torch.load(FILE), 'FILE.safetensors')",
      [ES_FILE_LFS] = "it is a Git LFS pointer; fetch the file itself: git lfs pull",
      [ES_FILE_HTML] = "it is a web page; the download went wrong, fetch the file again",
      [ES_FILE_GZIP] = "it is compressed; unpack it: gunzip",
      [ES_FILE_IMAGE] = "it is an image"};
  return cure[k];
}
