package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/firnlog/firnlog/coordination"
)

// refusing is a server that answers every transaction with one error.
type refusing struct {
	etcdserverpb.UnimplementedKVServer
	answer atomic.Value // of error
	asked  atomic.Int32
	bytes  atomic.Int64 // of the last one, as it goes to the other members
}

func (r *refusing) Txn(_ context.Context, txn *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	r.asked.Add(1)
	header := &etcdserverpb.RequestHeader{ID: 1 << 63, Username: "firnlog", AuthRevision: 1 << 62}
	r.bytes.Store(int64(proto.Size(&etcdserverpb.InternalRaftRequest{Header: header, Txn: txn})))
	return nil, r.answer.Load().(error)
}

func startRefusing(t *testing.T) (*refusing, *KV) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, g := &refusing{}, grpc.NewServer()
	etcdserverpb.RegisterKVServer(g, r)
	go g.Serve(l)
	t.Cleanup(g.Stop)
	return r, dial(t, Settings{Endpoints: []string{l.Addr().String()}})
}

func TestCommit_EachAnswerHasItsClassAndIsNotRepeated(t *testing.T) {
	server, kv := startRefusing(t)
	for _, c := range []struct{ answer, class error }{
		{rpctypes.ErrGRPCTooManyOps, coordination.ErrTooLarge},
		{rpctypes.ErrGRPCRequestTooLarge, coordination.ErrTooLarge},
		{rpctypes.ErrGRPCDuplicateKey, coordination.ErrInvalid},
		{rpctypes.ErrGRPCLeaseNotFound, coordination.ErrLeaseGone},
		{rpctypes.ErrGRPCNoLeader, coordination.ErrUnavailable},
		{rpctypes.ErrGRPCRequestTooManyRequests, coordination.ErrUnavailable},
		{rpctypes.ErrGRPCPermissionDenied, coordination.ErrUnavailable},
		{rpctypes.ErrGRPCNoSpace, coordination.ErrUnknown},
		{rpctypes.ErrGRPCLeaderChanged, coordination.ErrUnknown},
		{rpctypes.ErrGRPCTimeout, coordination.ErrUnknown},
		{rpctypes.ErrGRPCTimeoutDueToLeaderFail, coordination.ErrUnknown},
		{rpctypes.ErrGRPCTimeoutDueToConnectionLost, coordination.ErrUnknown},
		{rpctypes.ErrGRPCStopped, coordination.ErrUnknown},
		{rpctypes.ErrGRPCCanceled, coordination.ErrUnknown},
		{rpctypes.ErrGRPCDeadlineExceeded, coordination.ErrUnknown},
		{status.Error(codes.Unavailable, "there is no connection available"), coordination.ErrUnknown},
		{status.Error(codes.Internal, "stream terminated"), coordination.ErrUnknown},
		{status.Error(codes.Unknown, "raft proposal dropped"), coordination.ErrUnknown},
	} {
		server.answer.Store(c.answer)
		server.asked.Store(0)
		_, err := kv.Commit(t.Context(), nil, put("a"))
		if !errors.Is(err, c.class) {
			t.Errorf("%v: %v, want %v", c.answer, err, c.class)
		}
		if n := server.asked.Load(); n != 1 {
			t.Errorf("%v: sent %d times", c.answer, n)
		}
	}
}

func TestGet_IsRepeatedWhileItsTimeLasts(t *testing.T) {
	server, kv := startRefusing(t)
	kv.timeout = 20 * retryPause
	server.answer.Store(rpctypes.ErrGRPCLeaderChanged)
	if _, err := kv.Get(t.Context(), "a"); !errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("Get: %v, want ErrUnavailable", err)
	}
	if n := server.asked.Load(); n < 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestDial_WithoutEndpointsIsRefused(t *testing.T) {
	if kv, err := Dial(Settings{}); err == nil {
		t.Errorf("Dial = %v", kv)
	}
}

// Our own limit must be the one that refuses: it is definite before anything is sent.
func TestCommitBytes_IsNotLessThanTheEncoding(t *testing.T) {
	server, kv := startRefusing(t)
	server.answer.Store(rpctypes.ErrGRPCNoLeader)
	for _, n := range []int{0, 1, 3, coordination.OperationsMax} {
		for _, size := range []int{0, 1, 200, 5000} {
			var guards []coordination.Guard
			var changes []coordination.Change
			var orElse []string
			for i := range n {
				key := fmt.Sprintf("/firnlog/c/log/commits/%0*d", 1+size/10, i)
				guards = append(guards, coordination.ValueIs(key, make([]byte, size)))
				changes = append(changes, coordination.PutLeased(key, make([]byte, size), 1<<62))
				if i%3 == 0 {
					guards[i], changes[i] = coordination.ModIs(key, 1<<62), coordination.DeletePrefix(key+"/")
				}
				orElse = append(orElse, key)
			}
			if _, err := kv.Commit(t.Context(), guards, changes, orElse...); !errors.Is(err, coordination.ErrUnavailable) {
				t.Fatal(err)
			}
			if got, encoded := coordination.CommitBytes(guards, changes, orElse), server.bytes.Load(); int64(got) < encoded {
				t.Errorf("%d operations of %d bytes: CommitBytes %d, encoded %d", n, size, got, encoded)
			}
		}
	}
}
