package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/ioutil"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/clientv3"
	"k8s.io/client-go/util/cert"
)

// datastore is this server's etcd: alone, or one member of several.
type datastore struct {
	s    settings
	n    *node
	name string // NODE-xxxxxxxx, as k3s calls its members
}

// member is what /db/info tells about one member of etcd.
type member struct {
	ID                   uint64
	Name                 string
	PeerURLs, ClientURLs []string
	IsLearner            bool
}

var errDuplicateName = errors.New("duplicate node name found, please use a unique name for this node (or delete the node object of the machine that had it)")

func openDatastore(s settings, n *node) (*datastore, error) {
	d := &datastore{s: s, n: n}
	if _, err := os.Stat(d.tombstone()); err == nil && s.one("server") != "" && !s.on("cluster-reset") {
		logf("warning", "This server was removed from the cluster: its etcd data is kept aside, it joins anew")
		if err := d.putAside(); err != nil {
			return nil, err
		}
	}
	if err := makeDirs(0700, d.dir()); err != nil {
		return nil, err
	}
	content, err := ioutil.ReadFile(d.dir("name"))
	if os.IsNotExist(err) {
		content = []byte(n.name + "-" + randomHex(4))
		err = writeFile(d.dir("name"), content, 0600)
	}
	d.name = string(content)
	return d, err
}

func (d *datastore) dir(parts ...string) string {
	return d.s.dir(append([]string{"server", "db", "etcd"}, parts...)...)
}

func (d *datastore) tombstone() string { return d.dir("tombstone") }

// mourn notes, from the reason why this server ended, that it is no member any more.
func mourn(s settings, end error) {
	if end != nil && strings.Contains(end.Error(), "has been permanently removed from the cluster") {
		if err := writeFile(s.dir("server", "db", "etcd", "tombstone"), nil, 0600); err != nil {
			logf("warning", "%v", err)
		}
	}
}

func (d *datastore) peer() string { return "https://" + net.JoinHostPort(d.n.ip, "2380") }

// exists is whether this server has data, and with it its members.
func (d *datastore) exists() bool {
	_, err := os.Stat(d.dir("member"))
	return err == nil
}

func (d *datastore) putAside() error {
	return os.Rename(d.dir(), fmt.Sprintf("%s-old-%d", d.dir(), time.Now().Unix()))
}

// embedded is k3s's word for etcd in place of sqlite: only then others can join, and there are snapshots.
func (s settings) embedded() bool { return s.on("cluster-init") || s.one("server") != "" }

func (d *datastore) start(f *family, extra ...string) error {
	pki, at := d.s.dir("server", "tls", "etcd")+"/", "https://"+net.JoinHostPort(d.n.ip, "2379")
	args := append([]string{
		"--name=" + d.name, "--data-dir=" + d.dir(), "--log-level=warn", "--logger=zap", "--heartbeat-interval=500", "--election-timeout=5000",
		"--listen-client-urls=https://127.0.0.1:2379," + at, "--advertise-client-urls=" + at,
		"--listen-peer-urls=" + d.peer(), "--initial-advertise-peer-urls=" + d.peer(),
		"--client-cert-auth", "--trusted-ca-file=" + pki + "server-ca.crt", "--cert-file=" + pki + "server-client.crt", "--key-file=" + pki + "server-client.key",
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + pki + "peer-ca.crt", "--peer-cert-file=" + pki + "peer-server-client.crt", "--peer-key-file=" + pki + "peer-server-client.key",
	}, extra...)
	if d.s.embedded() {
		if err := writeFile(d.s.dir("server", "db", "cluster-init"), nil, 0600); err != nil {
			return err
		}
	}
	return f.start("etcd", "/usr/bin/etcd", "", nil, withOwn(args, d.s["etcd-arg"])...)
}

// run starts etcd and comes back when it answers: as the first member, as one that was here before, or as a new one.
func (d *datastore) run(ctx context.Context, f *family, t token) error {
	if d.exists() || d.s.one("server") == "" {
		if err := d.start(f, "--initial-cluster="+d.name+"="+d.peer()); err != nil {
			return err
		}
	} else if err := d.joinMembers(ctx, f, t); err != nil {
		return err
	}
	local, err := etcdClient(d.s.one("data-dir"), "https://127.0.0.1:2379")
	if err != nil {
		return err
	}
	defer local.Close()
	return wait(ctx, "etcd", 30*time.Minute, func() error {
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		status, err := local.Status(limited, local.Endpoints()[0])
		if err != nil {
			return err
		}
		if status.IsLearner {
			if err := d.promote(ctx, t, status.Header.MemberId); err != nil {
				sleep(ctx, time.Second)
				return err
			}
		}
		_, err = local.Get(limited, "health") // needs a leader and most of the members
		return err
	})
}

// joinMembers adds this server to the members as a learner, which has no vote and so endangers nothing, and starts it.
func (d *datastore) joinMembers(ctx context.Context, f *family, t token) error {
	return joinAs(ctx, "server", d.s.one("server"), t, nil, func(m *membership) error {
		members, client, err := d.others(ctx, m)
		if err != nil {
			return err
		}
		defer client.Close()
		cluster, known := []string{d.name + "=" + d.peer()}, false
		for _, other := range members {
			switch {
			case contains(other.PeerURLs, d.peer()) && other.Name == "": // added before, and never started
				known = true
			case other.Name != "" && other.Name[:strings.LastIndex(other.Name, "-")+1] == d.n.name+"-":
				return fatal{errDuplicateName}
			case other.Name == "":
				return fmt.Errorf("another server is about to join")
			default:
				cluster = append(cluster, other.Name+"="+other.PeerURLs[0])
			}
		}
		if !known {
			limited, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			if _, err := client.MemberAddAsLearner(limited, []string{d.peer()}); err != nil {
				return err // among other things: another learner is there
			}
		}
		logf("info", "Adding member %s to etcd cluster %v", d.name, cluster)
		return d.start(f, "--initial-cluster-state=existing", "--initial-cluster="+strings.Join(cluster, ","))
	})
}

// promote gives this member its vote; etcd refuses as long as it has not caught up.
func (d *datastore) promote(ctx context.Context, t token, id uint64) error {
	if d.s.one("server") == "" {
		return fmt.Errorf("this member is a learner, and `server:` names nobody who could promote it")
	}
	m := &membership{url: d.s.one("server"), token: t, user: "server"}
	if err := m.trust(ctx); err != nil {
		return err
	}
	_, client, err := d.others(ctx, m)
	if err != nil {
		return err
	}
	defer client.Close()
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = client.MemberPromote(limited, id)
	if err == nil {
		logf("info", "Member %s has caught up and votes", d.name)
	}
	return err
}

// others asks a server for the members, and connects to those that vote.
func (d *datastore) others(ctx context.Context, m *membership) ([]member, *clientv3.Client, error) {
	content, err := m.ask(ctx, http.MethodGet, "/db/info", nil)
	if err != nil {
		return nil, nil, err
	}
	var info struct{ Members []member }
	if err := json.Unmarshal(content, &info); err != nil {
		return nil, nil, fmt.Errorf("/db/info: %v", err)
	}
	var urls []string
	for _, other := range info.Members {
		if other.Name != "" && !other.IsLearner {
			urls = append(urls, other.ClientURLs...)
		}
	}
	client, err := etcdClient(d.s.one("data-dir"), urls...)
	return info.Members, client, err
}

// etcdClient connects to etcd with this server's identity.
func etcdClient(dataDir string, endpoints ...string) (*clientv3.Client, error) {
	pki := filepath.Join(dataDir, "server", "tls", "etcd") + "/"
	own, err := tls.LoadX509KeyPair(pki+"client.crt", pki+"client.key")
	if err != nil {
		return nil, err
	}
	roots, err := cert.NewPool(pki + "server-ca.crt")
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: 5 * time.Second, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		TLS: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}},
	})
}

// etcdMembers asks this server's own etcd.
func etcdMembers(ctx context.Context, dataDir string) ([]member, error) {
	client, err := etcdClient(dataDir, "https://127.0.0.1:2379")
	if err != nil {
		return nil, err
	}
	defer client.Close()
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := client.MemberList(limited)
	if err != nil {
		return nil, err
	}
	var members []member
	for _, m := range list.Members {
		members = append(members, member{m.ID, m.Name, m.PeerURLs, m.ClientURLs, m.IsLearner})
	}
	return members, nil
}

// removeMember forgets the etcd of a deleted node. etcd itself refuses when too few of the others are up.
func removeMember(ctx context.Context, dataDir, name string) {
	members, err := etcdMembers(ctx, dataDir)
	if err != nil {
		logf("warning", "etcd member %s of a deleted node not removed: %v", name, err)
		return
	}
	for _, m := range members {
		if m.Name != name || len(members) == 1 {
			continue
		}
		client, err := etcdClient(dataDir, "https://127.0.0.1:2379")
		if err == nil {
			limited, cancel := context.WithTimeout(ctx, 10*time.Second)
			_, err = client.MemberRemove(limited, m.ID)
			cancel()
			client.Close()
		}
		if err != nil {
			logf("warning", "etcd member %s of a deleted node not removed: %v", name, err)
		} else {
			logf("info", "Removed etcd member %s: its node was deleted", name)
		}
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}
