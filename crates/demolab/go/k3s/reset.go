package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// resetFlag is there between a reset and the next normal start, so that a unit with the flag left in it does no harm.
func (s settings) resetFlag() string { return s.dir("server", "db", "reset-flag") }

// resetCluster is `k3s server --cluster-reset [--cluster-reset-restore-path=FILE]`: this server becomes the only member,
// with its own data or with a snapshot's. The old data is kept aside where a snapshot takes its place.
func resetCluster(ctx context.Context, f *family, s settings) error {
	if s.one("server") != "" {
		return fmt.Errorf("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
	}
	if _, err := os.Stat(s.resetFlag()); err == nil {
		return fmt.Errorf("Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally. "+
			"If you need to perform another cluster reset, you must first manually delete the file at %s", s.resetFlag())
	}
	n, err := newNode(s, f)
	if err != nil {
		return err
	}
	from := s.one("cluster-reset-restore-path")
	if from != "" {
		if _, err := os.Stat(from); err != nil {
			return fmt.Errorf("etcd: snapshot path does not exist: %s", from)
		}
	}
	d := &datastore{s: s, n: n, name: n.name + "-" + randomHex(4)}
	if from == "" {
		if !d.exists() {
			return fmt.Errorf("etcd datastore disabled, or no data in %s", d.dir())
		}
		err = d.forceNew(ctx, f)
	} else {
		err = d.restore(ctx, from)
	}
	if err != nil {
		return err
	}
	if err := writeFile(s.resetFlag(), nil, 0600); err != nil {
		return err
	}
	logf("info", "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. "+
		"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")
	return syscall.Kill(os.Getpid(), syscall.SIGTERM) // a good end
}

// restore puts a snapshot in the place of the data.
func (d *datastore) restore(ctx context.Context, from string) error {
	fresh := d.dir() + "-restored"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if out, err := d.s.etcdctl(ctx, "snapshot", "restore", from, "--data-dir="+fresh, "--name="+d.name,
		"--initial-cluster="+d.name+"="+d.peer(), "--initial-advertise-peer-urls="+d.peer()); err != nil {
		return fmt.Errorf("etcdctl: %v: %s", err, out)
	}
	if err := writeFile(fresh+"/name", []byte(d.name), 0600); err != nil {
		return err
	}
	if err := d.putAside(); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Rename(fresh, d.dir())
}

// forceNew makes the data the data of a cluster of one.
func (d *datastore) forceNew(ctx context.Context, f *family) error {
	if err := writeFile(d.dir("name"), []byte(d.name), 0600); err != nil {
		return err
	}
	os.Remove(d.tombstone())
	if err := d.start(f, "--force-new-cluster", "--initial-cluster="+d.name+"="+d.peer()); err != nil {
		return err
	}
	return wait(ctx, "etcd as the only member", 2*time.Minute, func() error {
		members, err := etcdMembers(ctx, d.s.one("data-dir"))
		if err == nil && len(members) != 1 {
			err = fmt.Errorf("%d members", len(members))
		}
		return err
	})
}
