package disk

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// vectorMax is the kernel's IOV_MAX.
const vectorMax = 1024

// WriteChunks writes all chunks: many together past the page cache, few as usual.
func (f osFile) WriteChunks(chunks [][]byte) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if sizeOf(chunks) >= directMin {
		done, err := f.writeDirect(raw, chunks)
		if err != nil {
			return &os.PathError{Op: "write", Path: f.Name(), Err: err}
		}
		chunks = advance(slices.Clone(chunks), done)
	}
	return f.writeVector(raw, chunks)
}

func sizeOf(chunks [][]byte) (n int) {
	for _, c := range chunks {
		n += len(c)
	}
	return n
}

// writeVector writes up to 1024 chunks with one call. (net.Buffers would do this for sockets, but for files it calls Write for
// each.)
func (f osFile) writeVector(raw syscall.RawConn, chunks [][]byte) error {
	vector := make([][]byte, 0, min(len(chunks), vectorMax))
	for {
		for len(chunks) > 0 && len(vector) < vectorMax {
			if len(chunks[0]) > 0 {
				vector = append(vector, chunks[0])
			}
			chunks = chunks[1:]
		}
		if len(vector) == 0 {
			return nil
		}
		n, err := writev(raw, vector)
		if err != nil {
			return &os.PathError{Op: "writev", Path: f.Name(), Err: err}
		}
		vector = advance(vector, n)
	}
}

func writev(raw syscall.RawConn, vector [][]byte) (n int, err error) {
	outer := raw.Write(func(fd uintptr) bool {
		for {
			n, err = unix.Writev(int(fd), vector)
			if !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	})
	return n, errors.Join(outer, err)
}

// advance drops the first n bytes, and moves what is left to the front. The
// slices are ours, the bytes behind them are not.
func advance(vector [][]byte, n int) [][]byte {
	done := 0
	for done < len(vector) && n >= len(vector[done]) {
		n -= len(vector[done])
		done++
	}
	left := copy(vector, vector[done:])
	if left > 0 {
		vector[0] = vector[0][n:]
	}
	return vector[:left]
}
