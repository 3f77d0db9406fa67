#!/bin/bash
# Real Helm, as the library that the wheel helm-python-sdk carries, and our program around it.
# env: OUT folder, REQUIREMENT name==version --hash=sha256:..., PROGRAM its C text
set -euo pipefail
mkdir -p "$OUT/wheel" "$OUT/tree/lib" "$OUT/tree/bin"
printf '%s\n' "$REQUIREMENT" > "$OUT/requirement.txt"
python3 -m pip --version > /dev/null || { echo "pip for python3 is missing (Debian's package: python3-pip)"; exit 1; }
python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --require-hashes \
  --platform manylinux_2_28_x86_64 --python-version 311 -d "$OUT/wheel" -r "$OUT/requirement.txt"
python3 -m zipfile -e "$OUT"/wheel/*.whl "$OUT/unpacked"
cp "$OUT/unpacked/helm_python/lib/libhelm_c.so.0" "$OUT/tree/lib/"
gcc -Wall -Wextra -Werror -O2 -s -Wl,--build-id=none -o "$OUT/tree/bin/helm" "$PROGRAM" "$OUT/tree/lib/libhelm_c.so.0" -Wl,-rpath,/lib
LD_LIBRARY_PATH=$OUT/tree/lib ldd "$OUT/tree/bin/helm" | grep -oE '/[^ ]+' | grep -v "^$OUT" | while read -r library; do
  mkdir -p "$OUT/tree$(dirname "$library")"
  cp -L "$library" "$OUT/tree$library"
done
rm -rf "$OUT/wheel" "$OUT/unpacked"
