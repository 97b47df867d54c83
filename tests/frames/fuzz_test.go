package frames

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	secondsFlag = flag.Int("seconds", 5, "how long TestServer takes")
	seedFlag    = flag.Uint64("seed", uint64(time.Now().UnixNano()), "what TestServer spoils, and how")
)

// TestServer_SpoiltConversationsDisturbNobody goes through all conversations in random order, spoilt at random.
func TestServer_SpoiltConversationsDisturbNobody(t *testing.T) {
	all := load(t)
	r := rand.New(rand.NewPCG(*seedFlag, 1))
	t.Logf("seed %d, %d conversations", *seedFlag, len(all))
	s := start(t)
	defer func() { s.stop() }()
	for _, c := range all {
		s.suffer(t, c.stream())
	}
	n, answers := len(all), 0
	var c int
	var seed uint64
	defer func() {
		if t.Failed() {
			t.Logf("conversation %d, spoilt with %d", c, seed)
		}
	}()
	for begin := time.Now(); time.Since(begin) < time.Duration(*secondsFlag)*time.Second; n++ {
		if s.served >= livesMax {
			answers += s.answers
		}
		s = s.next(t)
		c, seed = r.IntN(len(all)), r.Uint64()
		s.suffer(t, spoil(all[c], seed))
	}
	s.intact(t)
	t.Logf("%d conversations in %d s, %d answers", n, *secondsFlag, answers+s.answers)
}

// FuzzServer spoils them with Go's mutator, on top of what the seed does.
func FuzzServer(f *testing.F) {
	for i, c := range load(f) {
		f.Add(c.stream(), uint64(0))
		f.Add(c.stream(), uint64(i+1))
	}
	s := start(f)
	f.Cleanup(func() { s.stop() })
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		s = s.next(t)
		s.suffer(t, spoil(parse(stream), seed))
	})
}
