package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// smallFrame is what a connection may read without asking anybody.
	smallFrame = 16 << 10
	// parsedFactor is how much memory a parsed request may take for each byte of its
	// frame: the smallest array elements are a byte or two and become structs. Produce is excepted: its
	// frame is mostly records, which are not copied, and parseBody refuses any other.
	parsedFactor = 64
	// frameBytesMin is key, version and correlation id.
	frameBytesMin = 8
)

// errFrame: what follows on this connection cannot be understood.
var errFrame = errors.New("malformed frame")

// readFrame reads one request without its size. A large one is read only when it is its turn
// and its share of memory is free; the first bytes are read before that, so that a client that
// only announces a large frame holds nothing. weight is to be given back.
func (c *conn) readFrame(turn <-chan struct{}) (frame []byte, weight int64, err error) {
	size, err := c.readSize()
	if err != nil {
		return nil, 0, err
	}
	if err := c.unmuted(); err != nil {
		return nil, 0, err
	}
	frame = make([]byte, min(size, smallFrame))
	if err := c.readFull(frame); err != nil {
		return nil, 0, err
	}
	if size <= smallFrame {
		return frame, 0, nil
	}
	if err := wait(c.ctx, turn); err != nil {
		return nil, 0, err
	}
	weight = int64(size)
	if key := int16(binary.BigEndian.Uint16(frame)); key != kmsg.Produce.Int16() {
		weight *= parsedFactor
	}
	weight = min(weight, c.s.settings.RequestMemory)
	if err := c.s.requests.Acquire(c.ctx, weight); err != nil {
		return nil, 0, err
	}
	whole := make([]byte, size)
	copy(whole, frame)
	if err := c.readFull(whole[smallFrame:]); err != nil {
		c.s.requests.Release(weight)
		return nil, 0, err
	}
	return whole, weight, nil
}

// readSize waits for the next request. A connection is idle only while it has nothing unanswered.
func (c *conn) readSize() (int, error) {
	return c.readSizeWithin(frameBytesMin, c.s.settings.FrameBytesMax)
}

func (c *conn) readSizeWithin(least, most int) (int, error) {
	var head [4]byte
	got := 0
	for {
		if err := c.readUntil(c.s.settings.IdleMax); err != nil {
			return 0, err
		}
		n, err := io.ReadFull(c.nc, head[got:])
		got += n
		switch {
		case err == nil:
			size := int(int32(binary.BigEndian.Uint32(head[:])))
			if size < least || size > most {
				return 0, fmt.Errorf("%w: size %d, want %d to %d", errFrame, size, least, most)
			}
			return size, nil
		case c.isDraining():
			return 0, errDraining
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case got > 0 || c.outstanding.Load() == 0:
			return 0, errSilent
		}
	}
}

// readFull reads into all of b, within the time of one frame.
func (c *conn) readFull(b []byte) error {
	if err := c.readUntil(c.s.settings.FrameTimeout); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.nc, b); err != nil {
		if c.isDraining() {
			return errDraining
		}
		return fmt.Errorf("read request: %w", err)
	}
	return nil
}

// readUntil sets the deadline of reads. Looking at draining comes after it: drain sets its own
// deadline after it has closed draining, so that one of the two is noticed.
func (c *conn) readUntil(d time.Duration) error {
	if err := c.nc.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if c.isDraining() {
		return errDraining
	}
	return nil
}

func (c *conn) isDraining() bool {
	select {
	case <-c.s.draining:
		return true
	default:
		return false
	}
}
