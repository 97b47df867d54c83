package disk

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// recorder is the real file system, with a transcript of all calls, failures by
// choice, and a model of what a power cut would leave: a file's bytes
// if it was synced before it got its name, a name if its folder was synced after.
type recorder struct {
	root string
	// fail is asked before each call; its error is returned instead of it.
	fail func(call string) error
	mu   struct {
		sync.Mutex
		calls   []string
		bytes   map[string]bool // path → bytes are on disk
		pending map[string]bool // path → the name exists in memory only
		names   map[string]bool // path → the name is on disk
	}
}

func newRecorder(root string) *recorder {
	r := &recorder{root: root}
	r.mu.bytes = map[string]bool{}
	r.mu.pending = map[string]bool{}
	r.mu.names = map[string]bool{}
	return r
}

func (r *recorder) call(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	if r.fail != nil {
		if err := r.fail(call); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.calls = append(r.mu.calls, call)
	return nil
}

// short names the temporary file alike in every transcript.
func (r *recorder) short(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, r.root), "/")
	if strings.HasPrefix(path, ".tmp/put-") {
		return "TEMP"
	}
	if path == "" {
		return "ROOT"
	}
	return path
}

func (r *recorder) transcript() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.mu.calls = nil }()
	return strings.Join(r.mu.calls, "\n")
}

// survives says whether an object would be there, whole, after a power cut.
func (r *recorder) survives(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mu.bytes[path] {
		return false
	}
	for ; path != r.root; path = filepath.Dir(path) {
		if !r.mu.names[path] {
			return false
		}
	}
	return true
}

func (r *recorder) CreateTemp(folder string) (file, error) {
	if err := r.call("create TEMP"); err != nil {
		return nil, err
	}
	f, err := osFiles{}.CreateTemp(folder)
	return recordedFile{r, f}, err
}

func (r *recorder) Link(from, to string) error {
	if err := r.call("link %s %s", r.short(from), r.short(to)); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := (osFiles{}).Link(from, to); err != nil {
		return err
	}
	r.mu.bytes[to] = r.mu.bytes[from]
	r.mu.pending[to] = true
	return nil
}

func (r *recorder) Remove(path string) error {
	if err := r.call("remove %s", r.short(path)); err != nil {
		return err
	}
	return osFiles{}.Remove(path)
}

func (r *recorder) Mkdir(path string) error {
	if err := r.call("mkdir %s", r.short(path)); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := (osFiles{}).Mkdir(path); err != nil {
		return err
	}
	r.mu.pending[path] = true
	return nil
}

func (r *recorder) SyncFolder(path string) error {
	if err := r.call("sync folder %s", r.short(path)); err != nil {
		return err
	}
	r.mu.Lock()
	var names []string
	for name := range r.mu.pending {
		if filepath.Dir(name) == path {
			names = append(names, name)
		}
	}
	r.mu.Unlock()
	if err := (osFiles{}).SyncFolder(path); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		r.mu.names[name] = true
		delete(r.mu.pending, name)
	}
	return nil
}

type recordedFile struct {
	r *recorder
	file
}

func (f recordedFile) WriteChunks(chunks [][]byte) error {
	if err := f.r.call("write %d chunks", len(chunks)); err != nil {
		return err
	}
	return f.file.WriteChunks(chunks)
}

func (f recordedFile) Sync() error {
	if err := f.r.call("sync %s", f.r.short(f.Name())); err != nil {
		return err
	}
	f.r.mu.Lock()
	f.r.mu.bytes[f.Name()] = true
	f.r.mu.Unlock()
	return f.file.Sync()
}

func (f recordedFile) Close() error {
	if err := f.r.call("close"); err != nil {
		return err
	}
	return f.file.Close()
}
