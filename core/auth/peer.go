package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Instances know each other by keys that each draws at its start and never writes down: the public half stands beside its addresses under
// instances/<node>, for as long as its lease lives. So there is no secret to share, store, back up or rotate; who can write to
// etcd could make itself an instance, but has everything anyway.
//
//	caller → callee   node (4 bytes), nonce (32)
//	callee → caller   node (4), nonce (32), signature of "callee" ‖ both nodes and nonces ‖ binding
//	caller → callee   signature of "caller" ‖ the same
//	callee → caller   nothing: done
//
// binding is exported keying material of the TLS connection (RFC 8446, section 7.5), or nothing without TLS. Somebody in
// the middle has two connections with two bindings, so certificates of instances need not be checked.

const peerNonceBytes = 32

const peerBindingLabel = "EXPORTER-firnlog-instance"

type peerExchange struct {
	peers   *Peers
	binding []byte
	bound   error
	step    int
	node    int32
	talk    []byte // nodes and nonces
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
func (e *peerExchange) Step(_ context.Context, message []byte) ([]byte, *Identity, error) {
	e.step++
	switch {
	case e.bound != nil:
		return nil, nil, ErrDenied
	case e.step == 1 && len(message) == 4+peerNonceBytes:
		reply, err := e.peers.hello(e.peers.Random)
		if err != nil {
			return nil, nil, err
		}
		e.node = int32(binary.BigEndian.Uint32(message))
		e.talk = slices.Concat(message, reply)
		return append(reply, ed25519.Sign(e.peers.Key, signed("callee", e.talk, e.binding))...), nil, nil
	case e.step == 2 && len(message) == ed25519.SignatureSize:
		key, ok := e.peers.KeyOf(e.node)
		if !ok || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signed("caller", e.talk, e.binding), message) {
			return nil, nil, ErrDenied
		}
		return nil, &Identity{Principal: Principal{KindInstance, fmt.Sprint(e.node)}, Mechanism: Peer}, nil
	}
	return nil, nil, ErrMalformed
}

func (p *Peers) hello(random io.Reader) ([]byte, error) {
	out := binary.BigEndian.AppendUint32(nil, uint32(p.Self()))
	nonce := make([]byte, peerNonceBytes)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	return append(out, nonce...), nil
}

func signed(who string, talk, binding []byte) []byte {
	return slices.Concat([]byte("firnlog instance 1 "+who+"\x00"), talk, binding)
}

// Call authenticates this instance to another one, which must be node. send sends a message and gives the answer.
func (p *Peers) Call(node int32, connection *tls.ConnectionState, send func([]byte) ([]byte, error)) error {
	binding, err := peerBinding(connection)
	if err != nil {
		return fmt.Errorf("authenticate to instance %d: %w", node, err)
	}
	hello, err := p.hello(p.Random)
	if err != nil {
		return err
	}
	reply, err := send(hello)
	if err != nil {
		return err
	}
	const head = 4 + peerNonceBytes
	key, ok := p.KeyOf(node)
	if !ok || len(key) != ed25519.PublicKeySize || len(reply) != head+ed25519.SignatureSize || int32(binary.BigEndian.Uint32(reply)) != node {
		return fmt.Errorf("authenticate to instance %d: %w: it is not who is registered", node, ErrDenied)
	}
	talk := slices.Concat(hello, reply[:head])
	if !ed25519.Verify(key, signed("callee", talk, binding), reply[head:]) {
		return fmt.Errorf("authenticate to instance %d: %w: it has not the key that is registered", node, ErrDenied)
	}
	_, err = send(ed25519.Sign(p.Key, signed("caller", talk, binding)))
	return err
}

// NewPeerKey draws a key.
func NewPeerKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil { // crypto/rand does not fail
		panic(err)
	}
	return key
}
