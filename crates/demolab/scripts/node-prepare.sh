#!/bin/bash
# Turns a fresh Debian tree into the node's: drops what a lab node never loads, does once what every first boot would
# do again, writes an initrd; leaves kernel, installer base and signed boot loaders in OUT. Called by mmdebstrap.
# usage: node-prepare.sh TREE   env: OUT, MMDEBSTRAP_APT_CONFIG, SOURCE_DATE_EPOCH
set -euo pipefail
r=$1
say() { echo "prepare: $*"; }

t=$OUT/tmp; rm -rf "$t"

say "signed boot loaders"
mkdir -p "$t/debs"
(cd "$t/debs" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q download shim-signed grub-efi-amd64-signed)
for d in "$t"/debs/*.deb; do dpkg-deb -x "$d" "$t/signed"; done
mkdir -p "$OUT/efi"
cp "$t/signed/usr/lib/shim/shimx64.efi.signed" "$OUT/efi/bootx64.efi"
cp "$t/signed/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed" "$OUT/efi/grubx64.efi"

say "modules"
kver=$(basename "$(echo "$r"/usr/lib/modules/*)")
m=$r/usr/lib/modules/$kver
# What a machine of VMware or QEMU and Kubernetes on it can ask for, as folders and names under kernel/; what these
# need comes along, everything else goes.
sort > "$OUT/keep" <<'KEEP'
arch/x86/crypto/
crypto/
drivers/acpi/button
drivers/ata/ahci
drivers/ata/ata_generic
drivers/ata/ata_piix
drivers/ata/libahci
drivers/block/loop
drivers/block/virtio_blk
drivers/cdrom/
drivers/char/hw_random/virtio-rng
drivers/char/virtio_console
drivers/firmware/efi/
drivers/firmware/qemu_fw_cfg
drivers/hid/hid
drivers/hid/hid-generic
drivers/hid/usbhid/usbhid
drivers/input/evdev
drivers/input/mouse/psmouse
drivers/md/dm-mod
drivers/message/fusion/mptsas
drivers/message/fusion/mptspi
drivers/misc/pvpanic/
drivers/misc/vmw_balloon
drivers/misc/vmw_vmci/
drivers/net/bonding/
drivers/net/dummy
drivers/net/ethernet/intel/e1000/
drivers/net/ethernet/intel/e1000e/
drivers/net/geneve
drivers/net/ifb
drivers/net/ipvlan/
drivers/net/macvlan
drivers/net/tun
drivers/net/veth
drivers/net/virtio_net
drivers/net/vmxnet3/
drivers/net/vrf
drivers/net/vxlan/
drivers/net/wireguard/
drivers/nvme/host/nvme
drivers/ptp/ptp_kvm
drivers/ptp/ptp_vmw
drivers/scsi/sd_mod
drivers/scsi/sg
drivers/scsi/sr_mod
drivers/scsi/virtio_scsi
drivers/scsi/vmw_pvscsi
drivers/usb/host/ehci-pci
drivers/usb/host/uhci-hcd
drivers/usb/host/xhci-pci
drivers/virtio/
drivers/watchdog/i6300esb
fs/autofs/
fs/binfmt_misc
fs/configfs/
fs/efivarfs/
fs/ext4/
fs/fat/
fs/fuse/
fs/isofs/
fs/nls/nls_ascii
fs/nls/nls_cp437
fs/nls/nls_iso8859-1
fs/nls/nls_utf8
fs/overlayfs/
lib/crypto/
net/802/
net/8021q/
net/bridge/
net/core/
net/ipv4/
net/ipv6/
net/llc/
net/netfilter/
net/netlink/
net/packet/
net/sched/
net/tls/
net/unix/
net/vmw_vsock/vmw_vsock_virtio_transport
net/vmw_vsock/vmw_vsock_vmci_transport
net/vmw_vsock/vsock_diag
net/xfrm/
KEEP
depmod -b "$r" "$kver"
awk -F '[: ]+' -v list="$OUT/keep" 'BEGIN { while ((getline name < list) > 0) want["kernel/" name] = 1 }
  { name = $1; sub(/\.ko$/, "", name); hit = name in want
    for (dir = name; sub(/\/[^\/]*$/, "", dir);) if ((dir "/") in want) hit = 1
    if (hit) for (i = 1; i <= NF; i++) if ($i != "") print $i }' "$m/modules.dep" | sort -u > "$OUT/kept"
(cd "$m" && find kernel -name '*.ko' | sort | comm -23 - "$OUT/kept" | xargs rm -f; find kernel -type d -empty -delete)
rm -f "$OUT/keep" "$OUT/kept"
depmod -b "$r" "$kver"
say "$(find "$m" -name '*.ko' | wc -l) modules, $(du -sm --apparent-size "$m" | cut -f1) MB"

say "files"
rm -rf "$r"/usr/share/{i18n,perl,bash-completion,zoneinfo/right,zoneinfo/posix,doc-base,lintian,locale,bug,pixmaps,icons} \
  "$r"/usr/lib/x86_64-linux-gnu/{perl,gconv} "$r"/usr/lib/x86_64-linux-gnu/libperl.so* \
  "$r"/usr/lib/udev/hwdb.d "$r"/usr/lib/udev/hwdb.bin "$r"/etc/udev/hwdb.bin \
  "$r"/usr/lib/python3.11/{test,pydoc_data,idlelib,lib2to3,ensurepip,distutils} "$r"/usr/lib/python3/dist-packages/pygments \
  "$r"/usr/bin/containerd-{stress,shim,shim-runc-v1} "$r"/var/lib/apt/lists "$r"/var/lib/dpkg/*-old
for p in dhcp ipvlan macvlan vlan sbr vrf host-device static ptp tuning; do rm -f "$r/usr/lib/cni/$p"; done
rm -f "$r"/boot/{System.map,config,initrd.img}* "$r"/etc/ssh/ssh_host_* "$r"/var/lib/dbus/machine-id \
  "$r"/var/cache/ldconfig/aux-cache "$r"/var/cache/apt/*.bin "$r"/var/lib/systemd/{random-seed,catalog/database}
find "$r/var/log" -type f -delete
# A node without the internet meets no public authority; adding one of its own then costs a first boot no seconds.
sed -i 's/^mozilla/!mozilla/' "$r/etc/ca-certificates.conf"
chroot "$r" update-ca-certificates --fresh > /dev/null
mkdir -p "$r"/var/lib/apt/lists/partial
: > "$r/etc/machine-id"; : > "$r/etc/fstab"; : > "$r/etc/apt/sources.list"; rm -f "$r"/etc/apt/sources.list.d/* "$r"/etc/{apt/apt.conf.d,dpkg/dpkg.cfg.d}/99mmdebstrap
echo localhost > "$r/etc/hostname"; printf '127.0.0.1 localhost\n' > "$r/etc/hosts"
printf '%s\n' 'Debian GNU/Linux 12, stand-in for Ubuntu Server 22.04 in the airlab demo lab \n \l' > "$r/etc/issue"

say "units"
for u in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  systemd-timesyncd.service systemd-pstore.service systemd-remount-fs.service systemd-hwdb-update.service \
  getty@tty1.service systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-firstboot.service \
  etcd.service containerd.service; do
  ln -sf /dev/null "$r/etc/systemd/system/$u"
  rm -f "$r"/etc/systemd/system/*.wants/"$u"
done
w=$r/etc/systemd/system/systemd-networkd-wait-online.service.d; mkdir -p "$w" "$r/etc/systemd/system/multi-user.target.wants"
cat > "$w/demolab.conf" <<'UNIT'
# A lab node is on line when its default route is there; waiting for IPv6 on top of it costs seconds.
[Service]
ExecStart=
ExecStart=/bin/sh -c 'n=0; while [ $n -lt 75 ]; do [ -n "$(ip -4 route show default)" ] && exit 0; n=$((n+1)); sleep 0.2; done'
UNIT
ln -sf /lib/systemd/system/systemd-networkd.service "$r/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"

say "cloud-init"
mkdir -p "$r/etc/cloud/cloud.cfg.d" "$r/etc/netplan"
printf 'datasource_list: [ NoCloud, None ]\n' > "$r/etc/cloud/cloud.cfg.d/90_demolab.cfg"
cat > "$r/etc/cloud/cloud.cfg.d/91_demolab_modules.cfg" <<'CFG'
# What a node of the demo lab can need; the others only cost time.
locale: false
apt_preserve_sources_list: true
cloud_init_modules: [seed_random, bootcmd, write-files, growpart, resizefs, set_hostname, update_hostname, update_etc_hosts, ca-certs, users-groups, ssh]
cloud_config_modules: [set-passwords, timezone, ntp, runcmd]
cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message, power-state-change]
CFG
printf 'policy: enabled\n' > "$r/etc/cloud/ds-identify.cfg"

# An archive of the tree $1 that depends on nothing but its content.
archive() {
  find "$1" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
  (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible | gzip -9n)
}
# The drivers that find disks and CDs, in loading order, with what they need: into the tree $1 and its list /mods.
drivers() {
  local name f rel
  for name in virtio_pci virtio_blk virtio_scsi vmw_pvscsi mptspi mptsas ata_piix ata_generic ahci nvme sd_mod sr_mod isofs ext4; do
    # a name that the kernel does not have ends the build
    modprobe -d "$r" -S "$kver" -D "$name"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$t/drivers"
  mkdir -p "$1/lib/modules"
  while read -r f; do
    rel=lib/modules/$(basename "$f"); cp "$f" "$1/$rel"; echo "/$rel" >> "$1/mods"
  done < "$t/drivers"
}

say "initrd"
mkdir -p "$t/initrd"/{bin,dev,proc,sys,newroot}
cp "$r/bin/busybox" "$t/initrd/bin/busybox"
for a in sh mount umount switch_root sleep findfs cat ls insmod; do ln -s busybox "$t/initrd/bin/$a"; done
drivers "$t/initrd"
cat > "$t/initrd/init" <<'INIT'
#!/bin/sh
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
root=LABEL=airlab-root
for x in $(cat /proc/cmdline); do case $x in root=*) root=${x#root=};; esac; done
while read -r m; do insmod "$m" 2>/dev/null; done < /mods
n=0; while :; do
  case $root in UUID=*|LABEL=*) d=$(findfs "$root" 2>/dev/null);; *) d=$root;; esac
  [ -b "$d" ] && break
  n=$((n+1)); [ $n -gt 600 ] && { echo "no root $root"; ls -l /dev; exec sh; }; sleep 0.1; done
mount -t ext4 -o rw,noatime "$d" /newroot || exec sh
umount /proc /sys; mount -o move /dev /newroot/dev
exec switch_root /newroot /sbin/init
INIT
chmod 755 "$t/initrd/init"
archive "$t/initrd" > "$r/boot/initrd.img"
mv "$r/boot/vmlinuz-$kver" "$r/boot/vmlinuz"
cp "$r/boot/vmlinuz" "$OUT/vmlinuz"

say "installer base"
b=$t/base; mkdir -p "$b"/{bin,sbin,usr/bin,usr/lib,dev,proc,sys,run,tmp,etc,root,target,cdrom,cidata}
cp "$r/bin/busybox" "$b/bin/busybox"
"$b/bin/busybox" --list | while read -r a; do [ "$a" = busybox ] || ln -sf busybox "$b/bin/$a"; done
cp "$r/sbin/mke2fs" "$b/sbin/mke2fs"; cp "$r/etc/mke2fs.conf" "$b/etc/mke2fs.conf"
chroot "$r" ldd /sbin/mke2fs | grep -oE '/lib[^ ]+' | while read -r f; do mkdir -p "$b$(dirname "$f")"; cp -L "$r$f" "$b$f"; done
printf 'NAME="airlab demo installer"\nID=airlab-demo-installer\n' > "$b/usr/lib/os-release"; ln -s ../usr/lib/os-release "$b/etc/os-release"
printf 'root:x:0:0:root:/root:/bin/sh\n' > "$b/etc/passwd"; printf 'root:x:0:\n' > "$b/etc/group"
drivers "$b"
find "$b" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
tar --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -C "$b" -cf "$OUT/installer-base.tar" .

rm -rf "$t"
# shellcheck disable=SC2016 # dpkg-query's own format
chroot "$r" dpkg-query -W -f '${Package} ${Version}\n' > "$OUT/manifest.txt"
say "$(du -sm --apparent-size -x "$r" | cut -f1) MB"
