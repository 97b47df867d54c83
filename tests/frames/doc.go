// Package frames feeds a whole server with what real clients send, spoilt: conversations of franz-go, librdkafka (kcat, Python) and Java, as a
// proxy wrote them down, with frames cut short, bits flipped, lengths and versions that lie, in other orders, once more, and left out.
//
//	capture   writes testdata anew (-args -capture), with the clients of tests/stack
//	spoil     one conversation and a number make a stream of bytes, always the same one
//	server    a broker over a store and a KV in memory, with a client that must not notice anything
//
// Owns: the conversations and how they are spoilt. Does not own: single requests (core/wire has a fuzz test of its own) nor HTTP (tests/rest).
package frames
