package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// lastLines is how much of a child's output goes into the error when it ends by itself.
const lastLines = 12

// family are the programs that live and die with this process. Containers are not among them: they stay.
type family struct {
	mu       sync.Mutex
	members  []*child
	stopping bool
	failed   chan error // the first unexpected end of one of them
}

type child struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	tail  []string
}

func newFamily() *family { return &family{failed: make(chan error, 1)} }

// start runs one of this binary's own programs, or with a path another one. Output goes to ours, or to a log file.
func (f *family) start(name, path, log string, env []string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := &child{name: name, ended: make(chan struct{})}
	if path == "" {
		path = self
	}
	c.cmd = &exec.Cmd{
		Path: path, Args: append([]string{name}, args...), Env: append(childEnv(), env...),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	out := io.Writer(os.Stderr)
	prefix := name + ": "
	if log != "" {
		file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0600)
		if err != nil {
			return err
		}
		out, prefix = file, ""
	}
	pipe, err := c.cmd.StderrPipe()
	if err != nil {
		return err
	}
	c.cmd.Stdout = c.cmd.Stderr
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal belongs to the thread that made the child: it must live as long
		err := c.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		read := make(chan struct{})
		go func() {
			c.follow(pipe, out, prefix)
			close(read)
		}()
		state, err := c.cmd.Process.Wait()
		select {
		case <-read:
		case <-time.After(time.Second): // a grandchild holds the pipe open
		}
		pipe.Close()
		f.gone(c, state, err)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%s: %v", name, err)
	}
	f.mu.Lock()
	f.members = append(f.members, c)
	f.mu.Unlock()
	return nil
}

// childEnv is our environment without what is ours alone: tokens and systemd's socket.
func childEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "K3S_") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") && !strings.HasPrefix(v, "CONTAINERD_") {
			env = append(env, v)
		}
	}
	return env
}

func (c *child) follow(in io.Reader, out io.Writer, prefix string) {
	reader := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := reader.ReadString('\n')
		if line = strings.TrimRight(line, "\n"); line != "" {
			fmt.Fprintf(out, "%s%s\n", prefix, line)
			c.mu.Lock()
			if c.tail = append(c.tail, line); len(c.tail) > lastLines {
				c.tail = c.tail[1:]
			}
			c.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

func (f *family) gone(c *child, state *os.ProcessState, err error) {
	close(c.ended)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping {
		return
	}
	how := fmt.Sprint(state)
	if err != nil {
		how = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case f.failed <- fmt.Errorf("%s ended by itself (%s); its last lines:\n  %s", c.name, how, strings.Join(c.tail, "\n  ")):
	default:
	}
}

// grace is how long a child may take to end. An API server would wait for its last watch, which nobody ends; k3s, which
// runs it inside itself, does not wait either.
func grace(name string) time.Duration {
	if name == "kube-apiserver" {
		return time.Second
	}
	return 5 * time.Second
}

// stop ends the children, the last one started first.
func (f *family) stop() {
	f.mu.Lock()
	f.stopping = true
	members := f.members
	f.mu.Unlock()
	for i := len(members) - 1; i >= 0; i-- {
		c := members[i]
		c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(grace(c.name)):
			c.cmd.Process.Kill()
			<-c.ended
		}
	}
}
