package group

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// A value is plain JSON, for people to read, unless it is large: then it is packed with gzip, so that groups of many hundreds of
// members fit into one etcd transaction (1.5 MiB). Subscriptions of a group are much alike and shrink to a tenth or less.
const (
	packMin   = 64 << 10
	unpackMax = 256 << 20
)

var gzipMagic = []byte{0x1f, 0x8b}

func pack(b []byte) []byte {
	if len(b) < packMin {
		return b
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(fmt.Sprintf("pack: %v", err)) // cannot be: it goes to memory
	}
	return out.Bytes()
}

func unpack(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, gzipMagic) {
		return b, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, unpackMax))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return out, nil
}
