package wire

import (
	"fmt"
	"net"
	"time"
)

// writeChunk is how much of a response is written with one deadline.
const writeChunk = 256 << 10

// write sends a response, piece after piece, and uses up the list of them. Each chunk has a deadline of its own, so that a slow client that reads is
// served, and one that does not is closed.
//
// On a plain TCP connection a chunk is one system call, however many pieces it has. Elsewhere its pieces are copied together
// first: with TLS each would become a record of its own.
func (c *conn) write(frame net.Buffers) error {
	_, vectored := c.nc.(*net.TCPConn)
	var scratch []byte
	for len(frame) > 0 {
		var chunk net.Buffers
		if chunk, frame = cutChunk(frame, writeChunk); len(chunk) == 0 {
			continue
		}
		if err := c.nc.SetWriteDeadline(time.Now().Add(c.s.settings.WriteTimeout)); err != nil {
			return err
		}
		if !vectored && len(chunk) > 1 {
			if scratch == nil {
				scratch = make([]byte, 0, min(writeChunk, sizeOf(chunk)))
			}
			scratch = scratch[:0]
			for _, piece := range chunk {
				scratch = append(scratch, piece...)
			}
			chunk = net.Buffers{scratch}
		}
		if _, err := chunk.WriteTo(c.nc); err != nil {
			return fmt.Errorf("write response: %w", err)
		}
	}
	return nil
}

// cutChunk gives the first n bytes of a frame in a list of their own, without empty pieces, and what is left of the list, which it
// uses up; the bytes stay as they are.
func cutChunk(frame net.Buffers, n int) (chunk, rest net.Buffers) {
	for n > 0 && len(frame) > 0 {
		took := min(len(frame[0]), n)
		if took > 0 {
			chunk = append(chunk, frame[0][:took])
		}
		n -= took
		if frame[0] = frame[0][took:]; len(frame[0]) == 0 {
			frame = frame[1:]
		}
	}
	return chunk, frame
}
