package main

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const xattrRecord = "SCHILY.xattr."

// unpack writes a root tree with owners, modes, times, extended attributes, links and devices.
func unpack(archive, root string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	say("root tree, %d MiB", info.Size()/mib)
	syscall.Umask(0)
	in := tar.NewReader(bufio.NewReaderSize(file, mib))
	buffer := make([]byte, mib)
	var folders []*tar.Header // their times are set last
	start, told, written := time.Now(), time.Now(), int64(0)
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %v", archive, err)
		}
		path := filepath.Join(root, filepath.Join("/", h.Name))
		if err := extract(h, in, root, path, buffer); err != nil {
			return fmt.Errorf("unpack %s: %v", h.Name, err)
		}
		if h.Typeflag == tar.TypeDir {
			folders = append(folders, h)
		}
		written += h.Size
		if time.Since(told) > 3*time.Second {
			told = time.Now()
			say("root tree: %d of %d MiB", written/mib, info.Size()/mib)
		}
	}
	for i := len(folders) - 1; i >= 0; i-- {
		if err := setTime(filepath.Join(root, filepath.Join("/", folders[i].Name)), folders[i].ModTime); err != nil {
			return err
		}
	}
	say("root tree unpacked in %.1f s", time.Since(start).Seconds())
	return nil
}

func extract(h *tar.Header, in io.Reader, root, path string, buffer []byte) error {
	mode := uint32(h.Mode & 0o7777)
	switch h.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
	case tar.TypeReg, tar.TypeRegA:
		out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		// a plain writer: the copy then uses our large buffer
		if _, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, buffer); err != nil {
			out.Close()
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
	case tar.TypeLink:
		return os.Link(filepath.Join(root, filepath.Join("/", h.Linkname)), path)
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, path); err != nil {
			return err
		}
		return os.Lchown(path, h.Uid, h.Gid)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		kind := map[byte]uint32{tar.TypeChar: syscall.S_IFCHR, tar.TypeBlock: syscall.S_IFBLK, tar.TypeFifo: syscall.S_IFIFO}[h.Typeflag]
		device := int(h.Devmajor<<8 | h.Devminor&0xff | (h.Devminor&^0xff)<<12)
		if err := syscall.Mknod(path, kind|mode, device); err != nil {
			return err
		}
	default:
		return fmt.Errorf("entry of type %q", h.Typeflag)
	}
	if h.Uid != 0 || h.Gid != 0 {
		if err := os.Chown(path, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	if err := syscall.Chmod(path, mode); err != nil {
		return err
	}
	for key, value := range h.PAXRecords {
		if name := strings.TrimPrefix(key, xattrRecord); name != key {
			if err := syscall.Setxattr(path, name, []byte(value), 0); err != nil {
				return fmt.Errorf("%s: %v", name, err)
			}
		}
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return setTime(path, h.ModTime)
}

func setTime(path string, at time.Time) error {
	t := syscall.NsecToTimespec(at.UnixNano())
	return syscall.UtimesNano(path, []syscall.Timespec{t, t})
}

// missingPackages names what the document wants and the root tree lacks: there is no archive to install it from.
func missingPackages(wanted []string) error {
	missing := []string{}
	for _, name := range wanted {
		found, _ := filepath.Glob(filepath.Join(target, "var/lib/dpkg/info", name+".list"))
		multiarch, _ := filepath.Glob(filepath.Join(target, "var/lib/dpkg/info", name+":*.list"))
		if len(found)+len(multiarch) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("packages not on this medium: %s", strings.Join(missing, " "))
	}
	return nil
}
