package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// Instances know each other by keys that each draws at its start and never writes down: the public half stands beside its addresses under
// instances/<node>, for as long as its lease lives; that of a function, which has no addresses, under instances/callers/<key>. So there is
// no secret to share, store, back up or rotate. Who can write to etcd could make itself an instance, but has everything anyway.
//
//	caller → callee   key (32 bytes), nonce (32)
//	callee → caller   key, nonce, signature of "callee" ‖ keys and nonces of both ‖ binding
//	caller → callee   signature of "caller" ‖ the same
//	callee → caller   nothing: done
//
// binding is exported keying material of the TLS connection (RFC 8446, section 7.5), or nothing without TLS. Somebody in
// the middle has two connections with two bindings, so certificates of instances need not be checked.

// Peers is this side of it.
type Peers struct {
	Key    ed25519.PrivateKey
	Random io.Reader
	// Knows says whether a key is that of an instance or a function; nil: nobody is let in here.
	Knows func(key []byte) bool
	// Register is called before another instance is called: it makes the key known; nil: it is.
	Register func(ctx context.Context) error
}

const (
	peerNonceBytes   = 32
	peerHelloBytes   = ed25519.PublicKeySize + peerNonceBytes
	peerBindingLabel = "EXPORTER-firnlog-instance"
	// A key that was just written may not have been seen yet.
	peerKnownTries = 20
	peerKnownPause = 50 * time.Millisecond
)

// NewPeers draws a key.
func NewPeers() *Peers {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil { // crypto/rand does not fail
		panic(err)
	}
	return &Peers{Key: key, Random: rand.Reader}
}

// Public is the half that the others know.
func (p *Peers) Public() []byte { return p.Key.Public().(ed25519.PublicKey) }

type peerExchange struct {
	peers   *Peers
	binding []byte
	bound   error
	step    int
	key     ed25519.PublicKey
	talk    []byte // keys and nonces
}

func (p *Peers) begin(connection *tls.ConnectionState) Exchange {
	e := &peerExchange{peers: p}
	e.binding, e.bound = peerBinding(connection)
	return e
}

func peerBinding(connection *tls.ConnectionState) ([]byte, error) {
	if connection == nil {
		return nil, nil
	}
	return connection.ExportKeyingMaterial(peerBindingLabel, nil, 32)
}

// Step implements Exchange.
func (e *peerExchange) Step(ctx context.Context, message []byte) ([]byte, *Identity, error) {
	e.step++
	switch {
	case e.bound != nil:
		return nil, nil, ErrDenied
	case e.step == 1 && len(message) == peerHelloBytes:
		reply, err := e.peers.hello()
		if err != nil {
			return nil, nil, err
		}
		e.key = slices.Clone(message[:ed25519.PublicKeySize])
		e.talk = slices.Concat(message, reply)
		return append(reply, ed25519.Sign(e.peers.Key, signed("callee", e.talk, e.binding))...), nil, nil
	case e.step == 2 && len(message) == ed25519.SignatureSize:
		if !ed25519.Verify(e.key, signed("caller", e.talk, e.binding), message) || !e.peers.knowsSoon(ctx, e.key) {
			return nil, nil, ErrDenied
		}
		return nil, &Identity{Principal: Principal{KindInstance, fmt.Sprintf("%x", e.key[:8])}, Mechanism: Peer}, nil
	}
	return nil, nil, ErrMalformed
}

// knowsSoon asks for a key that may just have been written.
func (p *Peers) knowsSoon(ctx context.Context, key []byte) bool {
	for try := range peerKnownTries {
		if try > 0 && pause.For(ctx, peerKnownPause) != nil {
			return false
		}
		if p.Knows(key) {
			return true
		}
	}
	return false
}

func (p *Peers) hello() ([]byte, error) {
	nonce := make([]byte, peerNonceBytes)
	if _, err := io.ReadFull(p.Random, nonce); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	return slices.Concat(p.Public(), nonce), nil
}

func signed(who string, talk, binding []byte) []byte {
	return slices.Concat([]byte("firnlog instance 1 "+who+"\x00"), talk, binding)
}

// Call authenticates this side to an instance, which must have that key. send sends a message and gives the answer.
func (p *Peers) Call(ctx context.Context, key []byte, connection *tls.ConnectionState, send func([]byte) ([]byte, error)) error {
	if p.Register != nil {
		if err := p.Register(ctx); err != nil {
			return fmt.Errorf("make this function known to instances: %w", err)
		}
	}
	binding, err := peerBinding(connection)
	if err != nil {
		return fmt.Errorf("authenticate to an instance: %w", err)
	}
	hello, err := p.hello()
	if err != nil {
		return err
	}
	reply, err := send(hello)
	if err != nil {
		return err
	}
	if len(key) != ed25519.PublicKeySize || len(reply) != peerHelloBytes+ed25519.SignatureSize || !slices.Equal(reply[:len(key)], key) {
		return fmt.Errorf("authenticate to an instance: %w: it is not the one that is registered", ErrDenied)
	}
	talk := slices.Concat(hello, reply[:peerHelloBytes])
	if !ed25519.Verify(key, signed("callee", talk, binding), reply[peerHelloBytes:]) {
		return fmt.Errorf("authenticate to an instance: %w: it has not the key that is registered", ErrDenied)
	}
	_, err = send(ed25519.Sign(p.Key, signed("caller", talk, binding)))
	return err
}

// callerTTL is how long a function's key is known after it was needed.
const callerTTL = time.Hour

// CallerOf makes the Peers of a function: its key is written when it is needed, under a lease that nobody renews.
func CallerOf(kv coordination.KV, keys coordination.Keys, now func() time.Time) *Peers {
	p := NewPeers()
	var mu struct {
		sync.Mutex
		until time.Time
	}
	p.Register = func(ctx context.Context) error {
		mu.Lock()
		known := now().Before(mu.until)
		mu.Unlock()
		if known {
			return nil
		}
		began := now()
		lease, err := kv.Grant(ctx, callerTTL)
		if err != nil {
			return err
		}
		put := coordination.PutLeased(keys.Caller(hex.EncodeToString(p.Public())), []byte("{}"), lease.ID())
		if _, err := kv.Commit(ctx, nil, []coordination.Change{put}); err != nil && !errors.Is(err, coordination.ErrUnknown) {
			return err
		}
		mu.Lock()
		mu.until = began.Add(callerTTL / 2)
		mu.Unlock()
		return nil
	}
	return p
}
