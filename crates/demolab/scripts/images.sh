#!/bin/bash
# The program of the pause container: it sleeps until it is told to end. env: OUT folder
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
