package disk

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Large parts are read past the page cache (O_DIRECT), as they are written: whoever reads keeps them in its own cache, and the way through the
// kernel's costs as much as all else that a broker does with the bytes. Measured: docs/decisions/objectstore.md.
const directReadMin = 1 << 20

// readDirect reads from..to. Not ok: read it as usual, which also says what is wrong.
func readDirect(path string, from, to int64) (data []byte, ok bool) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, false
	}
	defer func() { _ = file.Close() }() // only read: nothing to lose
	begin := from / blockBytes * blockBytes
	end := (to + blockBytes - 1) / blockBytes * blockBytes
	buffer := make([]byte, end-begin+blockBytes)
	skip := (blockBytes - int64(uintptr(unsafe.Pointer(&buffer[0]))%blockBytes)) % blockBytes
	buffer = buffer[skip : skip+end-begin]
	for done := int64(0); done < to-begin; {
		n, err := file.ReadAt(buffer[done:], begin+done)
		done += int64(n)
		if done < to-begin && (err != nil || n%blockBytes != 0) {
			return nil, false
		}
	}
	return buffer[from-begin : to-begin : to-begin], true
}
