package stack

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/firnlog/firnlog/localstack/lambda"
)

// schedule invokes a function again and again as EventBridge Scheduler does that has no input of its own. An invocation that fails is logged;
// the next one comes in its time. While one takes longer than the period, none is added.
type schedule struct {
	Name   string
	Every  time.Duration
	Invoke func(ctx context.Context, event []byte) ([]byte, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// scheduled is the event. Its detail is a text.
type scheduled struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     string   `json:"detail"`
}

func (c *schedule) run(ctx context.Context) {
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if ctx.Err() != nil { // both were so: an invocation has taken long
			return
		}
		answer, err := c.Invoke(context.WithoutCancel(ctx), c.event())
		if err != nil {
			c.Log.Warn("scheduled invocation failed", "function", c.Name, "error", err)
			continue
		}
		c.Log.Debug("scheduled invocation", "function", c.Name, "answer", string(answer))
	}
}

func (c *schedule) event() []byte {
	raw, _ := json.Marshal(scheduled{ // texts alone
		Version: "0", ID: lambda.NewID(), DetailType: "Scheduled Event", Source: "aws.scheduler", Account: "000000000000", Region: region,
		Time: c.Now().UTC().Format(time.RFC3339), Resources: []string{"arn:aws:scheduler:" + region + ":000000000000:schedule/default/" + c.Name}, Detail: "{}",
	})
	return raw
}

// serve serves until the server is closed.
func (s *Stack) serve(server *http.Server) error {
	l, err := net.Listen("tcp", server.Addr)
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	return nil
}
