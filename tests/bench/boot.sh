#!/bin/bash
# The floor of `cargo xtask bench boot`: one machine installed and booted by QEMU alone, from the ISO, the seed and an
# empty disk that `airlab provision --until machines` made, inside the lab's network. Nothing is looked at but the console
# and SSH: what is left is what any way of doing it must take.
# Needs root, and to be run inside the lab's network (bridge vmnet1). Reads from the environment:
#   ISO, CIDATA, DISK  the installer, the seed, an empty disk (it is written to)
#   MAC, ADDRESS, KEY  of the node: its adapter, its address, the private key that logs in as airlab
#   FIRMWARE           bios or efi        BUS   sata or nvme
#   MEMORY, CPUS       in MiB, and how many
#   MORE               further words for QEMU
#   WORK               a folder: console in serial.log; seconds until installed and until ready in install and ready
set -euo pipefail
: "${ISO:?}" "${CIDATA:?}" "${DISK:?}" "${MAC:?}" "${ADDRESS:?}" "${KEY:?}" "${WORK:?}"
mkdir -p "$WORK"
limit=${LIMIT:-900}
tap=bench$(($$ % 10000))
start=$(date +%s%N)
seconds() { awk -v ns="$(($(date +%s%N) - start))" 'BEGIN { printf "%.1f", ns / 1e9 }'; }
say() { echo "[$(seconds)] $*" >&2; }

machine=()
take_down() {
  set +e
  [ -z "${qemu:-}" ] || { kill "$qemu" && wait "$qemu"; } 2> /dev/null
  ip link delete "$tap" 2> /dev/null
}
trap take_down EXIT
ip tuntap add dev "$tap" mode tap
ip link set "$tap" master vmnet1 up

if [ "${FIRMWARE:-bios}" = efi ]; then
  cp /usr/share/OVMF/OVMF_VARS_4M.fd "$WORK/vars.fd"
  machine+=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
    -drive "if=pflash,format=raw,unit=1,file=$WORK/vars.fd")
fi
format=$(qemu-img info "$DISK" | sed -n 's/^file format: //p' | head -n 1)
machine+=(-device "ahci,id=sata0" -drive "file=$DISK,format=$format,if=none,id=disk,cache=unsafe,discard=unmap")
if [ "${BUS:-sata}" = nvme ]; then
  machine+=(-device "nvme,drive=disk,serial=disk,bootindex=0")
else
  machine+=(-device "ide-hd,bus=sata0.0,drive=disk,bootindex=0")
fi
machine+=(-drive "file=$ISO,format=raw,if=none,id=cd1,readonly=on" -device "ide-cd,bus=sata0.1,drive=cd1,bootindex=1"
  -drive "file=$CIDATA,format=raw,if=none,id=cd2,readonly=on" -device "ide-cd,bus=sata0.2,drive=cd2")

# shellcheck disable=SC2086 # MORE is a list of words
qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -m "${MEMORY:-2048}" -smp "${CPUS:-2}" \
  -nodefaults -no-user-config -display none -device virtio-rng-pci -serial "file:$WORK/serial.log" \
  -netdev "tap,id=net0,ifname=$tap,script=no,downscript=no" -device "vmxnet3,netdev=net0,mac=$MAC" \
  "${machine[@]}" ${MORE:-} &
qemu=$!

node() {
  timeout 60 ssh -q -i "$KEY" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
    -o ConnectTimeout=20 "airlab@$ADDRESS" "$@"
}
told=0
until node test -s /var/lib/airlab/ready; do
  now=$(seconds)
  if [ ! -s "$WORK/install" ] && grep -qa 'installer: now reboot' "$WORK/serial.log"; then
    echo "$now" > "$WORK/install"
    say "installed"
  fi
  if ! kill -0 "$qemu" 2> /dev/null; then
    say "the machine is off"
    exit 1
  fi
  if [ "${now%.*}" -ge "$limit" ]; then
    say "not ready; the console's end: $(tail -c 300 "$WORK/serial.log" | tr -d '\r')"
    exit 1
  fi
  if [ "${now%.*}" -ge $((told + 10)) ]; then
    told=${now%.*}
    say "$(tr -d '\r\033' < "$WORK/serial.log" | grep -av '^ *$' | tail -n 1 | cut -c -120)"
  fi
  sleep 0.3
done
seconds > "$WORK/ready"
say "ready"
if [ -n "${STAY:-}" ]; then wait "$qemu"; fi
