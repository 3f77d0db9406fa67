package main

import (
	"context"
	"fmt"
	"io/ioutil"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron"
)

// snapshots is where they are and what they are called.
func (s settings) snapshots() string {
	if dir := s.one("etcd-snapshot-dir"); dir != "" {
		return dir
	}
	return s.dir("server", "db", "snapshots")
}

// runSnapshot is the verb "etcd-snapshot".
func runSnapshot(args []string) error {
	verb := "save"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	var names, flags []string
	for i := 0; i < len(args); i++ {
		switch name := strings.TrimLeft(args[i], "-"); {
		case name == args[i]:
			names = append(names, name)
		case name == "name" || strings.HasPrefix(name, "name=") || name == "snapshot-retention" || strings.HasPrefix(name, "snapshot-retention="),
			strings.HasPrefix(name, "snapshot-dir"), strings.HasPrefix(name, "dir"):
			name = "--etcd-snapshot-" + strings.TrimPrefix(name, "snapshot-")
			flags = append(flags, name)
			if !strings.Contains(name, "=") && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		default:
			flags = append(flags, args[i])
			if !strings.Contains(name, "=") && knownOptions[name].shape != toggle && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		}
	}
	s, err := loadSettings(server, flags)
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.dir("server", "db", "cluster-init")); err != nil {
		return fmt.Errorf("etcd datastore disabled")
	}
	switch verb {
	case "save":
		path, err := s.saveSnapshot(context.Background(), s.one("etcd-snapshot-name"))
		if err == nil {
			logf("info", "Snapshot %s saved.", filepath.Base(path))
		}
		return err
	case "ls", "list", "l":
		fmt.Println("Name\tLocation\tSize\tCreated")
		for _, path := range s.savedSnapshots("") {
			if info, err := os.Stat(path); err == nil {
				fmt.Printf("%s\tfile://%s\t%d\t%s\n", filepath.Base(path), path, info.Size(), stamp(info.ModTime()))
			}
		}
		return nil
	case "delete":
		for _, name := range names {
			if err := os.Remove(filepath.Join(s.snapshots(), filepath.Base(name))); err != nil {
				return err
			}
			logf("info", "Snapshot %s deleted.", name)
		}
		return nil
	case "prune":
		return s.pruneSnapshots(s.one("etcd-snapshot-name"))
	}
	return fmt.Errorf("unknown etcd-snapshot command %q", verb)
}

func (s settings) saveSnapshot(ctx context.Context, name string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	if v := s.one("node-name"); v != "" {
		host = v
	}
	if err := makeDirs(0700, s.snapshots()); err != nil {
		return "", err
	}
	path := filepath.Join(s.snapshots(), fmt.Sprintf("%s-%s-%d", name, host, time.Now().Unix()))
	if out, err := s.etcdctl(ctx, "snapshot", "save", path); err != nil {
		return "", fmt.Errorf("etcdctl: %v: %s", err, out)
	}
	return path, os.Chmod(path, 0600)
}

func (s settings) etcdctl(ctx context.Context, args ...string) (string, error) {
	pki := s.dir("server", "tls", "etcd") + "/"
	limited, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(limited, "/usr/bin/etcdctl", append([]string{
		"--endpoints=https://127.0.0.1:2379", "--cacert=" + pki + "server-ca.crt", "--cert=" + pki + "client.crt", "--key=" + pki + "client.key",
	}, args...)...)
	command.Env = append(childEnv(), "ETCDCTL_API=3")
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// savedSnapshots are the finished ones whose names begin so, oldest first.
func (s settings) savedSnapshots(prefix string) []string {
	entries, err := ioutil.ReadDir(s.snapshots())
	if err != nil {
		return nil
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].ModTime().Before(entries[j].ModTime()) })
	var paths []string
	for _, e := range entries {
		if e.Mode().IsRegular() && strings.HasPrefix(e.Name(), prefix) && !strings.HasSuffix(e.Name(), ".part") {
			paths = append(paths, filepath.Join(s.snapshots(), e.Name()))
		}
	}
	return paths
}

func (s settings) pruneSnapshots(prefix string) error {
	keep, err := strconv.Atoi(s.one("etcd-snapshot-retention"))
	if err != nil || keep < 1 {
		return err
	}
	for paths := s.savedSnapshots(prefix + "-"); len(paths) > keep; paths = paths[1:] {
		if err := os.Remove(paths[0]); err != nil {
			return err
		}
		logf("info", "Snapshot %s pruned.", filepath.Base(paths[0]))
	}
	return nil
}

// keepSnapshots saves by the schedule.
func keepSnapshots(ctx context.Context, s settings) {
	if !s.embedded() || s.on("etcd-disable-snapshots") {
		return
	}
	schedule, err := cron.ParseStandard(s.one("etcd-snapshot-schedule-cron"))
	if err != nil {
		logf("error", "etcd-snapshot-schedule-cron: %v", err)
		return
	}
	for sleep(ctx, time.Until(schedule.Next(time.Now()))) {
		_, err := s.saveSnapshot(ctx, s.one("etcd-snapshot-name"))
		if err == nil {
			err = s.pruneSnapshots(s.one("etcd-snapshot-name"))
		}
		if err != nil {
			logf("error", "scheduled snapshot: %v", err)
		}
	}
}
