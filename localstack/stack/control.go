package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

// ErrDown: no stack runs in the folder.
var ErrDown = errors.New("no stack runs in this folder")

// stopMax is how long a stack may take to stop in order; then its processes are ended one by one.
const stopMax = 40 * time.Second

// Look reads what runs in a folder. ErrDown: nothing does; the State says what did.
func Look(dir string) (*State, error) {
	st, err := readState(dir)
	if err == nil && !st.Supervisor.Lives() {
		err = fmt.Errorf("%w: %s", ErrDown, dir)
	}
	return st, err
}

// AwaitReady waits until the stack of a folder serves. ErrDown: ended was closed, or (where that is nil) nothing has run there for a while.
func AwaitReady(ctx context.Context, dir string, ended <-chan struct{}) (*State, error) {
	const while = 5 * time.Second // a stack that has just begun has not written anything yet
	seen := time.Now()
	for {
		st, err := Look(dir)
		switch {
		case err == nil && st.Ready:
			return st, nil
		case err == nil:
			seen = time.Now()
		case !errors.Is(err, ErrDown) || ended == nil && time.Since(seen) > while:
			return nil, err
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("%w: %s", ErrDown, dir)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// Down ends the stack of a folder, and what an earlier one may have left behind. It may be called from anywhere, and again.
func Down(dir string, say func(format string, args ...any)) error {
	st, err := readState(dir)
	if err != nil {
		return err
	}
	was := st.Supervisor.Lives()
	if was {
		st.Supervisor.end(stopMax)
	}
	last, err := readState(dir) // what was started meanwhile
	if err != nil {
		return err
	}
	endAll(last.Processes, say)
	if !was && len(last.Processes) == 0 {
		say("nothing runs in %s", dir)
		return nil
	}
	f := stateFile{dir: dir, state: *last}
	f.stopped()
	say("stopped; data and logs stay in %s", dir)
	return nil
}

// Wipe deletes what a stack has kept in its folder. ErrRunning: it runs.
func Wipe(dir string) error {
	if _, err := os.Stat(statePath(dir)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is no folder of a stack: %w", dir, err)
	}
	lock, err := fileutil.TryLockFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return fmt.Errorf("%w: %s", ErrRunning, dir)
	} else if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	defer lock.Close()
	for _, name := range []string{"minio", "etcd", "logs", "state.json", "lock"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
	}
	_ = os.Remove(dir) // something else lies in it: it stays
	return err
}
