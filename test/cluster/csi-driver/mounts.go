package main

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// bind may be called twice.
func bind(source, target string, readOnly bool) error {
	if mounted, err := isMounted(target); mounted || err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

func unmount(target string) error {
	for {
		if mounted, err := isMounted(target); !mounted || err != nil {
			return err
		}
		if err := unix.Unmount(target, 0); err != nil {
			return err
		}
	}
}

func isMounted(target string) (bool, error) {
	found, err := mountTable()
	_, mounted := found[filepath.Clean(target)]
	return mounted, err
}

// mountOf is a path where the device is mounted; none is "".
func mountOf(device string) (string, error) {
	found, err := mountTable()
	for target, source := range found {
		if source == device {
			return target, err
		}
	}
	return "", err
}

// mountTable has the source of each mount by its target.
func mountTable() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	found := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		mount, source, _ := strings.Cut(line, " - ")
		fields, sources := strings.Fields(mount), strings.Fields(source)
		if len(fields) > 4 && len(sources) > 1 {
			found[fields[4]] = sources[1]
		}
	}
	return found, err
}

// attach gives the loop device of the file, a new one where it has none.
func attach(file string) (string, error) {
	device, err := deviceOf(file)
	if device != "" || err != nil {
		return device, err
	}
	return output("losetup", "--find", "--show", file)
}

func detach(file string) error {
	device, err := deviceOf(file)
	if device == "" || err != nil {
		return err
	}
	return run("losetup", "--detach", device)
}

func deviceOf(file string) (string, error) {
	text, err := output("losetup", "--noheadings", "--output", "NAME", "--associated", file)
	name, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(name), err
}
