package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

var (
	errFull     = errors.New("no room for the volume")
	errNotFound = errors.New("not found")
)

// shape is what a volume has in common with its snapshots.
type shape struct {
	Block bool `json:"block"`
	// Sized volumes are file systems of their own, so that they can be full; others end with the disk that they lie on.
	Sized bool `json:"sized"`
}

// isFile tells whether the content is a sparse file and not a folder.
func (s shape) isFile() bool { return s.Block || s.Sized }

// volume lies in `volumes/<id>`: `meta.json`, and `content`, a folder or a sparse file.
type volume struct {
	shape
	Id       string `json:"id"`
	Name     string `json:"name"`
	Capacity int64  `json:"capacity"`
	// FromSnapshot and FromVolume are the ids of what it was filled from.
	FromSnapshot string `json:"fromSnapshot"`
	FromVolume   string `json:"fromVolume"`
}

// snapshot lies in `snapshots/<id>`, in the same way.
type snapshot struct {
	shape
	Id   string `json:"id"`
	Name string `json:"name"`
	// Group is the id of the group that it was taken with, if it was.
	Group   string    `json:"group,omitempty"`
	Source  string    `json:"source"`
	Size    int64     `json:"size"`
	Taken   time.Time `json:"taken"`
	ReadyAt time.Time `json:"readyAt"`
}

// store keeps everything on disk, so that a driver that was killed goes on where it was. A thing is there when its folder is: it is made under another name.
type store struct {
	mutex    sync.Mutex
	root     string
	capacity int64
}

func openStore(root string, capacity int64) (*store, error) {
	s := &store{root: root, capacity: capacity}
	if err := os.RemoveAll(s.path("making")); err != nil {
		return nil, err
	}
	for _, folder := range []string{"volumes", "snapshots", "groups", "making"} {
		if err := os.MkdirAll(s.path(folder), 0o755); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

func (s *store) volumePath(id string) string { return s.path("volumes", id, "content") }

// idOf makes a call that comes twice find what the first one made.
func idOf(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return kind + "-" + hex.EncodeToString(sum[:8])
}

// read finds a volume or snapshot; an id that is no plain name is not found.
func read[T any](s *store, folder, id string) (*T, error) {
	if id == "" || id != filepath.Base(id) || strings.HasPrefix(id, ".") {
		return nil, errNotFound
	}
	text, err := os.ReadFile(s.path(folder, id, "meta.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	found := new(T)
	return found, json.Unmarshal(text, found)
}

// list is in the order of the ids.
func list[T any](s *store, folder string) ([]*T, error) {
	entries, err := os.ReadDir(s.path(folder))
	if err != nil {
		return nil, err
	}
	sort.Slice(entries, func(a, b int) bool { return entries[a].Name() < entries[b].Name() })
	found := []*T{}
	for _, entry := range entries {
		item, err := read[T](s, folder, entry.Name())
		if err != nil && !errors.Is(err, errNotFound) {
			return nil, err
		}
		if err == nil {
			found = append(found, item)
		}
	}
	return found, nil
}

func (s *store) available() (int64, error) {
	volumes, err := list[volume](s, "volumes")
	left := s.capacity
	for _, volume := range volumes {
		left -= volume.Capacity
	}
	return left, err
}

func (s *store) createVolume(made *volume) error {
	left, err := s.available()
	if err != nil {
		return err
	}
	if made.Capacity > left {
		return errFull
	}
	return s.make("volumes", made.Id, made, func(content string) error {
		if made.FromSnapshot != "" {
			return fill(made, s.path("snapshots", made.FromSnapshot, "content"), content)
		}
		if made.FromVolume == "" {
			return fill(made, "", content)
		}
		return s.frozen(made.FromVolume, func(source string) error { return fill(made, source, content) })
	})
}

func (s *store) createSnapshot(made *snapshot) error {
	return s.make("snapshots", made.Id, made, func(content string) error {
		return s.frozen(made.Source, func(source string) error { return copyContent(source, content) })
	})
}

// createGroup takes all snapshots while all their volumes rest; what an earlier try has left is of another moment, and taken anew.
func (s *store) createGroup(made *group, snapshots []*snapshot) error {
	for _, one := range snapshots {
		if err := s.remove("snapshots", one.Id); err != nil {
			return err
		}
	}
	contents := map[string]string{}
	err := s.allFrozen(snapshots, contents, func() error {
		for _, one := range snapshots {
			if err := s.make("snapshots", one.Id, one, func(content string) error { return copyContent(contents[one.Source], content) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.make("groups", made.Id, made, func(content string) error { return os.Mkdir(content, 0o755) })
	}
	if err != nil {
		for _, one := range snapshots {
			err = errors.Join(err, s.remove("snapshots", one.Id))
		}
	}
	return err
}

// allFrozen brings the sources to rest one after the other, and does the work while all are.
func (s *store) allFrozen(left []*snapshot, contents map[string]string, work func() error) error {
	if len(left) == 0 {
		return work()
	}
	return s.frozen(left[0].Source, func(content string) error {
		contents[left[0].Source] = content
		return s.allFrozen(left[1:], contents, work)
	})
}

// fill makes a volume's content, from the source's where there is one.
func fill(made *volume, source, content string) error {
	if !made.isFile() {
		if source != "" {
			return copyContent(source, content)
		}
		return os.Mkdir(content, 0o755)
	}
	var err error
	if source != "" {
		err = copyContent(source, content)
	} else {
		err = os.WriteFile(content, nil, 0o600)
	}
	if err == nil {
		err = os.Truncate(content, made.Capacity)
	}
	if err != nil || !made.Sized {
		return err
	}
	if source == "" {
		return run("mkfs.ext4", "-q", "-F", "-m", "0", content)
	}
	var failed *exec.ExitError
	if err := run("e2fsck", "-f", "-p", content); err != nil && !(errors.As(err, &failed) && failed.ExitCode() == 1) { // 1: mended
		return err
	}
	return run("resize2fs", content)
}

// frozen gives the volume's content to the work; a file system of its own is brought to rest before, where it is mounted.
func (s *store) frozen(id string, work func(content string) error) error {
	content := s.volumePath(id)
	known, err := read[volume](s, "volumes", id)
	if err != nil || !known.Sized {
		return work(content)
	}
	device, err := deviceOf(content)
	if err != nil || device == "" {
		return work(content)
	}
	target, err := mountOf(device)
	if err != nil || target == "" {
		return work(content)
	}
	if err := run("fsfreeze", "--freeze", target); err != nil {
		return err
	}
	defer run("fsfreeze", "--unfreeze", target)
	return work(content)
}

func (s *store) make(folder, id string, meta any, fill func(content string) error) error {
	making := s.path("making", id)
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, 0o755); err != nil {
		return err
	}
	if err := fill(filepath.Join(making, "content")); err != nil {
		return err
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(making, "meta.json"), text, 0o600); err != nil {
		return err
	}
	return os.Rename(making, s.path(folder, id))
}

// remove may be called for what is not there. The rename makes it vanish at once.
func (s *store) remove(folder, id string) error {
	if id != filepath.Base(id) || strings.HasPrefix(id, ".") {
		return nil
	}
	gone := s.path("making", id+".gone")
	if err := os.Rename(s.path(folder, id), gone); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}

// copyContent shares blocks with the source where the file system can.
func copyContent(from, to string) error {
	return run("cp", "--archive", "--reflink=auto", "--sparse=auto", from, to)
}

func run(name string, arguments ...string) error {
	_, err := output(name, arguments...)
	return err
}

func output(name string, arguments ...string) (string, error) {
	text, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(arguments, " "), err, strings.TrimSpace(string(text)))
	}
	return strings.TrimSpace(string(text)), nil
}
