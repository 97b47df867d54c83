package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ErrInUse says that another run adds to the same state.
var ErrInUse = errors.New("another run uses this state")

// Supervise runs work, which is this program with arguments, until ctx ends. When it ends by itself with an error, the
// histories it was at are wrong, and it is started again.
func Supervise(ctx context.Context, s Settings, work func() *exec.Cmd) error {
	unlock, err := lock(s.Path)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		var said bytes.Buffer
		cmd := work()
		cmd.Stdout, cmd.Stderr = os.Stdout, &said
		begun := time.Now()
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }) // it may have ended
		err := cmd.Wait()
		if !stop() || err == nil {
			return err
		}
		if broke := s.broke(err, said.String()); broke != nil {
			return broke
		}
		if time.Since(begun) < time.Second {
			return fmt.Errorf("it ends at once: %w: %s", err, said.String())
		}
	}
}

// broke notes the histories that a process was at when it ended.
func (s *Settings) broke(err error, said string) error {
	state, loaded := Load(s.Path)
	if loaded != nil {
		return loaded
	}
	for _, seed := range state.Running {
		name := fmt.Sprintf("%s.%s-%d-%s.txt", s.Path, seed.Workload, seed.Seed, s.Commit)
		if err := os.WriteFile(name, []byte(said), 0o644); err != nil {
			return fmt.Errorf("write what it said: %w", err)
		}
		state.wrong(Wrong{Seed: seed, Commit: s.Commit, Checker: "the process ends", What: err.Error(), Transcript: name})
	}
	state.Running = nil
	return state.Save(s.Path)
}

// lock makes sure that nobody else adds to a state.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInUse, path, errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil // which unlocks
}
