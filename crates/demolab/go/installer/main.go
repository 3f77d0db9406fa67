// Command installer is the demo lab's stand-in for Ubuntu's server installer (subiquity and curtin). It follows their
// path for an unattended installation: kernel command line, CIDATA volume, autoinstall document, disk, root tree,
// first-boot cloud-config, late-commands, boot loader, reboot. It never asks anything: what it can't do, it refuses.
//
//	installer                        install this machine (as the initrd's process 1) or this system container
//	installer --plan FILE [CMDLINE]  print as JSON what a document would make it do
//	curtin in-target [--target=DIR] -- COMMAND...   (the same program under another name, for late-commands)
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	if filepath.Base(os.Args[0]) == "curtin" {
		fail("curtin", curtin(os.Args[1:]))
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "--plan" {
		fail("plan", printPlan(os.Args[2], append(os.Args[3:], "autoinstall")[0]))
		return
	}
	host := thisHost()
	say("airlab demo installer: a stand-in for Ubuntu's (subiquity, curtin); it installs Debian")
	then, err := install(host)
	if err != nil {
		say("FAILED: %v", err)
		host.giveUp()
	}
	host.end(then)
}

func fail(who string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", who, err)
		os.Exit(1)
	}
}

func printPlan(file, cmdline string) error {
	document, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	plan, err := makePlan(document, parseCmdline(cmdline), "00000000-0000-0000-0000-000000000000")
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(plan)
}

// install does everything up to the last unmount and says how the machine shall end: "reboot" or "poweroff".
func install(host host) (string, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", err
	}
	cmdline := parseCmdline(string(line))
	say("kernel command line: %s", cmdline.text)
	if !cmdline.autoinstall {
		return "", fmt.Errorf("the kernel command line lacks the word autoinstall: the real installer would now ask whether to go on")
	}
	if err := host.findMedia(cmdline); err != nil {
		return "", err
	}
	document, err := readSeed(cmdline)
	if err != nil {
		return "", err
	}
	plan, err := makePlan(document, cmdline, newUUID())
	if err != nil {
		return "", err
	}
	for _, note := range plan.Notes {
		say("note: %s", note)
	}
	for i, command := range plan.EarlyCommands {
		if err := runCommand("early", i, command); err != nil {
			return "", err
		}
	}
	disk, err := host.findDisk()
	if err != nil {
		return "", err
	}
	if err := prepareDisk(disk, plan, host.container); err != nil {
		return "", err
	}
	if err := unpack("/cdrom/casper/filesystem.tar", target); err != nil {
		return "", err
	}
	if err := missingPackages(plan.Packages); err != nil {
		return "", err
	}
	for _, file := range plan.Files {
		if err := file.write(target); err != nil {
			return "", err
		}
	}
	for i, command := range plan.LateCommands {
		if err := runCommand("late", i, command); err != nil {
			return "", err
		}
	}
	// The menu comes last: a disk without it is not booted from, and a cut-off installation begins anew.
	if !host.container {
		syscall.Sync()
	}
	if err := plan.Menu.write(target); err != nil {
		return "", err
	}
	if err := leaveTarget(host.container); err != nil {
		return "", err
	}
	say("installed")
	return plan.Shutdown, nil
}
