package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/group"
)

// errBroken: the connection cannot be used any more.
var errBroken = errors.New("connection to another instance broke")

// peer is one connection to another instance, used by one request at a time.
type peer struct {
	nc          net.Conn
	correlation int32
}

// answerBytesMax bounds what another instance may answer.
const answerBytesMax = 16 << 20

// ask sends a request and reads its response.
func (p *peer) ask(ctx context.Context, client string, req kmsg.Request, resp kmsg.Response) error {
	defer context.AfterFunc(ctx, func() { _ = p.nc.SetDeadline(time.Unix(1, 0)) })()
	p.correlation++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, req, p.correlation)
	if _, err := p.nc.Write(frame); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	var size [4]byte
	if _, err := io.ReadFull(p.nc, size[:]); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > answerBytesMax {
		return fmt.Errorf("%w: answer of %d bytes", errBroken, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(p.nc, body); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	b := kbin.Reader{Src: body}
	if got := b.Int32(); got != p.correlation {
		return fmt.Errorf("%w: answer to request %d instead of %d", errBroken, got, p.correlation)
	}
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() {
		kmsg.SkipTags(&b)
	}
	if !b.Ok() {
		return fmt.Errorf("%w: answer cut short", errBroken)
	}
	if err := resp.ReadFrom(b.Src); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// errorOf turns the code of an answer back into the error that it was made of.
func errorOf(code int16, message *string) error {
	if code == 0 {
		return nil
	}
	err := group.ErrUnavailable
	switch kerr.ErrorForCode(code) {
	case kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress:
		err = group.ErrNotCoordinator
	case kerr.InvalidGroupID:
		err = group.ErrInvalidGroup
	case kerr.InvalidRequest:
		err = group.ErrInvalidRequest
	case kerr.GroupIDNotFound:
		err = group.ErrUnknownGroup
	case kerr.UnknownMemberID:
		err = group.ErrUnknownMember
	case kerr.FencedMemberEpoch:
		err = group.ErrFencedEpoch
	case kerr.StaleMemberEpoch:
		err = group.ErrStaleEpoch
	case kerr.IllegalGeneration:
		err = group.ErrIllegalGeneration
	case kerr.RebalanceInProgress:
		err = group.ErrRebalanceInProgress
	case kerr.InconsistentGroupProtocol:
		err = group.ErrInconsistentProtocol
	case kerr.GroupMaxSizeReached:
		err = group.ErrGroupFull
	case kerr.UnsupportedAssignor:
		err = group.ErrUnsupportedAssignor
	case kerr.InvalidRegularExpression:
		err = group.ErrInvalidRegex
	case kerr.OffsetMetadataTooLarge:
		err = group.ErrMetadataTooLarge
	case kerr.UnknownTopicOrPartition:
		err = group.ErrUnknownTopic
	}
	if message != nil && *message != "" {
		return fmt.Errorf("%w (%s)", err, *message)
	}
	return err
}
