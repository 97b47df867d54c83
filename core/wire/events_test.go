package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAnswered_AFailureThatIsOursIsOneLineWithItsConnectionAndCorrelation(t *testing.T) {
	b := newBench(t)
	told := make(chan Answered, 9)
	b.events.Answered = func(a Answered) { told <- a }
	b.apis[int16(kmsg.DescribeCluster)].handle = func(_ context.Context, _ *caller, req kmsg.Request) (kmsg.Response, error) {
		resp := kmsg.NewPtrDescribeClusterResponse()
		resp.Version = req.GetVersion()
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil
	}
	c := b.dial(t)
	c.call(metadataAll())
	c.call(kmsg.NewPtrDescribeClusterRequest())
	first, second := <-told, <-told
	if first.API != "Metadata" || first.Code != 0 || first.BytesIn == 0 || first.BytesOut == 0 {
		t.Errorf("%+v", first)
	}
	if second.API != "DescribeCluster" || second.Code != kerr.UnknownServerError.Code {
		t.Errorf("%+v", second)
	}
	c.nc.Close()
	b.live.Wait()
	log := b.logged.String()
	if strings.Count(log, "request failed") != 1 || !strings.Contains(log, "connection=1 correlation=2") || !strings.Contains(log, "error=UNKNOWN_SERVER_ERROR") {
		t.Errorf("log: %s", log)
	}
}

func TestFirstError_IsFoundWhereverAResponseHasIt(t *testing.T) {
	produce := kmsg.NewPtrProduceResponse()
	produce.Topics = []kmsg.ProduceResponseTopic{{Partitions: []kmsg.ProduceResponseTopicPartition{{}, {ErrorCode: 45}}}}
	fetch := kmsg.NewPtrFetchResponse()
	fetch.ErrorCode = 70
	nested := kmsg.NewPtrOffsetCommitResponse()
	nested.Topics = []kmsg.OffsetCommitResponseTopic{{}, {Partitions: []kmsg.OffsetCommitResponseTopicPartition{{ErrorCode: 27}}}}
	top := kmsg.NewPtrHeartbeatResponse()
	top.ErrorCode = 25
	metadata := kmsg.NewPtrMetadataResponse()
	metadata.Topics = []kmsg.MetadataResponseTopic{{}, {ErrorCode: 3}}
	for _, c := range []struct {
		resp kmsg.Response
		want int16
	}{{produce, 45}, {fetch, 70}, {nested, 27}, {top, 25}, {metadata, 3}, {kmsg.NewPtrProduceResponse(), 0}, {kmsg.NewPtrListGroupsResponse(), 0}, {nil, 0}} {
		if got := firstError(c.resp); got != c.want {
			t.Errorf("%T: %d, want %d", c.resp, got, c.want)
		}
	}
}

func TestReason_IsOneOfAFew(t *testing.T) {
	for want, err := range map[string]error{
		"too_many": errTooManyUnknown, "authentication": fmt.Errorf("x: %w", errAuthFailed), "tls": fmt.Errorf("TLS: %w", tls.RecordHeaderError{Msg: "no"}),
		"frame": fmt.Errorf("%w: size", errFrame), "panic": errPanic, "timeout": errSilent, "network": errors.Join(io.ErrUnexpectedEOF),
	} {
		if got := reasonOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// What is told of each request costs little, and nothing for its spans while they are off.
func TestTraced_OffAllocatesNothing(t *testing.T) {
	b := newBench(t)
	c := &conn{s: b.Server, nc: nil}
	c.ctx = t.Context()
	r := &request{arrived: time.Now()}
	if n := testing.AllocsPerRun(100, func() {
		c.traced(r)
		_ = c.contextOf(r)
		r.span.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
