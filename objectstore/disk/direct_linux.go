package disk

import (
	"errors"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Large bodies are written past the kernel's page cache (O_DIRECT): what was just written is in the broker's own cache, and
// the file is synced at once, so that the copy in the page cache costs a pass over the memory and pages to find for it, and
// serves nobody but readers that come much later. Measured: docs/decisions/objectstore.md.
//
// The kernel wants memory, place and length of such writes aligned. Chunks are not, so they are gathered in a buffer; the end
// of the body that does not fill a block is written as usual. File systems that refuse get all of it as usual.
const (
	directMin   = 256 << 10 // below this the page cache is cheaper than waiting for the disk
	directBytes = 1 << 20   // of one write
	blockBytes  = 4096      // what all common disks and file systems are content with
)

// aligned buffers are few: as many as there are uploads at once.
var aligned = sync.Pool{New: func() any {
	b := make([]byte, directBytes+blockBytes)
	skip := blockBytes - int(uintptr(unsafe.Pointer(&b[0]))%blockBytes)
	b = b[skip : skip+directBytes : skip+directBytes]
	return &b
}}

// writeDirect writes as many whole blocks as the chunks have, and returns how many bytes that were. Less than that, and no
// error: not here.
func (f osFile) writeDirect(raw syscall.RawConn, chunks [][]byte) (done int, err error) {
	if !setDirect(raw, true) {
		return 0, nil
	}
	defer setDirect(raw, false)
	buffer := aligned.Get().(*[]byte) //nolint:forcetypeassert // nothing else is put there
	defer aligned.Put(buffer)
	for {
		n := gather(*buffer, &chunks) / blockBytes * blockBytes
		for part := (*buffer)[:n]; len(part) > 0; {
			wrote, err := write(raw, part)
			if errors.Is(err, syscall.EINVAL) {
				return done, nil
			}
			if err != nil {
				return done, err
			}
			done += wrote
			part = part[wrote:]
			if wrote%blockBytes != 0 { // the disk is full, or nearly: the rest goes the usual way, and fails there
				return done, nil
			}
		}
		if n < directBytes {
			return done, nil
		}
	}
}

// gather fills the buffer from the front of the chunks, and drops from them what it took.
func gather(buffer []byte, chunks *[][]byte) (n int) {
	for n < len(buffer) && len(*chunks) > 0 {
		first := (*chunks)[0]
		took := copy(buffer[n:], first)
		n += took
		if took < len(first) {
			left := append([][]byte{first[took:]}, (*chunks)[1:]...) // the caller's slices stay as they are
			*chunks = left
			return n
		}
		*chunks = (*chunks)[1:]
	}
	return n
}

// setDirect says whether the file system takes it.
func setDirect(raw syscall.RawConn, on bool) (ok bool) {
	outer := raw.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		if err != nil {
			return
		}
		if on {
			flags |= unix.O_DIRECT
		} else {
			flags &^= unix.O_DIRECT
		}
		_, err = unix.FcntlInt(fd, unix.F_SETFL, flags)
		ok = err == nil
	})
	return ok && outer == nil
}

func write(raw syscall.RawConn, part []byte) (n int, err error) {
	outer := raw.Write(func(fd uintptr) bool {
		for {
			n, err = unix.Write(int(fd), part)
			if !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	})
	return n, errors.Join(outer, err)
}
