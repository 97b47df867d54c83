package broker

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/core/pause"
)

// A stop, step by step; at once where there is no other instance to go to, else within 5 s more than --drain:
//
//  1. Tell: the instance's key says that it drains, /readyz that it is not ready. Metadata and FindCoordinator of all instances stop to
//     name it as they hear of it; groups are let go, and their members find the next coordinator. HTTP connections are closed as they
//     fall idle. Whoever comes is served as before, for --drain.
//  2. Steer: Kafka clients are sent away (wire, steer.go), until none has come for quietFor, or awayMax is over. No Produce is taken any more;
//     when those from before have been answered, Metadata of all instances leaves this one out, and only then clients are told: so
//     what they ask for next leaves it out already. A client of franz-go that hears of that closes its connections; those that it does not
//     close it takes for good until it needs them, at a later restart, and then it waits before it tries others: seconds, where it has
//     such ones to several brokers.
//  3. Close: requests in progress are finished, what was appended is flushed and acknowledged, all connections are closed (closeMax, flushMax).
//  4. Leave: the lease is revoked, and with it the key goes.
//
// Why --drain is 5 s: a client that is sent away asks for metadata, and franz-go does that not within 5 s of the last time. A client
// that asked after step 1 has not been told of this instance, and one that asked before did so 5 s ago: so none waits. With less, a
// rolling restart, in which clients ask anew at every instance, held them up for seconds.
//
// Without etcd nobody can be told: then it closes at once, and clients find the others as after a kill.
const (
	tellMax     = 400 * time.Millisecond
	producedMax = 700 * time.Millisecond // for requests of producers: a linger, a PUT and a commit
	hideMax     = 200 * time.Millisecond
	heardIn     = 50 * time.Millisecond // by the watches of the others
	quietFor    = 500 * time.Millisecond
	awayMax     = time.Second
	closeMax    = 1500 * time.Millisecond // for requests in progress
	flushMax    = time.Second             // more, for what is on its way then
)

// servingUntilDrained gives a context for serving clients. It ends some time after ctx: when clients have gone elsewhere, and have been
// answered.
func (b *Broker) servingUntilDrained(ctx, parts context.Context) (context.Context, context.CancelFunc) {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		defer cancel()
		b.health.stopping()
		b.sendAway(parts)
	})
	return serving, func() {
		cancel()
		if !stop() {
			<-drained
		}
	}
}

// sendAway is steps 1 and 2.
func (b *Broker) sendAway(ctx context.Context) {
	if serving, _ := b.health.state(); !serving || b.Drain == 0 || !b.instances.Others() {
		return
	}
	b.Log.Info("sending clients to other instances", "for", b.Drain)
	telling, cancel := context.WithTimeout(ctx, tellMax)
	defer cancel()
	if err := b.instances.Drain(telling); err != nil {
		b.Log.Warn("the others were not told that this instance stops", "error", err)
		return
	}
	b.web.SetKeepAlivesEnabled(false)
	b.groups.HandOver(telling)
	if pause.For(ctx, b.Drain) != nil || !b.instances.Others() {
		return
	}
	b.holdProducers(ctx)
	b.kafka.Steer()
	away, cancel := context.WithTimeout(ctx, awayMax)
	defer cancel()
	b.kafka.AwaitQuiet(away, quietFor)
}

// holdProducers takes nothing of them any more, and lets all instances forget the address of this one. If they do not hear of it, nothing is
// lost.
func (b *Broker) holdProducers(ctx context.Context) {
	answering, cancel := context.WithTimeout(ctx, producedMax)
	defer cancel()
	b.kafka.SteerProducers(answering)
	telling, cancel := context.WithTimeout(ctx, hideMax)
	defer cancel()
	if err := b.instances.Hide(telling); err != nil {
		b.Log.Warn("the others were not told to forget this instance", "error", err)
		return
	}
	_ = pause.For(ctx, heardIn)
}

// join makes this instance known once it has read the log: clients that are sent here need not wait for that.
func (b *Broker) join(ctx context.Context) error {
	if err := b.stream.WaitRevision(ctx, 1); err != nil {
		return err
	}
	return b.instances.Run(ctx)
}
