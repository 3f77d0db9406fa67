#!/bin/bash
# An ISO with the structure of Ubuntu's live server ISO around the demo installer: two descriptor sets (partition
# offset 16), Rock Ridge and Joliet, El Torito for BIOS and EFI (appended partition), GPT, md5sum.txt.
# env: OUT folder, NODE folder of the node image, INSTALLER program, INIT script
set -euo pipefail
export SOURCE_DATE_EPOCH=1735689600 LC_ALL=C.UTF-8
stamp=2025010100000000; label=airlab-root
t=$OUT/tmp; iso=$t/iso; i=$t/initrd; g=$iso/boot/grub
mkdir -p "$iso"/{.disk,casper,EFI/boot,boot/grub/{i386-pc,x86_64-efi,fonts}} "$i"
touch_all() { find "$1" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +; }

echo "boot loaders of the installed disk"
mkdir -p "$t/esp/EFI/BOOT"
# A disk without a menu was not finished: "exit" hands on to the next device of the firmware, the CD.
# shellcheck disable=SC2016 # GRUB's own variables
printf 'search --label %s --set=root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\nexit\n' $label > "$t/disk.cfg"
common="minicmd part_msdos part_gpt ext2 search search_label normal configfile linux echo test serial terminal sleep"
# shellcheck disable=SC2086 # a list of modules
grub-mkimage -O i386-pc -c "$t/disk.cfg" -p /boot/grub -o "$t/core.img" biosdisk $common
# shellcheck disable=SC2086
grub-mkimage -O x86_64-efi -c "$t/disk.cfg" -p /boot/grub -o "$t/esp/EFI/BOOT/BOOTX64.EFI" fat all_video $common
# A FAT file system of $2 sectors from the folder $3, always the same bytes.
fat() {
  rm -f "$1"; truncate -s $(($2*512)) "$1"; mkfs.vfat --invariant -n ESP "$1" > /dev/null; touch_all "$3"
  (cd "$3" && mcopy -s -m -i "$1" EFI ::)
}
fat "$t/disk-esp.img" 4096 "$t/esp"

echo "initrd"
tar -xf "$NODE/installer-base.tar" -C "$i"
mkdir -p "$i/boot"
cp /usr/lib/grub/i386-pc/boot.img "$t/core.img" "$i/boot/"; cp "$t/disk-esp.img" "$i/boot/esp.img"
install -m 755 "$INSTALLER" "$i/bin/installer"; ln -s installer "$i/bin/curtin"
install -m 755 "$INIT" "$i/init"
touch_all "$i"
(cd "$i" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible | gzip -6n) > "$iso/casper/initrd"
cp "$NODE/vmlinuz" "$iso/casper/vmlinuz"
ln "$NODE/rootfs.tar" "$iso/casper/filesystem.tar" 2>/dev/null || cp "$NODE/rootfs.tar" "$iso/casper/filesystem.tar"
cp "$NODE/manifest.txt" "$iso/casper/filesystem.manifest"

echo "boot loaders of the medium"
cat > "$g/grub.cfg" <<'CFG'
set timeout=30

loadfont unicode

set menu_color_normal=white/black
set menu_color_highlight=black/light-gray

menuentry "Try or Install the airlab demo node (stand-in)" {
	set gfxpayload=keep
	linux	/casper/vmlinuz  ---
	initrd	/casper/initrd
}
menuentry "airlab demo node (stand-in) with a talkative kernel" {
	set gfxpayload=keep
	linux	/casper/vmlinuz  ignore_loglevel ---
	initrd	/casper/initrd
}
grub_platform
if [ "$grub_platform" = "efi" ]; then
menuentry 'Boot from next volume' {
	exit 1
}
menuentry 'UEFI Firmware Settings' {
	fwsetup
}
fi
CFG
cat > "$g/loopback.cfg" <<'CFG'
menuentry "Try or Install the airlab demo node (stand-in)" {
	set gfxpayload=keep
	linux	/casper/vmlinuz  iso-scan/filename=${iso_path} ---
	initrd	/casper/initrd
}
CFG
cp /usr/lib/grub/i386-pc/*.{mod,lst} "$g/i386-pc/"
cp /usr/lib/grub/x86_64-efi/*.{mod,lst} "$g/x86_64-efi/"
printf 'source /boot/grub/grub.cfg\n' > "$g/x86_64-efi/grub.cfg"
cp /usr/share/grub/unicode.pf2 "$g/fonts/"
grub-mkimage -O i386-pc-eltorito -p /boot/grub -o "$g/i386-pc/eltorito.img" biosdisk iso9660
cp "$NODE"/efi/*.efi "$iso/EFI/boot/"
mkdir -p "$t/cd-esp/EFI/boot"; cp "$NODE"/efi/*.efi "$t/cd-esp/EFI/boot/"
fat "$t/efi.img" 10072 "$t/cd-esp"

echo "tree"
echo 'airlab demo installer: a stand-in for Ubuntu-Server 22.04 that installs Debian 12 - Release amd64' > "$iso/.disk/info"
echo container > "$iso/.disk/airlab-demo-installer"
echo cdimage > "$iso/.disk/cd_type"; echo full_cd/single > "$iso/.disk/base_components"; : > "$iso/.disk/base_installable"
echo 00000000-0000-0000-0000-0000000d3310 > "$iso/.disk/casper-uuid-generic"
ln -s . "$iso/ubuntu"
(cd "$iso" && find . -type f ! -name md5sum.txt ! -name eltorito.img ! -path './EFI/*' -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$t/md5"
mv "$t/md5" "$iso/md5sum.txt"
touch_all "$iso"
echo "xorriso"
xorriso -as mkisofs -r -J -joliet-long -l -V 'airlab demo installer' --modification-date=$stamp --set_all_file_dates $stamp \
  --grub2-mbr /usr/lib/grub/i386-pc/boot_hybrid.img --protective-msdos-label -partition_cyl_align off -partition_offset 16 \
  --mbr-force-bootable -append_partition 2 28732ac11ff8d211ba4b00a0c93ec93b "$t/efi.img" -appended_part_as_gpt \
  -iso_mbr_part_type a2a0d0ebe5b9334487c068b6b72699c7 \
  -c /boot.catalog -b /boot/grub/i386-pc/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
  -eltorito-alt-boot -e '--interval:appended_partition_2:::' -no-emul-boot \
  -o "$OUT/installer.iso" "$iso"
rm -rf "$t"
ls -l "$OUT/installer.iso"
