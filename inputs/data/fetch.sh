# SPDX-License-Identifier: BSD-3-Clause
# fetch.sh  Download, verify and unpack an archive once; sourced by the fetch scripts.

# fetch URL MD5 FOLDER UNPACKED: afterwards the working folder, FOLDER, holds UNPACKED.
# An interrupted download is resumed; an archive with a wrong sum is not unpacked.
fetch() {
  mkdir -p "$3"
  cd "$3"
  [ ! -e "$4" ] || return 0
  archive=$(basename "$1")
  if [ ! -f "$archive" ]; then
    has_md5 "$archive.part" "$2" || download "$1" "$archive.part"
    has_md5 "$archive.part" "$2" || {
      mv "$archive.part" "$archive.bad"
      echo "fetch: what came from $1 does not have MD5 sum $2; kept as $archive.bad" >&2
      return 1
    }
    mv "$archive.part" "$archive"
  fi
  has_md5 "$archive" "$2" || {
    echo "fetch: $3/$archive does not have MD5 sum $2; remove it and try again" >&2
    return 1
  }
  rm -rf unpack.tmp # left over from an interrupted call
  mkdir unpack.tmp
  tar -xzf "$archive" -C unpack.tmp
  mv "unpack.tmp/$4" "$4"
  rmdir unpack.tmp
}

has_md5() { # has_md5 FILE MD5
  [ -f "$1" ] && [ "$(md5sum < "$1" | cut -d' ' -f1)" = "$2" ]
}

download() { # download URL FILE
  if command -v curl > /dev/null; then curl -fL --retry 5 -C - -o "$2" "$1"
  elif command -v wget > /dev/null; then wget -c --tries=5 -O "$2" "$1"
  else
    echo "fetch: neither curl nor wget found; download $1 manually" >&2
    return 1
  fi
}

expect_size() { # expect_size FILE BYTES
  size=$(wc -c < "$1")
  [ "$size" -eq "$2" ] || {
    echo "fetch: $1 has $size bytes, expected $2" >&2
    return 1
  }
}
