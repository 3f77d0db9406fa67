package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var started = time.Now()

// say writes one line to the console, with the time since the installer's start.
func say(format string, args ...interface{}) {
	fmt.Printf("[%7.2f] installer: %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// host is what the installer runs on: a machine, or a system container whose engine has prepared media and disk.
type host struct{ container bool }

func thisHost() host {
	os.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
	return host{container: os.Getenv("container") != ""}
}

// findMedia mounts the installer's medium at /cdrom and the seed's at /cidata, wherever the drives are.
func (h host) findMedia(c cmdline) error {
	here := func() bool {
		_, medium := os.Stat("/cdrom/casper/filesystem.tar")
		_, seed := os.Stat("/cidata/user-data")
		return medium == nil && (seed == nil || c.seedFolder != "")
	}
	for try := 0; !h.container && !here() && try < 100; try++ {
		drives, _ := filepath.Glob("/dev/sr[0-9]*")
		for _, drive := range drives {
			mountMedium(drive)
		}
		if !here() {
			time.Sleep(100 * time.Millisecond)
		}
	}
	if _, err := os.Stat("/cdrom/casper/filesystem.tar"); err != nil {
		return fmt.Errorf("no installation medium: %v", err)
	}
	info, _ := os.ReadFile("/cdrom/.disk/info")
	say("medium: %s", strings.TrimSpace(string(info)))
	return nil
}

// mountMedium mounts a drive's disc by what is on it: volume CIDATA is the seed, a disc with /casper the medium.
func mountMedium(drive string) {
	device, err := os.Open(drive)
	if err != nil {
		return
	}
	id := make([]byte, 32) // the volume id of the first descriptor (ECMA-119 8.4.7)
	_, err = device.ReadAt(id, 16*2048+40)
	device.Close()
	if err != nil {
		return
	}
	dir := "/cdrom"
	if strings.EqualFold(strings.TrimSpace(string(id)), "cidata") {
		dir = "/cidata"
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return
	}
	if syscall.Mount(drive, dir, "iso9660", syscall.MS_RDONLY, "") != nil {
		return
	}
	if _, err := os.Stat("/cdrom/casper"); dir == "/cdrom" && err != nil {
		syscall.Unmount(dir, 0)
	}
}

// readSeed finds user-data as cloud-init's NoCloud does: the folder of the command line, else the CIDATA volume.
func readSeed(c cmdline) ([]byte, error) {
	dir := "/cidata"
	if c.seedFolder != "" {
		dir = c.seedFolder
	}
	document, err := os.ReadFile(filepath.Join(dir, "user-data"))
	if err != nil {
		return nil, fmt.Errorf("no autoinstall document: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "meta-data")); err != nil {
		return nil, fmt.Errorf("a seed needs meta-data too: %v", err)
	}
	say("seed: %s/user-data", strings.TrimRight(dir, "/"))
	return document, nil
}

// findDisk takes /dev/sda in a container, else the largest disk that is not removable.
func (h host) findDisk() (disk, error) {
	names := []string{"sda"}
	for try := 0; !h.container && try < 100; try++ {
		found, _ := filepath.Glob("/sys/block/*")
		names = names[:0]
		for _, path := range found {
			name := filepath.Base(path)
			if hidden, _ := os.ReadFile(path + "/hidden"); strings.TrimSpace(string(hidden)) == "1" {
				continue // a path to a disk, such as nvme0c0n1: no device of its own
			}
			if strings.HasPrefix(name, "sd") || strings.HasPrefix(name, "vd") || strings.HasPrefix(name, "nvme") {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	disks := []disk{}
	for _, name := range names {
		device, err := os.Open("/dev/" + name)
		if err != nil {
			return disk{}, err
		}
		size, err := device.Seek(0, 2)
		device.Close()
		if err != nil {
			return disk{}, err
		}
		part := "/dev/" + name + "1"
		if last := name[len(name)-1]; last >= '0' && last <= '9' {
			part = "/dev/" + name + "p1"
		}
		disks = append(disks, disk{"/dev/" + name, part, size})
	}
	if len(disks) == 0 {
		return disk{}, fmt.Errorf("no disk")
	}
	sort.SliceStable(disks, func(i, j int) bool { return disks[i].size > disks[j].size })
	return disks[0], nil
}

// rereadPartitions makes the kernel see the new table and waits for the first partition's device.
func rereadPartitions(dev *os.File, root string) error {
	const blkrrpart = 0x125F
	if err := dev.Sync(); err != nil {
		return err
	}
	for try := 0; try < 100; try++ {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dev.Fd(), blkrrpart, 0)
		if _, err := os.Stat(root); err == nil && errno == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the kernel does not show %s", root)
}

// killOthers ends what the commands left running, so that nothing holds the target.
func killOthers() {
	if os.Getpid() > 2 {
		return
	}
	syscall.Kill(-1, syscall.SIGTERM)
	for try := 0; try < 20; try++ {
		processes, _ := filepath.Glob("/proc/[0-9]*/exe")
		alive := 0
		for _, exe := range processes {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(exe)))
			if _, err := os.Readlink(exe); err == nil && pid > 2 && pid != os.Getpid() { // kernel threads have none
				alive++
			}
		}
		if alive == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	syscall.Kill(-1, syscall.SIGKILL)
	time.Sleep(50 * time.Millisecond)
}

// end reboots or powers off; in a container too, whose engine gets told by the kernel.
func (h host) end(how string) {
	say("now %s", how)
	if !h.container {
		syscall.Sync()
	}
	word := syscall.LINUX_REBOOT_CMD_RESTART
	if how == "poweroff" {
		word = syscall.LINUX_REBOOT_CMD_POWER_OFF
	}
	if err := syscall.Reboot(word); err != nil {
		say("FAILED: %s: %v", how, err)
	}
	os.Exit(1)
}

// giveUp leaves the message on the console for a while and switches the machine off; a container just ends.
func (h host) giveUp() {
	if h.container {
		os.Exit(1)
	}
	time.Sleep(5 * time.Second)
	h.end("poweroff")
}

func newUUID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/uuid")
	if err != nil {
		return fmt.Sprintf("00000000-0000-4000-8000-%012x", time.Now().UnixNano()&0xffffffffffff)
	}
	return strings.TrimSpace(string(text))
}
