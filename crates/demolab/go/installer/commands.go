package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// runCommand runs one early- or late-command in the installer's own environment; a failing one ends the installation.
func runCommand(kind string, index int, argv command) error {
	shown := strings.Join(argv, " ")
	if len(argv) == 3 && argv[1] == "-c" {
		shown = argv[2]
	}
	say("%s-command %d: %s", kind, index+1, strings.SplitN(shown, "\n", 2)[0])
	run := exec.Command(argv[0], argv[1:]...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	run.Env = append(os.Environ(), "TARGET_MOUNT_POINT="+target)
	if err := run.Run(); err != nil {
		return fmt.Errorf("%s-command %d (%s): %v", kind, index+1, strings.SplitN(shown, "\n", 2)[0], err)
	}
	return nil
}

// curtin is the one verb of curtin that documents use: run a program inside the installed system.
func curtin(args []string) error {
	if len(args) == 0 || args[0] != "in-target" {
		return fmt.Errorf("this stand-in knows only: in-target [--target=DIR] -- COMMAND...")
	}
	root, rest := target, args[1:]
	for len(rest) > 0 && rest[0] != "--" {
		switch {
		case strings.HasPrefix(rest[0], "--target="):
			root, rest = strings.TrimPrefix(rest[0], "--target="), rest[1:]
		case (rest[0] == "--target" || rest[0] == "-t") && len(rest) > 1:
			root, rest = rest[1], rest[2:]
		case strings.HasPrefix(rest[0], "-"):
			return fmt.Errorf("in-target: unknown option %s", rest[0])
		default:
			rest = append([]string{"--"}, rest...)
		}
	}
	if len(rest) < 2 {
		return fmt.Errorf("in-target: no command")
	}
	return inTarget(root, rest[1:])
}

// inTarget becomes the program: in the installed system's root, with the machine's dev, proc, run and sys, in a mount
// namespace that vanishes with it.
func inTarget(root string, argv []string) error {
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %v", err)
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %v", err)
	}
	for _, dir := range []string{"/dev", "/proc", "/run", "/sys"} {
		if err := syscall.Mount(dir, filepath.Join(root, dir), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s: %v", dir, err)
		}
	}
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return syscall.Exec(program, argv, os.Environ())
}
