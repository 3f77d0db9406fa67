// Command ks-stand-in stands in for KubeSphere's programs on a demo cluster: it has their names, ports and paths, and
// nothing of their contents. What it says of users and extensions comes from the cluster's API.
//
// usage: ks-stand-in ks-apiserver|ks-console|ks-controller-manager|extensions-museum|extension|hook
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// namespace is the one that KubeSphere's chart insists on.
const namespace = "kubesphere-system"

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-end; os.Exit(0) }()
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	logf("airlab's stand-in for KubeSphere's %s", role)
	var err error
	switch role {
	case "ks-apiserver":
		err = apiserver()
	case "ks-console":
		err = console()
	case "ks-controller-manager":
		err = controllers()
	case "extensions-museum":
		err = museum()
	case "extension":
		err = serve(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") }))
	case "hook":
		err = hook()
	default:
		err = fmt.Errorf("no role %q: nothing that KubeSphere runs", role)
	}
	if err != nil {
		logf("fatal: %v", err)
		os.WriteFile("/dev/termination-log", []byte(err.Error()), 0o644)
		os.Exit(1)
	}
}

func logf(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, time.Now().UTC().Format("15:04:05 ")+format+"\n", args...)
}

func serve(address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second}
	return server.ListenAndServe()
}

// hook is what the chart's Job does after an install: the namespace becomes one of KubeSphere's own.
func hook() error {
	api, err := inCluster()
	if err != nil {
		return err
	}
	_, err = api.merge("/api/v1/namespaces/"+namespace, object{"metadata": object{"labels": object{"kubesphere.io/workspace": "system-workspace"}}})
	return err
}
