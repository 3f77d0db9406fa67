#!/bin/bash
# The program of the pause container: it sleeps until it is told to end. And what the DNS server's program is linked
# with, under its own paths. env: OUT folder, DNS program
set -euo pipefail
gcc -static -Os -s -Wl,--build-id=none -o "$OUT/pause" -x c - << 'C'
#include <signal.h>
#include <unistd.h>

static void end(int signal) {
  (void)signal;
  _exit(0);
}

int main(void) {
  signal(SIGTERM, end);
  signal(SIGINT, end);
  for (;;) pause();
}
C
ldd "$DNS" | grep -oE '/[^ ]+' | while read -r library; do
  mkdir -p "$OUT/dns$(dirname "$library")"
  cp -L "$library" "$OUT/dns$library"
done
cp "$DNS" "$OUT/dns/demodns"
