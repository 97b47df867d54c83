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
		skipTags(&b)
	}
	if !b.Ok() {
		return fmt.Errorf("%w: answer cut short", errBroken)
	}
	if err := resp.ReadFrom(b.Src); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// skipTags ends where the bytes do, however many tags were announced.
func skipTags(b *kbin.Reader) {
	for n := b.Uvarint(); n > 0 && b.Ok(); n-- {
		b.Uvarint()
		b.Span(int(b.Uvarint()))
	}
}

// codes is the way back from Kafka's codes to the errors that they were made of. A coordinator that is just being found is one to look for.
func codes() map[int16]error {
	return map[int16]error{
		kerr.NotCoordinator.Code:            group.ErrNotCoordinator,
		kerr.CoordinatorNotAvailable.Code:   group.ErrNotCoordinator,
		kerr.CoordinatorLoadInProgress.Code: group.ErrNotCoordinator,
		kerr.InvalidGroupID.Code:            group.ErrInvalidGroup,
		kerr.InvalidRequest.Code:            group.ErrInvalidRequest,
		kerr.GroupIDNotFound.Code:           group.ErrUnknownGroup,
		kerr.UnknownMemberID.Code:           group.ErrUnknownMember,
		kerr.FencedMemberEpoch.Code:         group.ErrFencedEpoch,
		kerr.StaleMemberEpoch.Code:          group.ErrStaleEpoch,
		kerr.IllegalGeneration.Code:         group.ErrIllegalGeneration,
		kerr.RebalanceInProgress.Code:       group.ErrRebalanceInProgress,
		kerr.InconsistentGroupProtocol.Code: group.ErrInconsistentProtocol,
		kerr.GroupMaxSizeReached.Code:       group.ErrGroupFull,
		kerr.UnsupportedAssignor.Code:       group.ErrUnsupportedAssignor,
		kerr.InvalidRegularExpression.Code:  group.ErrInvalidRegex,
		kerr.OffsetMetadataTooLarge.Code:    group.ErrMetadataTooLarge,
		kerr.UnknownTopicOrPartition.Code:   group.ErrUnknownTopic,
	}
}

// errorOf is the error of an answer; one whose code is not known here may be tried again.
func errorOf(code int16, message *string) error {
	if code == 0 {
		return nil
	}
	err := codes()[code]
	if err == nil {
		err = fmt.Errorf("%w: %w", group.ErrUnavailable, kerr.TypedErrorForCode(code))
	}
	if message != nil && *message != "" {
		return fmt.Errorf("%w (%s)", err, *message)
	}
	return err
}
