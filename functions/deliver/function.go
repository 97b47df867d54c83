package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/deliver"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/place"
)

// function is the handler.
type function struct {
	place *place.Place
	set   config.Deliver
	// target gives the function of a name; release lets go of connections, whose other end may be gone after a freeze.
	target  func(ctx context.Context, name string) (deliver.Target, error)
	release func()
}

const (
	// memberLife, and what it waits for records, is how long the seat of an invocation that died stays. A living one says more often that it lives.
	memberLife = 30 * time.Second
	// closing is kept for the last commit and for leaving the group.
	closing = 2 * time.Second
	// lastTime is for leaving when the invocation's time is used up otherwise.
	lastTime = time.Second
)

// open reads the settings that this function has beside those of all.
func open(p *place.Place) (*function, error) {
	f := &function{place: p}
	parser, err := kong.New(&f.set, kong.Exit(func(int) {}))
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if _, err := parser.Parse(nil); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	l := &lambdas{}
	f.target, f.release = l.function, l.release
	return f, nil
}

// invoke answers one event: a schedule's, or one that sets something of config.Deliver for this invocation.
func (f *function) invoke(ctx context.Context, raw json.RawMessage) (*deliver.Report, error) {
	set := f.set
	set.Topics = append([]string(nil), f.set.Topics...)
	if err := override(raw, &set); err != nil {
		return nil, err
	}
	if err := set.Validate(); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	defer f.release()
	return f.deliver(ctx, set)
}

// override reads settings from an event. That of a schedule has none of their names.
func override(raw json.RawMessage, set *config.Deliver) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, set); err != nil {
		return fmt.Errorf("event: want an object with settings to use instead, or a schedule's: %w", err)
	}
	return nil
}

// deliver is one invocation: join, deliver as long as there is time and something to deliver, leave.
func (f *function) deliver(ctx context.Context, set config.Deliver) (_ *deliver.Report, err error) {
	e, name := f.place.Environment, "deliver-"+f.place.NewID()
	need := stream.Need{AllTopics: set.Pattern() != ""}
	sub := invoke.Subscription{Pattern: set.Pattern(), Reset: set.Start, Life: memberLife + set.Wait}
	if !need.AllTopics {
		sub.Topics = set.Topics
		need.Topics = append(need.Topics, set.Topics...)
	}
	if set.DeadLetter != "" {
		need.Topics = append(need.Topics, set.DeadLetter)
	}
	ctx, done, err := e.BeginGroup(ctx, set.Group, name, need)
	if err != nil {
		return nil, err
	}
	defer done()
	defer e.End()
	s := f.settings(set)
	if s.Target, err = f.target(ctx, set.Function); err != nil {
		return nil, err
	}
	if set.DeadLetter != "" {
		topic, err := e.Topic(ctx, set.DeadLetter)
		if err != nil {
			return nil, fmt.Errorf("dead-letter topic: %w: make it, or set no FIRNLOG_DELIVER_DEAD_LETTER_TOPIC", err)
		}
		s.Dead = &cemetery{e, topic, set.Group, set.Function}
	}
	member, err := e.Join(ctx, set.Group, name, sub)
	if err != nil {
		return nil, err
	}
	defer func() { // others may have its partitions at once
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
		defer cancel()
		if e := member.Leave(last); e != nil {
			f.place.Log.Warn("the group is not left: its partitions wait until the member's lease ends", "error", e)
		}
	}()
	s.Member = invoke.Worker{Member: member}
	work, cancel := f.work(ctx)
	defer cancel()
	report, err := deliver.Run(ctx, work, s)
	f.place.Log.Info("delivered", "records", report.Delivered, "dead", report.DeadLettered, "failed", report.Failed, "throttled", report.Throttled, "lag", report.Lag, "partitions", report.Partitions)
	return &report, err
}

// counted tells what a report says.
func counted(r *deliver.Report, add emf.Add) {
	if r == nil {
		return
	}
	add("RecordsDelivered", emf.Count, float64(r.Delivered))
	add("DeliveriesFailed", emf.Count, float64(r.Failed))
	add("RecordsDeadLettered", emf.Count, float64(r.DeadLettered))
	add("Throttled", emf.Count, float64(r.Throttled))
	add("Lag", emf.Count, float64(r.Lag))
	add("PartitionsBlocked", emf.Count, float64(len(r.Blocked)))
}

// work ends before the invocation does.
func (f *function) work(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(closing, end.Sub(f.place.Now())/4)))
}

func (f *function) settings(set config.Deliver) deliver.Settings {
	return deliver.Settings{
		Rule:      deliver.Rule{RecordsMax: set.Batch, BytesMax: deliver.PayloadBytesMax, Attempts: set.Attempts, Bisect: set.Bisect},
		Bootstrap: set.Bootstrap, Parallel: set.Parallel, Wait: set.Wait, Reserve: set.Reserve, CommitFirst: set.Start == consume.Latest,
		FetchBytes: int(set.Fetch), Now: f.place.Now, Random: mathrand.Float64, Log: f.place.Log,
	}
}

var errNotBuried = errors.New("dead letters are not written")
