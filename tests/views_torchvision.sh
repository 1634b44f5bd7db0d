#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# views_torchvision.sh  Steps of views and windows of crops beside torchvision's.
set -u
. "$srcdir/tests/e2e.sh"
need_python numpy PIL torch torchvision
"$python" "$srcdir/tests/views_torchvision.py" "$(dirname "$EIGENSTEP")/tests/emit_views"
