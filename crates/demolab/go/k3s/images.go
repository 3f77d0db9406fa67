package main

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/ioutil"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// imageFolder is agent/images: archives that are read into containerd before the kubelet starts, and later ones too.
type imageFolder struct {
	dir  string
	seen map[string]imageFile // what was read in, or failed, since this start
}

type imageFile struct {
	Size    int64     `json:"size"`
	ModTime time.Time `json:"modTime"`
}

func newImageFolder(dir string) *imageFolder {
	f := &imageFolder{dir, map[string]imageFile{}}
	if content, err := ioutil.ReadFile(f.cache()); err == nil && len(content) > 0 {
		if err := json.Unmarshal(content, &f.seen); err != nil {
			logf("warning", "%s: %v", f.cache(), err)
		}
	}
	return f
}

// cache is used only where somebody made the file: then a known archive is not read again at the next start.
func (f *imageFolder) cache() string { return filepath.Join(f.dir, ".cache.json") }

func (f *imageFolder) scan(ctx context.Context) {
	changed := false
	for _, path := range sortedFiles(f.dir) {
		info, err := os.Stat(path)
		if err != nil || path == f.cache() || strings.HasPrefix(filepath.Base(path), ".") {
			continue
		}
		now := imageFile{info.Size(), info.ModTime()}
		old, known := f.seen[path]
		if known && (old.Size == now.Size || !now.ModTime.After(old.ModTime)) {
			continue
		}
		begin := time.Now()
		refs, err := importFile(ctx, path)
		if ctx.Err() != nil {
			return
		}
		if err != nil { // as in k3s only a line in the log: the node starts, and the image is missing
			logf("error", "Failed to import %s: %v", path, err)
		} else if len(refs) > 0 {
			logf("info", "Imported images from %s in %v: %s", path, time.Since(begin).Round(time.Millisecond), strings.Join(refs, ", "))
		}
		f.seen[path] = now
		changed = true
	}
	if _, err := os.Stat(f.cache()); err == nil && changed {
		content, err := json.Marshal(f.seen)
		if err == nil {
			err = writeFile(f.cache(), content, 0644)
		}
		if err != nil {
			logf("warning", "%s: %v", f.cache(), err)
		}
	}
}

// importFile reads one archive, or pulls the images a .txt file names, and pins them against garbage collection.
func importFile(ctx context.Context, path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var archive io.Reader = file
	switch {
	case strings.HasSuffix(path, ".tar"):
	case strings.HasSuffix(path, ".tar.gz"), strings.HasSuffix(path, ".tgz"):
		if archive, err = gzip.NewReader(file); err != nil {
			return nil, err
		}
	case strings.HasSuffix(path, ".tar.bz2"), strings.HasSuffix(path, ".tbz"):
		archive = bzip2.NewReader(file)
	case strings.HasSuffix(path, ".tar.zst"), strings.HasSuffix(path, ".tzst"), strings.HasSuffix(path, ".tar.lz4"):
		return nil, fmt.Errorf("the stand-in for k3s reads .tar, .tar.gz and .tar.bz2")
	case strings.HasSuffix(path, ".txt"):
		return nil, fmt.Errorf("the stand-in for k3s pulls no lists of images")
	default:
		return nil, nil
	}
	out, err := ctr(ctx, archive, "images", "import", "--all-platforms", "-")
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, found := range unpacked.FindAllStringSubmatch(out, -1) {
		refs = append(refs, found[1])
		if _, err := ctr(ctx, nil, "images", "label", found[1], "io.cri-containerd.pinned=pinned", "io.cattle.k3s.pinned=pinned"); err != nil {
			return refs, err
		}
	}
	return refs, nil
}

var unpacked = regexp.MustCompile(`(?m)^unpacking (\S+) \(`)

func ctr(ctx context.Context, in io.Reader, args ...string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(limited, "/usr/bin/ctr", append([]string{"-a", containerdSocket, "-n", "k8s.io"}, args...)...)
	var failure bytes.Buffer
	command.Stdin, command.Stderr = in, &failure
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %v: %s", strings.Join(args[:2], " "), err, strings.TrimSpace(failure.String()))
	}
	return string(out), nil
}
