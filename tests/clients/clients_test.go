//go:build stack

package clients

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

var (
	updateDocs = flag.Bool("update-docs", false, "write the tables in docs/SUPPORTED.md")
	quick      = flag.Bool("quick", false, "only those that run on each change")
	target     = flag.String("target", "firnlog", "firnlog, or apache-kafka to see that the scripts are right")
)

// bootstrap starts what the clients talk to.
func bootstrap(t *testing.T) string {
	t.Helper()
	if *target == "apache-kafka" {
		return apachekafka.Start(t).Bootstrap
	}
	return harness.StartCluster(t, harness.Options{Brokers: 3}).Bootstrap()
}

func TestClients(t *testing.T) {
	start, title, servers, clients := time.Now(), heading(t), bootstrap(t), roster(t)
	rows := make([]*row, len(clients))
	t.Run("each", func(t *testing.T) {
		for i, c := range clients {
			if *quick && !c.quick {
				continue
			}
			t.Run(c.slug(), func(t *testing.T) {
				t.Parallel() // they mostly wait for sessions to run out
				rows[i] = c.steps(t, servers)
				for _, f := range rows[i].failures() {
					t.Errorf("%s %s: %s", c.name, rows[i].version, f)
				}
			})
		}
	})
	rows = slices.DeleteFunc(rows, func(r *row) bool { return r == nil })
	t.Logf("%d clients in %v\n%s", len(rows), time.Since(start).Round(time.Second), clientsTable(rows))
	if *updateDocs && !*quick {
		writeBetween(t, "clients", title+clientsTable(rows))
	}
}

func ended(err error) outcome {
	if err != nil {
		return outcome{"FAIL", err.Error()}
	}
	return outcome{state: "ok"}
}

// steps runs a client through all of them.
func (c client) steps(t *testing.T, bootstrap string) *row {
	r, topic := &row{name: c.name, steps: map[string]outcome{"KIP-848": {state: "none"}}}, "clients-"+c.slug()
	for _, verb := range [][]string{{"write", bootstrap, topic}, {"read", bootstrap, topic, topic}} {
		result := c.run(t, verb...)
		r.read(result.Output)
		if strings.Contains(result.Output, "FAIL ") || result.Err != nil {
			t.Logf("%s said:\n%s\n%.4000s", verb[0], result.Output, result.Errors)
		}
		if verb[0] == "read" {
			continue
		}
		if result.Err != nil {
			break
		}
		if r.steps["group"].state == "skip" {
			continue
		}
		r.steps["group"] = ended(threeMembers(t, c, bootstrap, topic+"-members"))
		if c.kip848 && !*quick { // its sessions are long
			r.steps["KIP-848"] = ended(threeMembers(t, c, bootstrap, topic+"-848", "consumer"))
		}
	}
	return r
}
