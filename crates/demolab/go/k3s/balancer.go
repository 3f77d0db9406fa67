package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/ioutil"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/cache"
)

// balancer is k3s's client load balancer: on an agent, 127.0.0.1:6444 is the API of a server that answers.
type balancer struct {
	mu      sync.Mutex
	url     string
	file    string
	servers []string            // host:port; the first is asked first
	failing map[string]int      // checks in a row that a server did not answer
	open    map[net.Conn]string // connections to servers, by server
}

// kept is the file in which the servers outlive a restart: the configured one may be gone by then.
type kept struct {
	ServerURL       string
	ServerAddresses []string
}

const unanswered = 2 // checks; then a server's connections are cut

func startBalancer(ctx context.Context, s settings) (*balancer, error) {
	first, err := url.Parse(s.one("server"))
	if err != nil || first.Scheme != "https" || first.Host == "" {
		return nil, fmt.Errorf("server %q: an https:// address is expected", s.one("server"))
	}
	host := first.Host
	if first.Port() == "" {
		host = net.JoinHostPort(first.Hostname(), "443")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", s.one("lb-server-port")))
	if err != nil {
		return nil, fmt.Errorf("client load balancer: %v", err)
	}
	b := &balancer{
		url: "https://" + listener.Addr().String(), file: s.dir("agent", "etc", "k3s-agent-load-balancer.json"),
		servers: []string{host}, failing: map[string]int{}, open: map[net.Conn]string{},
	}
	var old kept
	if content, err := ioutil.ReadFile(b.file); err == nil && json.Unmarshal(content, &old) == nil && old.ServerURL == s.one("server") {
		b.servers = unique(append(b.servers, old.ServerAddresses...))
	}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.carry(conn)
		}
	}()
	go b.check(ctx)
	logf("info", "Running load balancer k3s-agent-load-balancer %s -> %v", listener.Addr(), b.servers)
	return b, nil
}

// carry connects one client with the first server that takes the connection.
func (b *balancer) carry(client net.Conn) {
	defer client.Close()
	for _, server := range b.order() {
		conn, err := net.DialTimeout("tcp", server, 3*time.Second)
		if err != nil {
			continue
		}
		b.mu.Lock()
		b.open[conn] = server
		b.mu.Unlock()
		done := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{conn, client}, {client, conn}} {
			go func(to, from net.Conn) {
				io.Copy(to, from)
				done <- struct{}{}
			}(way[0], way[1])
		}
		<-done
		conn.Close()
		b.mu.Lock()
		delete(b.open, conn)
		b.mu.Unlock()
		return
	}
}

// order is the servers that answered last time, then the others.
func (b *balancer) order() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var good, bad []string
	for _, server := range b.servers {
		if b.failing[server] < unanswered {
			good = append(good, server)
		} else {
			bad = append(bad, server)
		}
	}
	return append(good, bad...)
}

// check asks every server for a sign of life, and cuts the connections to those that give none: a dead machine does not.
func (b *balancer) check(ctx context.Context) {
	client := clientTrusting(&tls.Config{InsecureSkipVerify: true}) // a sign of life is no secret, and nothing is told
	client.Timeout = 4 * time.Second
	for sleep(ctx, 3*time.Second) {
		for _, server := range b.order() {
			answer, err := client.Get("https://" + server + "/ping")
			if err == nil {
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s", answer.Status)
				}
			}
			b.note(server, err)
		}
	}
}

func (b *balancer) note(server string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		if b.failing[server] >= unanswered {
			logf("info", "load balancer: server %s answers again", server)
		}
		b.failing[server] = 0
		return
	}
	if b.failing[server]++; b.failing[server] == unanswered {
		logf("warning", "load balancer: server %s does not answer: %v", server, err)
		for _, other := range b.servers {
			if b.failing[other] < unanswered { // a slow server alone is better than none
				b.cut(server)
				break
			}
		}
	}
}

// cut ends the connections of a server; b.mu is held.
func (b *balancer) cut(server string) {
	for conn, of := range b.open {
		if of == server {
			conn.Close()
		}
	}
}

// follow keeps the list of servers what the endpoints of the service `kubernetes` are.
func (b *balancer) follow(ctx context.Context, s settings, kubeconfig string) error {
	client, err := clientFrom(kubeconfig)
	if err != nil {
		return err
	}
	learn := func(o interface{}) {
		if e, ok := o.(*core.Endpoints); ok {
			b.learn(s, e)
		}
	}
	source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "endpoints", "default", fields.OneTermEqualSelector("metadata.name", "kubernetes"))
	_, controller := cache.NewInformer(source, &core.Endpoints{}, 0, cache.ResourceEventHandlerFuncs{
		AddFunc: learn, UpdateFunc: func(_, o interface{}) { learn(o) },
	})
	go controller.Run(ctx.Done())
	return nil
}

func (b *balancer) learn(s settings, e *core.Endpoints) {
	var now []string
	for _, set := range e.Subsets {
		for _, a := range set.Addresses {
			for _, p := range set.Ports {
				now = append(now, net.JoinHostPort(a.IP, strconv.Itoa(int(p.Port))))
			}
		}
	}
	if len(now) == 0 {
		return // a server that is starting; the list we have is better than none
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(now) == len(b.servers) && len(unique(append(now, b.servers...))) == len(now) {
		return
	}
	for _, server := range b.servers {
		if !contains(now, server) {
			b.cut(server)
		}
	}
	logf("info", "Updated load balancer k3s-agent-load-balancer server addresses -> %v", now)
	b.servers = now
	content, err := json.Marshal(kept{s.one("server"), now})
	if err == nil {
		err = writeFile(b.file, content, 0600)
	}
	if err != nil {
		logf("warning", "%s: %v", b.file, err)
	}
}
