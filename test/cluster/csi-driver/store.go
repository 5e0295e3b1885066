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

// volume lies in `volumes/<id>`: `meta.json`, and `content`, a folder or, for block mode, a sparse file.
type volume struct {
	Id       string `json:"id"`
	Name     string `json:"name"`
	Capacity int64  `json:"capacity"`
	Block    bool   `json:"block"`
	// FromSnapshot and FromVolume are the ids of what it was filled from.
	FromSnapshot string `json:"fromSnapshot"`
	FromVolume   string `json:"fromVolume"`
}

// snapshot lies in `snapshots/<id>`, in the same way.
type snapshot struct {
	Id      string    `json:"id"`
	Name    string    `json:"name"`
	Source  string    `json:"source"`
	Size    int64     `json:"size"`
	Block   bool      `json:"block"`
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
	for _, folder := range []string{"volumes", "snapshots", "making"} {
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
		switch {
		case made.FromSnapshot != "":
			err = copyContent(s.path("snapshots", made.FromSnapshot, "content"), content)
		case made.FromVolume != "":
			err = copyContent(s.volumePath(made.FromVolume), content)
		case !made.Block:
			err = os.Mkdir(content, 0o755)
		default:
			err = os.WriteFile(content, nil, 0o600)
		}
		if err == nil && made.Block {
			err = os.Truncate(content, made.Capacity)
		}
		return err
	})
}

func (s *store) createSnapshot(made *snapshot) error {
	return s.make("snapshots", made.Id, made, func(content string) error {
		return copyContent(s.volumePath(made.Source), content)
	})
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
