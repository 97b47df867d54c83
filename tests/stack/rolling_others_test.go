//go:build stack

package stack_test

import (
	"bufio"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// The same for clients of other libraries, which run as programs, in groups of both protocols. Not of CI: make test-rolling.
func TestRollingOthers_RestartOfThreeBrokersIsNotNoticed(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		for library, talk := range map[string]func(testing.TB, string, ...string) *harness.Talk{"librdkafka": harness.TalkPython, "java": harness.TalkJava} {
			t.Run(library+" "+protocol, func(t *testing.T) {
				c := harness.StartCluster(t, harness.Options{Brokers: 3, Arguments: rollingArguments})
				program := map[string]string{"librdkafka": "steady.py", "java": "Steady.java"}[library]
				roll(t, c, startForeignSteady(t, c.Seeds(), program, protocol, talk))
			})
		}
	}
}

// startForeignSteady runs a program, and takes what it says on a connection.
func startForeignSteady(t *testing.T, seeds []string, program, protocol string, talk func(testing.TB, string, ...string) *harness.Talk) *steady {
	t.Helper()
	s := newSteady(t, seeds, "rolling")
	client, conn := harness.CallBack(t, func(address string) *harness.Talk {
		return talk(t, program, strings.Join(seeds, ","), address, s.topic, strconv.Itoa(trafficPartitions), protocol)
	})
	s.stop = func() { client.Say("stop") }
	s.work.Go(func() {
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			if s.heard(lines.Text()) {
				s.work.Go(func() { s.awaitAll(t.Context()); client.Say("end") })
			}
		}
	})
	t.Cleanup(func() {
		client.Kill()
		conn.Close()
		s.work.Wait()
	})
	return s
}

// heard takes a line; true: the producers have come to their end.
func (s *steady) heard(line string) (flushed bool) {
	word, rest, _ := strings.Cut(line, " ")
	after, value, _ := strings.Cut(rest, " ")
	took, err := strconv.ParseInt(after, 10, 64)
	switch {
	case word == "sent":
		s.sent()
	case word == "acked" && err == nil:
		s.acked(time.Duration(took))
	case word == "got" && err == nil:
		member, value, _ := strings.Cut(value, " ")
		s.got(member, value, time.Duration(took))
	case word == "flushed":
		return true
	default:
		s.failed("%s", line)
	}
	return false
}
