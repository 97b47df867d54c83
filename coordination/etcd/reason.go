package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// A request waits for a connection, as the client library wants it, until its time is over; all that it then says is that. Why
// there is none, a certificate that etcd does not take above all, gRPC tells only to a request that does not wait.

// reasonMax bounds asking for it: mostly the answer is there at once.
const reasonMax = 500 * time.Millisecond

// explain adds to an error of a request that ran out of time why there is no connection, if there is none.
func (kv *KV) explain(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) && status.Code(err) != codes.DeadlineExceeded {
		return err
	}
	conn := kv.client.ActiveConnection()
	if conn.GetState() != connectivity.TransientFailure {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), reasonMax)
	defer cancel()
	_, why := etcdserverpb.NewKVClient(conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte{0}, Serializable: true, CountOnly: true}, grpc.WaitForReady(false))
	if s, ok := status.FromError(why); !ok || s.Code() != codes.Unavailable {
		return err
	}
	text := status.Convert(why).Message()
	switch {
	case kv.tls == nil && strings.Contains(text, "server preface"):
		text += " (does it want TLS? --etcd-ca, --etcd-cert and --etcd-key say how)"
	case kv.tls != nil && !strings.Contains(text, "tls: "):
		text += kv.refusal(ctx)
	}
	return fmt.Errorf("%w: no connection to etcd: %s", err, text)
}

// refusal is what etcd says of our certificate. With TLS 1.3 it says so after our side of the handshake is done. gRPC has begun to write
// by then, to a connection that etcd has closed; the reset that comes back may overtake etcd's alert, and gRPC knows of that alone.
// So we ask once more, and write nothing.
func (kv *KV) refusal(ctx context.Context) string {
	config := kv.tls.Clone()
	config.NextProtos = []string{"h2"}
	for _, endpoint := range kv.client.Endpoints() {
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", endpoint)
		if err == nil {
			deadline, _ := ctx.Deadline()
			_ = conn.SetReadDeadline(deadline)
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err != nil && strings.Contains(err.Error(), "tls: ") {
			return ": " + err.Error()
		}
	}
	return ""
}
