package cost

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Month is the seconds of an average one.
const Month = 365.25 * 24 * 3600 / 12

// Requests are those of a month, by kind.
type Requests struct {
	Put    float64 `json:"put"`
	Get    float64 `json:"get"`
	List   float64 `json:"list"`
	Delete float64 `json:"delete"` // free
	// Counted by brokers, or else estimated; How says from what.
	Counted bool   `json:"counted"`
	How     string `json:"how"`
}

// Count reads the counters of all running brokers, and takes their average since each was started for what a month has.
func Count(ctx context.Context, client *http.Client, addresses []string, now time.Time) (Requests, error) {
	r := Requests{Counted: true}
	least := time.Duration(0)
	for i, a := range addresses {
		up, counts, err := scrape(ctx, client, a, now)
		if err != nil {
			return r, fmt.Errorf("metrics of %s: %w", a, err)
		}
		if i == 0 || up < least {
			least = up
		}
		month := Month / up.Seconds()
		r.Put += counts["put"] * month
		r.Get += counts["get"] * month
		r.List += counts["list"] * month
		r.Delete += counts["delete"] * month
	}
	r.How = fmt.Sprintf("counted by %d brokers, the youngest up for %v", len(addresses), least.Round(time.Second))
	return r, nil
}

// Counted reads the counters of one running broker: requests to the object store since it was started, by kind.
func Counted(ctx context.Context, client *http.Client, address string) (Requests, error) {
	_, counts, err := scrape(ctx, client, address, time.Now())
	if err != nil {
		return Requests{}, fmt.Errorf("metrics of %s: %w", address, err)
	}
	return Requests{Put: counts["put"], Get: counts["get"], List: counts["list"], Delete: counts["delete"], Counted: true, How: "counted"}, nil
}

// scrapeMax bounds an answer of /metrics.
const scrapeMax = 16 << 20

func scrape(ctx context.Context, client *http.Client, address string, now time.Time) (up time.Duration, counts map[string]float64, err error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/metrics", nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, nil, fmt.Errorf("answered %s", res.Status)
	}
	counts = map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(res.Body, scrapeMax))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		if op, ok := strings.CutPrefix(name, `firnlog_store_requests_total{op="`); ok {
			counts[strings.TrimSuffix(op, `"}`)] += v
		}
		if name == "process_start_time_seconds" {
			up = now.Sub(time.UnixMilli(int64(v * 1000)))
		}
	}
	if err := lines.Err(); err != nil {
		return 0, nil, err
	}
	if up <= 0 {
		return 0, nil, fmt.Errorf("no process_start_time_seconds before now")
	}
	return up, counts, nil
}

// What an estimate assumes of maintenance.
const (
	settledBytes  = 64 << 20 // of a settled object
	pieceBytes    = 4 << 20  // of one GET of settling
	rewrites      = 2        // how often a byte is settled: once or twice, four times at most
	journalMonth  = Month / 10
	sweepsMonth   = Month / 600
	listPage      = 1000
	segmentsUsual = 8 << 20
)

// Estimate guesses the requests of a month from the rate at which records came and the size of the segments that are
// there (0: none). Reads of consumers are not in it: those at the tail cost none.
func Estimate(bytesPerSecond, segmentBytes float64, objects int64) Requests {
	if segmentBytes <= 0 {
		segmentBytes = segmentsUsual
	}
	month := bytesPerSecond * Month
	return Requests{
		Put:  month/segmentBytes + rewrites*month/settledBytes + journalMonth,
		Get:  rewrites * month / pieceBytes,
		List: sweepsMonth * (3 + float64(objects)/listPage),
		How: fmt.Sprintf("estimated: %.0f bytes a second by the records' timestamps, segments of %.0f bytes, settled %d times to %d MiB, a journal object every 10 s, sweep every 10 min; consumers' reads left out",
			bytesPerSecond, segmentBytes, rewrites, settledBytes>>20),
	}
}
