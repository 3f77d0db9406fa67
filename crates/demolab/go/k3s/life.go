package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// live runs a program of children until it fails, one of them ends, or somebody asks it to stop.
func live(start func(ctx context.Context, f *family) error) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("must run as root")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := newFamily()
	defer f.stop()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() {
		if err := start(ctx, f); err != nil {
			failed <- err
		}
	}()
	select {
	case sig := <-asked:
		logf("info", "stopping: %v", sig)
		notify("STOPPING=1")
		return nil
	case err := <-failed:
		return err
	case err := <-f.failed:
		return err
	}
}

// notify tells systemd, where it asked to be told.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		logf("warning", "systemd was not told %s: %v", state, err)
		return
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		logf("warning", "systemd was not told %s: %v", state, err)
	}
}

// wait looks until probe is content, tells every 10 seconds why it is not yet, and gives up after limit.
func wait(ctx context.Context, what string, limit time.Duration, probe func() error) error {
	begin, told := time.Now(), time.Now()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		if time.Since(begin) > limit {
			return fmt.Errorf("%s: not after %v: %v", what, limit, err)
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			logf("info", "Waiting for %s: %v", what, err)
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// sleep is false when the wait was cut short because everything ends.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
