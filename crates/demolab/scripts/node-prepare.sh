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
m=$r/usr/lib/modules/$kver/kernel
for d in infiniband gpu media staging isdn iio usb hid input/joystick hwmon md/bcache mtd thunderbolt vdpa vfio xen hv \
  i2c edac leds mfd platform power regulator spi target uio usb video w1 nvdimm crypto; do rm -rf "$m/drivers/$d"; done
find "$m/drivers/net/ethernet" -mindepth 1 -maxdepth 1 ! -name intel -exec rm -rf {} + 2>/dev/null || true
rm -rf "$m"/drivers/net/{wireless,wwan,usb,can,ieee802154,arcnet,hamradio,fddi,hyperv,wan,ppp,plip,slip} "$m"/sound "$m"/arch/x86/kvm "$m"/virt
for d in btrfs xfs ocfs2 gfs2 jfs reiserfs nfs nfsd nfs_common lockd cifs smb smbfs_common ceph ubifs f2fs afs coda orangefs \
  nilfs2 hfs hfsplus ufs udf 9p dlm ntfs ntfs3 exfat hpfs minix affs befs bfs efs qnx4 qnx6 romfs sysv omfs adfs erofs \
  ksmbd cachefiles fscache netfs ecryptfs jffs2 freevxfs cramfs; do rm -rf "$m/fs/$d"; done
for d in sunrpc sctp rds tipc dccp ceph openvswitch batman-adv mac80211 wireless bluetooth nfc can ieee802154 6lowpan 9p \
  appletalk atm ax25 lapb x25 rxrpc smc l2tp mpls hsr ncsi rfkill phonet kcm; do rm -rf "$m/net/$d"; done
depmod -b "$r" "$kver"

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
# The drivers that find disks and CDs, in loading order, with their dependencies: into the tree $1 and its list /mods.
drivers() {
  local name list f rel
  list=$(for name in virtio_pci virtio_blk virtio_scsi vmw_pvscsi ata_piix ata_generic ahci nvme sd_mod sr_mod isofs ext4 \
    virtio_net vmxnet3 e1000; do
    modprobe -d "$r" -S "$kver" -D "$name" 2>/dev/null | awk '$1=="insmod"{print $2}' || true; done | awk '!s[$0]++')
  for f in $list; do
    rel=lib/modules/$(basename "$f"); mkdir -p "$1/lib/modules"; cp "$f" "$1/$rel"; echo "/$rel" >> "$1/mods"
  done
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
