package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

const (
	target    = "/target"
	rootLabel = "airlab-root"
	sector    = 512
	mib       = 1 << 20
	// The root partition is the first one and begins here on every machine: system containers rely on it.
	rootStart = mib
)

// disk is where to install: the whole device, and the first partition's.
type disk struct {
	device, root string
	size         int64
}

// prepareDisk writes boot loader, partition table and EFI partition, makes the root file system and mounts it.
// In a container the disk is a file of the host: nothing is forced out to the host's disk, the host sees it at once.
func prepareDisk(d disk, p *plan, container bool) error {
	loader, err := readAll("/boot/boot.img", "/boot/core.img", "/boot/esp.img")
	if err != nil {
		return err
	}
	espSize := (int64(len(loader[2])) + mib - 1) / mib * mib
	espStart := d.size/mib*mib - espSize
	rootSize := espStart - rootStart
	if rootSize < 1024*mib {
		return fmt.Errorf("%s has %d MiB: too small", d.device, d.size/mib)
	}
	say("disk %s, %d MiB: boot loader, partitions", d.device, d.size/mib)
	dev, err := os.OpenFile(d.device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer dev.Close()
	blank := zeroed(dev, d.size)
	if err := writeBoot(dev, loader, espStart, rootSize, espSize); err != nil {
		return fmt.Errorf("%s: %v", d.device, err)
	}
	if !container {
		if err := rereadPartitions(dev, d.root); err != nil {
			return err
		}
	}
	dev.Close()

	say("file system on %s, %d MiB", d.root, rootSize/mib)
	extended := "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
	if blank {
		extended = "assume_storage_prezeroed=1,lazy_journal_init=1,nodiscard"
	}
	out, err := exec.Command("/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", rootLabel, "-b", "4096", "-i", "32768", "-m", "0", "-J", "size=64",
		"-O", "^metadata_csum,^metadata_csum_seed,^orphan_file,^64bit", "-E", extended, d.root,
		strconv.FormatInt(rootSize/4096, 10)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mke2fs: %v: %s", err, out)
	}
	options := "noinit_itable,commit=300"
	if container {
		options += ",nobarrier"
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(d.root, target, "ext4", syscall.MS_NOATIME, options); err != nil {
		return fmt.Errorf("mount %s: %v", d.root, err)
	}
	return nil
}

// zeroed empties the device where it can do so by itself (thin disks, loop devices), and says whether it did.
func zeroed(dev *os.File, size int64) bool {
	if strings.HasPrefix(dev.Name(), "/dev/nvme") {
		return false // the command exists on every NVMe disk, also where each zero is then written out
	}
	const keepSize, punchHole = 1, 2
	return syscall.Fallocate(int(dev.Fd()), keepSize|punchHole, 0, size/4096*4096) == nil
}

// writeBoot writes GRUB for BIOS (boot sector, core in the gap before the first partition), GRUB for EFI (a ready FAT
// image) and a partition table that serves both.
func writeBoot(dev *os.File, loader [][]byte, espStart, rootSize, espSize int64) error {
	first := make([]byte, sector)
	copy(first[:440], loader[0])
	copy(first[440:444], newUUID())
	entry(first[446:], 0x80, 0x83, rootStart, rootSize)
	entry(first[462:], 0, 0xEF, espStart, espSize)
	first[510], first[511] = 0x55, 0xAA
	if len(loader[1]) > rootStart-sector {
		return fmt.Errorf("the boot loader's core does not fit before the first partition")
	}
	for _, part := range []struct {
		at   int64
		data []byte
	}{{0, first}, {sector, loader[1]}, {espStart, loader[2]}} {
		if _, err := dev.WriteAt(part.data, part.at); err != nil {
			return err
		}
	}
	return nil
}

// entry is one of the four of an MBR; start and size are in bytes, and sectors are all that counts.
func entry(at []byte, status, kind byte, start, size int64) {
	at[0], at[4] = status, kind
	copy(at[1:4], []byte{0xFE, 0xFF, 0xFF})
	copy(at[5:8], []byte{0xFE, 0xFF, 0xFF})
	binary.LittleEndian.PutUint32(at[8:], uint32(start/sector))
	binary.LittleEndian.PutUint32(at[12:], uint32(size/sector))
}

// leaveTarget writes everything out and unmounts.
func leaveTarget(container bool) error {
	killOthers()
	if !container {
		syscall.Sync()
	}
	if err := syscall.Unmount(target, 0); err != nil {
		return fmt.Errorf("unmount %s: %v", target, err)
	}
	return nil
}

func readAll(names ...string) ([][]byte, error) {
	all := [][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}
