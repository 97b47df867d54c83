//go:build stack

package faults

import (
	"math/rand/v2"
	"time"
)

// programPausedFor is longer than transactions and the sessions of classic groups may last.
const programPausedFor = 15 * time.Second

// killProgram kills all clients of a library and starts new ones, with the same transactional ids and groups.
func killProgram(library string) func(*stage, *rand.Rand) func() {
	return func(s *stage, _ *rand.Rand) func() {
		f := s.program(library)
		f.kill()
		lasts(deadFor)
		return f.start
	}
}

// pauseProgram lets clients sleep through the end of their transactions and sessions, and go on in the middle of what they did.
func pauseProgram(s *stage, r *rand.Rand) func() {
	f := s.clients[r.IntN(len(s.clients))]
	f.life.Pause()
	lasts(programPausedFor)
	return f.life.Continue
}

func (s *stage) program(library string) *foreign {
	for _, f := range s.clients {
		if f.library == library {
			return f
		}
	}
	s.t.Fatalf("no clients of %s", library)
	return nil
}
