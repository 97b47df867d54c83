package ingest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// topicBubble runs fn with one instance and one topic with configs.
func topicBubble(t *testing.T, fn func(t *testing.T, f *fixture), configs ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 2, configs...)}}
		f.a = c.Instance("a", coretest.Options{}).Ready()
		synctest.Wait() // its watch is open
		fn(t, f)
	})
}

func TestAdd_DuplicatesInOneFlushGetTheOffsetOfTheFirstCopy(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		b := coretest.Idempotent(f.tp, 7, 0, 0, "x", "y")
		got := f.a.MustProduce(coretest.Plain(f.tp, "p"), b, b, coretest.Idempotent(f.tp, 7, 0, 2, "z"))
		if !slices.Equal(got, []record.Offset{0, 1, 1, 3}) {
			t.Errorf("bases %v", got)
		}
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"p", "x", "y", "z"}) {
			t.Errorf("read %q", got)
		}
	})
}

// Anomaly 6.
func TestAnomaly6_AProducersRetryIsAnsweredWithTheFirstOffsetOnAnyInstance(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		b := f.Instance("b", coretest.Options{}).Ready()
		f.a.MustProduce(coretest.Idempotent(f.tp, 7, 0, 0, "x"))
		for i := range int32(5) {
			f.a.MustProduce(coretest.Idempotent(f.tp, 7, 0, 1+i, "y"))
		}
		for _, in := range []*coretest.Instance{f.a, b} {
			if got := in.MustProduce(coretest.Idempotent(f.tp, 7, 0, 3, "y")); got[0] != 3 {
				t.Errorf("%s: base %d, want 3", in.Name, got[0])
			}
			if out := in.Produce(coretest.Idempotent(f.tp, 7, 0, 0, "x"))[0]; !errors.Is(out.Err, ingest.ErrOldDuplicate) {
				t.Errorf("%s: the sixth back: %v, want ErrOldDuplicate", in.Name, out.Err)
			}
		}
		if got := b.ReadAll(f.tp); len(got) != 6 {
			t.Errorf("%d records, want 6", len(got))
		}
	})
}

// Anomaly 5: offsets in answers are those at which the records are read.
func TestAnomaly5_EveryAnswerNamesTheOffsetAtWhichTheBatchIsRead(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		in := []ingest.Incoming{
			coretest.Plain(f.tp, "a", "b"), coretest.Plain(f.part(1), "A"), coretest.Plain(f.tp, "c"), coretest.Idempotent(f.tp, 7, 0, 0, "d", "e"),
			coretest.Plain(f.tp, "f"), coretest.Idempotent(f.tp, 7, 0, 9, "refused"), coretest.Plain(f.tp, "g"), coretest.Plain(f.part(1), "B"),
		}
		out := f.a.Produce(in...)
		want := []record.Offset{0, 0, 2, 3, 5, -1, 6, 1}
		for i := range out {
			if out[i].Base != want[i] {
				t.Errorf("batch %d: base %d, want %d (%v)", i, out[i].Base, want[i], out[i].Err)
			}
		}
		if !errors.Is(out[5].Err, ingest.ErrOutOfOrder) {
			t.Errorf("gap: %v", out[5].Err)
		}
		if got := strings.Join(f.a.ReadAll(f.tp), ""); got != "abcdefg" {
			t.Errorf("read %q", got)
		}
	})
}

func TestAdd_RefusesWhatCanNeverBecomeRight(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Idempotent(f.tp, 7, 3, 0, "x"))
		damaged := coretest.Plain(f.tp, "x")
		damaged.Batch = slices.Clone(damaged.Batch)
		damaged.Batch[len(damaged.Batch)-1] ^= 1
		f.Transcript()
		for name, c := range map[string]struct {
			in   ingest.Incoming
			want error
		}{
			"damaged":                     {damaged, record.ErrCorrupt},
			"cut":                         {ingest.Incoming{Partition: f.tp, Batch: damaged.Batch[:70]}, record.ErrCorrupt},
			"too large":                   {coretest.Plain(f.tp, strings.Repeat("x", 2000)), record.ErrTooLarge},
			"fenced":                      {coretest.Idempotent(f.tp, 7, 2, 0, "x"), ingest.ErrFenced},
			"transactional without an id": {coretest.Batch(f.tp, record.Settings{Transactional: true, Sequence: &record.Sequence{Producer: 9}}, 1, "x"), ingest.ErrNoTransaction},
		} {
			if out := f.a.Produce(c.in)[0]; !errors.Is(out.Err, c.want) || out.Base != -1 {
				t.Errorf("%s: %+v, want %v", name, out, c.want)
			}
		}
		wantTranscript(t, f.requests())
	}, topic.MaxMessageBytes, "1000")
}

func TestAdd_UnknownPartitionIsSaidBehindABarrier(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		if out := f.a.Produce(coretest.Plain(f.part(2), "x"))[0]; !errors.Is(out.Err, ingest.ErrUnknownPartition) {
			t.Errorf("%v", out.Err)
		}
		if !slices.Contains(f.requests(), "a kv get log/format") {
			t.Error("no barrier")
		}
		tp := record.TopicPartition{Topic: f.CreateTopic("young", 1)}
		f.a.MustProduce(coretest.Plain(tp, "x")) // at once, although this instance may not have seen it
	})
}

func TestAdd_AKeylessRecordOnACompactedTopicIsNamed(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		b := record.NewBatch(record.Settings{Codec: record.CodecGzip})
		b.Append(time.Now().UnixMilli(), []byte("k"), nil).Append(time.Now().UnixMilli(), nil, []byte("v"))
		sealed, err := b.Seal()
		if err != nil {
			t.Fatal(err)
		}
		out := f.a.Produce(ingest.Incoming{Partition: f.tp, Batch: sealed}, coretest.Plain(f.tp, "x"))
		if !errors.Is(out[0].Err, ingest.ErrNoKey) || !slices.Equal(out[0].BadRecords, []int32{1}) {
			t.Errorf("%+v", out[0])
		}
		if out[1].Err != nil {
			t.Errorf("its neighbour: %v", out[1].Err)
		}
	}, topic.CleanupPolicy, "compact")
}

func TestAdd_TimestampsOutsideTheTopicsBoundsAreRefused(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		now := time.Now().UnixMilli()
		for ms, want := range map[int64]error{now - 500: nil, now - 1500: ingest.ErrTimestamp, now + 1500: nil, now + 2500: ingest.ErrTimestamp, -1: nil} {
			if out := f.a.Produce(coretest.Batch(f.tp, record.Settings{}, ms, "x"))[0]; !errors.Is(out.Err, want) {
				t.Errorf("%d ms from now: %v, want %v", ms-now, out.Err, want)
			}
		}
	}, topic.TimestampBeforeMax, "1000", topic.TimestampAfterMax, "2000")
}

func TestAdd_LogAppendTimeIsTheWritersAndTheSameForEverybody(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		out := f.a.Produce(coretest.Batch(f.tp, record.Settings{}, 5, "x", "y"))[0]
		if out.Err != nil || out.AppendTime < time.Now().Add(-time.Second).UnixMilli() {
			t.Fatalf("%+v", out)
		}
		b := f.Instance("b", coretest.Options{}).Ready()
		for _, r := range coretest.Records(t, b.Read(f.tp, 0).Batches) {
			if r.Timestamp != out.AppendTime {
				t.Errorf("record %d: timestamp %d, answered %d", r.Offset, r.Timestamp, out.AppendTime)
			}
		}
		found, err := b.Fetch.AtTime(t.Context(), f.tp, out.AppendTime, false)
		if err != nil || found.Offset != 0 {
			t.Errorf("by time: %+v, %v", found, err)
		}
	}, topic.MessageTimestamp, "LogAppendTime")
}

func TestAdd_CompressionTypeOfTheTopicRewritesWhatDiffers(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		value := strings.Repeat("firn", 500)
		f.a.MustProduce(coretest.Plain(f.tp, value, value), coretest.Batch(f.tp, record.Settings{Codec: record.CodecGzip, Sequence: &record.Sequence{Producer: 7, Epoch: 1}}, time.Now().UnixMilli(), value))
		got := f.a.Read(f.tp, 0).Batches
		for b, err := range record.Batches(got) {
			h, _ := record.ReadHeader(b)
			if err != nil || h.Codec() != record.CodecZstd {
				t.Errorf("batch at %d: codec %v, %v", h.BaseOffset, h.Codec(), err)
			}
			if h.BaseOffset == 2 && (h.Producer != 7 || h.Epoch != 1 || h.FirstSequence != 0) {
				t.Errorf("the producer's fields did not stay: %+v", h)
			}
		}
		if values := f.a.ReadAll(f.tp); !slices.Equal(values, []string{value, value, value}) {
			t.Errorf("%d values", len(values))
		}
	}, topic.Compression, "zstd")
}

func TestAdd_FlushMsOfATopicShortensTheLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		hasty, usual := record.TopicPartition{Topic: c.CreateTopic("h", 1, topic.FlushMs, "3")}, record.TopicPartition{Topic: c.CreateTopic("u", 1)}
		a := c.Instance("a", coretest.Options{Linger: time.Second}).Ready()
		for tp, want := range map[record.TopicPartition]time.Duration{hasty: 3 * time.Millisecond, usual: time.Second} {
			start := time.Now()
			a.MustProduce(coretest.Plain(tp, "x"))
			if took := time.Since(start); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
	})
}

func TestWait_EndsWithItsContextAndTheBatchGoesOnItsWay(t *testing.T) {
	topicBubble(t, func(t *testing.T, f *fixture) {
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "x")})
		ctx, cancel := contextFor(t, time.Millisecond)
		defer cancel()
		if out := p.Wait(ctx)[0]; !errors.Is(out.Err, ingest.ErrUnknown) {
			t.Errorf("%v, want ErrUnknown", out.Err)
		}
		if out := p.Wait(t.Context())[0]; out.Err != nil {
			t.Error(out.Err)
		}
	})
}
